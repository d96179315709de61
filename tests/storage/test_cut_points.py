"""Points that are due and not given: one unpaid order fills no account."""

from __future__ import annotations

import json
from typing import Any

import structlog

from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import LIMITS, LimitName
from tests.support.ledger import balances, rows
from tests.support.orders import CLAIMED, COFFEE, Till, basket, item, reward
from tests.support.programs import enroll
from tests.support.server import give_points

MOST = LIMITS[LimitName.POINTS_PER_ORDER].default


def _cuts(database_url: str) -> list[tuple[str, str, dict[str, int]]]:
    """Give the order, the reason and the points of each event about points that were cut."""
    found = rows(database_url, "SELECT subject, reason, detail FROM event WHERE kind = 32")
    return [(row.subject, row.reason, json.loads(row.detail)) for row in found]


def _flags(logs: list[Any]) -> list[tuple[str, str, int, int]]:
    return [
        (one["reason"], one["loyalty_id"], one["due"], one["given"])
        for one in logs
        if one.get("flag") == "points_cut"
    ]


async def test_claim_worth_far_more_than_an_order_earns_the_limit(
    till: Till, database_url: str
) -> None:
    """Up to ten times the limit it is flagged and earned; beyond, the guest's account has room."""
    guest = await enroll(till.store)
    first, second = [await till.identify(guest) for _ in range(2)]
    with structlog.testing.capture_logs() as logs:
        await till.update(first, CLAIMED, basket(item(MOST * 100)))
        told = await till.update(second, CLAIMED, basket(item(MOST * 100 + 10)))
    assert told.result.earned_points == MOST
    assert balances(database_url, guest) == (11 * MOST, 0)
    assert _flags(logs) == [("order", guest, 10 * MOST + 1, MOST)]
    assert _cuts(database_url) == [(second, "order", {"due": 10 * MOST + 1, "given": MOST})]
    beyond = [one["value"] for one in logs if one.get("reason") == "points_per_order"]
    assert beyond == [10 * MOST, 10 * MOST + 1]


async def test_claim_of_a_member_who_is_full_is_told_of(till: Till, database_url: str) -> None:
    """An operator learns whom to give the points by hand, by the log and by an event."""
    guest = await enroll(till.store)
    await give_points(till.store, guest, POINTS_MAX - 3)
    transaction = await till.identify(guest)
    with structlog.testing.capture_logs() as logs:
        told = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert told.result.earned_points == 3
    assert _flags(logs) == [("full", guest, 100, 3)]
    assert _cuts(database_url) == [(transaction, "full", {"due": 100, "given": 3})]


async def test_receipt_of_a_member_who_is_full_is_told_of(till: Till, database_url: str) -> None:
    """What a receipt is worth and does not earn is told of as well."""
    guest = await enroll(till.store)
    await give_points(till.store, guest, POINTS_MAX - 3)
    receipt = await till.unclaimed(basket(item(1000)))
    with structlog.testing.capture_logs() as logs:
        await till.claim_receipt(guest, receipt.receipt_code)
    assert _flags(logs) == [("full", guest, 100, 3)]
    assert _cuts(database_url) == [(receipt.transaction_id, "full", {"due": 100, "given": 3})]


async def test_void_that_gives_back_less_is_told_of(till: Till, database_url: str) -> None:
    """Burned points that the account has no room for are told of when the order is cancelled."""
    guest = await enroll(till.store)
    await give_points(till.store, guest, 1000)
    transaction = await till.identify(guest, COFFEE)
    await till.update(transaction, CLAIMED, basket(reward(COFFEE)))
    burned = 1000 - balances(database_url, guest)[0]
    assert burned
    await give_points(till.store, guest, POINTS_MAX - 1000 + burned - 3)
    with structlog.testing.capture_logs() as logs:
        told = await till.void(transaction)
    given = told.result.redeemed_points
    assert given < burned
    assert _flags(logs) == [("refund", guest, burned, given)]
    assert _cuts(database_url) == [(transaction, "refund", {"due": burned, "given": given})]
