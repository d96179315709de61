"""Transactions over gRPC, as tills and apps call them."""

from __future__ import annotations

from typing import Any

from loyalty.v1 import order_pb2, transaction_service_pb2_grpc
from loyalty.v1 import transaction_service_pb2 as pb
from tests.support.server import Caller, identify_request

COFFEE = "3e9a71a8-75f8-493a-bb2a-e13f92052427"


def transactions(caller: Caller) -> Any:
    """Give the service's stub on a caller's channel."""
    stub: type[Any] = transaction_service_pb2_grpc.TransactionServiceStub
    return stub(caller.channel)


def line(price: float, **other: Any) -> order_pb2.OrderLine:
    """Sell something at *price* in major units."""
    values: dict[str, Any] = {"product_id": "1", "reference_id": "1", "product_type": "item"}
    return order_pb2.OrderLine(**(values | {"price": price} | other))


def reward_line(incentive_id: str = COFFEE, **other: Any) -> order_pb2.OrderLine:
    """Use a reward."""
    return line(0, product_type="reward", incentive_id=incentive_id, **other)


def details(
    *lines: order_pb2.OrderLine, store_id: int = 9999, currency: str = "CAD", **other: Any
) -> order_pb2.TransactionDetails:
    """Put an order together."""
    vendor: dict[str, Any] = {"store_id": store_id, "pos_type": "Partner", "transaction_id": "1"}
    return order_pb2.TransactionDetails(
        currency=currency, order=lines, pos_vendor=order_pb2.PosVendor(**vendor), **other
    )


def report_values(
    transaction_id: str, status: str, order: order_pb2.TransactionDetails
) -> dict[str, Any]:
    """Give the fields that validations and reports share."""
    return {
        "loyalty_transaction_id": transaction_id,
        "channel": "RESTAURANT",
        "service_mode": "EAT_IN",
        "status": status,
        "transaction_details": order,
    }


def update_request(
    transaction_id: str, status: str, *lines: order_pb2.OrderLine, **other: Any
) -> pb.ReportOrderRequest:
    """Report an order."""
    return pb.ReportOrderRequest(**report_values(transaction_id, status, details(*lines, **other)))


def validate_request(
    transaction_id: str, status: str, *lines: order_pb2.OrderLine, **other: Any
) -> pb.ValidateOrderRequest:
    """Ask about an order."""
    return pb.ValidateOrderRequest(
        **report_values(transaction_id, status, details(*lines, **other))
    )


def unclaimed_request(*lines: order_pb2.OrderLine, **other: Any) -> pb.RecordUnclaimedOrderRequest:
    """Record an order without a guest."""
    return pb.RecordUnclaimedOrderRequest(
        channel="RESTAURANT", service_mode="EAT_IN", transaction_details=details(*lines, **other)
    )


async def open_transaction(caller: Caller, loyalty_id: str) -> str:
    """Identify by loyalty ID; return the transaction."""
    answer = await caller.call(caller.identifies.IdentifyMember, identify_request(loyalty_id))
    transaction_id: str = answer.transaction_id
    return transaction_id
