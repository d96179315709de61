"""Locks of all redemptions of a member, which the tills of every contract respect."""

from __future__ import annotations

from typing import Any

import pytest

from loyalty_service.application.accounts.redemption_locks import (
    LockedBy,
    LockRedemption,
    RedemptionLock,
    list_locks,
    lock_redemption,
    unlock_redemption,
)
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.account_errors import RedemptionNotAllowedError
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import LoyaltyError
from tests.support.ledger import balances, rows
from tests.support.orders import CLAIMED, COFFEE, Till, basket, item
from tests.support.orders import reward as reward_line
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.visits import (
    STEP,
    balance_in,
    block,
    cancel,
    lower,
    open_visit,
    redeem,
    reserve,
    reward,
)


async def _lock(till: Till, visit: str, reason: str | None = "stolen") -> RedemptionLock:
    told = await till.call(lock_redemption, LockRedemption(till.key, visit, reason))
    found: RedemptionLock = told.result
    return found


async def _unlock(till: Till, visit: str) -> Any:
    return await till.call(unlock_redemption, LockRedemption(till.key, visit))


async def _locks(till: Till, visit: str) -> tuple[RedemptionLock, ...]:
    async with till.store.read() as reader:
        program = till.store.catalog.programs[PROGRAM_ID]
        return await list_locks(reader, program, till.key, visit, till.now_ms)


async def test_locked_member_earns_and_redeems_nothing(till: Till, database_url: str) -> None:
    """What is reserved stays held and can't be used; it can be lowered and cancelled."""
    guest = await enroll(till.store, 3 * STEP)
    visit = await open_visit(till, guest)
    first, second = [(await reserve(till, visit)).reservation_token for _ in range(2)]
    lock = await _lock(till, visit)
    assert await _locks(till, visit) == (lock,)
    assert (lock.loyalty_id, lock.by, lock.since_ms) == (guest, LockedBy.MEMBER, till.now_ms)
    assert (await balance_in(till, visit)).most == 0
    for call in (reserve(till, visit), redeem(till, visit, first)):
        with pytest.raises(RedemptionNotAllowedError):
            await call
    await reward(till, visit)
    await lower(till, visit, first, STEP)
    await cancel(till, visit, second)
    await _unlock(till, visit)
    assert await _locks(till, visit) == ()
    await redeem(till, visit, first)
    assert balances(database_url, guest) == (2 * STEP + 500, 0)


async def test_till_of_another_contract_respects_the_lock(till: Till) -> None:
    """It holds and burns no points of a locked member; the order earns."""
    guest = await enroll(till.store, STEP)
    visit = await open_visit(till, guest)
    await _lock(till, visit)
    transaction = await till.identify(guest)
    with pytest.raises(LoyaltyError):
        await till.update(transaction, CLAIMED, basket(reward_line(COFFEE), item(1000)))
    await till.update(transaction, CLAIMED, basket(item(1000)))
    await _unlock(till, visit)
    later = await till.identify(guest)
    await till.update(later, CLAIMED, basket(reward_line(COFFEE), item(1000)))


async def test_lock_again_is_the_same_and_no_lock_is_lifted_twice(
    till: Till, database_url: str
) -> None:
    """Whoever repeats a call changes nothing, and one event tells of each change."""
    guest = await enroll(till.store)
    visit = await open_visit(till, guest)
    lock = await _lock(till, visit)
    till.now_ms += 1000
    assert await _lock(till, visit, "again") == lock
    await _unlock(till, visit)
    await _unlock(till, visit)
    told = rows(
        database_url,
        "SELECT kind, before_state, after_state, reason FROM event "
        "WHERE kind IN (4, 5) ORDER BY event_id",
    )
    assert [tuple(row) for row in told] == [(4, 0, 2, "stolen"), (5, 2, 0, None)]


async def test_lock_and_an_operators_block_do_not_lift_one_another(till: Till) -> None:
    """Each is told by itself, and the member redeems only once both are gone."""
    guest = await enroll(till.store, STEP)
    visit = await open_visit(till, guest)
    await block(till, guest, Blocked.REDEEM)
    await _lock(till, visit)
    assert [lock.by for lock in await _locks(till, visit)] == [LockedBy.MEMBER, LockedBy.OPERATOR]
    await _unlock(till, visit)
    (left,) = await _locks(till, visit)
    assert (left.by, left.since_ms) == (LockedBy.OPERATOR, till.now_ms)
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit)
    await _lock(till, visit)
    await block(till, guest, Blocked.NOTHING)
    assert [lock.by for lock in await _locks(till, visit)] == [LockedBy.MEMBER]
    await _unlock(till, visit)
    await reserve(till, visit)


async def test_who_knows_a_phone_number_may_lock_and_not_unlock(till: Till) -> None:
    """Nor is there anything to lock of a shopper without a loyalty ID."""
    guest = await enroll(till.store)
    known = await open_visit(till, guest, earn_only=True)
    await _lock(till, known)
    with pytest.raises(RedemptionNotAllowedError):
        await _unlock(till, known)
    nobody = await open_visit(till, None)
    assert await _locks(till, nobody) == ()
    for call in (_lock(till, nobody), _unlock(till, nobody)):
        with pytest.raises(RedemptionNotAllowedError):
            await call


async def test_erased_member_keeps_no_reason(till: Till, database_url: str) -> None:
    """Why a lock was set is what somebody wrote about the person."""
    guest = await enroll(till.store)
    await _lock(till, await open_visit(till, guest), "card of Amira stolen")
    run = Run(erase_member, EraseMember(PROGRAM_ID, guest, "asked"))
    await till.store.write(lambda unit, now_ms: perform(unit, now_ms, run))
    (row,) = rows(database_url, "SELECT locked_ms, lock_reason FROM member")
    assert tuple(row) == (None, None)
