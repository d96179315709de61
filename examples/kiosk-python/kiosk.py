"""
A kiosk's whole visit over gRPC: identify, validate, report, pay, claim.

It needs the package loyalty-api and nothing else. Each call that writes has an idempotency key and
is sent again under it until its outcome is known, so that a lost answer costs nobody points.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import (
    account_service_pb2_grpc,
    discount_pb2,
    identify_service_pb2,
    identify_service_pb2_grpc,
    incentive_service_pb2_grpc,
    order_pb2,
    purchase_service_pb2_grpc,
    session_service_pb2_grpc,
    transaction_service_pb2,
    transaction_service_pb2_grpc,
)

DEADLINE_S = 6.0
ATTEMPTS = 5
PAUSE_S = 1.0

AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}
"""After these it is not known whether the call took effect, or it did not: the same call again."""

GOES_WITHOUT = {"RULES_FAILED", "REWARD_REFUSED", "POINTS_INSUFFICIENT"}
"""Reasons for which an order is good, but not with the incentives in it."""

STUBS = {
    "IdentifyMember": identify_service_pb2_grpc.IdentifyServiceStub,
    "ValidateOrder": transaction_service_pb2_grpc.TransactionServiceStub,
    "ReportOrder": transaction_service_pb2_grpc.TransactionServiceStub,
    "VoidTransaction": transaction_service_pb2_grpc.TransactionServiceStub,
    "RecordUnclaimedOrder": transaction_service_pb2_grpc.TransactionServiceStub,
    "RedeemPromoCode": incentive_service_pb2_grpc.IncentiveServiceStub,
    "ListIncentives": incentive_service_pb2_grpc.IncentiveServiceStub,
    "StartAnonymousSession": session_service_pb2_grpc.SessionServiceStub,
    "StartSession": session_service_pb2_grpc.SessionServiceStub,
    "ReservePoints": account_service_pb2_grpc.AccountServiceStub,
    "CancelReservation": account_service_pb2_grpc.AccountServiceStub,
    "FinalizePurchase": purchase_service_pb2_grpc.PurchaseServiceStub,
}

OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A server that comes back is found within a second.
    ("grpc.max_reconnect_backoff_ms", 1_000),
]

CENTS = 100
MENU = {"2001": ("Breakfast sandwich", 849), "2002": ("Medium fries", 379)}
"""Name and price in cents, by PLU."""


class RefusedError(Exception):
    """
    Raised when the service refuses a call.

    Attributes:
        reason: Why, as the contract lists it.
        incentives: IDs of the incentives for which it was refused.
    """

    def __init__(self, message: str, reason: str, incentives: frozenset[str]) -> None:
        super().__init__(f"{reason}: {message}" if reason else message)
        self.reason = reason
        self.incentives = incentives


@dataclass(frozen=True)
class Guest:
    """Who is served, with the transaction that was opened, points and selected incentives."""

    name: str
    loyalty_id: str
    transaction_id: str
    points: int
    selected: tuple[order_pb2.OrderLine, ...]
    discounts: tuple[Any, ...]


class Kiosk:
    """
    Calls the service.

    Args:
        connect: Opens a channel to the service.
        api_key: The kiosk's.
        store: Where it stands.
        deadline_s: For each attempt; the service gives up earlier, so that its answer is heard.
        attempts: How often a call is sent, at most.
        pause_s: Between two attempts, where the service does not say how long.
    """

    def __init__(
        self,
        connect: Callable[[], grpc.Channel],
        api_key: str,
        store: int,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._connect = connect
        self._channel = connect()
        self._key = api_key
        self._store = store
        self._deadline_s = deadline_s
        self._attempts = attempts
        self._pause_s = pause_s

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def vendor(self, order: str) -> order_pb2.PosVendor:
        """Say where an order is made."""
        return order_pb2.PosVendor(transaction_id=order, store_id=self._store, pos_type="Kiosk")

    def identify(self, code: str, order: str) -> Guest:
        """Open an order for whoever shows a code."""
        request = identify_service_pb2.IdentifyMemberRequest(
            identifier=code, pos_vendor=self.vendor(order)
        )
        answer = self.call("IdentifyMember", request)
        return Guest(
            answer.loyalty_user.name,
            answer.loyalty_user.id,
            answer.transaction_id,
            answer.balances[0].amount,
            tuple(answer.order),
            tuple(answer.eligible_discounts),
        )

    def validate(self, order: Any) -> None:
        """Ask whether an order breaks a rule."""
        known = transaction_service_pb2.ValidateOrderRequest.DESCRIPTOR.fields_by_name
        fields = {field.name: value for field, value in order.ListFields() if field.name in known}
        self.call("ValidateOrder", transaction_service_pb2.ValidateOrderRequest(**fields))

    def report(self, order: Any) -> Any:
        """Report an order as it stands; with the status CLAIMED it is paid."""
        return self.call("ReportOrder", order)

    def void(self, transaction_id: str) -> Any:
        """Cancel an order."""
        request = transaction_service_pb2.VoidTransactionRequest(
            loyalty_transaction_id=transaction_id
        )
        return self.call("VoidTransaction", request)

    def call(self, name: str, request: Any, key: str = "") -> Any:
        """
        Make a call until its outcome is known, always under one key: the given one, or a new one.

        Raises:
            RefusedError: It is refused, or no answer came in all attempts.
        """
        metadata = (
            ("x-api-key", self._key),
            ("idempotency-key", key or str(uuid.uuid4())),
            ("x-user-datetime", datetime.now().astimezone().isoformat(timespec="seconds")),
        )
        for left in reversed(range(self._attempts)):
            try:
                method = getattr(STUBS[name](self._channel), name)
                return method(request, metadata=metadata, timeout=self._deadline_s)
            except grpc.RpcError as error:
                refused, pause_s = read_error(error, self._pause_s)
                if error.code() not in AGAIN or not left:
                    raise refused from None
                print(f"  {error.code().name}, so the same call again under its key")
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    # A connection that is silent may be dead without knowing it.
                    self._channel.close()
                    self._channel = self._connect()
                time.sleep(pause_s)
        raise AssertionError


def read_error(error: grpc.RpcError, pause_s: float) -> tuple[RefusedError, float]:
    """Read why a call failed, and how long to wait: *pause_s* seconds, or what the error says."""
    reason, incentives = "", set()
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        failed = error_details_pb2.PreconditionFailure()
        if detail.Unpack(info):
            reason = info.reason
            incentives.add(info.metadata.get("incentive_id", ""))
        elif detail.Unpack(retry):
            pause_s = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(failed):
            incentives |= {broken.subject.rpartition("/")[2] for broken in failed.violations}
    return RefusedError(error.details() or "no answer", reason, frozenset(incentives)), pause_s


def net(cents: int, discounts: Sequence[Any]) -> int:
    """Take the discounts in percent off a price, for prices are reported net."""
    for one in discounts:
        if one.details.subtype == discount_pb2.DiscountDetails.PERCENTAGE_DISCOUNT:
            cents -= cents * one.details.discount_value // 100
    return cents


def order_of(kiosk: Kiosk, guest: Guest, number: str, without: frozenset[str]) -> Any:
    """Build the report of an order: what is bought, and the guest's incentives but for some."""
    discounts = [one for one in guest.discounts if one.incentive_id not in without]
    lines = [
        order_pb2.OrderLine(
            product_id=plu,
            name=name,
            price=net(cents, discounts) / CENTS,
            quantity=1,
            product_type=order_pb2.OrderLine.item,
            reference_id=f"line-{place}",
        )
        for place, (plu, (name, cents)) in enumerate(MENU.items())
    ]
    lines += [line for line in guest.selected if line.incentive_id not in without]
    return transaction_service_pb2.ReportOrderRequest(
        loyalty_transaction_id=guest.transaction_id,
        loyalty_id=guest.loyalty_id,
        channel=order_pb2.TransactionDetails.RESTAURANT,
        service_mode=order_pb2.TransactionDetails.EAT_IN,
        status=transaction_service_pb2.Transaction.PENDING,
        transaction_details=order_pb2.TransactionDetails(
            currency="CAD",
            order=lines,
            applied_discounts=discounts,
            pos_vendor=kiosk.vendor(number),
        ),
    )


