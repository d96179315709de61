"""What tills of both contracts ask about a purchase of a session: its outcome and its transfers."""

from __future__ import annotations

import uuid

from loyalty.v1 import (
    member_service_pb2,
    purchase_service_pb2,
    purchase_service_pb2_grpc,
    session_service_pb2,
    transaction_service_pb2,
)
from tests.support.server import Server, stub_on
from tests.support.transactions import transactions


async def _pay(server: Server, loyalty_id: str, key: str, mode: str = "") -> str:
    """Pay 10.00 in a session of a member; return its correlation ID."""
    visit, admin = str(uuid.uuid4()), server.admin
    start = session_service_pb2.StartSessionRequest(identifier=loyalty_id, correlation_id=visit)
    await admin.call(admin.sessions.StartSession, start, x_identifier_type="LOYALTY_ID")
    request = purchase_service_pb2.FinalizePurchaseRequest(
        correlation_id=visit,
        sale_line_items=[{"sku": "1", "sale_amount": 10}],  # type: ignore[list-item]
        confirmation={"mode": mode},  # type: ignore[arg-type]
    )
    purchases = stub_on(purchase_service_pb2_grpc.PurchaseServiceStub, admin.channel)
    await admin.call(purchases.FinalizePurchase, request, idempotency_key=key)
    return visit


async def test_outcome_of_a_purchase_is_told(server: Server) -> None:
    """Its answer names its session; no transaction has that ID."""
    loyalty_id = await server.admin.enroll()
    key = f"paid-{loyalty_id}"
    visit = await _pay(server, loyalty_id, key)
    ask = transaction_service_pb2.GetOutcomeRequest(idempotency_key=key)
    told = await server.admin.call(transactions(server.admin).GetOutcome, ask)
    assert told.outcome == transaction_service_pb2.GetOutcomeResponse.OUTCOME_COMMITTED
    assert told.finalize_purchase.transaction_id == visit
    assert not told.HasField("transaction")


async def test_transfers_of_points_that_wait_are_listed(server: Server) -> None:
    """They went into an account of their own."""
    loyalty_id = await server.admin.enroll()
    await _pay(server, loyalty_id, f"waits-{loyalty_id}", "CART")
    request = member_service_pb2.ListTransfersRequest(loyalty_id=loyalty_id)
    page = await server.admin.call(server.admin.members.ListTransfers, request)
    assert [one.destination for one in page.transfers] == [
        member_service_pb2.Transfer.ACCOUNT_UNCONFIRMED
    ]
