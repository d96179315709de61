"""The sandbox's fixed data: one program, five members, five keys and the fixed codes."""

from __future__ import annotations

from pathlib import Path

from loyalty_service.application.members.enroll_member import enrolled, new_member
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.apply_program import ApplyProgram, apply_program
from loyalty_service.application.operators.create_key import CreateKey, create_key
from loyalty_service.application.operators.promo_codes import (
    CreatePromoCodes,
    create_promo_codes,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.bootstrap import database_of
from loyalty_service.config import Settings
from loyalty_service.domain.clock import parse_rfc3339
from loyalty_service.domain.codes import digested_promo
from loyalty_service.domain.events import OPERATOR
from loyalty_service.domain.keys import Role, key_digest
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.fixed_codes import (
    AMIRA,
    FARHAN,
    FIXED_CODES,
    LUC,
    NOOR,
    ODILE,
    PROMO_CODE,
    PROMO_CODE_AGAIN,
    put_fixed_code,
)
from loyalty_service.storage.alone import require_unopened
from loyalty_service.storage.contents import strangers
from loyalty_service.storage.databases import Database

PROGRAM_FILE = Path(__file__).with_name("program.yaml")
CREATED = "2021-08-10T12:18:39.180Z"

KEYS = {
    "sandbox-pos-key": Role.TILL,
    "sandbox-app-key": Role.APP,
    "sandbox-admin-key": Role.ADMIN,
    "sandbox-one-store-key": Role.TILL,
    "sandbox-points-key": Role.POINTS,
}

KEY_STORES = {"sandbox-one-store-key": frozenset((1001,))}
"""The stores of keys that are not for all of them."""

# Name and points; Farhan's 14464 remain after code 123456 has held 800 for a coffee.
MEMBERS = {
    FARHAN: ("Farhan", 15264),
    NOOR: ("Noor", 14464),
    AMIRA: ("Amira", 30000),
    LUC: ("Luc", 250),
    ODILE: ("Odile", 20000),
}


USES_MAX = 1_000_000_000
"""So often a promo code can be used that can always be used."""

DATABASE_OF_ITS_OWN = "LOYALTY_DATABASE_URL is set: delete that database yourself."


class StoreInUseError(OperatorError):
    """Raised when the sandbox is given a store that others use."""


def require_own_store(database: Database) -> None:
    """
    Refuse to put published keys and invented points where real ones are.

    Raises:
        StoreInUseError: The database has programs or keys that no sandbox made.
    """
    program = parse_program(PROGRAM_FILE.read_text(encoding="utf-8"), PROGRAM_FILE.name)
    found = strangers(database, [program.program_id], [key_digest(secret) for secret in KEYS])
    if found:
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise StoreInUseError(
            f"{database.url.render_as_string(hide_password=True)} is not a sandbox's database: "
            f"it has {found[0]}{others}: set LOYALTY_DATA_DIR to another folder for the sandbox"
            f"{'' if database.embedded else ', and no LOYALTY_DATABASE_URL'}."
        )


def reset_sandbox(settings: Settings) -> Path | None:
    """
    Delete the sandbox's store, so that the next start makes it from the beginning.

    Returns:
        The file that was deleted; absent where there was none.

    Raises:
        OpenElsewhereError: A sandbox has it open.
        StoreInUseError: The database has programs or keys that no sandbox made.
        OperatorError: The store is no file of its own.
    """
    database = database_of(settings)
    if settings.database_url:
        raise OperatorError(DATABASE_OF_ITS_OWN)
    require_own_store(database)
    file = Path(database.url.database or "")
    if not file.exists():
        return None
    require_unopened(database)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    return file


def put_demo_data(unit: Unit, now_ms: int) -> Program:
    """Bring the demo program and whatever is missing of the fixed data into a database."""
    program = parse_program(PROGRAM_FILE.read_text(encoding="utf-8"), PROGRAM_FILE.name)
    perform(unit, now_ms, Run(apply_program, ApplyProgram(program)))
    for secret, role in KEYS.items():
        if key_digest(secret) not in unit.catalog.keys:
            command = CreateKey(
                program.program_id,
                "sandbox",
                role,
                KEY_STORES.get(secret, frozenset()),
                secret=secret,
            )
            perform(unit, now_ms, Run(create_key, command))
    for loyalty_id, (name, points) in MEMBERS.items():
        if unit.member(program.program_id, loyalty_id) is None:
            created_ms = parse_rfc3339(CREATED)
            member = new_member(program.program_id, loyalty_id, name, created_ms)
            unit.add_member(member)
            unit.append(enrolled(member), OPERATOR, now_ms)
            adjustment = AdjustPoints(
                program.program_id, loyalty_id, points, "sandbox", beyond_limits=True
            )
            perform(unit, now_ms, Run(adjust_points, adjustment))
    for digits in FIXED_CODES:
        digest = unit.code_digest(program.program_id, digits)
        if unit.code(program.program_id, digest) is None:
            put_fixed_code(unit, program.program_id, digits, now_ms)
    for promo in (
        promo_codes_of(program.program_id),
        promo_codes_of(program.program_id, USES_MAX, PROMO_CODE_AGAIN, "certify"),
    ):
        digest = unit.code_digest(program.program_id, digested_promo(promo.codes[0]))
        if unit.promo_code(program.program_id, digest) is None:
            perform(unit, now_ms, Run(create_promo_codes, promo))
    return program


def promo_codes_of(
    program_id: str, most_per_member: int = 1, code: str = PROMO_CODE, label: str = "welcome"
) -> CreatePromoCodes:
    """Tell of a promo code that the sandbox has."""
    return CreatePromoCodes(
        program_id,
        label,
        (code,),
        points=100,
        most_uses=USES_MAX,
        most_per_member=most_per_member,
    )
