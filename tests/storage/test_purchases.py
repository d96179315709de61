"""Purchases of sessions: tried, paid, and paid by nobody who is known."""

from __future__ import annotations

from fractions import Fraction

import pytest

from loyalty_service.application.orders.get_transaction import get_transaction
from loyalty_service.application.purchases.finalize_purchase import finalize_purchase
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.es_errors import SessionClosedError, SessionNotFoundError
from loyalty_service.domain.es_terms import EsTerms, SuppressedPrompts
from loyalty_service.domain.prompt_catalogue import Prompt, Prompts
from loyalty_service.domain.purchases import NearMiss
from loyalty_service.domain.records import TransactionStatus
from tests.support.ledger import balances, rows
from tests.support.orders import DAY_MS, Till, item
from tests.support.programs import KEY, enroll
from tests.support.purchases import describe, pay, purchase, start, try_

SPEND = {"id": "spend", "bonus": 500, "rules": {"minimum_spend": 2500}}


async def test_member_earns_for_a_purchase_and_its_session_is_closed(
    till: Till, database_url: str
) -> None:
    """The same call again gets the first answer; another one finds the session closed."""
    guest = await enroll(till.store)
    visit = await start(till, guest)
    command = purchase(till, visit, item(1000), item(550), call_id="call")

    first = await till.call(finalize_purchase, command)
    again = await till.call(finalize_purchase, command)

    assert again.repeated
    assert again.result == first.result
    assert (first.result.transaction_id, first.result.call_id) == (visit, "call")
    assert (first.result.earned_points, first.result.points) == (155, 155)
    assert first.result.prompt.receipt == "Earned: 155\nBalance: 155"
    assert balances(database_url, guest) == (155, 0)
    for other in (purchase(till, visit), purchase(till, visit, item(1550))):
        with pytest.raises(SessionClosedError):
            await till.call(finalize_purchase, other)
    with pytest.raises(SessionClosedError):
        await try_(till, visit)
    (order,) = rows(database_url, "SELECT transaction_id FROM loyalty_transaction")
    async with till.store.read() as reader:
        entry = await get_transaction(reader, KEY, order.transaction_id)
    assert entry.transaction.status is TransactionStatus.CLAIMED
    assert (entry.transaction.pos_transaction_id, entry.transaction.store_id) == (visit, 9999)


async def test_trial_changes_nothing(till: Till, database_url: str) -> None:
    """ES-24: twice the same, and what is missing is told to the cent; the session stays open."""
    await describe(till, SPEND)
    guest = await enroll(till.store)
    visit = await start(till, guest)

    tried = [await try_(till, visit, item(2065), call_id="c") for _ in range(2)]

    assert tried[0] == tried[1]
    assert (tried[0].earned_points, tried[0].points, tried[0].transaction_id) == (206, 0, None)
    near = NearMiss("spend", "spend", 435, None, 500, Fraction(435, 2500))
    assert tried[0].near_misses == (near,)
    words = "Spend $4.35 more to earn 500 points with spend."
    assert tried[0].prompt == Prompt("NEAR_MISS", words)
    assert balances(database_url, guest) == (0, 0)
    paid = await pay(till, visit, item(2500))
    assert paid.earned_points == 750
    assert paid.promotions == (PromotionPoints("spend", "spend", 1, 500),)
    assert paid.near_misses == ()


async def test_at_most_three_promotions_are_near_and_the_nearest_comes_first(till: Till) -> None:
    """Products are counted as money is; far ones, and those that are earned, are left out."""
    products = [
        {"id": "three", "bonus": 30, "rules": {"cart_has": [{"any_of": ["a"], "quantity": 3}]}}
    ]
    amounts = [
        {"id": f"m{amount}", "bonus": amount, "rules": {"minimum_spend": amount}}
        for amount in (900, 1050, 1100, 1249, 1251)
    ]
    await describe(till, *products, *amounts)
    visit = await start(till, await enroll(till.store))

    tried = await try_(till, visit, item(500, plu="a", quantity=2))

    told = [(one.promotion_id, one.amount, one.quantity) for one in tried.near_misses]
    assert told == [("m1050", 50, None), ("m1100", 100, None), ("m1249", 249, None)]
    near = await try_(till, visit, item(1, plu="a", quantity=2))
    assert [(one.promotion_id, one.quantity) for one in near.near_misses] == [("three", 1)]


async def test_shopper_without_a_card_is_told_what_a_member_would_earn(
    till: Till, database_url: str
) -> None:
    """Only by what all members get; nothing is posted, and the order waits to be claimed."""
    mine = {"id": "mine", "bonus": 7, "rules": {"first_order": True}}
    prompts = Prompts({"fr-CA": Prompt("REQUEST_EMAIL", "Courriel ?", "Joignez-vous.")}, {})
    await describe(till, SPEND, mine, prompts=prompts)
    visit = await start(till, anonymous_flag="true", locale="fr-CA")

    paid = await pay(till, visit, item(2500))

    assert (paid.earned_points, paid.points, paid.available_points) == (750, 0, 0)
    assert paid.prompt.code == "MISSED_POINTS"
    assert paid.prompt.message == "Un membre aurait obtenu 750 points."
    assert paid.prompt.receipt == "Un membre aurait obtenu 750 points. Joignez-vous."
    told = "SELECT status, points_earned, member_number FROM loyalty_transaction"
    (order,) = rows(database_url, told)
    assert tuple(order) == (TransactionStatus.UNCLAIMED, 750, None)
    guest = await enroll(till.store)
    claimed = await till.claim_receipt(guest, paid.receipt_code)
    assert claimed.result.earned_points == 757


async def test_silent_tills_are_told_nothing(till: Till) -> None:
    """By the partner of the key, or by the channel of the session."""
    await describe(till, SPEND, es=EsTerms(suppress_prompts=SuppressedPrompts((), ("kiosk",))))
    guest = await enroll(till.store)
    for channel, found in (("KIOSK", 0), ("STORE", 1)):
        visit = await start(till, guest, channel=channel)
        tried = await try_(till, visit, item(2400))
        assert len(tried.near_misses) == found
        assert bool(tried.prompt.code) == bool(found)


async def test_session_that_is_unknown_or_expired_takes_no_purchase(till: Till) -> None:
    """A purchase of nobody's session must be started first, and one that lies idle is over."""
    with pytest.raises(SessionNotFoundError):
        await pay(till, "nobody")
    visit = await start(till, await enroll(till.store))
    till.now_ms += DAY_MS + 1
    with pytest.raises(SessionClosedError):
        await pay(till, visit)
