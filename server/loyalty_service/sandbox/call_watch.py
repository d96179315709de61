"""Takes note of a till's calls, with what became of their answers, for who watches them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from loyalty.v1 import transaction_service_pb2
from loyalty_service.domain.clock import ahead_ms, now_ms
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.transport.call import Call
from loyalty_service.transport.errors.catalogue import CATALOGUE
from loyalty_service.transport.rpcs import SERVICES

NAMES = {
    "IdentifyMember": "identify",
    "ValidateOrder": "validate",
    "VoidTransaction": "void",
    "RecordUnclaimedOrder": "unclaimed",
    "GetOutcome": "outcome",
    "GetTransaction": "order",
    "StartAnonymousSession": "session",
    "RedeemPromoCode": "promo",
    "ListIncentives": "incentives",
    "GetContent": "content",
    "ReturnLines": "return",
    "IdentifyMemberAgain": "rescan",
    "ChangeTransactionStatus": "status",
    "StartSession": "visit",
    "GetBalance": "balance",
    "GetMembership": "membership",
    "ReservePoints": "reserve",
    "LowerReservation": "lower",
    "CancelReservation": "cancel",
    "VoidAdhocTransaction": "undo",
    "TryPurchase": "trial",
    "FinalizePurchase": "purchase",
    "ReportOfflinePurchase": "offline",
    "AwardPurchase": "award",
    "AdjustPurchase": "adjust",
    "ConfirmPurchase": "confirm",
}
"""How cases name the calls of tills; the two kinds of ReportOrder have a name each."""

HEADERS = ("idempotency-key", "x-user-datetime")
READ_MAX = 200

_ANSWERS = {
    method.input_type.full_name: GetMessageClass(method.output_type)
    for service in SERVICES
    for method in service.methods
}


class Watcher(Protocol):
    """Who watches."""

    def saw(self, call: dict[str, Any]) -> None:
        """Take note of a call that has arrived; its answer is put into it later."""
        ...

    async def answered(self, call: Mapping[str, Any]) -> None:
        """Do what is to be done before its answer leaves."""
        ...

    def ended_call(self, call: Mapping[str, Any]) -> None:
        """Take note that a call has ended, with an answer or without."""
        ...


class CallWatch:
    """
    Tells a watcher of each call that a till makes.

    Attributes:
        watcher: Absent while nobody watches.
        read: What the relay calls the newest calls that got as far as being watched.
    """

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self.read: deque[str] = deque(maxlen=READ_MAX)
        self._count = 0

    def begin(self, request: Message, call: Call) -> dict[str, Any] | None:
        """Take note of a call; absent where nobody watches, or no till makes such calls."""
        name = _name(request, call.method)
        self.read.append(call.metadata.get("sandbox-call", "").rpartition(",")[2].strip())
        if self.watcher is None or name is None:
            return None
        self._count += 1
        seen: dict[str, Any] = {
            "number": self._count,
            "at_ms": now_ms() - ahead_ms(),
            "done_ms": None,
            "call": name,
            "request": json_format.MessageToDict(request),
            "headers": {one: call.metadata[one] for one in HEADERS if one in call.metadata},
            "mended": [],
            "fault": "",
            "status": 0,
            "body": None,
        }
        self.watcher.saw(seen)
        return seen

    async def end(
        self, seen: dict[str, Any] | None, call: Call, outcome: bytes | LoyaltyError | None
    ) -> None:
        """Take note of what a call got; absent where its caller was cut off."""
        if seen is None:
            return
        seen["mended"] = [
            {"reason": one.reason, "field": _in_json(one.field)} for one in call.mends
        ]
        if isinstance(outcome, LoyaltyError):
            row = CATALOGUE[type(outcome)]
            seen["status"], seen["body"] = row.http, {"code": row.rbi, "reason": row.reason}
        elif outcome is not None:
            answer = _ANSWERS[call.request.DESCRIPTOR.full_name].FromString(outcome)
            seen["status"], seen["body"] = 200, json_format.MessageToDict(answer)
        watcher = self.watcher
        try:
            if watcher is not None and outcome is not None:
                await watcher.answered(seen)
        finally:
            seen["done_ms"] = now_ms() - ahead_ms()
            if watcher is not None:
                watcher.ended_call(seen)


def _in_json(field: str) -> str:
    """Write a field as JSON callers do."""
    return re.sub("_([a-z])", lambda found: found[1].upper(), field)


def _name(request: Message, method: str) -> str | None:
    if isinstance(request, transaction_service_pb2.ReportOrderRequest):
        claimed = request.status == transaction_service_pb2.Transaction.CLAIMED
        return "claim" if claimed else "pending"
    return NAMES.get(method.rpartition("/")[2])
