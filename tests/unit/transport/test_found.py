"""What a search tells of orders, in the words of RBI's middleware."""

from __future__ import annotations

import json

import pytest

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.orders.search_transactions import Found
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.transport.servicers.found import render_found

GUEST = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"


@pytest.mark.parametrize(
    ("status", "told"),
    [(TransactionStatus.CLAIMED, (123, 747, 200)), (TransactionStatus.VOID, (0, 0, 0))],
)
def test_points_of_promotions_are_told_apart(
    status: TransactionStatus, told: tuple[int, int, int]
) -> None:
    """12.34 at 10 a unit, three times, and a bonus of 500: 123 are base points; a void has none."""
    order = Transaction(
        transaction_id="01a20044-b7ca-7529-a1ed-7abf543985d2",
        program_id="demo-ca",
        member_number=1,
        status=status,
        store_id=9999,
        pos_transaction_id="257",
        pos_type="Partner",
        supporting_pos=None,
        terminal=None,
        operator=None,
        partner="partner",
        created_ms=0,
        updated_ms=1000,
        expires_ms=2000,
        points_earned=870,
        points_redeemed=200,
        claimed_ms=1000,
        promotions=json.dumps([["triple", "Triple points", 1, 247], ["bonus", "Bonus", 2, 500]]),
    )

    answer = pb.SearchTransactionsResponse.FromString(render_found(Found(GUEST, (order,))))

    (found,) = answer.transactions
    assert (found.points_earned, found.bonus_points_earned, found.points_used) == told
    assert (found.channel, found.metadata.store_id) == ("RESTAURANT", "9999")
    assert (found.claimed_at, found.date_updated) == ("1970-01-01T00:00:01.000Z",) * 2
