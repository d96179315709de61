"""Turns request bytes into a valid message, or names every field that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import protovalidate
from google.protobuf import empty_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from server.domain.errors import FieldViolation, RequestInvalidError

_LENGTH_DELIMITED = 2

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_NO_CONTROLS = "must not contain control characters"
PATTERN_WORDS: Mapping[str, str] = {
    rf"^[^{_CONTROLS}]*$": _NO_CONTROLS,
    rf"^[^{_CONTROLS}]*[^\x00-\x20\x7f-\x9f][^{_CONTROLS}]*$": _NO_CONTROLS,
    rf"^[^{_CONTROLS}/?#]*[^\x00-\x20\x7f-\x9f/?#][^{_CONTROLS}/?#]*$": (
        'must be 1 to 128 characters without control characters, "/", "?" and "#"'
    ),
    r"^[\x20-\x7e]*$": "must be printable ASCII characters",
    "^[0-9]{6}$": "must be 6 digits",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "must be a day of the calendar, as YYYY-MM-DD",
    "^[A-Za-z]{3}$": "must be an ISO 4217 code of 3 letters",
}
"""Every pattern of the contract, in words."""

RULE_WORDS: Mapping[str, str] = {
    "enum.not_in": "is required",  # Only the unspecified value is ever listed.
    "string.uuid": "must be a UUID",
    "string.uuid_empty": "must be a UUID",
}
"""Rules whose own words say too little."""

_validator = protovalidate.Validator()


def parse(message_class: type[Message], data: bytes) -> Message:
    """
    Decode a request and check it against the rules of the contract.

    Raises:
        RequestInvalidError: With every field that breaks a rule.
    """
    try:
        message = message_class.FromString(data)
        violations = _validator.collect_violations(message)
    except (DecodeError, ValueError):
        # The validator reads the message's bytes again with a parser of its own, which is stricter:
        # in unknown groups Python's lets a field number 0 pass, which no field may have.
        raise RequestInvalidError(_undecodable(message_class, data)) from None
    if violations:
        raise RequestInvalidError(
            tuple(
                FieldViolation(_path(violation.proto.field), _words(violation))
                for violation in violations
            )
        )
    return message


def _words(violation: protovalidate.Violation) -> str:
    """Word a broken rule; a pattern by what it asks for, since nobody reads patterns at a till."""
    rule_id = violation.proto.rule_id
    if rule_id != "string.pattern":
        return RULE_WORDS.get(rule_id) or violation.proto.message.removeprefix("value ")
    words = PATTERN_WORDS[str(violation.rule_value)]
    blank = isinstance(violation.field_value, str) and not violation.field_value.strip()
    return "must not be blank" if blank else words


def _path(path: Any) -> str:
    """Spell a protovalidate field path, for instance `order[1].incentive_id`."""
    parts = []
    for element in path.elements if path is not None else ():
        subscript = element.subscript
        index = f"[{subscript.value}]" if subscript is not None else ""
        parts.append(f"{element.field_name}{index}")
    return ".".join(parts)


def _undecodable(message_class: type[Message], data: bytes) -> tuple[FieldViolation, ...]:
    descriptor = cast("Descriptor", message_class.DESCRIPTOR)
    found = tuple(_broken_text(descriptor, data, ""))
    return found or (FieldViolation("", f"must be a {descriptor.name} message"),)


def _broken_text(descriptor: Descriptor, data: bytes, prefix: str) -> Iterator[FieldViolation]:
    """Find the text fields that are not UTF-8: what makes a well-formed message undecodable."""
    for field, index, content in _contents(descriptor, data):
        place = f"{prefix}{field.name}" + (f"[{index}]" if field.is_repeated else "")
        if field.message_type is not None:
            yield from _broken_text(field.message_type, content, f"{place}.")
        elif field.type == FieldDescriptor.TYPE_STRING:
            try:
                content.decode()
            except UnicodeDecodeError:
                yield FieldViolation(place, "must be UTF-8 text")


def _contents(descriptor: Descriptor, data: bytes) -> Iterable[tuple[FieldDescriptor, int, bytes]]:
    """List the length-delimited fields of an encoded message by reading it as one of no fields."""
    try:
        encoded = UnknownFieldSet(empty_pb2.Empty.FromString(data))
    except DecodeError:
        return
    seen: dict[int, int] = {}
    for position in range(len(encoded)):
        entry = encoded[position]
        field = descriptor.fields_by_number.get(entry.field_number)
        index = seen.get(entry.field_number, 0)
        seen[entry.field_number] = index + 1
        if field is not None and entry.wire_type == _LENGTH_DELIMITED:
            yield field, index, entry.data
