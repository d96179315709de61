"""
The sandbox's fixed codes, which behave like the test cards of a payment sandbox.

Each is armed again after its use, so that a document or test can use it any number of times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.orders.identify_member import (
    Identified,
    IdentifyMember,
    identify_member,
)
from loyalty_service.application.orders.repeated_orders import answer_of_use
from loyalty_service.application.orders.void_transaction import void, voided_events
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import owed_points
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event
from loyalty_service.domain.records import Code, CodeStatus, TransactionStatus
from loyalty_service.sandbox.kinds import FAULT_CODES

FARHAN = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
NOOR = "0d9b2f64-7c1e-4b5a-9f3d-2e8a6c5b7d10"
AMIRA = "5e2c8a17-3f94-4d6b-8b0e-91c7d4a6f321"
LUC = "a83f6d0c-52b7-4e19-b4d8-6f0e3c9a1b42"
MEI = "2b6f4e1d-8c37-4a95-b0d2-71e5f9a3c864"

PROMO_CODE = "WELCOME-2026"
"""Gives 100 points to each member, once."""

PROMO_CODE_AGAIN = "CERTIFY-2026"
"""Gives 100 points to each member, as often as it is typed: a certification can be run again."""

PROMO_CODE_OFFER = "CROISSANT-2026"
"""Gives an offer, as often as it is typed, also to a guest who is not identified."""

COFFEE = "3e9a71a8-75f8-493a-bb2a-e13f92052427"
HASH_BROWN = "88a13d3f-e5af-4a23-8b32-3ed421662c62"
TWENTY_PERCENT = "1b97c0c1-2a03-4b5c-be0d-2470fbed5696"
PARTY_PLATTER = "f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44"
CROISSANT = "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364"
RETIRED_REWARD = "4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277"
RETIRED_OFFER = "97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088"

ODILE = "c6b1e0f2-94d7-4a38-8e5c-3f27a9d0b614"

YEAR_MS = 365 * 24 * 3_600_000


Choice = tuple[Literal["reward", "offer"], str, int]
"""The kind of an incentive, which one, and how many."""


@dataclass(frozen=True, slots=True)
class FixedCode:
    """
    What a fixed code stands for.

    Attributes:
        points: What its member has when it is shown.
        beside: Whether orders of other codes of the member go on beside it: then the member has
            those points only if nothing is held.
    """

    loyalty_id: str
    selection: tuple[Choice, ...] = ()
    state: Literal["armed", "used", "expired"] = "armed"
    points: int | None = None
    beside: bool = False


_COFFEE: Choice = ("reward", COFFEE, 1)
_HASH_BROWN: Choice = ("offer", HASH_BROWN, 1)
_BESIDE: dict[str, tuple[Choice, ...]] = {
    "930000": (),
    "930001": (_COFFEE, _HASH_BROWN),
    "930002": (_HASH_BROWN,),
    "930003": (_COFFEE,),
}
"""Codes for certification: of a guest who shows several, one after the other."""

FIXED_CODES = {
    "123456": FixedCode(FARHAN, (("reward", COFFEE, 1), ("offer", HASH_BROWN, 1)), points=15264),
    "234567": FixedCode(NOOR, (("offer", TWENTY_PERCENT, 1),), points=14464),
    "900422": FixedCode(LUC, state="used"),
    "900404": FixedCode(LUC, state="expired"),
    "900405": FixedCode(LUC, (("reward", RETIRED_REWARD, 1),)),
    "900406": FixedCode(LUC, (("offer", RETIRED_OFFER, 1),)),
    "900407": FixedCode(LUC, (("reward", PARTY_PLATTER, 1),)),
} | {
    # One for each fault.
    code: FixedCode(ODILE, (_COFFEE, _HASH_BROWN), points=20000)
    for code in FAULT_CODES
}
FIXED_CODES |= {
    code: FixedCode(ODILE, selection, points=20000, beside=True)
    for code, selection in _BESIDE.items()
}


def put_fixed_code(unit: Unit, program_id: str, digits: str, now_ms: int) -> None:
    """Bring a fixed code into the state it stands for."""
    fixed = FIXED_CODES[digits]
    member = unit.member(program_id, fixed.loyalty_id)
    if member is None:
        raise LookupError(f"the sandbox has no member {fixed.loyalty_id}")
    digest = unit.code_digest(program_id, digits)
    code = Code(
        program_id=program_id,
        digest=digest,
        member_number=member.number,
        loyalty_id=fixed.loyalty_id,
        status=CodeStatus.CLAIMED if fixed.state == "used" else CodeStatus.PENDING,
        selection=json.dumps(fixed.selection, separators=(",", ":")),
        lifetime_s=unit.catalog.programs[program_id].code_lifetime_s,
        user_datetime=None,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms - 1 if fixed.state == "expired" else now_ms + 100 * YEAR_MS,
    )
    unit.put_code(code, unit.code(program_id, digest))


def identify_in_sandbox(
    unit: Unit, command: IdentifyMember, now_ms: int
) -> Done[Identified] | Repeated:
    """Arm a fixed code that another order has used, then identify as everywhere."""
    if command.identifier not in FIXED_CODES:
        return identify_member(unit, command, now_ms)
    armed = _arm(unit, command, now_ms)
    outcome = identify_member(unit, replace(command, published=True), now_ms)
    if isinstance(outcome, Done):
        return replace(outcome, events=(*armed, *outcome.events))
    return outcome


def _arm(unit: Unit, command: IdentifyMember, now_ms: int) -> tuple[Event, ...]:
    """Make a fixed code usable; returns what happened on the way."""
    program_id = command.key.program_id
    fixed = FIXED_CODES[command.identifier]
    code = unit.code(program_id, unit.code_digest(program_id, command.identifier))
    events: tuple[Event, ...] = ()
    if code is None or fixed.state != "armed":
        return events
    opened = unit.transaction(code.transaction_id) if code.transaction_id else None
    if opened is not None and opened.status is not TransactionStatus.VOID:
        pos, partner = command.point_of_sale, command.key.partner
        retry = answer_of_use(unit, code, opened, pos, partner) is not None
        if retry and opened.status is TransactionStatus.PENDING:
            return events  # Answered as the first time.
        program = replace(unit.catalog.programs[program_id], void_spent="debt")
        before = opened.status
        void(unit, program, opened, now_ms)
        events = voided_events(unit, opened, before)
    if code.status is not CodeStatus.PENDING:
        put_fixed_code(unit, program_id, command.identifier, now_ms)
    return (*events, *_restore_points(unit, program_id, fixed, now_ms))


def _restore_points(
    unit: Unit, program_id: str, fixed: FixedCode, now_ms: int
) -> tuple[Event, ...]:
    """Give the member the points that documents promise, whatever was done meanwhile."""
    member = unit.member(program_id, fixed.loyalty_id)
    if member is None or fixed.points is None:
        return ()
    if fixed.beside and member.held.balance:
        return ()
    difference = fixed.points - member.spendable + owed_points(unit.accounts(member))
    if not difference:
        return ()
    restored = AdjustPoints(program_id, fixed.loyalty_id, difference, "sandbox", beyond_limits=True)
    return adjust_points(unit, restored, now_ms).events
