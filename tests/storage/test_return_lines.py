"""Lines that come back: what they take with them, in which order, how often, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.get_transaction import get_transaction
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.domain.basket import BasketLine
from loyalty_service.domain.clock import set_ahead_ms
from loyalty_service.domain.errors import (
    IdempotencyKeyReusedError,
    PointsInsufficientError,
    ReceiptNotFoundError,
    RequestInvalidError,
    ReturnTooLateError,
    TransactionNotFoundError,
    TransactionNotReturnableError,
)
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.products import Products
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.program_file.earning_records import (
    earning_from_json,
    promotions_from_json,
)
from tests.support.doing import apply_program
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, COOKIE, DAY_MS, PENDING, Till, basket, item, reward
from tests.support.programs import KEY, demo_program, enroll

DRINKS = Products(prefixes=("d",), group="drinks")
GROUPS = {"drinks": DRINKS}
COOKIE_POINTS = 300


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Set the clock back."""
    yield
    set_ahead_ms(0)


async def apply(till: Till, *promotions: dict[str, Any], **words: Any) -> None:
    """Let an operator change what orders earn, and other words of the program."""
    program = replace(
        demo_program(),
        groups=GROUPS,
        earning=earning_from_json(words.pop("earning", {}), GROUPS),
        promotions=promotions_from_json(
            [{"name": one["id"], "rules": {}} | one for one in promotions], GROUPS
        ),
        **words,
    )
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def claim(till: Till, guest: str, *lines: BasketLine, **other: Any) -> str:
    """Pay an order; return its transaction."""
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(*lines), **other)
    return transaction


async def take(
    till: Till,
    order: str,
    *lines: tuple[str, int | None],
    key: str | None = None,
    created: str | None = None,
) -> Any:
    """Return lines of an order, each by its name and how many."""
    returned = tuple(ReturnedLine(*line) for line in lines)
    command = ReturnLines(till.key, order, returned, created, keyed=key is not None)
    return (await till.call(return_lines, command, idempotency_key=key)).result


async def kept(till: Till, order: str) -> Transaction:
    """Read an order."""
    async with till.store.read() as reader:
        return (await get_transaction(reader, KEY, order)).transaction


async def test_lines_take_back_what_the_rest_does_not_earn(till: Till) -> None:
    """Each return takes the difference, by one rounding of the rest, and all of them no more."""
    guest = await enroll(till.store)
    order = await claim(till, guest, item(199, plu="a", quantity=2), item(77, plu="b"))

    first = await take(till, order, ("a", 1))
    second = await take(till, order, ("b", None))

    assert (first.returned_points, first.earned_points) == (47 - 27, 27)
    assert (second.returned_points, second.earned_points, second.available_points) == (8, 19, 19)
    assert (second.status, second.redeemed_points) == (CLAIMED, 0)
    record = await kept(till, order)
    assert (record.points_earned, record.points_returned) == (47, 28)
    assert record.returned == '[[0,"a",1],[1,"b",1]]'


async def test_return_of_all_lines_is_a_void(till: Till) -> None:
    """Only then burned points come back; a void after some returns takes what is left."""
    guest = await enroll(till.store, points=COOKIE_POINTS)
    order = await till.identify(guest, COOKIE)
    await till.update(order, CLAIMED, basket(reward(COOKIE), item(500)))
    other = await claim(till, guest, item(100, quantity=2))

    some = await take(till, order, ("1", None))
    everything = await take(till, order, ("r", 1))
    await take(till, other, ("1", 1))
    voided = (await till.void(other)).result

    assert (some.returned_points, some.redeemed_points, some.available_points) == (50, 0, 20)
    assert (everything.returned_points, everything.redeemed_points) == (0, COOKIE_POINTS)
    assert everything.status is TransactionStatus.VOID
    assert (voided.earned_points, voided.available_points) == (10, COOKIE_POINTS)
    with pytest.raises(TransactionNotReturnableError):
        await take(till, other, ("1", 1), created="later")


async def test_promotions_go_whose_condition_no_longer_holds(till: Till) -> None:
    """A bonus goes as a whole, one that is earned again and again as often as lines are gone."""
    await apply(
        till,
        {"id": "three", "bonus": 100, "rules": {"minimum_spend": 1000}},
        {"id": "each", "bonus": 7, "on": "drinks", "at_most": {"per_day": 9}},
        {"id": "double", "multiplier": "2", "on": "drinks"},
        {"id": "hello", "bonus": 1},
    )
    guest = await enroll(till.store)
    order = await claim(till, guest, item(300, plu="d1", quantity=3), item(200, plu="b"))

    one = await take(till, order, ("d1", 1))
    two = await take(till, order, ("d1", 1), created="later")

    assert one.earned_points == 2 * 60 + 20 + 2 * 7 + 1
    assert one.returned_points == 30 * 6 + 20 + 100 + 21 + 1 - one.earned_points
    assert two.returned_points == 60 + 7
    assert (await kept(till, order)).promotions == (
        '[["double","double",1,30],["each","each",1,7],["hello","hello",1,1]]'
    )


