"""The demo program and guests of it, put into a store without the sandbox's own data."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import cache
from itertools import count

from loyalty_service.application.codes.issue_code import IssueCode, Selected
from loyalty_service.application.members.enroll_member import enrolled, new_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.identify_member import IdentifyMember
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import OPERATOR
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.domain.program import Program
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.demo_data import PROGRAM_FILE, promo_codes_of
from loyalty_service.storage.store import Store
from tests.support.doing import (
    adjust_points,
    apply_program,
    create_promo_codes,
    issue_code,
)

PROGRAM_ID = "demo-ca"
KEY = ApiKey("key", PROGRAM_ID, "CA", "partner", Role.ADMIN, frozenset())

_orders = count(1)


@cache
def demo_program() -> Program:
    """Read the sandbox's program file, once."""
    return parse_program(PROGRAM_FILE.read_text(encoding="utf-8"), PROGRAM_FILE.name)


def tireless_program() -> Program:
    """Describe the demo program where nobody is told to wait, however often a test calls."""
    limits = {
        LimitName.CALLS_PER_KEY_SECOND.value: 1_000_000,
        LimitName.CODES_PER_MEMBER_MINUTE.value: 1_000,
        LimitName.CODES_PER_KEY_MINUTE.value: 1_000_000,
        LimitName.CODES_LIVE_PER_PARTNER.value: 1_000_000,
        LimitName.ENROLMENTS_PER_KEY_MINUTE.value: 1_000_000,
    }
    return replace(demo_program(), limits=Limits.of(limits))


def other_program() -> Program:
    """Describe a second program, of another region."""
    return replace(demo_program(), program_id="demo-us", region="US", currency="USD")


async def put_program(store: Store, program: Program | None = None) -> None:
    """Apply a program, the demo program unless another is given."""
    command = ApplyProgram(program or demo_program())
    await store.write(lambda unit, now_ms: apply_program(unit, command, now_ms))


def add_member(unit: Unit, now_ms: int, points: int = 0, loyalty_id: str | None = None) -> str:
    """Enroll a guest with points; return their loyalty ID."""
    chosen = loyalty_id or str(uuid.uuid4())
    member = new_member(PROGRAM_ID, chosen, "Guest", now_ms)
    unit.add_member(member)
    unit.append(enrolled(member), OPERATOR, now_ms)
    if points:
        adjust_points(
            unit, AdjustPoints(PROGRAM_ID, chosen, points, "welcome", beyond_limits=True), now_ms
        )
    return chosen


async def enroll(store: Store, points: int = 0) -> str:
    """Enroll a guest with points; return their loyalty ID."""
    return await store.write(lambda unit, now_ms: add_member(unit, now_ms, points))


def add_promo_code(unit: Unit, now_ms: int, program_id: str = PROGRAM_ID) -> None:
    """Keep the sandbox's promo code, which any member may use again and again."""
    create_promo_codes(unit, promo_codes_of(program_id, most_per_member=1_000_000), now_ms)


def issue_command(loyalty_id: str, *incentives: str) -> IssueCode:
    """Ask for a code with one of each incentive."""
    return IssueCode(KEY, loyalty_id, tuple(Selected(name, 1) for name in incentives), None)


async def issue(store: Store, loyalty_id: str, *incentives: str) -> str:
    """Issue a code with one of each incentive; return its digits."""
    command = issue_command(loyalty_id, *incentives)
    issued = await store.write(lambda unit, now_ms: issue_code(unit, command, now_ms))
    return issued.result.digits


def identify_command(identifier: str, order: str | None = None) -> IdentifyMember:
    """Show an identifier at store 9999, for a new order unless one is named."""
    pos = PointOfSale(
        transaction_id=order or f"order-{next(_orders)}",
        store_id=9999,
        pos_type="Partner",
        supporting_pos=None,
        terminal=None,
        operator=None,
    )
    return IdentifyMember(KEY, identifier, pos)
