"""What an order bought by itself or brought along goes with it, whatever the program says now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import set_ahead_ms
from loyalty_service.domain.errors import PointsInsufficientError
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.grants import GivenOn, GrantTerms
from loyalty_service.domain.returns import ReturnedLine
from tests.storage.test_grants import (
    apply,
    enroll_by_call,
    giving,
    granted_soup,
    listed,
    order,
    refused,
)
from tests.support.orders import DAY_MS, Till, basket, item, offer
from tests.support.programs import enroll

CASH = GrantTerms("cash", "9b08923d-10c6-4fd9-94b2-b8fda02f34a6", points=40, by_itself=True)
"""Soup for 40 points, as soon as a member has them."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Set the clock back."""
    yield
    set_ahead_ms(0)


async def grants_of(till: Till, guest: str) -> int:
    """Tell how many grants of soup a guest can use."""
    return len(await listed(till, guest))


async def take(till: Till, transaction: str, quantity: int | None) -> Any:
    """Return some of the only line of an order."""
    lines = (ReturnedLine("1", quantity),)
    command = ReturnLines(till.key, transaction, lines, None, keyed=False)
    return (await till.call(return_lines, command)).result


@pytest.mark.parametrize("whole_return", [False, True])
async def test_void_takes_back_what_the_program_sells_no_more(
    till: Till, *, whole_return: bool
) -> None:
    """The grants go and their points with the order's, though the file has no such terms."""
    await apply(till, replace(giving(CASH), void_spent="refuse"))
    guest = await enroll_by_call(till)
    bought = await order(till, guest, basket(item(1000)))
    assert await grants_of(till, guest) == 2
    await apply(till, replace(granted_soup(), void_spent="refuse"))

    if whole_return:
        done = await take(till, bought, None)
    else:
        done = (await till.void(bought)).result

    assert (done.available_points, await grants_of(till, guest)) == (0, 0)


async def test_void_takes_back_what_first_orders_give_no_more(till: Till) -> None:
    """What came with the only order goes with it, also when the program gives it to nobody now."""
    await apply(till, giving(GrantTerms("chips", CASH.incentive_id, GivenOn.FIRST_ORDER)))
    guest = await enroll_by_call(till)
    first = await order(till, guest, basket(item(1000)))
    assert await grants_of(till, guest) == 1
    await apply(till, granted_soup())

    await till.void(first)

    assert await grants_of(till, guest) == 0


@pytest.mark.parametrize("void_spent", ["refuse", "debt"])
async def test_return_takes_back_what_its_points_bought_as_far_as_they_are_missing(
    till: Till, void_spent: Any
) -> None:
    """Of 100 points 80 bought two: with 30 less there is one, with 70 less none, and no debt."""
    await apply(till, replace(giving(CASH), void_spent=void_spent))
    guest = await enroll_by_call(till)
    bought = await order(till, guest, basket(item(100, quantity=10)))
    left = []
    for quantity in (2, 1, 4):
        done = await take(till, bought, quantity)
        left.append((done.available_points, await grants_of(till, guest)))

    assert left == [(0, 2), (30, 1), (30, 0)]


async def test_return_leaves_what_is_used_and_then_refuses(till: Till) -> None:
    """What the order bought and its guest has used is spent: the program's rule decides."""
    await apply(till, replace(giving(CASH), void_spent="refuse"))
    guest = await enroll_by_call(till)
    bought = await order(till, guest, basket(item(400)))
    await order(till, guest, basket(offer(CASH.incentive_id)))
    assert await refused(till, guest) == "not-granted"

    with pytest.raises(PointsInsufficientError):
        await take(till, bought, None)


async def test_points_that_are_over_by_now_are_no_reason_to_accept(till: Till) -> None:
    """What comes back past its day can't be taken, so the void is refused as without it."""
    ages = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    await apply(till, replace(giving(CASH), expiry=ages, void_spent="refuse"))
    guest = await enroll(till.store, 0)
    bought = await order(till, guest, basket(item(400)))
    set_ahead_ms(40 * DAY_MS)

    assert await changes_until_refused(till, bought) == 0


async def test_void_is_refused_before_it_writes(till: Till) -> None:
    """So the calls that share its batch do not run again because of it."""
    await apply(till, replace(giving(CASH), void_spent="refuse"))
    guest = await enroll_by_call(till)
    bought = await order(till, guest, basket(item(800)))
    await order(till, guest, basket(offer(CASH.incentive_id)))

    assert await changes_until_refused(till, bought) == 0


async def changes_until_refused(till: Till, transaction: str) -> int | None:
    """Void an order that is refused; tell how much was written before."""

    def do(unit: Unit, _: int) -> int | None:
        try:
            void_transaction(unit, VoidTransaction(till.key, transaction), till.now_ms)
        except PointsInsufficientError:
            return unit.changes
        return None

    return await till.store.write(do)
