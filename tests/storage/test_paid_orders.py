"""Orders as tills send them: what was spent, what was removed again, and what was put right."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import structlog

from loyalty_service.application.codes.issue_code import IssueCode, Selected, issue_code
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.order_review import MODE_UNTOLD
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.domain.basket import AppliedDiscount, Basket, Payment
from loyalty_service.domain.errors import (
    OfferNotFoundError,
    RequestInvalidError,
    RewardNotFoundError,
    RulesFailedError,
)
from loyalty_service.domain.flags import Mend
from loyalty_service.domain.visit import PointOfSale
from tests.support.doing import apply_program
from tests.support.ledger import balances, count_rows
from tests.support.orders import (
    CARD_OFFER,
    CLAIMED,
    COFFEE,
    COOKIE,
    PENDING,
    SOUP,
    TWENTY_PERCENT,
    Till,
    basket,
    item,
    offer,
    report,
    reward,
)
from tests.support.programs import KEY, demo_program, enroll

pytestmark = pytest.mark.any_database

DEPOSIT = "9901"
MENDS = tuple(Mend("amount", f"order[{place}].price") for place in range(12))


async def test_excluded_products_are_nothing_spent(till: Till) -> None:
    """A gift card or deposit does not help an offer to its minimum, nor keep it from it."""
    transaction = await till.identify(await enroll(till.store))
    content = basket(item(1499), item(5000, plu=DEPOSIT), offer(CARD_OFFER), paid=("VISA",))
    with pytest.raises(RulesFailedError) as refused:
        await till.update(transaction, CLAIMED, content)
    (failure,) = refused.value.failures
    assert (failure.rule_id, failure.current_value) == ("minimum-spend", 1499)
    given_back = item(25, quantity=-1, plu=DEPOSIT)
    content = basket(item(1500), given_back, offer(CARD_OFFER), paid=("VISA",))
    told = await till.update(transaction, CLAIMED, content)
    assert told.result.earned_points == 150


async def test_change_is_no_means_of_payment(till: Till) -> None:
    """What is given back in cash was not paid in cash."""
    transaction = await till.identify(await enroll(till.store))
    content = basket(item(1500), offer(CARD_OFFER))
    payments = (Payment("VISA", 2000), Payment("CHANGE", -500))
    await till.update(transaction, CLAIMED, replace(content, payments=payments))


@pytest.mark.parametrize("status", [PENDING, CLAIMED])
async def test_removed_reward_costs_nothing(till: Till, database_url: str, status: object) -> None:
    """A line of it with a quantity below 1, alone or after it, takes it out of the order."""
    guest = await enroll(till.store, 1600)
    for lines in ((reward(COFFEE, 0),), (reward(COFFEE), reward(COFFEE, -1))):
        transaction = await till.identify(guest, COFFEE)
        assert balances(database_url, guest) == (800, 800)
        told = await till.update(transaction, status, basket(*lines))  # type: ignore[arg-type]
        assert told.result.redeemed_points == 0
        assert balances(database_url, guest) == (1600, 0)
    assert count_rows(database_url, "redemption") == 0


@pytest.mark.parametrize("unclaimed", [False, True])
async def test_what_was_put_right_is_told_once(till: Till, *, unclaimed: bool) -> None:
    """By reason, with the first ten of its fields, and not of an order that is still open."""
    guest = await enroll(till.store)
    content = basket(item(1000))
    mends = (*MENDS, Mend("parent", "order[1].parent_reference_id"))
    with structlog.testing.capture_logs() as logs:
        if unclaimed:
            pos = PointOfSale("1", 9999, "Partner", None, None, None)
            command = RecordUnclaimedOrder(
                KEY, "RESTAURANT", "EAT_IN", pos, content, "{}", mends=mends
            )
            told = await till.call(record_unclaimed_order, command)
            transaction = told.result.transaction_id
        else:
            transaction = await till.identify(guest)
            claim = replace(report(transaction, CLAIMED, content), mends=mends)
            await till.call(report_order, claim)
            assert (await till.call(report_order, claim)).repeated
    lines = [entry for entry in logs if entry["event"] == "flagged"]
    assert [(line["flag"], line["reason"], line["field_count"]) for line in lines] == [
        ("order_mended", "amount", 12),
        ("order_mended", "parent", 1),
    ]
    assert lines[0]["fields"] == [mend.field for mend in MENDS[:10]]
    assert (lines[0]["transaction_id"], lines[0]["store_id"]) == (transaction, 9999)
    assert till.store.stats().flags["order_mended", "amount"] == 1


async def test_mode_that_is_not_told_breaks_no_offer_that_was_accepted(till: Till) -> None:
    """Whatever else the order has by then; one that nobody accepted does not hold without it."""
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, PENDING, basket(item(1000), offer(SOUP)))
    claim = report(transaction, CLAIMED, basket(item(1200), offer(SOUP)), service_mode=MODE_UNTOLD)
    assert (await till.call(report_order, claim)).result.earned_points == 120
    other = await till.identify(await enroll(till.store))
    with pytest.raises(RulesFailedError) as refused:
        await till.call(report_order, replace(claim, transaction_id=other))
    assert [failure.code for failure in refused.value.failures] == ["invalid-service-mode"]


async def test_offer_that_takes_off_and_does_not_hold_earns_no_more(till: Till) -> None:
    """What its line took off was not paid, whether or not the offer holds."""
    discount = replace(offer("never heard of"), price=-200)
    recorded = await till.unclaimed(basket(item(1000), discount))
    guest = await enroll(till.store)
    told = await till.claim_receipt(guest, recorded.receipt_code)
    assert told.result.earned_points == 80


TILLS_OWN = AppliedDiscount(None, "1", "MGR10")
UNKNOWN = replace(offer("never heard of"), price=300)


async def test_unknown_offers_of_a_claim_earn_nothing_and_are_told(till: Till) -> None:
    """The guest has paid, and a till's own discount is named by its line."""
    content = basket(item(1000), UNKNOWN, discounts=(TILLS_OWN,))
    transaction = await till.identify(await enroll(till.store))
    with structlog.testing.capture_logs() as logs:
        told = await till.update(transaction, CLAIMED, content)
    assert told.result.earned_points == 100
    flagged = [log for log in logs if log.get("flag") == "offer_invalid"]
    assert [(log["reason"], log["offers"], log["offer_count"]) for log in flagged] == [
        ("unknown", [], 2)
    ]
    assert till.store.stats().flags["offer_invalid", "unknown"] == 1


