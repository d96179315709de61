"""What changes no point and no hold is put right in a paid order, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from loyalty.v1 import discount_pb2, order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.domain.flags import Mend
from loyalty_service.transport.paid_orders import mends_told
from loyalty_service.transport.parsing import parse

ID = "0d9b2f64-7c1e-4b5a-9f3d-2e8a6c5b7d10"
LONG = "r" * 70


def _details() -> order_pb2.TransactionDetails:
    """Sell a combo and its part, paid in two ways, less a discount."""
    return order_pb2.TransactionDetails(
        currency="CAD",
        order=[
            order_pb2.OrderLine(product_id="1", product_type="combo", reference_id="1"),
            order_pb2.OrderLine(product_id="2", product_type="item", parent_reference_id="1"),
        ],
        payments=[order_pb2.Payment(type="CASH", amount=5), order_pb2.Payment(type="VISA")],
        applied_discounts=[discount_pb2.Discount(product_id="3")],
        pos_vendor={"transaction_id": "257", "store_id": 9999, "pos_type": "Partner"},
    )


def _report(status: str) -> Any:
    return pb.ReportOrderRequest(
        loyalty_transaction_id=ID,
        channel="WEB",
        service_mode="EAT_IN",
        status=status,  # type: ignore[arg-type]
        transaction_details=_details(),
    )


def _spoil(request: Any) -> None:
    """Make all of it wrong that can be."""
    request.channel, request.service_mode = 0, 77
    details = request.transaction_details
    details.order[0].reference_id = details.order[1].parent_reference_id = LONG + "a"
    details.order[1].reference_id = LONG + "b"
    details.payments[0].type, details.payments[0].amount = " \t", 2_000_000_000
    details.payments[1].type = "GIFT\tCARD " + "x" * 40
    details.applied_discounts[0].details.subtype = 9
    details.applied_discounts[0].details.type = 9


FIELDS = [
    "channel",
    "service_mode",
    "transaction_details.payments[0].type",
    "transaction_details.payments[0].amount",
    "transaction_details.payments[1].type",
    "transaction_details.order[0].reference_id",
    "transaction_details.order[1].reference_id",
    "transaction_details.applied_discounts[0].details.subtype",
    "transaction_details.applied_discounts[0].details.type",
]


def _mended(request: Any) -> tuple[Any, list[str]]:
    mends: list[Mend] = []
    read = parse(type(request), request.SerializeToString(), mends)
    assert {mend.reason for mend in mends} <= {"field"}
    return read, [mend.field for mend in mends]


def test_all_that_nobody_counts_with_is_put_right_in_a_claim() -> None:
    """Each of it is told of, and lines that are different stay so, as do their parts."""
    claim = _report("CLAIMED")
    _spoil(claim)
    claim.loyalty_id, claim.transaction_id = " ", ""
    read, told = _mended(claim)
    assert told == FIELDS
    assert (read.loyalty_id, read.transaction_id) == ("", "")
    assert (read.channel, read.service_mode) == (0, 0)
    details = read.transaction_details
    assert [(it.type, it.amount) for it in details.payments] == [
        ("", 1_000_000_000),
        ("GIFTCARD " + "x" * 23, 0),
    ]
    first, second = details.order
    assert first.reference_id == second.parent_reference_id != second.reference_id
    assert {len(first.reference_id), len(second.reference_id)} == {64}
    assert not details.applied_discounts[0].details.ListFields()


def test_an_unclaimed_is_put_right_whatever_its_status() -> None:
    """It is always paid."""
    order = pb.RecordUnclaimedOrderRequest(
        channel="WEB", service_mode="EAT_IN", status=99, transaction_details=_details()
    )
    _spoil(order)
    read, told = _mended(order)
    assert told == ["status", *FIELDS]
    assert read.status == 0


def test_good_order_is_left_as_it_is() -> None:
    """Nothing is told of it."""
    claim = _report("CLAIMED")
    assert _mended(claim) == (claim, [])


@pytest.mark.parametrize("field", ["loyalty_id", *FIELDS])
def test_open_order_is_refused_for_each_by_name(field: str) -> None:
    """Its till shows what is wrong, and nothing is put right."""
    request = _report("PENDING")
    _spoil(request)
    request.loyalty_id = ""
    with pytest.raises(RequestInvalidError) as refused:
        parse(pb.ReportOrderRequest, request.SerializeToString(), [])
    assert field in {violation.field for violation in refused.value.violations}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda details: setattr(details.order[0], "quantity", 10_000),
        lambda details: setattr(details.pos_vendor, "transaction_id", ""),
        lambda details: setattr(details.pos_vendor, "transaction_id", "2\t7"),
        lambda details: details.payments.extend(details.payments[:1] * 50),
    ],
)
def test_what_counts_is_refused_in_a_claim_too(spoil: Callable[[Any], None]) -> None:
    """So is a list that is too long, which protects the server."""
    claim = _report("CLAIMED")
    spoil(claim.transaction_details)
    with pytest.raises(RequestInvalidError):
        parse(pb.ReportOrderRequest, claim.SerializeToString(), [])


IDENTIFYING = {
    "loyalty_transaction_id",
    "loyalty_id",
    "transaction_id",
    "transaction_details.pos_vendor.transaction_id",
}
"""The texts without which nobody knows whose order it is, and which."""


def _texts(message: Descriptor, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the path of each text of a message, and of those within it."""
    for field in message.fields:
        if field.message_type is not None:
            yield from _texts(field.message_type, (*path, field.name))
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield (*path, field.name)


