"""What orders earn by rates and promotions, how often, and what is kept and told of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from loyalty_service.application.members.enroll_member import EnrollMember
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.set_segments import SetSegments, set_segments
from loyalty_service.application.orders.get_transaction import get_transaction
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.earning_rules import PLAIN_EARNING, Caps
from loyalty_service.domain.errors import MemberNotFoundError, PointsInsufficientError
from loyalty_service.domain.products import Products
from loyalty_service.program_file.earning_records import (
    earning_from_json,
    promotions_from_json,
)
from tests.support.doing import apply_program, enroll_member
from tests.support.orders import CLAIMED, COOKIE, DAY_MS, Till, basket, item, offer, report, reward
from tests.support.programs import KEY, demo_program, enroll

DRINKS = Products(prefixes=("d",), group="drinks")
GROUPS = {"drinks": DRINKS}
RULES: dict[str, Any] = {}


def promotion(promotion_id: str, **words: Any) -> dict[str, Any]:
    """Describe a promotion in the words of a program file."""
    return {"id": promotion_id, "name": promotion_id.title(), "rules": RULES} | words


async def apply(till: Till, *promotions: dict[str, Any], **earning: Any) -> None:
    """Let an operator change what orders earn."""
    program = replace(
        demo_program(),
        groups=GROUPS,
        earning=earning_from_json(earning, GROUPS),
        promotions=promotions_from_json(list(promotions), GROUPS),
    )
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def claim(till: Till, guest: str, *prices: int, plu: str = "1", **other: Any) -> Any:
    """Pay an order, and return its answer."""
    transaction = await till.identify(guest)
    content = basket(*(item(price, plu=plu) for price in prices))
    return (await till.update(transaction, CLAIMED, content, **other)).result


async def told(till: Till, transaction_id: str) -> str | None:
    """Read what is kept of promotions."""
    async with till.store.read() as reader:
        entry = await get_transaction(reader, KEY, transaction_id)
    return entry.transaction.promotions


async def test_promotions_are_kept_and_told_with_their_points(till: Till) -> None:
    """Each order says what each promotion gave of its points; a group counts alone."""
    await apply(
        till, promotion("drinks", multiplier="2", on="drinks"), promotion("hello", bonus=50)
    )
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    content = basket(item(600, plu="d1"), item(549, plu="b1"))

    done = (await till.update(transaction, CLAIMED, content)).result

    assert done.earned_points == 174 + 50
    assert done.promotions == (
        PromotionPoints("drinks", "Drinks", 1, 60),
        PromotionPoints("hello", "Hello", 1, 50),
    )
    assert await told(till, transaction) == '[["drinks","Drinks",1,60],["hello","Hello",1,50]]'


async def test_rate_is_that_of_the_first_row_that_fits(till: Till) -> None:
    """Rows ask for groups of stores, channels and the like; the rest is the program's own."""
    rates = [
        {"points_per_unit": "15", "when": {"store_groups": ["west"], "channels": ["partner"]}},
        {"points_per_unit": "12", "when": {"channels": ["restaurant"]}},
        {"points_per_unit": "99", "when": {"channels": ["APP"]}},
    ]
    await apply(till, rates=rates)
    guest = await enroll(till.store)

    assert (await claim(till, guest, 1000)).earned_points == 120
    assert (await claim(till, guest, 1000, store_id=1002)).earned_points == 150


async def test_promotion_whose_rules_do_not_hold_refuses_nothing(till: Till) -> None:
    """It gives no points, and the order is paid like any other."""
    monday = promotion("monday", multiplier="3", rules={"days": ["mon"]})
    dear = promotion("dear", bonus=9, rules={"minimum_spend": 1000})
    await apply(till, monday, dear)
    guest = await enroll(till.store)

    on_tuesday = await claim(till, guest, 999)
    on_monday = await claim(till, guest, 1000, local_time=datetime(2023, 11, 13, 9))  # noqa: DTZ001

    assert (on_tuesday.earned_points, on_tuesday.promotions) == (99, ())
    assert on_monday.earned_points == 300 + 9


