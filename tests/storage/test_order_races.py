"""Calls about one transaction that meet: one of them wins, whole, and the books stay even."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.claim_receipt import ClaimReceipt, claim_receipt
from loyalty_service.domain.errors import (
    RulesFailedError,
    TransactionNotClaimableError,
)
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.restrictions import MaximumRedemptions
from loyalty_service.program_file.goal_records import goals_from_json
from tests.support.doing import apply_program
from tests.support.ledger import audit, balances, count_rows, rows
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    SANDWICH,
    Till,
    basket,
    item,
    reward,
)
from tests.support.programs import demo_program, enroll
from tests.support.racing import outcomes, refusals
from tests.support.stores import demo_store, open_store

ROUNDS = 8
ORDER = basket(reward(COFFEE), item(1000))


@pytest_asyncio.fixture
async def tills(database_url: str) -> AsyncIterator[tuple[Till, Till]]:
    """Tills of two servers that share a database, audited at the end."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        till = Till(store)
        yield till, replace(till, store=other)  # They know one another's answers.
    audit(database_url)


async def test_claim_before_the_sweeper_wins(tills: tuple[Till, Till], database_url: str) -> None:
    """What was claimed in time is not voided, even past its time."""
    till, _ = tills
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    till.now_ms += DAY_MS
    await till.update(transaction, CLAIMED, ORDER)
    assert (await till.sweep()) == ()
    assert balances(database_url, guest) == (300, 0)


async def test_sweeper_before_the_claim_wins(tills: tuple[Till, Till], database_url: str) -> None:
    """What was voided is not claimed, and its points are back."""
    till, _ = tills
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    till.now_ms += DAY_MS
    assert (await till.sweep()) == (transaction,)
    with pytest.raises(TransactionNotClaimableError):
        await till.update(transaction, CLAIMED, ORDER)
    assert balances(database_url, guest) == (1000, 0)


async def test_two_claims_of_one_order_have_one_effect(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """The same claim from two servers is done once and answered alike."""
    till, _ = tills
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    found = await outcomes(*(one.update(transaction, CLAIMED, ORDER) for one in tills * 4))
    assert sum(not told.repeated for told in found) == 1
    assert balances(database_url, guest) == (300, 0)
    assert count_rows(database_url, "redemption") == 1


async def test_two_voids_have_one_effect(tills: tuple[Till, Till], database_url: str) -> None:
    """Every void is answered alike and the points come back once."""
    till, _ = tills
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, ORDER)
    found = await outcomes(*(one.void(transaction) for one in tills * 4))
    assert sum(not told.repeated for told in found) == 1
    assert balances(database_url, guest) == (1000, 0)


@pytest.mark.parametrize("status", [PENDING, CLAIMED])
async def test_void_racing_a_report_leaves_nothing_behind(
    tills: tuple[Till, Till], database_url: str, status: TransactionStatus
) -> None:
    """Whichever comes first, the void has the last word and no hold is left or doubled."""
    till, other = tills
    guests = [await enroll(till.store, 3000) for _ in range(ROUNDS)]
    opened = [await till.identify(guest, COFFEE) for guest in guests]
    content = basket(reward(COFFEE), reward(SANDWICH))
    calls: list[Awaitable[Any]] = []
    for number, transaction in enumerate(opened):
        pair = [till.update(transaction, status, content), other.void(transaction)]
        calls += pair if number % 2 else pair[::-1]
    found = await outcomes(*calls)
    assert set(refusals(found)) <= {TransactionNotClaimableError}
    for guest in guests:
        assert balances(database_url, guest) == (3000, 0)
    assert rows(database_url, "SELECT hold_id FROM hold WHERE status = 1") == []


async def test_reports_racing_each_other_hold_one_basket(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """Of many reports at once the last one's basket is held, alone."""
    till, _ = tills
    guest = await enroll(till.store, 3000)
    transaction = await till.identify(guest, COFFEE)
    contents = [basket(reward(COFFEE)), basket(reward(SANDWICH)), basket(item(100))]
    await outcomes(*(tills[n % 2].update(transaction, PENDING, contents[n % 3]) for n in range(18)))
    (held,) = rows(
        database_url, "SELECT coalesce(sum(points), 0) AS sum FROM hold WHERE status = 1"
    )
    assert balances(database_url, guest) == (3000 - held.sum, held.sum)
    assert held.sum in {0, 800, 1200}


async def test_second_scan_racing_the_void_of_the_first(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """Voiding the first visit while the second reports loses and doubles no hold."""
    till, other = tills
    guest = await enroll(till.store, 2000)
    first = await till.identify(guest, COFFEE)
    second = await till.identify(guest, COFFEE)
    await outcomes(till.void(first), other.update(second, PENDING, basket(reward(SANDWICH))))
    assert balances(database_url, guest) == (800, 1200)


async def test_twins_with_one_key_are_both_answered(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """A claim of a receipt sent twice at once with one key is never told that it came too late."""
    till, _ = tills
    for number in range(ROUNDS):
        guest = await enroll(till.store)
        recorded = await till.unclaimed(basket(item(1000)))
        command = ClaimReceipt(till.key, guest, recorded.receipt_code)
        found = await asyncio.gather(
            *(one.call(claim_receipt, command, idempotency_key=f"key-{number}") for one in tills)
        )
        assert sorted(told.repeated for told in found) == [False, True]
        assert balances(database_url, guest) == (100, 0)


async def test_last_redemption_of_all_is_given_once(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """Of members racing for the last redemption that a program gives away, one gets it."""
    program = demo_program()
    rules = (MaximumRedemptions(total=1),)
    incentives = {**program.incentives, COOKIE: replace(program.incentives[COOKIE], rules=rules)}
    till, other = tills
    changed = ApplyProgram(replace(program, incentives=incentives))
    await till.store.write(lambda unit, now: apply_program(unit, changed, now))
    await other.store.refresh_catalog()
    guests = [await enroll(till.store, 1000) for _ in range(6)]
    opened = [await till.identify(guest) for guest in guests]
    found = await outcomes(
        *(tills[n % 2].update(one, CLAIMED, basket(reward(COOKIE))) for n, one in enumerate(opened))
    )
    assert refusals(found) == [RulesFailedError] * 5
    assert count_rows(database_url, "redemption") == 1


async def test_orders_of_one_member_at_two_servers_all_count_for_a_goal(
    tills: tuple[Till, Till],
) -> None:
    """No claim overwrites what another has counted meanwhile, so the last of them reaches it."""
    till, other = tills
    visits = {"id": "visits", "name": "Visits", "count": "visits", "target": 2 * ROUNDS}
    goals = goals_from_json([visits | {"gives": {"points": 500}}], {})
    changed = ApplyProgram(replace(demo_program(), goals=goals, tiers={}))
    await till.store.write(lambda unit, now: apply_program(unit, changed, now))
    await other.store.refresh_catalog()
    guest = await enroll(till.store)
    opened = [await till.identify(guest) for _ in range(2 * ROUNDS)]

    told = await outcomes(
        *(tills[n % 2].update(one, CLAIMED, basket(item(100))) for n, one in enumerate(opened))
    )

    assert sum(one.result.reached.points for one in told) == 500
