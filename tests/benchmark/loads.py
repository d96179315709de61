"""What is asked: each load as ready bytes for gRPC and for JSON, every request of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from loyalty.v1 import identify_service_pb2, order_pb2, session_service_pb2
from loyalty.v1 import transaction_service_pb2 as transaction_pb2
from loyalty_service.sandbox.fixed_codes import COFFEE
from tests.benchmark.names import loyalty_id, order_id
from tests.benchmark.population import (
    KEY,
    STORE_ID,
    code_digits,
    spread,
)

IDENTIFY = "identify by loyalty ID"
CODE = "identify by code"
SESSION = "anonymous session"
CLAIM = "update + claim"
REWARD = "claim of a reward, keyed"
LOADS = (IDENTIFY, CODE, SESSION, CLAIM, REWARD)
USES_UP = {CODE: "codes", CLAIM: "orders", REWARD: "orders"}
"""What of a database a load uses up, one for each unit of work."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request as it goes over the wire.

    Attributes:
        method: Path of the RPC; unused in JSON.
        data: The message, or for JSON the whole HTTP request.
        marker: What a right answer contains.
        key: Idempotency key, for gRPC; in JSON it is in the data.
    """

    method: str
    data: bytes
    marker: bytes
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Call:
    service: str
    rpc: str
    verb: str
    path: str
    message: Message
    marker: str
    key: str = ""


def requests(load: str, door: str, first: int, count: int, members: int) -> list[list[Request]]:
    """
    Make *count* units of work, numbered from *first*, for `grpc` or `json`.

    A unit is a request, or several that must follow one another.
    """
    make = _MAKERS[load]
    encode = _grpc if door == "grpc" else _json
    return [
        [encode(call) for call in make(number, members)] for number in range(first, first + count)
    ]


def _pos_vendor(number: int) -> order_pb2.PosVendor:
    return order_pb2.PosVendor(
        transaction_id=f"{number:012d}",
        store_id=STORE_ID,
        pos_type="Partner",
        terminal="0",
        operator="300",
    )


def _identify(number: int, members: int) -> Sequence[_Call]:
    identifier = loyalty_id(spread(number, members))
    return (_identify_call(number, identifier, identifier),)


def _code(number: int, members: int) -> Sequence[_Call]:
    return (_identify_call(number, code_digits(number), loyalty_id(number % members)),)


def _identify_call(number: int, identifier: str, marker: str) -> _Call:
    message = identify_service_pb2.IdentifyMemberRequest(
        identifier=identifier, pos_vendor=_pos_vendor(number)
    )
    return _Call("IdentifyService", "IdentifyMember", "POST", "/loyalty/identify", message, marker)


def _session(number: int, _members: int) -> Sequence[_Call]:
    correlation_id = f"benchmark-{number:012d}"
    message = session_service_pb2.StartAnonymousSessionRequest(
        correlation_id=correlation_id, channel="STORE", locale="fr-CA"
    )
    path = "/client/users/anonymous/sessions"
    service, rpc = "SessionService", "StartAnonymousSession"
    return (_Call(service, rpc, "POST", path, message, correlation_id),)


def _claim(number: int, _members: int) -> Sequence[_Call]:
    return [
        _update_call(number, status)
        for status in (transaction_pb2.Transaction.PENDING, transaction_pb2.Transaction.CLAIMED)
    ]


def _reward(number: int, _members: int) -> Sequence[_Call]:
    line = order_pb2.OrderLine
    coffee = line(
        product_id="700101",
        price=0,
        quantity=1,
        product_type=line.reward,
        incentive_id=COFFEE,
        reference_id="4",
    )
    claim = _update_call(number, transaction_pb2.Transaction.CLAIMED, coffee)
    return (replace(claim, key=f"benchmark-{number:012d}"),)


def _update_call(
    number: int, status: transaction_pb2.Transaction.Status, *rewards: order_pb2.OrderLine
) -> _Call:
    item = order_pb2.OrderLine.item
    line, name = order_pb2.OrderLine, order_id(number)
    message = transaction_pb2.ReportOrderRequest(
        loyalty_transaction_id=name,
        channel=order_pb2.TransactionDetails.RESTAURANT,
        service_mode=order_pb2.TransactionDetails.TAKEOUT,
        status=status,
        transaction_details=order_pb2.TransactionDetails(
            currency="CAD",
            order=(
                line(product_id="1001", price=6.49, product_type=item, reference_id="1"),
                line(product_id="1002", price=2.99, product_type=item, reference_id="2"),
                line(product_id="1003", price=1.79, product_type=item, reference_id="3"),
                *rewards,
            ),
            payments=(order_pb2.Payment(amount=1273, type="CASH"),),
            pos_vendor=_pos_vendor(number),
        ),
    )
    return _Call(
        "TransactionService",
        "ReportOrder",
        "PUT",
        f"/loyalty/transaction/pos/{name}",
        message,
        name,
    )


_MAKERS: dict[str, Callable[[int, int], Sequence[_Call]]] = {
    IDENTIFY: _identify,
    CODE: _code,
    SESSION: _session,
    CLAIM: _claim,
    REWARD: _reward,
}


def _grpc(call: _Call) -> Request:
    method = f"/loyalty.v1.{call.service}/{call.rpc}"
    return Request(method, call.message.SerializeToString(), call.marker.encode(), call.key)


def _json(call: _Call) -> Request:
    body = json.dumps(MessageToDict(call.message), separators=(",", ":")).encode()
    key = f"idempotency-key: {call.key}\r\n" if call.key else ""
    head = (
        f"{call.verb} {call.path} HTTP/1.1\r\nhost: loyalty\r\nx-api-key: {KEY}\r\n{key}"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return Request("", head.encode() + body, call.marker.encode())
