"""Purchases that come late: in any order, and however often, they leave what on-line ones do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.domain.clock import now_ms as real_now_ms
from loyalty_service.domain.clock import set_ahead_ms
from loyalty_service.domain.es_errors import SessionClosedError
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as audit_store
from tests.support.databases import Backend
from tests.support.doing import adjust_points
from tests.support.late_purchases import FIRST, History, state
from tests.support.ledger import audit, balances, rows
from tests.support.orders import CLAIMED, COFFEE, DAY_MS, START_MS, Till, basket, item, reward
from tests.support.programs import KEY, PROGRAM_ID, add_member, demo_program, enroll
from tests.support.purchases import describe, offline, offline_order, pay, start

HOUR_MS = 3_600_000


def flags(till: Till) -> dict[str, int]:
    """Tell which flags of offline orders were raised, by reason."""
    told = till.store.stats().flags
    return {
        reason: number
        for (kind, reason), number in told.items()
        if kind == "offline_order" and number
    }


async def test_purchase_earns_as_of_when_it_was_paid(till: Till, database_url: str) -> None:
    """Both times are kept; the same again gets the first answer, and no session was needed."""
    await describe(till, expiry=Expiry(ExpiryPolicy.ISSUE_DATE, days=60, version=1))
    till.now_ms = real_now_ms()
    guest = await member(till, START_MS)
    paid_ms = till.now_ms - 20 * DAY_MS

    first = await offline(till, "late", guest, paid_ms)
    again = await offline(till, "late", guest, paid_ms)

    assert again.repeated
    assert first.result.earned_points == 100
    (order,) = rows(
        database_url, "SELECT claimed_ms, recorded_ms, created_ms FROM loyalty_transaction"
    )
    assert tuple(order) == (paid_ms, till.now_ms, paid_ms)
    (moved,) = rows(database_url, "SELECT effective_ms, recorded_ms FROM transfer")
    assert tuple(moved) == (paid_ms, till.now_ms)
    with pytest.raises(SessionClosedError):
        await offline(till, "late", guest, paid_ms, item(5))


async def member(till: Till, created_ms: int) -> str:
    """Enroll a member at a moment."""
    return await till.store.write(lambda unit, _: add_member(unit, created_ms))


async def test_points_whose_day_is_over_are_gone_at_once(till: Till, database_url: str) -> None:
    """What was earned so long ago can't be spent, as it could not if it had come in time."""
    await describe(till, expiry=Expiry(ExpiryPolicy.ISSUE_DATE, days=10, version=1))
    till.now_ms = real_now_ms()
    guest = await member(till, 0)

    told = await offline(till, "late", guest, till.now_ms - 20 * DAY_MS)

    assert (told.result.earned_points, told.result.available_points) == (100, 0)
    assert balances(database_url, guest) == (0, 0)


async def test_purchase_before_its_member_enrolled_earns_nothing(
    till: Till, database_url: str
) -> None:
    """ES-16: nobody has claimed it; nor has a shopper whom the till did not know."""
    guest = await member(till, till.now_ms - DAY_MS)

    before = await offline(till, "before", guest, till.now_ms - 2 * DAY_MS)
    nobody = await offline(till, "nobody", None, till.now_ms - 2 * DAY_MS)
    after = await offline(till, "after", guest, till.now_ms - HOUR_MS)

    told = [one.result.earned_points for one in (before, nobody, after)]
    assert told == [0, 0, 100]
    statuses = rows(
        database_url, "SELECT status FROM loyalty_transaction ORDER BY pos_transaction_id"
    )
    unclaimed, claimed = TransactionStatus.UNCLAIMED, TransactionStatus.CLAIMED
    assert [row.status for row in statuses] == [claimed, unclaimed, unclaimed]
    assert flags(till) == {"enrolment": 1}


async def test_redemption_is_not_done_and_the_purchase_earns(till: Till) -> None:
    """ES-17: whoever paid with points by a till that could not ask earns all the same."""
    guest = await enroll(till.store, 500)
    till.now_ms = real_now_ms() + 1000

    told = await offline(till, "late", guest, till.now_ms, reservation_token="token")

    assert (told.result.earned_points, told.result.redeemed_points) == (100, 0)
    assert told.result.points == 600
    assert flags(till) == {"redemption": 1}


async def test_time_that_cannot_be_is_flagged(till: Till) -> None:
    """What is too old earns nothing, what is ahead counts as paid now."""
    guest = await member(till, 0)
    old = await offline(till, "old", guest, till.now_ms - 31 * DAY_MS)
    ahead = await offline(till, "ahead", guest, till.now_ms + DAY_MS)
    unknown = await offline(till, "unknown", "nobody", till.now_ms)

    told = [one.result.earned_points for one in (old, ahead, unknown)]
    assert told == [0, 100, 0]
    assert flags(till) == {"old": 1, "ahead": 1, "member": 1}