async def test_weaker_multiplier_counts_when_the_better_one_is_gone(till: Till) -> None:
    """Each line has the best multiplier of those that the rest of the order still has."""
    three = {"cart_has": [{"any_of": "drinks", "quantity": 3}]}
    await apply(
        till,
        {"id": "triple", "multiplier": "3", "on": "drinks", "rules": three},
        {"id": "double", "multiplier": "2"},
    )
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, plu="d1", quantity=3))

    assert (await take(till, order, ("d1", 1))).earned_points == 40


async def test_original_day_decides(till: Till) -> None:
    """Rate, promotions and rules are those of the claim, whatever the program says now."""
    await apply(
        till,
        {"id": "double", "multiplier": "2"},
        earning={"rates": [{"points_per_unit": "15", "when": {"channels": ["RESTAURANT"]}}]},
    )
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, quantity=3))
    await apply(till, {"id": "triple", "multiplier": "3"}, earning={"points_per_unit": "1"})

    assert (await take(till, order, ("1", 1))).earned_points == 60


async def test_what_a_cap_cut_is_not_taken(till: Till) -> None:
    """The rest earns up to the cap as well."""
    await apply(till, earning={"caps": {"per_order": 25}})
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, quantity=4))

    assert (await take(till, order, ("1", 1))).returned_points == 0
    assert (await take(till, order, ("1", 2))).returned_points == 15


async def test_combo_takes_its_parts_along(till: Till) -> None:
    """Parts have no points beside their combo; by themselves they have none to take."""
    guest = await enroll(till.store)
    meal = BasketLine("m", "m", "combo", 2, 500)
    fries = BasketLine("f", "f", "item", 2, 300, parent_reference_id="m")
    drink = BasketLine("d", "d", "item", 2, 200, parent_reference_id="m")
    order = await claim(till, guest, meal, fries, drink, item(100, plu="x"))

    assert (await take(till, order, ("f", 1))).returned_points == 0
    assert (await take(till, order, ("m", 1))).returned_points == 50
    assert (await take(till, order, ("m", 1), created="again")).earned_points == 10
    assert (await take(till, order, ("x", 1))).status is TransactionStatus.VOID


async def test_receipt_gives_back_its_share(till: Till) -> None:
    """A receipt's points are lowered as much as the rest of its order is worth less."""
    guest = await enroll(till.store)
    recorded = await till.unclaimed(basket(item(100, quantity=4)))
    before = await take(till, recorded.transaction_id, ("1", 1))
    await apply(till, {"id": "half", "multiplier": "3/2", "rules": {"birthday": "month"}})
    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result
    await apply(till, earning={"points_per_unit": "1"})

    assert (before.earned_points, before.returned_points, before.available_points) == (30, 10, 0)
    assert (claimed.earned_points, claimed.available_points) == (30, 30)
    after = await take(till, recorded.transaction_id, ("1", 1), created="later")
    assert (after.earned_points, after.available_points) == (20, 20)


async def test_receipt_of_a_promotion_that_ended_keeps_its_share(till: Till) -> None:
    """What was promised by the file of then is worth what that file says, though it has rates."""
    guest = await enroll(till.store)
    rates = {"rates": [{"points_per_unit": 12, "when": {"segments": ["regulars"]}}]}
    await apply(till, {"id": "hot", "multiplier": 2, "on": "drinks"}, earning=rates)
    recorded = await till.unclaimed(basket(item(1000, plu="a"), item(500, plu="d1")))
    await apply(till, earning=rates)

    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result
    back = await take(till, recorded.transaction_id, ("a", None))

    assert claimed.earned_points == 100 + 50 + 50
    assert (back.returned_points, back.earned_points) == (100, 100)


async def test_receipt_all_of_which_came_back_earns_nothing(till: Till) -> None:
    """Its order is void."""
    guest = await enroll(till.store)
    recorded = await till.unclaimed(basket(item(100)))

    assert (await take(till, recorded.transaction_id, ("1", 1))).status is TransactionStatus.VOID
    with pytest.raises(ReceiptNotFoundError):
        await till.claim_receipt(guest, recorded.receipt_code)


