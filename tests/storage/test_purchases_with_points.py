"""Purchases that are paid with points: what was reserved is spent with the purchase, or not."""

from __future__ import annotations

import asyncio

import pytest

from loyalty_service.application.accounts.redemption_locks import (
    LockRedemption,
    lock_redemption,
)
from loyalty_service.domain.account_errors import (
    RedemptionNotAllowedError,
    ReservationInvalidError,
)
from loyalty_service.domain.blocks import Blocked
from tests.support.ledger import balances, rows
from tests.support.orders import Till, item
from tests.support.programs import enroll
from tests.support.purchases import pay, start
from tests.support.visits import STEP, block, reserve


async def test_reserved_points_are_spent_with_the_purchase(till: Till, database_url: str) -> None:
    """They are gone for good, and the purchase earns; the token is used up."""
    guest = await enroll(till.store, 2 * STEP)
    visit, other = await start(till, guest), await start(till, guest)
    token = (await reserve(till, visit)).reservation_token

    paid = await pay(till, other, item(1000), reservation_token=token)

    assert (paid.redeemed_points, paid.earned_points) == (STEP, 100)
    assert (paid.points, paid.available_points) == (STEP + 100, STEP + 100)
    assert balances(database_url, guest) == (STEP + 100, 0)
    assert paid.prompt.receipt.split("\n")[1] == f"Redeemed: {STEP}"
    used = "SELECT used_by, transaction_id FROM points_reservation, loyalty_transaction"
    (row,) = rows(database_url, used)
    assert row.used_by == row.transaction_id
    with pytest.raises(ReservationInvalidError):
        await pay(till, visit, item(1000), reservation_token=token)
    with pytest.raises(RedemptionNotAllowedError):
        await pay(till, await start(till), item(1000), reservation_token=token)
    await pay(till, visit, item(1000))


async def test_token_of_another_member_spends_nothing(till: Till, database_url: str) -> None:
    """Nor does one that was never given out; the session stays open for the purchase without it."""
    guest, other = await enroll(till.store, STEP), await enroll(till.store, STEP)
    token = (await reserve(till, await start(till, guest))).reservation_token
    visit = await start(till, other)
    for wrong in (token, "nothing"):
        with pytest.raises(ReservationInvalidError):
            await pay(till, visit, reservation_token=wrong)
    assert balances(database_url, guest) == (0, STEP)
    assert (await pay(till, visit)).earned_points == 100


async def test_block_that_comes_between_does_not_stop_the_purchase(till: Till) -> None:
    """ES-18: the goods are paid with what was reserved before."""
    guest = await enroll(till.store, STEP)
    visit = await start(till, guest)
    token = (await reserve(till, visit)).reservation_token
    till.now_ms += 1
    await block(till, guest, Blocked.REDEEM)

    paid = await pay(till, visit, reservation_token=token)

    assert (paid.redeemed_points, paid.points) == (STEP, 100)


async def test_lock_that_comes_between_stops_the_purchase(till: Till) -> None:
    """Whoever locks redemptions locks all of them, those that were reserved for included."""
    guest = await enroll(till.store, STEP)
    visit, other = await start(till, guest), await start(till, guest)
    token = (await reserve(till, visit)).reservation_token
    await till.call(lock_redemption, LockRedemption(till.key, other))
    with pytest.raises(RedemptionNotAllowedError):
        await pay(till, visit, reservation_token=token)


async def test_one_reservation_pays_for_one_purchase(till: Till, database_url: str) -> None:
    """However many tills send it at once."""
    guest = await enroll(till.store, STEP)
    token = (await reserve(till, await start(till, guest))).reservation_token
    visits = [await start(till, guest) for _ in range(8)]
    told = await asyncio.gather(
        *(pay(till, visit, reservation_token=token) for visit in visits), return_exceptions=True
    )
    refused = [one for one in told if isinstance(one, ReservationInvalidError)]
    assert len(refused) == len(visits) - 1
    assert balances(database_url, guest) == (100, 0)