def agree(kiosk: Kiosk, guest: Guest, number: str) -> Any:
    """
    Validate an order, without the incentives that the service refuses.

    Raises:
        RefusedError: It refuses the order for another reason.
    """
    without: frozenset[str] = frozenset()
    every = frozenset(one.incentive_id for one in (*guest.selected, *guest.discounts))
    while True:
        order = order_of(kiosk, guest, number, without)
        try:
            kiosk.validate(order)
        except RefusedError as refused:
            if refused.reason not in GOES_WITHOUT or without == every:
                raise
            print(f"  {refused}: without it")
            left_out = without | (refused.incentives & every)
            without = left_out if left_out != without else every
        else:
            return order


def visit(kiosk: Kiosk, code: str, *, cancel: bool = False) -> Any:
    """
    Serve a guest; returns the last answer.

    Raises:
        RefusedError: The service refuses a call.
    """
    number = f"K-{uuid.uuid4().hex[:8]}"
    guest = kiosk.identify(code, number)
    print(f"Hello {guest.name}, you have {guest.points} points.")
    order = agree(kiosk, guest, number)
    held = kiosk.report(order)
    print(f"Order {number}: {held.points_redeemed} points are held.")
    if cancel:
        done = kiosk.void(guest.transaction_id)
        print(f"Cancelled. You have {done.points} points.")
        return done
    cents = sum(round(line.price * CENTS) for line in order.transaction_details.order)
    order.status = transaction_service_pb2.Transaction.CLAIMED
    order.transaction_details.payments.add(type="VISA", amount=cents)
    done = kiosk.report(order)
    print(f"Paid {cents / CENTS:.2f}. You earned {done.points_earned} points, ", end="")
    print(f"spent {done.points_redeemed} and have {done.points}.")
    for _, line in done.presentation.ListFields():
        print(f"  | {line}")
    return done


def main() -> int:
    """Serve one guest, as the command line says."""
    parser = argparse.ArgumentParser(description="A kiosk's whole visit over gRPC.")
    parser.add_argument("--server", default="127.0.0.1:50051", help="host and port of gRPC")
    parser.add_argument("--key", default="sandbox-pos-key", help="the kiosk's API key")
    parser.add_argument("--store", type=int, default=9999, help="where the kiosk stands")
    parser.add_argument("--code", default="123456", help="what the guest shows")
    parser.add_argument("--cancel", action="store_true", help="the guest leaves without paying")
    parser.add_argument("--deadline", type=float, default=DEADLINE_S, help="seconds of an attempt")
    told = parser.parse_args()
    kiosk = Kiosk(
        lambda: grpc.insecure_channel(told.server, OPTIONS), told.key, told.store, told.deadline
    )
    try:
        visit(kiosk, told.code, cancel=told.cancel)
    except RefusedError as refused:
        print(f"Please ask the staff. {refused}", file=sys.stderr)
        return 1
    finally:
        kiosk.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
