"""What becomes of purchases later: they are awarded, confirmed, and lines of them come back."""

from __future__ import annotations

import asyncio

import pytest

from loyalty_service.application.purchases.adjust_without_receipt import (
    AdjustWithoutReceipt,
    adjust_without_receipt,
)
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.errors import (
    LoyaltyError,
    PointsInsufficientError,
    ReceiptAlreadyClaimedError,
    ReceiptExpiredError,
    RequestInvalidError,
)
from loyalty_service.domain.es_errors import AccountNotFoundError, SessionClosedError
from loyalty_service.domain.purchase_errors import (
    ConfirmationDoneError,
    ConfirmationImpossibleError,
    ConfirmationMismatchError,
    ConfirmationNotNeededError,
    ConfirmationTooLateError,
    OriginalOfAnotherMemberError,
    PurchaseNotFoundError,
)
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as audit_store
from tests.support.ledger import audit, balances, execute, rows
from tests.support.orders import CLAIMED, DAY_MS, Till, basket, item
from tests.support.programs import enroll
from tests.support.purchases import adjust, award, confirm, describe, pay, start

FIRST = {"id": "first", "bonus": 7, "rules": {"first_order": True}}


async def test_purchase_without_a_card_is_awarded_once(till: Till, database_url: str) -> None:
    """ES-15: within the days of receipts; the same call again gets the first answer."""
    await describe(till, FIRST)
    guest, other = await enroll(till.store), await enroll(till.store)
    visit, late = await start(till), await start(till)
    await pay(till, visit, item(1990))
    await pay(till, late)
    current, second = await start(till, guest), await start(till, other)

    first = await award(till, visit, current)
    again = await award(till, visit, current)

    assert again.repeated
    assert again.result == first.result
    assert (first.result.loyalty_id, first.result.original_id) == (guest, visit)
    assert first.result.earned_points == 206
    assert balances(database_url, guest) == (206, 0)
    with pytest.raises(ReceiptAlreadyClaimedError):
        await award(till, visit, second)
    with pytest.raises(SessionClosedError):
        await award(till, late, current)
    till.now_ms += 30 * DAY_MS + 1
    with pytest.raises(ReceiptExpiredError) as expired:
        await award(till, late, await start(till, other))
    assert expired.value == ReceiptExpiredError(30)


async def test_only_nobodys_purchase_is_awarded_and_only_to_a_member(till: Till) -> None:
    """One that a member paid is that member's; a session of nobody has no account."""
    guest = await enroll(till.store)
    mine, nobodys = await start(till, guest), await start(till)
    await pay(till, mine)
    await pay(till, nobodys)
    with pytest.raises(OriginalOfAnotherMemberError):
        await award(till, mine, await start(till, guest))
    with pytest.raises(AccountNotFoundError):
        await award(till, nobodys, await start(till))
    with pytest.raises(PurchaseNotFoundError):
        await award(till, await start(till), await start(till, guest))


async def test_points_wait_until_the_purchase_is_confirmed(till: Till, database_url: str) -> None:
    """ES-14: they can't be spent before, and are the member's all the time."""
    guest, other = await enroll(till.store), await enroll(till.store)
    visit, plain, empty = [await start(till, guest) for _ in range(3)]

    paid = await pay(till, visit, confirmation_mode="CART")
    await pay(till, plain, item(100))
    nothing = Basket((), (), (), "CAD")
    await pay(till, empty, basket=nothing, confirmation_mode="CART")

    assert (paid.earned_points, paid.points, paid.available_points) == (100, 100, 0)
    assert paid.confirmation == ("CART", False)
    assert balances(database_url, guest) == (10, 0)
    stale = await start(till, guest)
    await pay(till, stale, confirmation_mode="CART")
    till.now_ms += 30 * DAY_MS + 1
    with pytest.raises(ConfirmationTooLateError) as late:
        await confirm(till, await start(till, guest), stale)
    assert late.value == ConfirmationTooLateError(30)
    till.now_ms -= 30 * DAY_MS + 1
    current = await start(till, guest)
    refused: tuple[tuple[str, str, type[LoyaltyError]], ...] = (
        ("nobody", "CART", PurchaseNotFoundError),
        (plain, "CART", ConfirmationNotNeededError),
        (visit, "BASKET", ConfirmationMismatchError),
        (empty, "CART", ConfirmationImpossibleError),
    )
    for name, mode, error in refused:
        with pytest.raises(error):
            await confirm(till, current, name, mode)
    with pytest.raises(OriginalOfAnotherMemberError):
        await confirm(till, await start(till, other), visit)
    done = await confirm(till, current, visit)
    assert done.result.points == 100
    assert balances(database_url, guest) == (110, 0)
    with pytest.raises(ConfirmationDoneError):
        await confirm(till, current, visit)


async def test_lines_that_come_back_take_points_that_wait_first(
    till: Till, database_url: str
) -> None:
    """What was confirmed meanwhile is taken from what can be spent; all of it is a void."""
    guest = await enroll(till.store)
    visit, plain = await start(till, guest), await start(till, guest)
    await pay(till, visit, item(1000, plu="a", quantity=2), confirmation_mode="CART")
    await pay(till, plain, item(100))

    some = (await adjust(till, visit, current := await start(till, guest), ("a", 1))).result

    assert (some.earned_points, some.points, some.available_points) == (-100, 110, 10)
    again = await adjust(till, visit, current, ("a", 1))
    assert again.repeated
    await confirm(till, await start(till, guest), visit)
    rest = (await adjust(till, visit, await start(till, guest), ("a", None))).result
    assert (rest.earned_points, rest.points, rest.available_points) == (-100, 10, 10)
    with pytest.raises(PurchaseNotFoundError):
        await adjust(till, visit, await start(till, guest), ("a", 1))
    void = rows(database_url, "SELECT count(*) AS many FROM loyalty_transaction WHERE status = 3")
    assert void[0].many == 1