async def test_tills_own_discount_of_an_open_order_is_no_error(till: Till) -> None:
    """Its line price is reduced already; it is no use of anything."""
    content = basket(item(1000), discounts=(TILLS_OWN,))
    transaction = await till.identify(await enroll(till.store))
    await till.validate(transaction, PENDING, content)
    told = await till.update(transaction, PENDING, content)
    assert told.result.redeemed_points == 0
    assert (await till.update(transaction, CLAIMED, content)).result.earned_points == 100


async def test_unknown_offer_that_a_line_sells_is_refused_before_payment(till: Till) -> None:
    """Its vendor can correct it then; a validation says so of a claim, too."""
    transaction = await till.identify(await enroll(till.store))
    content = basket(item(1000), UNKNOWN, discounts=(AppliedDiscount("never heard of", None, ""),))
    with pytest.raises(OfferNotFoundError):
        await till.update(transaction, PENDING, content)
    for status in (PENDING, CLAIMED):
        with pytest.raises(OfferNotFoundError):
            await till.validate(transaction, status, content)


@pytest.mark.parametrize(
    "content",
    [
        basket(item(1000), reward("never heard of")),
        basket(item(1000), discounts=(AppliedDiscount(None, "1", "MGR10", "reward"),)),
        basket(item(1000), reward("1"), discounts=(TILLS_OWN,)),
    ],
)
async def test_unknown_reward_is_refused_whenever_it_comes(till: Till, content: Basket) -> None:
    """What costs points is never given for a name that nobody knows."""
    transaction = await till.identify(await enroll(till.store))
    with pytest.raises((RewardNotFoundError, OfferNotFoundError)):
        await till.validate(transaction, PENDING, content)
    for status in (PENDING, CLAIMED):
        with pytest.raises((RewardNotFoundError, OfferNotFoundError)):
            await till.update(transaction, status, content)


async def test_tax_of_a_kept_order_keeps_its_digits(till: Till) -> None:
    """A receipt whose offer does not hold is counted again, from what was kept."""
    program = demo_program()
    earning = replace(program.earning, include_tax=True)
    command = ApplyProgram(replace(program, earning=earning))
    await till.store.write(lambda unit, now: apply_program(unit, command, now))
    sold = replace(item(999), tax=Decimal("1.5"))
    both = (replace(sold, reference_id="a"), replace(sold, reference_id="b"))
    recorded = await till.unclaimed(basket(*both, offer(TWENTY_PERCENT)))
    told = await till.claim_receipt(await enroll(till.store), recorded.receipt_code)
    assert told.result.earned_points == 200


async def test_code_is_issued_for_a_catalogue_id_in_any_case(till: Till) -> None:
    """It is the same incentive, and so is not selected twice."""
    guest = await enroll(till.store, 800)
    command = IssueCode(KEY, guest, (Selected(COFFEE.upper(), 1), Selected(COOKIE, 1)), None)
    issued = await till.call(issue_code, command)
    assert COFFEE in issued.result.code.selection
    twice = replace(command, selection=(Selected(COFFEE.upper(), 1), Selected(COFFEE, 1)))
    with pytest.raises(RequestInvalidError) as refused:
        await till.call(issue_code, twice)
    assert [violation.field for violation in refused.value.violations] == ["order[1].incentive_id"]
