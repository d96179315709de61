"""
Corrects what is wrong in a paid order and changes no point and no hold.

The rules of the contract do not depend on the status. So a claim and an unclaimed order are
corrected before they are checked; in an open order the same mistakes are refused by name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from loyalty.v1 import order_pb2
from loyalty.v1 import purchase_service_pb2 as purchases
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX
from loyalty_service.domain.flags import AMOUNT_ROUNDED, FIELD_IGNORED, TEXT_REPAIRED, Mend
from loyalty_service.domain.texts import (
    REFERENCE_MAX,
    clean,
    has_controls,
    label,
    without_controls,
)
from loyalty_service.transport.rpcs import RPCS

_TOLD = re.compile(rf"({TEXT_REPAIRED}|{FIELD_IGNORED}|{AMOUNT_ROUNDED}):([A-Za-z]{{1,32}})")
_TOLD_MAX = 40
_TYPE_MAX = 32
_NAME_MAX = 64
"""Characters that the contract takes of what names a product or a vendor, as a label has."""

_INCENTIVE_MAX = 128
_CURRENCY = re.compile("[A-Za-z]{3}")
_NO_NAME = "-"
_NO_CURRENCY = "XXX"
_DIGEST = 16
_CAPITAL = re.compile("([A-Z])")
_STATUSES = frozenset(pb.Transaction.Status.values())
_NEEDED = (
    ("channel", tuple(order_pb2.TransactionDetails.Channel.values())),
    ("service_mode", tuple(order_pb2.TransactionDetails.ServiceMode.values())),
)
"""Fields that must have a value, with all values, of which the first stands for none."""

_OTHER = "other"
"""What Envoy calls a field that the contract does not have."""


def _names_of(message: Descriptor, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """Give the names of a message's fields, and of those within."""
    names = frozenset(field.name for field in message.fields)
    for field in message.fields:
        inner = field.message_type
        if inner is not None and inner.full_name not in seen:
            names |= _names_of(inner, seen | {message.full_name})
    return names


_NAMES = frozenset({_OTHER}).union(*(_names_of(rpc.method.input_type) for rpc in RPCS.values()))
"""Of all requests: Envoy names a field by the contract, wherever it stands."""

Left = list[tuple[Message, str]]
"""Fields that the rules want and a paid order may do without."""


def mends_told(header: str | None) -> tuple[Mend, ...]:
    """
    Read what Envoy put right in a JSON body, as `reason:field` with commas between.

    What does not have that form, or names no field of a request, is ignored: whoever calls the
    gRPC port may write such a header too.
    """
    if not header:
        return ()
    parts = header.split(",")[:_TOLD_MAX]
    found = filter(None, map(_TOLD.fullmatch, parts))
    mends = (Mend(told[1], _CAPITAL.sub(r"_\1", told[2]).lower()) for told in found)
    return tuple(mend for mend in mends if mend.field in _NAMES)


def put_right(request: Message, mends: list[Mend]) -> Left:
    """
    Correct a paid order, and add what was wrong to *mends*; other requests are not changed.

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
    elif isinstance(request, pb.RecordUnclaimedOrderRequest):
        if request.status not in _STATUSES:
            request.ClearField("status")
            mends.append(Mend(FIELD_IGNORED, "status"))
    elif not isinstance(request, purchases.ReportOfflineOrderRequest):
        return []
    left: Left = []
    for name, known in _NEEDED:
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
            *_names(details.order, left),
            *_discounts(details.applied_discounts),
            *_amounts_off("order", details.order),
            *_amounts_off("applied_discounts", details.applied_discounts),
            *(_order_itself(details, left) if request.HasField("transaction_details") else ()),
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
        if len(name) > REFERENCE_MAX or has_controls(name):
            digest = "~" + hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
            renamed[name] = clean(name, REFERENCE_MAX - len(digest)) + digest
            line.reference_id = renamed[name]
            yield f"order[{place}].reference_id"
    if renamed:
        for line in lines:
            if line.parent_reference_id in renamed:
                line.parent_reference_id = renamed[line.parent_reference_id]
            if line.applies_to in renamed:
                line.applies_to = renamed[line.applies_to]


def _names(lines: Any, left: Left) -> Iterator[str]:
    """Clean what lines sell; what can be no name of anything is none."""
    for place, line in enumerate(lines):
        if _put_label(line, "product_id", left):
            yield f"order[{place}].product_id"
        for name in ("incentive_id", "loyalty_engine_id"):
            text = getattr(line, name)
            if not _is_wrong(text, _INCENTIVE_MAX):
                continue
            text = without_controls(text, _INCENTIVE_MAX + 1)
            if len(text) > _INCENTIVE_MAX:
                line.ClearField(name)
            else:
                setattr(line, name, text)
            yield f"order[{place}].{name}"


def _order_itself(details: Any, left: Left) -> Iterator[str]:
    """Clean whose PLUs the order has; amounts without a currency are in the program's."""
    if details.HasField("pos_vendor") and _put_label(details.pos_vendor, "pos_type", left):
        yield "pos_vendor.pos_type"
    if not _CURRENCY.fullmatch(details.currency):
        details.currency = _NO_CURRENCY
        left.append((details, "currency"))
        yield "currency"


def _put_label(message: Any, name: str, left: Left) -> bool:
    """Make of a text a name that the contract takes, and tell whether it was none."""
    text = getattr(message, name)
    if text and not text.isspace() and not _is_wrong(text, _NAME_MAX):
        return False
    named = label(text)
    setattr(message, name, named or _NO_NAME)
    if not named:
        left.append((message, name))
    return True


def _is_wrong(text: str, longest: int) -> bool:
    return len(text) > longest or (not text.isprintable() and has_controls(text))


def _amounts_off(name: str, parts: Any) -> Iterator[str]:
    """Leave out what was taken off where that can't be."""
    for place, part in enumerate(parts):
        if not 0 <= part.amount_off <= AMOUNT_MINOR_MAX:
            part.ClearField("amount_off")
            yield f"{name}[{place}].amount_off"


def _discounts(discounts: Any) -> Iterator[str]:
    for place, discount in enumerate(discounts):
        for name, longest in (
            ("incentive_id", _INCENTIVE_MAX),
            ("product_id", _NAME_MAX),
            ("reference_id", _INCENTIVE_MAX),
        ):
            if len(getattr(discount, name)) > longest:
                discount.ClearField(name)
                yield f"applied_discounts[{place}].{name}"
        details = discount.details
        for name in ("subtype", "type"):
            known = details.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number
            if getattr(details, name) not in known:
                details.ClearField(name)
                yield f"applied_discounts[{place}].details.{name}"
