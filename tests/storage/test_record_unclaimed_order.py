"""Offers of orders without a guest: flagged where they do not hold, counted where they do."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine
from loyalty_service.domain.errors import OfferNotFoundError, RulesFailedError
from loyalty_service.domain.program import Incentive, Program
from loyalty_service.domain.restrictions import DateSpan, MaximumRedemptions, OrderLimits
from tests.support.doing import apply_program
from tests.support.ledger import audit, count_rows, execute, rows
from tests.support.orders import (
    CARD_OFFER,
    CLAIMED,
    COFFEE,
    DAY_MS,
    PENDING,
    TWENTY_PERCENT,
    Till,
    basket,
    item,
    offer,
    reward,
)
from tests.support.programs import demo_program, enroll
from tests.support.stores import demo_store, open_store

SUMMER_2026 = "31162427-3bfd-4d33-8d00-38ec42650644"
OF_STORE_1001 = "ed038db4-de38-4784-a6d0-b944a2863a7f"
FIRST_ORDER = "d2d58443-07f0-42ce-87b3-17d94d1fe09f"
BIRTHDAY = "633a50ee-e0f9-4038-ab8f-624fb804d820"
RETIRED = "97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088"
CAPPED = "capped"
NOTHING = "never heard of"


def capped(total: int) -> Incentive:
    """Describe an offer that all members together may use so often."""
    plain = replace(demo_program().incentives[TWENTY_PERCENT], incentive_id=CAPPED, engine_id=None)
    return replace(plain, discount=None, rules=(MaximumRedemptions(None, total),))


def with_offers(*offers: Incentive, **other: object) -> Program:
    """Give the demo program some more offers, or other words."""
    program = demo_program()
    added = {one.incentive_id: one for one in offers}
    return replace(program, incentives={**program.incentives, **added}, **other)  # type: ignore[arg-type]


def priced(incentive_id: str, price: int = 1000) -> BasketLine:
    """Use an offer at *price* minor units."""
    return replace(offer(incentive_id), price=price)


async def apply(till: Till, program: Program) -> None:
    """Let an operator change the program."""
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


def flagged(till: Till) -> dict[str, int]:
    """Tell how many orders were flagged for their offers, for each reason."""
    flags = till.store.stats().flags
    return {reason: n for (kind, reason), n in flags.items() if n and kind == "offer_invalid"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (priced(SUMMER_2026), "invalid-start-date"),
        (priced(OF_STORE_1001), "invalid-store-id"),
        (priced(NOTHING), "unknown"),
        (priced(RETIRED), "unknown"),
        (priced(CAPPED), "exceeds-max-redemption"),
    ],
)
async def test_offer_that_does_not_hold_is_flagged_and_earns_nothing(
    till: Till, database_url: str, line: BasketLine, reason: str
) -> None:
    """The order is paid: it gets its receipt, worth what the rest of it earns, and a flag."""
    await apply(till, with_offers(capped(1)))
    used_up = await till.identify(await enroll(till.store))
    await till.update(used_up, CLAIMED, basket(offer(CAPPED)))
    guest = await enroll(till.store)

    with structlog.testing.capture_logs() as logs:
        recorded = await till.unclaimed(basket(item(2000), line))

    (told,) = [entry for entry in logs if entry["event"] == "flagged"]
    assert (told["flag"], told["reason"]) == ("offer_invalid", reason)
    assert (told["store_id"], told["partner"]) == (9999, "partner")
    known = [line.incentive_id] if line.incentive_id != NOTHING else []
    assert told["transaction_id"] == recorded.transaction_id
    assert (told["offers"], told["offer_count"]) == (known, 1)
    assert flagged(till) == {reason: 1}
    assert "claim 200 points" in recorded.presentation.marketing
    claimed = await till.claim_receipt(guest, recorded.receipt_code)
    assert claimed.result.earned_points == 200
    assert count_rows(database_url, "redemption") == 1
    assert flagged(till) == {reason: 1}


async def test_part_that_does_not_hold_makes_its_combo_earn_less(till: Till) -> None:
    """Whether that is known when the order is recorded, or when its receipt is claimed."""
    guest = await enroll(till.store)

    def meal(part: str) -> Basket:
        combo = replace(item(1000), product_id="c", product_type="combo", reference_id="c")
        parts = (replace(item(700), reference_id="p"), priced(part, 300))
        return basket(combo, *(replace(one, parent_reference_id="c") for one in parts))

    for offer_id, promised, earned in (
        (TWENTY_PERCENT, 100, 100),
        (RETIRED, 70, 70),
        (BIRTHDAY, 100, 70),
    ):
        recorded = await till.unclaimed(meal(offer_id))
        assert f"claim {promised} points" in recorded.presentation.marketing
        claimed = await till.claim_receipt(guest, recorded.receipt_code)
        assert claimed.result.earned_points == earned


async def test_offer_that_holds_is_counted_when_the_receipt_is_claimed(
    till: Till, database_url: str
) -> None:
    """Its use is a redemption like that of an order with a guest, and a void takes it back."""
    guest = await enroll(till.store)
    recorded = await till.unclaimed(
        basket(
            item(2000),
            priced(TWENTY_PERCENT),
            offer(CARD_OFFER),
            paid=("VISA",),
            discounts=(AppliedDiscount(CARD_OFFER, None, "706"),),
        )
    )
    assert count_rows(database_url, "redemption") == 0
    recorded_ms = till.now_ms
    till.now_ms += DAY_MS

    told = await till.claim_receipt(guest, recorded.receipt_code)

    assert told.result.earned_points == 300
    assert flagged(till) == {}
    used = rows(database_url, "SELECT incentive_id, quantity, redeemed_ms FROM redemption")
    assert Counter((row.incentive_id, row.quantity, row.redeemed_ms) for row in used) == {
        (TWENTY_PERCENT, 1, recorded_ms): 1,
        (CARD_OFFER, 1, recorded_ms): 1,
    }
    await till.void(recorded.transaction_id)
    (row,) = rows(database_url, "SELECT sum(quantity) AS counted FROM incentive_usage")
    assert row.counted == 0


async def test_caps_hold_over_orders_and_receipts_together(till: Till, database_url: str) -> None:
    """Receipts that are claimed after the cap was reached count nothing and earn the rest."""
    await apply(till, with_offers(capped(2)))
    guest = await enroll(till.store)
    receipts = [await till.unclaimed(basket(item(1000), priced(CAPPED))) for _ in range(3)]
    opened = await till.identify(guest)
    await till.update(opened, CLAIMED, basket(offer(CAPPED)))

    earned = [
        (await till.claim_receipt(guest, recorded.receipt_code)).result.earned_points
        for recorded in receipts
    ]

    assert earned == [200, 100, 100]
    assert flagged(till) == {"exceeds-max-redemption": 2}
    assert count_rows(database_url, "redemption") == 2
    late = await till.identify(guest)
    with pytest.raises(RulesFailedError):
        await till.update(late, CLAIMED, basket(offer(CAPPED)))


async def test_receipts_that_meet_keep_the_cap(database_url: str) -> None:
    """Two servers claim receipts of the last use at once: one of them counts it."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        till = Till(store)
        tills = (till, replace(till, store=other))
        await apply(till, with_offers(capped(1)))
        await other.refresh_catalog()
        guests = [await enroll(store) for _ in range(6)]
        receipts = [await till.unclaimed(basket(item(1000), priced(CAPPED))) for _ in guests]
        told = await asyncio.gather(
            *(
                tills[number % 2].claim_receipt(guest, recorded.receipt_code)
                for number, (guest, recorded) in enumerate(zip(guests, receipts, strict=True))
            )
        )
        earned = sorted(one.result.earned_points for one in told)
    assert earned == [100] * 5 + [200]
    assert count_rows(database_url, "redemption") == 1
    audit(database_url)


