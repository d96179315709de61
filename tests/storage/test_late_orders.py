"""What comes late: voids, receipts and reports, as far as the program lets them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.domain.errors import (
    ReceiptAlreadyClaimedError,
    ReceiptExpiredError,
    ReceiptLimitReachedError,
    ReceiptNotFoundError,
    TransactionNotClaimableError,
    VoidTooLateError,
)
from loyalty_service.domain.restrictions import ReceiptLimits
from tests.support.doing import apply_program
from tests.support.ledger import balances, rows
from tests.support.orders import CLAIMED, COFFEE, DAY_MS, PENDING, Till, basket, item, reward
from tests.support.programs import KEY, demo_program, enroll

pytestmark = pytest.mark.any_database

TORONTO = ZoneInfo("America/Toronto")


async def apply(till: Till, **words: Any) -> None:
    """Let an operator change words of the program."""
    program = replace(demo_program(), **words)
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


def late_voids(till: Till) -> int:
    """Tell how many voids were flagged."""
    return till.store.stats().flags["void_late", "days"]


async def _claimed(till: Till, guest: str) -> str:
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(1000)))
    return transaction


async def test_late_void_is_recorded_and_flagged(till: Till, database_url: str) -> None:
    """On the last millisecond of the 90th day it is in time, after that it is told of."""
    guest = await enroll(till.store)
    early, late = await _claimed(till, guest), await _claimed(till, guest)
    till.now_ms += 90 * DAY_MS
    await till.void(early)
    assert late_voids(till) == 0
    till.now_ms += 1

    with structlog.testing.capture_logs() as logs:
        told = await till.void(late)

    assert (told.result.available_points, told.result.earned_points) == (0, 100)
    assert balances(database_url, guest) == (0, 0)
    (line,) = [entry for entry in logs if entry["event"] == "flagged"]
    assert (line["flag"], line["transaction_id"], line["store_id"]) == ("void_late", late, 9999)
    assert (line["partner"], line["days"]) == ("partner", 90)
    assert late_voids(till) == 1


async def test_repeated_void_is_answered_as_the_first_time(till: Till) -> None:
    """However late a till asks again, and whatever the program says by then, the answer stays."""
    guest = await enroll(till.store)
    transaction = await _claimed(till, guest)
    command = VoidTransaction(KEY, transaction)
    first = await till.call(void_transaction, command, idempotency_key="void")
    await apply(till, void_days=1, late_void="refuse")
    till.now_ms += 400 * DAY_MS
    for key in ("void", "another", None):
        again = await till.call(void_transaction, command, idempotency_key=key)
        assert again.repeated
        assert again.result == first.result
    assert late_voids(till) == 0


async def test_program_may_refuse_late_voids(till: Till, database_url: str) -> None:
    """Then nothing moves; what is open or void already is never too late."""
    await apply(till, void_days=2, late_void="refuse", pending_lifetime_s=2_592_000)
    guest = await enroll(till.store, 800)
    transaction, open_one = await _claimed(till, guest), await till.identify(guest, COFFEE)
    unclaimed = await till.unclaimed(basket(item(1000)))
    till.now_ms += 2 * DAY_MS + 1
    for late in (transaction, unclaimed.transaction_id):
        with pytest.raises(VoidTooLateError) as refused:
            await till.void(late)
        assert refused.value == VoidTooLateError(late, 2)
    assert balances(database_url, guest) == (100, 800)
    await till.void(open_one)
    assert balances(database_url, guest) == (900, 0)
    assert late_voids(till) == 0


async def test_order_is_as_old_as_its_payment(till: Till) -> None:
    """A void of a receipt's order counts from the order, not from when the receipt was claimed."""
    guest = await enroll(till.store)
    recorded = await till.unclaimed(basket(item(1000)))
    till.now_ms += 29 * DAY_MS
    await till.claim_receipt(guest, recorded.receipt_code)
    opened = await till.identify(guest)
    till.now_ms += 62 * DAY_MS
    await till.update(opened, CLAIMED, basket(item(1000)))
    await till.void(opened)
    assert late_voids(till) == 0
    await till.void(recorded.transaction_id)
    assert late_voids(till) == 1


async def test_receipt_lives_as_long_as_the_program_says(till: Till) -> None:
    """A receipt of the 30th day earns; after it the guest is told why it does not."""
    guest = await enroll(till.store)
    early, late, void = [await till.unclaimed(basket(item(1000))) for _ in range(3)]
    await till.void(void.transaction_id)
    till.now_ms += 30 * DAY_MS
    assert (await till.claim_receipt(guest, early.receipt_code)).result.earned_points == 100
    till.now_ms += 1
    with pytest.raises(ReceiptExpiredError) as refused:
        await till.claim_receipt(guest, late.receipt_code)
    assert refused.value == ReceiptExpiredError(30)
    with pytest.raises(ReceiptAlreadyClaimedError):
        await till.claim_receipt(guest, early.receipt_code)
    with pytest.raises(ReceiptNotFoundError):
        await till.claim_receipt(guest, void.receipt_code)
    await apply(till, receipt_days=31)
    assert (await till.claim_receipt(guest, late.receipt_code)).result.earned_points == 100


async def test_reports_keep_an_order_open_for_so_long(till: Till, database_url: str) -> None:
    """Each report gives the order another day, up to the last that the program gives it."""
    await apply(till, pending_days=3)
    guest = await enroll(till.store, 1000)
    opened_ms = till.now_ms
    transaction = await till.identify(guest)
    for day, expected in ((1, 2), (2, 3), (2.5, 3)):
        till.now_ms = opened_ms + int(day * DAY_MS)
        await till.update(transaction, PENDING, basket(reward(COFFEE), item(int(day * 100))))
        found = rows(
            database_url,
            "SELECT expires_ms FROM hold WHERE status = 1 "
            "UNION SELECT expires_ms FROM loyalty_transaction",
        )
        assert [row.expires_ms for row in found] == [opened_ms + expected * DAY_MS]
        assert await till.sweep() == ()
    till.now_ms = opened_ms + 3 * DAY_MS
    assert await till.sweep() == (transaction,)
    assert balances(database_url, guest) == (1000, 0)
    with pytest.raises(TransactionNotClaimableError, match="VOID"):
        await till.update(transaction, PENDING, basket(reward(COFFEE)))


async def test_member_claims_so_many_receipts_in_a_period(till: Till) -> None:
    """By the calendar of the store, counted when they are claimed; a void gives one back."""
    await apply(till, receipt_limits=ReceiptLimits(per_month=2))
    guest, other = await enroll(till.store), await enroll(till.store)
    till.now_ms = int(datetime(2026, 3, 31, 23, 0, tzinfo=TORONTO).timestamp() * 1000)
    orders = [await till.unclaimed(basket(item(1000)), number=str(number)) for number in range(4)]

    for order in orders[:2]:
        await till.claim_receipt(guest, order.receipt_code)
    with pytest.raises(ReceiptLimitReachedError) as refused:
        await till.claim_receipt(guest, orders[2].receipt_code)
    assert refused.value == ReceiptLimitReachedError("per_month", 2)
    await till.claim_receipt(other, orders[3].receipt_code)
    await till.void(orders[0].transaction_id)
    claimed = await till.claim_receipt(guest, orders[2].receipt_code)

    assert claimed.result.available_points == 200
    late = await till.unclaimed(basket(item(1000)), number="5")
    with pytest.raises(ReceiptLimitReachedError):
        await till.claim_receipt(guest, late.receipt_code)
    till.now_ms += 3_600_000
    assert (await till.claim_receipt(guest, late.receipt_code)).result.available_points == 300
