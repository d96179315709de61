"""The sandbox's fixed data: two programs, their members, API keys and fixed codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    CROISSANT,
    FARHAN,
    FIXED_CODES,
    LUC,
    MEI,
    NOOR,
    ODILE,
    PROMO_CODE,
    PROMO_CODE_AGAIN,
    PROMO_CODE_OFFER,
    put_fixed_code,
)
from loyalty_service.storage.alone import require_unopened
from loyalty_service.storage.contents import strangers
from loyalty_service.storage.databases import Database

PROGRAM_FILE = Path(__file__).with_name("program.yaml")
SINGLE_FILE = Path(__file__).with_name("single.yaml")
"""The second program: one offer and one reward in an order."""

CREATED = "2021-08-10T12:18:39.180Z"

KEYS = {
    "sandbox-pos-key": Role.TILL,
    "sandbox-app-key": Role.APP,
    "sandbox-admin-key": Role.ADMIN,
    "sandbox-one-store-key": Role.TILL,
    "sandbox-points-key": Role.POINTS,
    "sandbox-es-key": Role.TILL,
}
SINGLE_KEYS = {"sandbox-single-key": Role.TILL}
"""Those of the second program."""

KEY_IDS = {"sandbox-es-key": "0199a1f0-0000-7000-8000-0000000000e5"}
"""Those that are the same in every sandbox: they are the `client_id` of who asks for a token."""

KEY_STORES = {"sandbox-one-store-key": frozenset((1001,))}
"""The stores of keys that are not for all of them."""

# Name and points; Farhan's 14464 remain after code 123456 has held 800 for a coffee.
MEMBERS = {
    FARHAN: ("Farhan", 15264),
    NOOR: ("Noor", 14464),
    AMIRA: ("Amira", 30000),
    LUC: ("Luc", 250),
    MEI: ("Mei", 62000),
    ODILE: ("Odile", 20000),
}
SINGLE_MEMBERS = {ODILE: MEMBERS[ODILE]}
SINGLE_CODES = tuple(code for code, fixed in FIXED_CODES.items() if fixed.beside)
"""Who is a member of the second program too, with which codes."""


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
    programs = [_program(file).program_id for file in (PROGRAM_FILE, SINGLE_FILE)]
    found = strangers(database, programs, [key_digest(one) for one in (*KEYS, *SINGLE_KEYS)])
    if found:
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise StoreInUseError(
            f"{database.shown} is not a sandbox's database: "
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


def put_sandbox_data(unit: Unit, now_ms: int) -> None:
    """Bring both programs and whatever is missing of the fixed data into a database."""
    put_demo_data(unit, now_ms)
    program = _program(SINGLE_FILE)
    perform(unit, now_ms, Run(apply_program, ApplyProgram(program)))
    _put_keys(unit, program, SINGLE_KEYS, now_ms)
    _put_members(unit, program, SINGLE_MEMBERS, now_ms)
    _put_codes(unit, program, SINGLE_CODES, now_ms)


def put_demo_data(unit: Unit, now_ms: int) -> Program:
    """Bring the demo program and whatever is missing of its fixed data into a database."""
    program = _program(PROGRAM_FILE)
    perform(unit, now_ms, Run(apply_program, ApplyProgram(program)))
    _put_keys(unit, program, KEYS, now_ms)
    _put_members(unit, program, MEMBERS, now_ms)
    _put_codes(unit, program, FIXED_CODES, now_ms)
    for promo in (
        promo_codes_of(program.program_id),
        promo_codes_of(program.program_id, USES_MAX, PROMO_CODE_AGAIN, "certify"),
        _offer_code(program.program_id),
    ):
        digest = unit.code_digest(program.program_id, digested_promo(promo.codes[0]))
        if unit.promo_code(program.program_id, digest) is None:
            perform(unit, now_ms, Run(create_promo_codes, promo))
    return program


def _program(file: Path) -> Program:
    return parse_program(file.read_text(encoding="utf-8"), file.name)


def _put_keys(unit: Unit, program: Program, keys: Mapping[str, Role], now_ms: int) -> None:
    for secret, role in keys.items():
        if key_digest(secret) not in unit.catalog.keys:
            command = CreateKey(
                program.program_id,
                "sandbox",
                role,
                KEY_STORES.get(secret, frozenset()),
                secret=secret,
                key_id=KEY_IDS.get(secret),
            )
            perform(unit, now_ms, Run(create_key, command))


def _put_members(
    unit: Unit, program: Program, members: Mapping[str, tuple[str, int]], now_ms: int
) -> None:
    for loyalty_id, (name, points) in members.items():
        if unit.member(program.program_id, loyalty_id) is None:
            created_ms = parse_rfc3339(CREATED)
            member = new_member(program.program_id, loyalty_id, name, created_ms)
            unit.add_member(member)
            unit.append(enrolled(member), OPERATOR, now_ms)
            adjustment = AdjustPoints(
                program.program_id, loyalty_id, points, "sandbox", beyond_limits=True
            )
            perform(unit, now_ms, Run(adjust_points, adjustment))


def _put_codes(unit: Unit, program: Program, codes: Iterable[str], now_ms: int) -> None:
    for digits in codes:
        digest = unit.code_digest(program.program_id, digits)
        if unit.code(program.program_id, digest) is None:
            put_fixed_code(unit, program.program_id, digits, now_ms)


def _offer_code(program_id: str) -> CreatePromoCodes:
    """Tell of the promo code that gives an offer and no points, so that it needs no guest."""
    return CreatePromoCodes(
        program_id,
        "croissant",
        (PROMO_CODE_OFFER,),
        points=0,
        most_uses=USES_MAX,
        most_per_member=USES_MAX,
        incentive_id=CROISSANT,
        grant_days=30,
    )


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