async def test_promotion_is_earned_as_often_as_its_limits_let(till: Till) -> None:
    """By the order and by the store's day; a void gives it back, and another day begins again."""
    cup = promotion("cup", bonus=10, on="drinks", at_most={"per_order": 2, "per_day": 3})
    await apply(till, cup, points_per_unit="0")
    guest = await enroll(till.store)

    first = await claim(till, guest, 100, 100, 100, plu="d1")
    second = await claim(till, guest, 100, 100, plu="d1")
    third = await claim(till, guest, 100, plu="d1")
    assert [one.earned_points for one in (first, second, third)] == [20, 10, 0]

    await till.void(first.transaction_id)
    assert (await claim(till, guest, 100, 100, 100, plu="d1")).earned_points == 20
    # 23:30 in Toronto is another day in London.
    late = datetime(2023, 11, 14, 23, 30)  # noqa: DTZ001
    assert (await claim(till, guest, 100, plu="d1", local_time=late)).earned_points == 0
    till.now_ms += DAY_MS
    assert (await claim(till, guest, 100, plu="d1")).earned_points == 10
    assert (await claim(till, await enroll(till.store), 100, plu="d1")).earned_points == 10


@pytest.mark.parametrize(
    ("limit", "days"), [("per_week", 6), ("per_month", 17), ("per_year", 48), ("per_member", 999)]
)
async def test_period_ends_with_the_calendar(till: Till, limit: str, days: int) -> None:
    """From 14 November, a Tuesday, to Monday, to December, to January, or never."""
    await apply(till, promotion("once", bonus=7, at_most={limit: 1}), points_per_unit="0")
    guest = await enroll(till.store)
    assert (await claim(till, guest, 100)).earned_points == 7

    till.now_ms += (days - 1) * DAY_MS
    assert (await claim(till, guest, 100)).earned_points == 0
    till.now_ms += DAY_MS
    again = 0 if limit == "per_member" else 7
    assert (await claim(till, guest, 100)).earned_points == again


async def test_first_order_is_a_promotion(till: Till) -> None:
    """With a least spend; once the first order is void the next one is the first."""
    hello = promotion("hello", bonus=5000, rules={"first_order": True, "minimum_spend": 100})
    await apply(till, hello)
    guest = await enroll(till.store)

    first = await claim(till, guest, 100)
    assert first.earned_points == 5010
    second = await claim(till, guest, 100)
    assert second.earned_points == 10
    for one in (first, second):
        await till.void(one.transaction_id)
    assert (await claim(till, guest, 100)).earned_points == 5010


async def test_caps_hold_for_an_order_a_day_and_a_balance(till: Till) -> None:
    """What is beyond is not earned, and no order is refused for it."""
    await apply(till, caps={"per_order": 60, "per_day": 100})
    guest = await enroll(till.store)
    earned = [(await claim(till, guest, 1000)).earned_points for _ in range(3)]
    assert earned == [60, 40, 0]

    await apply(till, caps={"balance": 150})
    assert (await claim(till, guest, 1000)).earned_points == 50
    assert (await claim(till, guest, 1000)).earned_points == 0


async def test_receipt_promises_what_nobody_must_be_known_for(till: Till) -> None:
    """What only members earn is added when one claims it, and both are told."""
    await apply(
        till,
        promotion("double", multiplier="2"),
        promotion("hello", bonus=500, rules={"first_order": True}),
    )
    recorded = await till.unclaimed(basket(item(1000)))
    assert "200" in recorded.presentation.marketing
    guest = await enroll(till.store)

    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result

    assert claimed.earned_points == 700
    assert [one.points for one in claimed.promotions] == [100, 500]
    again = await till.unclaimed(basket(item(500)))
    assert (await till.claim_receipt(guest, again.receipt_code)).result.earned_points == 100


async def test_receipt_tells_what_a_better_promotion_takes_the_place_of_no_more(
    till: Till,
) -> None:
    """Five times for members, twice for all, on the same lines: the member's alone gave points."""
    await apply(
        till,
        promotion("double", multiplier="2"),
        promotion("members", multiplier="5", rules={"first_order": True}),
        caps={"balance": 450},
    )
    recorded = await till.unclaimed(basket(item(1000)))
    guest = await enroll(till.store)

    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result

    assert claimed.earned_points == 450
    assert [(one.promotion_id, one.points) for one in claimed.promotions] == [("members", 350)]


async def test_receipt_keeps_its_promise_when_a_promotion_has_ended(till: Till) -> None:
    """The points of then are given, and told by the promotion of then."""
    await apply(till, promotion("double", multiplier="2"))
    recorded = await till.unclaimed(basket(item(1000)))
    await apply(till)
    guest = await enroll(till.store)

    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result

    assert claimed.earned_points == 200
    assert claimed.promotions == (PromotionPoints("double", "Double", 1, 100),)


