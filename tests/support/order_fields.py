"""What the contract says of the fields of an order, in the words of docs/orders.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX

_TYPES = {
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_INT32: "whole number",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_ENUM: "word",
    FieldDescriptor.TYPE_MESSAGE: "object",
}


_NUMBERS = {FieldDescriptor.TYPE_INT32}


@dataclass(frozen=True, slots=True)
class OrderField:
    """
    A field of a report, as JSON callers write it.

    Attributes:
        path: Its place, `[]` for each element of a list.
        body: A body that has the field, with %s for its value.
    """

    path: str
    type: str
    range: str
    required: str
    body: str


def order_fields() -> list[OrderField]:
    """Give the fields of a report's body in their order; the path's own is none of it."""
    return list(_fields(pb.ReportOrderRequest.DESCRIPTOR, "", "{", "}"))


def _fields(message: Descriptor, prefix: str, start: str, end: str) -> Iterator[OrderField]:
    for field in message.fields:
        if field.name == "loyalty_transaction_id":
            continue
        path = f"{prefix}{field.json_name}"
        key = f'{start}"{field.json_name}":'
        kind = f"list of {_TYPES[field.type]}s" if field.is_repeated else _TYPES[field.type]
        required = (
            field_behavior_pb2.REQUIRED
            in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        )
        yield OrderField(path, kind, _range(field), "yes" if required else "no", f"{key}%s{end}")
        if field.message_type is not None:
            before, after = ("[{", "}]") if field.is_repeated else ("{", "}")
            below = f"{path}[]." if field.is_repeated else f"{path}."
            yield from _fields(field.message_type, below, key + before, after + end)


def _range(field: FieldDescriptor) -> str:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.is_repeated:
        return f"at most {rules.repeated.max_items}"
    if field.enum_type is not None:
        return ", ".join(f"`{value.name}`" for value in field.enum_type.values if value.number)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return f"{AMOUNT_MINOR_MAX:,} minor units at most"
    if field.message_type is not None:
        return ""
    return _range_of_number(rules) if field.type in _NUMBERS else _range_of_text(rules)


def _range_of_number(rules: validate_pb2.FieldRules) -> str:
    number = rules.int32
    least = number.gte if number.HasField("gte") else -(2**31)
    least = number.gt + 1 if number.HasField("gt") else least
    return f"{least} to {number.lte if number.HasField('lte') else 2**31 - 1}"


def _range_of_text(rules: validate_pb2.FieldRules) -> str:
    text = rules.string
    if text.uuid:
        return "UUID"
    if text.HasField("max_len"):
        return f"{text.max_len} characters at most"
    return "3 letters" if text.HasField("pattern") else "any"
