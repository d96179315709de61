"""
Puts right what is wrong in a paid order and can change no point and no hold.

The rules of the contract know no status. So a claim and an unclaimed order are put right before
they are held against the rules, which go on refusing the same by name while an order is open.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from loyalty.v1 import order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX
from loyalty_service.domain.flags import FIELD_IGNORED, TEXT_REPAIRED, Mend
from loyalty_service.domain.texts import clean, has_controls

_TOLD = re.compile(rf"({TEXT_REPAIRED}|{FIELD_IGNORED}):([A-Za-z]{{1,32}})")
_TOLD_MAX = 40
_TYPE_MAX = 32
_REFERENCE_MAX = 64
_DIGEST = 16
_CAPITAL = re.compile("([A-Z])")

Left = list[tuple[Message, str]]
"""Fields that the rules want and a paid order may do without."""


def mends_told(header: str | None) -> tuple[Mend, ...]:
    """
    Read what Envoy put right in a JSON body, as `reason:field` with commas between.

    What is not in that form is passed over.
    """
    parts = (header or "").split(",")[:_TOLD_MAX]
    found = filter(None, map(_TOLD.fullmatch, parts))
    return tuple(Mend(told[1], _CAPITAL.sub(r"_\1", told[2]).lower()) for told in found)


def put_right(request: Message, mends: list[Mend]) -> Left:
    """
    Put a paid order right, and add what was wrong to *mends*; any other request is left alone.

    Gives the fields that the order does without. They hold a value that the rules take, until
    `leave_out` has cleared them.
    """
    if isinstance(request, pb.ReportOrderRequest):
        if request.status != pb.Transaction.CLAIMED:
            return []
        for name in ("loyalty_id", "transaction_id"):
            # Many programs write a blank where they have none.
            if request.HasField(name) and not getattr(request, name).strip():
                request.ClearField(name)
    elif not isinstance(request, pb.RecordUnclaimedOrderRequest):
        return []
    elif request.status not in pb.Transaction.Status.values():
        request.ClearField("status")
        mends.append(Mend(FIELD_IGNORED, "status"))
    left: Left = []
    for name, known in (
        ("channel", order_pb2.TransactionDetails.Channel.values()),
        ("service_mode", order_pb2.TransactionDetails.ServiceMode.values()),
    ):
        if getattr(request, name) not in known[1:]:
            setattr(request, name, known[1])
            left.append((request, name))
            mends.append(Mend(FIELD_IGNORED, name))
    details = request.transaction_details
    mends.extend(
        Mend(FIELD_IGNORED, f"transaction_details.{place}")
        for place in (
            *_payments(details.payments, left),
            *_references(details.order),
            *_discounts(details.applied_discounts),
        )
    )
    return left


def leave_out(left: Left) -> None:
    """Clear the fields that a paid order does without, once its rules have been looked at."""
    for message, name in left:
        message.ClearField(name)


def _payments(payments: Any, left: Left) -> Iterator[str]:
    for place, payment in enumerate(payments):
        kind = payment.type
        if len(kind) > _TYPE_MAX or not kind.strip() or has_controls(kind):
            payment.type = clean(kind, _TYPE_MAX)
            if not payment.type:
                payment.type = "-"
                left.append((payment, "type"))
            yield f"payments[{place}].type"
        if abs(payment.amount) > AMOUNT_MINOR_MAX:
            payment.amount = max(-AMOUNT_MINOR_MAX, min(payment.amount, AMOUNT_MINOR_MAX))
            yield f"payments[{place}].amount"


def _references(lines: Any) -> Iterator[str]:
    """Clean the names of lines, for themselves and for their parts; different ones stay so."""
    renamed: dict[str, str] = {}
    for place, line in enumerate(lines):
        name = line.reference_id
        if len(name) > _REFERENCE_MAX or has_controls(name):
            digest = "~" + hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
            renamed[name] = clean(name, _REFERENCE_MAX - len(digest)) + digest
            line.reference_id = renamed[name]
            yield f"order[{place}].reference_id"
    if renamed:
        for line in lines:
            if line.parent_reference_id in renamed:
                line.parent_reference_id = renamed[line.parent_reference_id]


def _discounts(discounts: Any) -> Iterator[str]:
    for place, discount in enumerate(discounts):
        details = discount.details
        for name in ("subtype", "type"):
            known = details.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number
            if getattr(details, name) not in known:
                details.ClearField(name)
                yield f"applied_discounts[{place}].details.{name}"