async def test_new_member_begins_with_points(till: Till) -> None:
    """They are in the ledger with their note, and count for the limits of the key."""
    await apply(till, initial_points=250)
    command = EnrollMember(KEY, "Guest", None, None, None)

    done = await till.store.write(
        lambda unit, now: enroll_member(unit, command, now), reads=command.reads()
    )

    assert done.result.available.balance == 250
    transaction = await till.identify(done.result.loyalty_id, COOKIE)
    order = report(transaction, CLAIMED, basket(item(100), reward(COOKIE)))
    with pytest.raises(PointsInsufficientError):
        await till.call(report_order, order)


def test_plain_program_has_no_caps() -> None:
    """What no file says limits nothing."""
    assert PLAIN_EARNING.caps == Caps(None, None, None)


async def test_segment_is_the_operators_word_and_an_event(till: Till) -> None:
    """A rate of students is for those whom an operator put among them, until it is taken back."""
    await apply(till, rates=[{"points_per_unit": "12", "when": {"segments": ["student"]}}])
    guest = await enroll(till.store)

    earned = []
    for segments in ((), ("student", "staff"), ("student", "staff"), ("staff",), ()):
        command = SetSegments("demo-ca", guest, segments, "card shown")
        done = await till.store.write(lambda unit, now, put=command: set_segments(unit, put, now))
        told = [json.loads(event.detail) for event in done.events]
        earned.append(((await claim(till, guest, 1000)).earned_points, told))

    assert earned == [
        (100, []),
        (120, [{"before": [], "after": ["staff", "student"]}]),
        (120, []),
        (100, [{"before": ["staff", "student"], "after": ["staff"]}]),
        (100, [{"before": ["staff"], "after": []}]),
    ]
    assert done.result.segments is None
    missing = SetSegments("demo-ca", "nobody", (), "card shown")
    with pytest.raises(MemberNotFoundError):
        await till.store.write(lambda unit, now: set_segments(unit, missing, now))


async def test_reward_and_counted_promotion_go_together(till: Till) -> None:
    """The past is asked about before anything moves, and what is burned makes room for a cap."""
    await apply(till, promotion("once", bonus=10, at_most={"per_day": 1}), caps={"per_day": 100})
    guest = await enroll(till.store, 1000)
    earned = []
    for _ in range(2):
        transaction = await till.identify(guest)
        content = basket(item(600), reward(COOKIE))
        earned.append((await till.update(transaction, CLAIMED, content)).result.earned_points)
    assert earned == [70, 30]

    await apply(till, caps={"balance": 550})
    transaction = await till.identify(guest)
    last = (await till.update(transaction, CLAIMED, basket(item(6000), reward(COOKIE)))).result
    assert (last.earned_points, last.available_points) == (350, 550)


async def test_offer_that_does_not_hold_takes_from_the_promotions_of_its_receipt(
    till: Till,
) -> None:
    """What is told of promotions is never more than what the receipt brought."""
    first_only = "d2d58443-07f0-42ce-87b3-17d94d1fe09f"
    await apply(till, promotion("double", multiplier="2"))
    guest = await enroll(till.store)
    await claim(till, guest, 100)
    recorded = await till.unclaimed(basket(item(300), replace(offer(first_only), price=700)))

    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result

    assert claimed.earned_points == 60
    assert sum(one.points for one in claimed.promotions) <= 60


async def test_visits_are_half_an_hour_apart(till: Till) -> None:
    """Points for a visit, not for each of its orders, nor for the receipt of another one."""
    visit = promotion("visit", bonus=10, rules={"minimum_spend": 50})
    await apply(till, visit, points_per_unit="0", cooldown_s=1800)
    guest = await enroll(till.store)

    first = await claim(till, guest, 100)
    soon = await claim(till, guest, 100)
    assert (first.earned_points, soon.earned_points) == (10, 0)
    recorded = await till.unclaimed(basket(item(100)))
    assert (await till.claim_receipt(guest, recorded.receipt_code)).result.earned_points == 0
    till.now_ms += 1_799_000
    assert (await claim(till, guest, 100)).earned_points == 0
    till.now_ms += 1_000
    assert (await claim(till, guest, 100)).earned_points == 10
    await till.void(first.transaction_id)
    assert (await claim(till, guest, 100)).earned_points == 0


async def test_every_third_order_is_a_promotion(till: Till) -> None:
    """Orders are counted as for incentives, and a void takes one out."""
    third = promotion("third", bonus=30, rules={"transactions": {"every": 3}})
    await apply(till, third, points_per_unit="0")
    guest = await enroll(till.store)

    done = [await claim(till, guest, 100) for _ in range(4)]
    assert [one.earned_points for one in done] == [0, 0, 30, 0]
    await till.void(done[0].transaction_id)
    again = [(await claim(till, guest, 100)).earned_points for _ in range(3)]
    assert again == [0, 0, 30]