async def test_till_of_the_other_contract_voids_what_waits(till: Till, database_url: str) -> None:
    """A void takes points that wait from where they are."""
    guest = await enroll(till.store)
    visit = await start(till, guest)
    await pay(till, visit, confirmation_mode="CART")
    (order,) = rows(database_url, "SELECT transaction_id FROM loyalty_transaction")

    voided = await till.void(order.transaction_id)

    assert voided.result.earned_points == 100
    left = rows(database_url, "SELECT kind, balance FROM account WHERE member_number IS NOT NULL")
    assert all(row.balance == 0 for row in left)
    with pytest.raises(PurchaseNotFoundError):
        await confirm(till, await start(till, guest), visit)


async def test_adjustment_names_lines_of_the_purchase(till: Till) -> None:
    """Others are refused, and so is another member's purchase; spent points are not owed."""
    guest, other = await enroll(till.store), await enroll(till.store)
    visit = await start(till, guest)
    await pay(till, visit, item(1000, plu="a"))
    current = await start(till, guest)
    with pytest.raises(RequestInvalidError):
        await adjust(till, visit, current, ("b", 1))
    with pytest.raises(RequestInvalidError):
        await adjust(till, visit, current, ("a", 2))
    with pytest.raises(OriginalOfAnotherMemberError):
        await adjust(till, visit, await start(till, other), ("a", 1))
    nobodys = await start(till)
    await pay(till, nobodys, item(500, plu="a"))
    lowered = (await adjust(till, nobodys, await start(till), ("a", None))).result
    assert (lowered.earned_points, lowered.points) == (-50, 0)


async def test_purchase_and_claim_of_one_member_race(till: Till, database_url: str) -> None:
    """Finalize against claim, adjustment against void: the ledger has the sum of what was told."""
    guest = await enroll(till.store)
    visits = [await start(till, guest) for _ in range(6)]
    opened = [await till.identify(guest) for _ in range(6)]
    await asyncio.gather(
        *(pay(till, visit, item(1000, plu="a")) for visit in visits),
        *(till.update(one, CLAIMED, basket(item(500))) for one in opened),
    )
    assert balances(database_url, guest) == (6 * 100 + 6 * 50, 0)
    orders = rows(
        database_url,
        "SELECT transaction_id, pos_transaction_id FROM loyalty_transaction "
        "WHERE pos_type = 'ES' ORDER BY 1",
    )
    later = [await start(till, guest) for _ in orders]
    told = await asyncio.gather(
        *(
            adjust(till, order.pos_transaction_id, current, ("a", 1))
            for order, current in zip(orders, later, strict=True)
        ),
        *(till.void(order.transaction_id) for order in orders),
        return_exceptions=True,
    )
    wrong = [one for one in told if isinstance(one, BaseException)]
    assert all(isinstance(one, PurchaseNotFoundError | PointsInsufficientError) for one in wrong), (
        wrong
    )
    assert balances(database_url, guest) == (6 * 50, 0)


async def test_products_without_a_receipt_take_what_the_rate_gives(
    till: Till, database_url: str
) -> None:
    """No more than the member has, unless the program makes debts; the session is closed."""
    await describe(till, FIRST, void_spent="refuse")
    guest = await enroll(till.store)
    await pay(till, await start(till, guest), item(1000))
    visit = await start(till, guest)
    command = AdjustWithoutReceipt(till.key, visit, basket(item(400)))

    told = await till.call(adjust_without_receipt, command)
    again = await till.call(adjust_without_receipt, command)

    assert again.repeated
    assert (told.result.earned_points, told.result.points) == (-40, 67)
    assert balances(database_url, guest) == (67, 0)
    more = AdjustWithoutReceipt(till.key, await start(till, guest), basket(item(1000)))
    with pytest.raises(PointsInsufficientError):
        await till.call(adjust_without_receipt, more)
    nobody = AdjustWithoutReceipt(till.key, await start(till), basket(item(10)))
    with pytest.raises(AccountNotFoundError):
        await till.call(adjust_without_receipt, nobody)


async def test_products_without_a_receipt_take_no_more_than_an_order_may_earn(
    till: Till, database_url: str
) -> None:
    """A price that somebody mistyped leaves no debt that no order could have earned."""
    await describe(till, void_spent="debt")
    guest = await enroll(till.store)
    visit = await start(till, guest)
    mistyped = basket(item(1_000_000_000))

    paid = await pay(till, await start(till, guest), basket=mistyped)
    told = await till.call(adjust_without_receipt, AdjustWithoutReceipt(till.key, visit, mistyped))

    assert told.result.earned_points == -paid.earned_points == -100_000
    assert balances(database_url, guest) == (0, 0)


async def test_audit_finds_points_that_wait_for_no_order(till: Till, database_url: str) -> None:
    """Be it that an order has fewer than its member's account, or is confirmed already."""
    guest = await enroll(till.store)
    await pay(till, await start(till, guest), confirmation_mode="CART")
    audit(database_url)
    for change in (
        "UPDATE loyalty_transaction SET points_unconfirmed = 99",
        "UPDATE loyalty_transaction SET confirmation = 'confirmed'",
    ):
        execute(database_url, change)
        found = audit_store(Database.from_text(database_url))
        assert not found.all_hold
        execute(
            database_url,
            "UPDATE loyalty_transaction SET points_unconfirmed = 100, confirmation = 'waits'",
        )