async def test_session_that_was_started_is_used(till: Till) -> None:
    """Though it has expired; a purchase that was finalized tells what it was told then."""
    guest = await member(till, 0)
    visit, done = await start(till, guest), await start(till, guest)
    first = await pay(till, done)
    till.now_ms += 3 * DAY_MS

    late = await offline(till, visit, None, till.now_ms - 3 * DAY_MS)
    again = await offline(till, done, None, till.now_ms - 3 * DAY_MS)

    assert (late.result.earned_points, late.result.points) == (100, 200)
    assert again.repeated
    assert again.result == first


async def test_bonus_of_the_first_order_goes_to_the_order_that_was_first(
    till: Till, database_url: str
) -> None:
    """What was told at once and turns out otherwise is corrected by a later transfer."""
    await describe(till, FIRST)
    guest = await member(till, 0)
    second = await offline(till, "second", guest, till.now_ms - HOUR_MS)
    first = await offline(till, "first", guest, till.now_ms - DAY_MS)

    assert (second.result.earned_points, first.result.earned_points) == (1100, 1100)
    assert first.result.available_points == 1200
    earned = rows(
        database_url,
        "SELECT pos_transaction_id AS name, points_earned FROM loyalty_transaction ORDER BY 1",
    )
    assert [tuple(row) for row in earned] == [("first", 1100), ("second", 100)]
    corrected = rows(database_url, "SELECT points FROM transfer WHERE cause = 11")
    assert [row.points for row in corrected] == [1000]


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """Set the clock back."""
    yield
    set_ahead_ms(0)


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_leaves_what_purchases_in_time_leave(backend: Backend, seed: int) -> None:
    """Shuffled, and a tenth sent twice, they end as those that were paid on-line, one by one."""
    history = History(random.Random(seed), members=3, count=40)  # noqa: S311
    in_time, late = backend.new_database(), backend.new_database()
    await history.pay_in_time(in_time)
    await history.send_late(late)
    expected, found = state(in_time), state(late)
    for name in expected:
        assert found[name] == expected[name], name
    for database_url in (in_time, late):
        audit(database_url)
        assert audit_store(Database.from_text(database_url)).all_hold


async def test_order_of_the_other_contract_is_taken_late_as_well(
    till: Till, database_url: str
) -> None:
    """Once however often it comes; its reward is not taken, and its line earns nothing."""
    await describe(till, FIRST)
    guest = await member(till, 0)
    content = basket(item(1000), reward(COFFEE))
    later = await offline(till, "later", guest, till.now_ms - HOUR_MS)

    first = await offline_order(till, guest, till.now_ms - DAY_MS, content)
    again = await offline_order(till, guest, till.now_ms - DAY_MS, content)
    other = await offline_order(till, guest, till.now_ms - DAY_MS, content, number="2")
    nobody = await offline_order(till, "nobody", till.now_ms - DAY_MS, content, number="3")

    assert later.result.earned_points == 1100
    assert again.repeated
    assert again.result == first.result
    assert (first.result.earned_points, first.result.loyalty_id) == (1100, guest)
    assert (other.result.earned_points, nobody.result.earned_points) == (100, 0)
    assert nobody.result.loyalty_id is None
    assert balances(database_url, guest) == (1300, 0)
    assert flags(till) == {"redemption": 3, "member": 1}


async def test_purchase_without_a_session_is_in_the_store_of_its_key(
    till: Till, database_url: str
) -> None:
    """A key for one store alone says where its tills are."""
    program = demo_program()
    store_id = max(program.stores)
    till.key = replace(KEY, stores=frozenset({store_id}))

    told = await offline(till, "late", await member(till, 0), till.now_ms)

    assert told.result.earned_points == 100
    (order,) = rows(database_url, "SELECT store_id FROM loyalty_transaction")
    assert order.store_id == store_id


async def test_order_that_used_a_reward_is_counted_again_as_it_was_claimed(
    till: Till, database_url: str
) -> None:
    """A till of the other contract calls a reward an item: its line earns nothing, then as now."""
    await describe(till, FIRST)
    guest = await member(till, till.now_ms - 2 * DAY_MS)
    await till.store.write(
        lambda unit, now: adjust_points(
            unit, AdjustPoints(PROGRAM_ID, guest, 1000, "test", beyond_limits=True), now
        )
    )
    free = replace(item(300, plu="free"), incentive_id=COFFEE)
    opened = await till.identify(guest, COFFEE)
    claimed = await till.update(opened, CLAIMED, basket(free, item(500)))

    late = await offline(till, "late", guest, till.now_ms - DAY_MS)

    assert claimed.result.earned_points == 1050
    assert late.result.earned_points == 1100
    (order,) = rows(
        database_url, "SELECT points_earned FROM loyalty_transaction WHERE pos_type <> 'ES'"
    )
    assert order.points_earned == 50