@pytest.mark.parametrize(
    ("incentive_id", "reason"), [(FIRST_ORDER, "not-first-order"), (BIRTHDAY, "not-birthday")]
)
async def test_what_asks_about_a_member_is_judged_when_one_is_known(
    till: Till, database_url: str, incentive_id: str, reason: str
) -> None:
    """Until the claim nobody can tell; then the offer earns nothing and is flagged."""
    guest = await enroll(till.store)
    before = await till.identify(guest)
    await till.update(before, CLAIMED, basket(item(100)))
    recorded = await till.unclaimed(basket(item(2000), priced(incentive_id)))
    assert "claim 300 points" in recorded.presentation.marketing
    assert flagged(till) == {}

    told = await till.claim_receipt(guest, recorded.receipt_code)

    assert told.result.earned_points == 200
    assert flagged(till) == {reason: 1}
    assert count_rows(database_url, "redemption") == 0


async def test_receipt_is_worth_no_less_when_the_program_changes(
    till: Till, database_url: str
) -> None:
    """An offer that held when the guest paid is counted, though it ended or was retired since."""
    ending = replace(capped(10), incentive_id="ending", rules=())
    gone = replace(capped(10), incentive_id="gone", rules=())
    await apply(till, with_offers(ending, gone))
    guest = await enroll(till.store)
    recorded = await till.unclaimed(basket(item(2000), priced("ending"), priced("gone")))
    ended = replace(ending, rules=(DateSpan(None, date(2020, 1, 1)),))
    cheaper = replace(
        demo_program().earning, points_per_unit=demo_program().earning.points_per_unit / 10
    )
    await apply(till, with_offers(ended, earning=cheaper))

    told = await till.claim_receipt(guest, recorded.receipt_code)

    assert told.result.earned_points == 400
    assert flagged(till) == {}
    assert count_rows(database_url, "redemption") == 2