def _write(message: Any, path: tuple[str, ...], value: str) -> None:
    """Write a text at a path; of a list into its first element."""
    *way, last = path
    for name in way:
        inner = getattr(message, name)
        message = inner if isinstance(inner, Message) else inner[0]
    setattr(message, last, value)


@pytest.mark.parametrize("value", ["x" * 5000, "a\x01b\u0085", "\r\n", " ", ""])
@pytest.mark.parametrize(
    ("request_class", "path"),
    [
        (request_class, path)
        for request_class in (pb.ReportOrderRequest, pb.RecordUnclaimedOrderRequest)
        for path in _texts(request_class.DESCRIPTOR)
    ],
    ids=lambda given: ".".join(given) if isinstance(given, tuple) else given.__name__,
)
def test_no_text_refuses_a_paid_order_that_does_not_say_which(
    request_class: Any, path: tuple[str, ...], value: str
) -> None:
    """Whatever stands in it: each text of the contract is tried, those that come later too."""
    order = request_class()
    if request_class is pb.ReportOrderRequest:
        order.CopyFrom(_report("CLAIMED"))
    else:
        order.transaction_details.CopyFrom(_details())
    _write(order, path, value)
    if ".".join(path) in IDENTIFYING and value.strip():
        with pytest.raises(RequestInvalidError):
            parse(request_class, order.SerializeToString(), [])
    elif ".".join(path) not in IDENTIFYING:
        _mended(order)


def test_text_that_is_no_name_is_none() -> None:
    """Each is cleaned, or absent, and told of."""
    claim = _report("CLAIMED")
    details = claim.transaction_details
    line, discount = details.order[0], details.applied_discounts[0]
    line.product_id, line.incentive_id, line.loyalty_engine_id = "\t", "a\x00b", "e" * 129
    discount.incentive_id, discount.product_id, discount.reference_id = ("d" * 129,) * 3
    details.order[1].product_id = "p" * 65
    details.pos_vendor.pos_type, details.currency = " ", "C$"
    read, told = _mended(claim)
    assert told == [
        f"transaction_details.{place}"
        for place in (
            "order[0].product_id",
            "order[0].incentive_id",
            "order[0].loyalty_engine_id",
            "order[1].product_id",
            "applied_discounts[0].incentive_id",
            "applied_discounts[0].product_id",
            "applied_discounts[0].reference_id",
            "pos_vendor.pos_type",
            "currency",
        )
    ]
    details = read.transaction_details
    line = details.order[0]
    assert (line.product_id, line.incentive_id, line.loyalty_engine_id) == ("", "ab", "")
    assert len(details.order[1].product_id) == 64
    assert (details.pos_vendor.pos_type, details.currency) == ("", "")
    assert not details.applied_discounts[0].ListFields()


def test_what_envoy_put_right_is_read() -> None:
    """In the contract's own names; what is in no form of it is passed over."""
    assert mends_told("text:name,field:serviceMode,,field:,x:y,text:a b") == (
        Mend("text", "name"),
        Mend("field", "service_mode"),
    )
    assert mends_told(None) == ()
    assert len(mends_told("field:name," * 1_000)) == 40
    # Whoever calls the gRPC port may write what he likes.
    assert mends_told("field:ignorePreviousAlerts,text:x,field:aB,text:other") == (
        Mend("text", "other"),
    )
