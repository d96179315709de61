"""How often one member may use an incentive in a period, or for one birthday."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.errors import RulesFailedError
from loyalty_service.domain.restrictions import (
    Anniversary,
    Birthday,
    Cooldown,
    DayWindow,
    MaximumRedemptions,
    Rule,
)
from tests.support.doing import apply_program
from tests.support.orders import CLAIMED, DAY_MS, PENDING, SOUP, Till, basket, item, offer
from tests.support.programs import demo_program

pytestmark = pytest.mark.any_database

ORDER = basket(offer(SOUP), item(1000))
START = datetime(2023, 11, 14, 17, 13)  # noqa: DTZ001 - local by definition; a Tuesday.


async def guest_with(till: Till, *rules: Rule, birth_date: str | None = None) -> str:
    """Enroll a guest where soup has these rules."""
    program = demo_program()
    soup = replace(program.incentives[SOUP], rules=rules, retired=False)
    command = ApplyProgram(replace(program, incentives={**program.incentives, SOUP: soup}))
    await till.store.write(lambda unit, now: apply_program(unit, command, now))
    told = await till.call(enroll_member, EnrollMember(till.key, "Guest", None, None, birth_date))
    loyalty_id: str = told.result.loyalty_id
    return loyalty_id


async def used(till: Till, guest: str, **other: datetime) -> bool:
    """Tell whether an order with soup is claimed, or refused for its rules."""
    transaction = await till.identify(guest)
    try:
        await till.update(transaction, CLAIMED, ORDER, **other)
    except RulesFailedError:
        return False
    return True


@pytest.mark.parametrize(
    ("limit", "days"),
    [("per_day", 1), ("per_week", 6), ("per_month", 17), ("per_year", 48)],
)
async def test_a_period_begins_with_its_first_day(till: Till, limit: str, days: int) -> None:
    """Used on 14 November it may be used again on the first day of the next period."""
    guest = await guest_with(till, MaximumRedemptions(**{limit: 1}))
    assert await used(till, guest)
    till.now_ms += (days - 1) * DAY_MS
    assert not await used(till, guest)
    till.now_ms += DAY_MS

    assert await used(till, guest)


async def test_a_birthday_is_one_occasion_across_new_year(till: Till) -> None:
    """Once from two weeks before 30 December until two weeks after, and once the next time."""
    around = Birthday(DayWindow(-14, 14))
    guest = await guest_with(
        till, around, MaximumRedemptions(per_occasion=1), birth_date="1990-12-30"
    )
    till.now_ms += 40 * DAY_MS
    first = await till.identify(guest)
    await till.update(first, CLAIMED, ORDER)
    till.now_ms += 15 * DAY_MS
    assert not await used(till, guest)
    await till.void(first)
    assert await used(till, guest)
    till.now_ms += 345 * DAY_MS

    assert await used(till, guest)
    assert not await used(till, guest)


async def test_open_orders_reserve_it(till: Till) -> None:
    """What an open order was accepted with is not used by another one of the same day."""
    guest = await guest_with(till, MaximumRedemptions(per_day=1))
    accepted = await till.identify(guest)
    await till.update(accepted, PENDING, ORDER)
    assert not await used(till, guest)

    await till.update(accepted, CLAIMED, ORDER)
    assert not await used(till, guest)


async def test_an_order_that_comes_late_counts_on_its_own_day(till: Till) -> None:
    """Yesterday's order of a till that was offline leaves today's use alone, and took its own."""
    guest = await guest_with(till, MaximumRedemptions(per_day=1))
    yesterday = START - timedelta(days=1)
    assert await used(till, guest, local_time=yesterday)
    assert not await used(till, guest, local_time=yesterday)

    assert await used(till, guest)


async def test_each_occasion_counts_for_itself(till: Till) -> None:
    """An anniversary that brings another use brings none within days of the same birthday."""
    guest = await guest_with(
        till,
        Birthday(DayWindow(-183, 183)),
        Anniversary(DayWindow(-3, 3)),
        MaximumRedemptions(per_occasion=1),
        birth_date="1990-05-14",
    )
    till.now_ms += 365 * DAY_MS  # 13 November 2024
    assert await used(till, guest)
    till.now_ms += 364 * DAY_MS  # 12 November 2025
    assert not await used(till, guest)


@pytest.mark.parametrize("limited", [False, True])
async def test_cooldown_goes_by_the_time_of_the_orders(till: Till, *, limited: bool) -> None:
    """Orders that come late are as far apart as they were, with a limit beside it or not."""
    limits = (MaximumRedemptions(per_day=9),) if limited else ()
    guest = await guest_with(till, *limits, Cooldown(3600))
    at = [START - timedelta(hours=hours) for hours in (20, 19.5, 18, 22)]

    assert [await used(till, guest, local_time=time) for time in at] == [True, False, True, True]
    assert await used(till, guest)
    assert not await used(till, guest)