async def test_offer_of_an_older_version_is_judged_as_a_whole(
    till: Till, database_url: str
) -> None:
    """What was recorded before offers were judged then is judged when it is claimed."""
    guest = await enroll(till.store)
    recorded = await till.unclaimed(
        basket(item(2000), priced(OF_STORE_1001), priced(TWENTY_PERCENT), priced("nothing"))
    )
    execute(
        database_url, "UPDATE loyalty_transaction SET refused_offers = NULL, points_earned = 500"
    )

    told = await till.claim_receipt(guest, recorded.receipt_code)

    assert told.result.earned_points == 300
    assert flagged(till) == {"invalid-store-id": 2, "unknown": 2}
    assert count_rows(database_url, "redemption") == 1


async def test_one_incentive_an_order_is_the_first(till: Till) -> None:
    """A program that allows one incentive lets the first of an order hold, and flags the others."""
    await apply(till, with_offers(order_limits=OrderLimits(incentives=1)))
    recorded = await till.unclaimed(
        basket(priced(TWENTY_PERCENT), priced(FIRST_ORDER), priced(BIRTHDAY))
    )
    assert "claim 100 points" in recorded.presentation.marketing
    assert flagged(till) == {"exceeds-limit-per-order": 1}
    told = await till.claim_receipt(await enroll(till.store), recorded.receipt_code)
    assert told.result.earned_points == 100


async def test_program_may_refuse_what_does_not_hold(till: Till, database_url: str) -> None:
    """Where the program says so, the till is told by name and nothing is recorded."""
    await apply(till, with_offers(unclaimed_offers="refuse"))
    with pytest.raises(RulesFailedError) as broken:
        await till.unclaimed(basket(priced(OF_STORE_1001), priced(SUMMER_2026)))
    assert [failure.code for failure in broken.value.failures] == [
        "invalid-store-id",
        "invalid-start-date",
    ]
    with pytest.raises(OfferNotFoundError) as unknown:
        await till.unclaimed(basket(priced("nothing")))
    assert unknown.value.incentive_id == "nothing"
    await till.unclaimed(basket(priced(TWENTY_PERCENT)))
    assert count_rows(database_url, "loyalty_transaction") == 1
    assert flagged(till) == {}


@pytest.mark.parametrize("called", ["offer", "reward"])
async def test_reward_earns_nothing_whatever_its_line_is_called(till: Till, called: str) -> None:
    """What an incentive is, the catalogue says: a reward at a price costs points and earns none."""
    guest = await enroll(till.store, 800)
    opened = await till.identify(guest)
    line = replace(reward(COFFEE), product_type=called, price=50_000)
    content = basket(item(1000), line)
    held = await till.update(opened, PENDING, content)
    assert held.result.redeemed_points == 800

    told = await till.update(opened, CLAIMED, content)

    assert (told.result.earned_points, told.result.redeemed_points) == (100, 800)


async def test_offer_called_a_reward_is_an_offer(till: Till) -> None:
    """The other way round it earns, needs no guest, and is counted as what it is."""
    recorded = await till.unclaimed(basket(item(1000), replace(reward(TWENTY_PERCENT), price=1000)))
    assert "claim 200 points" in recorded.presentation.marketing


async def test_what_counts_nothing_holds_no_count(till: Till, database_url: str) -> None:
    """To record or check an order with an offer that all members count writes no count of it."""
    await apply(till, with_offers(capped(1)))
    opened = await till.identify(await enroll(till.store))

    await till.unclaimed(basket(item(2000), priced(CAPPED)))
    await till.validate(opened, CLAIMED, basket(offer(CAPPED)))
    assert count_rows(database_url, "incentive_usage") == 0

    await till.update(opened, CLAIMED, basket(offer(CAPPED)))
    assert count_rows(database_url, "incentive_usage") > 0