async def test_own_points_go_first_then_those_that_go_last(till: Till, database_url: str) -> None:
    """What is left of the order's own bucket, then of the bucket whose day is the latest."""
    await apply(till, expiry=Expiry(ExpiryPolicy.ISSUE_DATE, days=30))
    guest = await enroll(till.store)
    orders = []
    for day in range(3):
        set_ahead_ms(day * DAY_MS)
        orders.append(await claim(till, guest, item(1000, quantity=3)))
    spent = await till.identify(guest, COOKIE)
    await till.update(spent, CLAIMED, basket(reward(COOKIE), item(0)))
    set_ahead_ms(0)

    await take(till, orders[1], ("1", 1))
    await take(till, orders[0], ("1", 1))

    found = rows(database_url, "SELECT points FROM bucket ORDER BY gone_ms")
    assert [points for (points,) in found] == [0, 200, 200]


async def test_same_return_again_takes_nothing_more(till: Till) -> None:
    """Without a key the same lines are the same return, unless it was made at another time."""
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, quantity=9))

    first = await take(till, order, ("1", 1))
    other = await take(till, order, ("1", 2))
    assert await take(till, order, ("1", 1)) == first
    assert (await take(till, order, ("1", 1), created="noon")).earned_points == 50
    assert (await take(till, order, ("1", 1), key="a")).earned_points == 40
    assert (await take(till, order, ("1", 1), key="a")).earned_points == 40
    assert (await take(till, order, ("1", 1), key="b")).earned_points == 30
    with pytest.raises(IdempotencyKeyReusedError):
        await take(till, order, ("1", 2), key="b")
    assert other.earned_points == 60


@pytest.mark.parametrize(
    ("lines", "field", "text"),
    [
        ((("x", 1),), "lines[0].reference_id", "must name a line of the order"),
        ((("1", 3),), "lines[0].quantity", "must be at most 2"),
        ((("1", 1), ("1", 2)), "lines[1].quantity", "must be at most 1"),
        ((("back", 1),), "lines[0].reference_id", "must name a line of the order"),
        ((("1", 2), ("1", None)), "lines[1].quantity", "must be at most 0"),
    ],
)
async def test_lines_that_are_not_there_are_named(
    till: Till, lines: tuple[tuple[str, int | None], ...], field: str, text: str
) -> None:
    """Nothing is taken, and the field is named with what is left."""
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, quantity=2), item(-50, plu="back"))

    with pytest.raises(RequestInvalidError) as refused:
        await take(till, order, *lines)

    (violation,) = refused.value.violations
    assert violation.field == field
    assert violation.message.startswith(text)
    assert (await kept(till, order)).returned is None


async def test_return_has_a_window_and_a_claimed_order(till: Till) -> None:
    """Beyond the window, and of what is not claimed or unknown, nothing comes back."""
    await apply(till, return_days=1, void_by_other_partner="refuse")
    guest = await enroll(till.store)
    order = await claim(till, guest, item(100, quantity=2))
    opened = await till.identify(guest)
    await till.update(opened, PENDING, basket(item(100)))

    with pytest.raises(TransactionNotReturnableError):
        await take(till, opened, ("1", 1))
    with pytest.raises(TransactionNotFoundError):
        await take(replace(till, key=replace(KEY, partner="other")), order, ("1", 1))
    till.now_ms += DAY_MS
    await take(till, order, ("1", 1))
    till.now_ms += 1
    with pytest.raises(ReturnTooLateError):
        await take(till, order, ("1", 1), created="late")


async def test_spent_points_are_owed_or_refuse_the_return(till: Till) -> None:
    """The program's rule for points that are spent already is that of a void."""
    guest = await enroll(till.store, points=COOKIE_POINTS - 30)
    order = await claim(till, guest, item(100, quantity=3))
    other = await till.identify(guest, COOKIE)
    await till.update(other, CLAIMED, basket(reward(COOKIE), item(0)))

    await apply(till, void_spent="refuse")
    with pytest.raises(PointsInsufficientError):
        await take(till, order, ("1", 1))
    await apply(till, void_spent="debt")

    assert (await take(till, order, ("1", 1))).available_points == 0
    later = await claim(till, guest, item(300))
    assert (await kept(till, later)).points_earned == 30
    assert (await till.void(later)).result.available_points == 0


async def test_limits_of_a_member_count_what_is_kept(till: Till) -> None:
    """What came back counts for no limit of a promotion and no day's cap."""
    cup = {"id": "cup", "bonus": 5, "on": ["cup"], "at_most": {"per_day": 2}}
    await apply(till, cup, earning={"caps": {"per_day": 100}})
    guest = await enroll(till.store)
    noon = datetime(2023, 11, 14, 17)  # noqa: DTZ001
    order = await claim(till, guest, item(400, plu="cup", quantity=2), local_time=noon)
    await take(till, order, ("cup", 1))

    again = await claim(till, guest, item(100, plu="cup", quantity=2), local_time=noon)

    record = await kept(till, again)
    assert record.points_earned == 20 + 5
    await take(till, again, ("cup", 2))
