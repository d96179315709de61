"""Sessions of members at the level of use cases, and what is done in them."""

from __future__ import annotations

import uuid
from typing import Any

from loyalty_service.application.accounts.cancel_reservation import (
    CancelReservation,
    cancel_reservation,
)
from loyalty_service.application.accounts.expire_reservations import (
    expire_reservation,
    find_overdue_reservations,
)
from loyalty_service.application.accounts.get_balance import get_balance
from loyalty_service.application.accounts.issue_redemption import IssueRedemption, issue_redemption
from loyalty_service.application.accounts.issue_reward import IssueReward, issue_reward
from loyalty_service.application.accounts.lower_reservation import (
    LowerReservation,
    lower_reservation,
)
from loyalty_service.application.accounts.reserve_points import ReservePoints, reserve_points
from loyalty_service.application.accounts.void_adhoc import VoidAdhoc, void_adhoc
from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.merge_members import MergeMembers, merge_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import OPERATOR, SWEEPER
from loyalty_service.domain.redeeming import Balance
from loyalty_service.domain.sessions import Session, SessionStatus
from tests.support.orders import Till
from tests.support.programs import PROGRAM_ID

STEP = 25_000
"""Points of one step of the demo program's redemption rules: 10 dollars."""


async def open_visit(
    till: Till,
    guest: str | None,
    *,
    earn_only: bool = False,
    status: SessionStatus = SessionStatus.OPEN,
    store_id: int | None = None,
) -> str:
    """Open a session of a member, or of a shopper without a loyalty ID; return its name."""
    named = str(uuid.uuid4())
    now_ms = till.now_ms

    def work(unit: Unit, _now_ms: int) -> None:
        member = None if guest is None else unit.member(PROGRAM_ID, guest)
        unit.add(
            Session(
                program_id=PROGRAM_ID,
                correlation_id=named,
                status=status,
                member_number=None if member is None else member.number,
                external_identifier=None,
                channel="STORE",
                locale="en-CA",
                anonymous_flag=None,
                created_ms=now_ms,
                updated_ms=now_ms,
                earn_only=1 if earn_only else None,
                store_id=store_id,
            )
        )

    await till.store.write(work, timeout_s=30)
    return named


async def reserve(till: Till, visit: str, points: int | None = STEP, **values: Any) -> Any:
    """Reserve points; return the reservation."""
    command = ReservePoints(till.key, visit, points, **values)
    return (await till.call(reserve_points, command)).result


async def lower(till: Till, visit: str, token: str, points: int) -> Any:
    """Lower a reservation; return it."""
    command = LowerReservation(till.key, visit, token, points)
    return (await till.call(lower_reservation, command)).result


async def cancel(till: Till, visit: str, token: str) -> Any:
    """Cancel a reservation; return what is told."""
    return (await till.call(cancel_reservation, CancelReservation(till.key, visit, token))).result


async def reward(till: Till, visit: str, points: int = 500, **values: Any) -> Any:
    """Give points ad hoc; return the transaction."""
    asked: dict[str, Any] = {"issuer_id": "AIRMILES", "reward_id": "WELCOME_500"}
    command = IssueReward(till.key, visit, points=points, **(asked | values))
    return (await till.call(issue_reward, command)).result


async def redeem(till: Till, visit: str, token: str, **values: Any) -> Any:
    """Redeem a reservation ad hoc; return the transaction."""
    command = IssueRedemption(till.key, visit, token, **values)
    return (await till.call(issue_redemption, command)).result


async def void(till: Till, visit: str, original_id: str, **values: Any) -> Any:
    """Take an ad hoc transaction back; return the void."""
    return (await till.call(void_adhoc, VoidAdhoc(till.key, visit, original_id, **values))).result


async def block(till: Till, guest: str, what: Blocked) -> None:
    """Have an operator keep a member from something."""
    command = BlockMember(PROGRAM_ID, guest, what, "fraud")
    run = Run(block_member, command, by=OPERATOR)
    now_ms = till.now_ms
    await till.store.write(lambda unit, _: perform(unit, now_ms, run), reads=command.reads())


async def merge(till: Till, into: str, merged: str, *, undo: bool = False) -> None:
    """Merge a member into another, or part them again."""
    command: Any = MergeMembers(PROGRAM_ID, into, merged, "Enrolled twice")
    use_case: Any = merge_members
    if undo:
        command, use_case = UnmergeMembers(PROGRAM_ID, into, merged, "Mistake"), unmerge_members
    run, now_ms = Run(use_case, command, by=OPERATOR), till.now_ms
    await till.store.write(lambda unit, _: perform(unit, now_ms, run), reads=command.reads())


async def balance_in(till: Till, visit: str) -> Balance:
    """Read the balance of a session's member."""
    async with till.store.read() as reader:
        program = till.store.catalog.programs[PROGRAM_ID]
        return await get_balance(reader, program, till.key, visit, till.now_ms)


async def sweep_reservations(till: Till) -> int:
    """End the reservations that are past their time at the till's; return how many."""
    now_ms = till.now_ms
    found = await till.store.write(
        lambda unit, _: find_overdue_reservations(unit, None, 100, now_ms), timeout_s=30
    )
    ended = 0
    for overdue in found:
        run = Run(expire_reservation, overdue, by=SWEEPER)
        ended += await till.store.write(
            lambda unit, _, run=run: bool(perform(unit, now_ms, run).result),
            timeout_s=30,
            reads=overdue.reads(),
        )
    return ended
