"""Turns request bytes into a valid message, or names every field that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableSequence
from contextlib import suppress
from itertools import islice
from typing import Any, cast

import protovalidate
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from loyalty.v1 import purchase_service_pb2 as purchases
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.flags import Mend
from loyalty_service.transport.bounds import LENGTH_DELIMITED, MalformedError, Walk, require_bounds
from loyalty_service.transport.paid_orders import leave_out, put_right

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_NOISE = r"\x00-\x20"
_BLANKS = " \t\r\n"
_NO_CONTROLS = "must not contain control characters"
PATTERN_WORDS: Mapping[str, str] = {
    rf"^[^{_CONTROLS}]*$": _NO_CONTROLS,
    rf"^[^{_CONTROLS}]*[^\x00-\x20\x7f-\x9f][^{_CONTROLS}]*$": _NO_CONTROLS,
    rf"^[{_NOISE}]*[^\x00-\x20\x7f-\x9f]([^{_CONTROLS}]*[^\x00-\x20\x7f-\x9f])?[{_NOISE}]*$": (
        _NO_CONTROLS
    ),
    rf"^[^{_CONTROLS}/?#]*[^\x00-\x20\x7f-\x9f/?#][^{_CONTROLS}/?#]*$": (
        'must be 1 to 128 characters without control characters, "/", "?" and "#"'
    ),
    r"^[ \t\r\n]*([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?[ \t\r\n]*$": (
        "must be a UUID"
    ),
    r"^[\x20-\x7e]*$": "must be printable ASCII characters",
    "^[0-9]{6}$": "must be 6 digits",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "must be a day of the calendar, as YYYY-MM-DD",
    "^[A-Za-z]{3}$": "must be an ISO 4217 code of 3 letters",
    "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$": "must be a locale, as en-CA",
    rf"^([^{_CONTROLS}]*[^\x00-\x20\x7f-\x9f][^{_CONTROLS}]*)?$": _NO_CONTROLS,
    r"^([^@\x00-\x20\x7f-\x9f]+@[^@\x00-\x20\x7f-\x9f]+)?$": "must be an e-mail address, or empty",
    r"^(\+[1-9][0-9]{6,14})?$": "must be a phone number, as +14165550123, or empty",
    r"^\+[1-9][0-9]{6,14}$": "must be a phone number, as +14165550123",
    "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$": ("must be a day of the calendar, as YYYY-MM-DD, or empty"),
    "^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$": "must be a locale, as en-CA, or empty",
    "^[0-9A-Za-z]*$": "must be letters and digits",
    "^[0-9A-Za-z]+$": "must be letters and digits",
    "^[A-Za-z0-9-]{4,32}$": "must be 4 to 32 letters, digits and dashes",
}
"""Every pattern of the contract, in words."""

RULE_WORDS: Mapping[str, str] = {
    "enum.not_in": "is required",  # Only the unspecified value is ever listed.
    "string.uuid": "must be a UUID",
    "string.uuid_empty": "must be a UUID",
}
"""Rules whose own words say too little."""

VIOLATIONS_MAX = 250
"""Violations that an error names: finding and wording one costs as much as checking many fields."""

WINDOW = 50
"""Elements of a longer list that are looked through at once for what is wrong with them."""

ORDERS = (
    pb.ValidateOrderRequest,
    pb.ReportOrderRequest,
    pb.RecordUnclaimedOrderRequest,
    purchases.ReportOfflineOrderRequest,
)
"""Requests with an order that is looked at."""

_NOT_CHECKED = "can't be checked: too much of it breaks the rules of the contract"

log = structlog.get_logger(__name__)

_validator = protovalidate.Validator()


def parse(message_class: type[Message], data: bytes, mends: list[Mend] | None = None) -> Message:
    """
    Decode a request without unknown fields, and check it against the rules of the contract.

    Counts come first, because each element costs time and memory.

    Args:
        message_class: What the request is.
        data: The request, encoded; 512 KiB at most.
        mends: Where a list is given, a paid order is put right, and what was wrong added to it.

    Raises:
        RequestInvalidError: With the fields that break a rule, VIOLATIONS_MAX at most; with one
            alone where a list is too long or the checker gives up.
    """
    descriptor = cast("Descriptor", message_class.DESCRIPTOR)
    try:
        require_bounds(descriptor, data)
        message = message_class.FromString(data)
    except (MalformedError, DecodeError):
        raise RequestInvalidError(_undecodable(descriptor, data)) from None
    # Unknown fields mean nothing here, and rules over whole messages would encode them again.
    message.DiscardUnknownFields()
    _trim(message)
    left = put_right(message, mends) if mends is not None else []
    if _check(message, fail_fast=True):
        raise RequestInvalidError(_violations(message))
    leave_out(left)
    return message


def _trim(message: Message) -> None:
    """Take the blanks off an order's texts of a fixed form, which tills of fixed widths fill up."""
    if not isinstance(message, ORDERS):
        return
    details = message.transaction_details
    for part, name in ((message, "loyalty_id"), (message, "transaction_id"), (details, "currency")):
        text = getattr(part, name, "")
        if text and text.strip(_BLANKS) != text and text.strip(_BLANKS):
            setattr(part, name, text.strip(_BLANKS))


def wanted(name: str) -> str:
    """Word what a body must be that can't be read: a message of the type *name*."""
    return f"must be {'an' if name[0] in 'AEIOU' else 'a'} {name} message"


def _check(message: Message, *, fail_fast: bool = False) -> list[protovalidate.Violation]:
    """
    Find the broken rules, or the first one.

    Raises:
        RequestInvalidError: The checker can't tell, which is a refusal: no request that a till
            makes comes near its limits.
    """
    try:
        return _validator.collect_violations(message, fail_fast=fail_fast)
    except Exception:
        log.exception("checker gave up", request_type=type(message).__name__)
        raise RequestInvalidError((FieldViolation("", _NOT_CHECKED),)) from None


def _violations(message: Message) -> tuple[FieldViolation, ...]:
    """Name what is wrong; of a long list, what is wrong in its first window that has anything."""
    lists = {path: len(elements) for path, elements in _long_lists(message)}
    longest = max(lists.values(), default=WINDOW)
    for start in range(0, longest, WINDOW):
        part = type(message)()
        part.CopyFrom(message)
        starts = {}
        for path, elements in _long_lists(part):
            starts[path] = at = min(start, lists[path] - WINDOW)
            del elements[at + WINDOW :]
            del elements[:at]
        found = _check(part)
        if found:
            return tuple(
                FieldViolation(_path(violation.proto.field, starts), _words(violation))
                for violation in found[:VIOLATIONS_MAX]
            )
    return (FieldViolation("", _NOT_CHECKED),)


def _long_lists(message: Message, place: str = "") -> Iterator[tuple[str, MutableSequence[Any]]]:
    """Give the lists with more elements than a window, those within other lists left out."""
    for field, value in message.ListFields():
        if field.is_repeated:
            if len(value) > WINDOW and isinstance(value, MutableSequence):
                yield f"{place}{field.name}", value
        elif field.message_type is not None:
            yield from _long_lists(value, f"{place}{field.name}.")


def _words(violation: protovalidate.Violation) -> str:
    """Word a broken rule; a pattern by what it asks for, since nobody reads patterns at a till."""
    rule_id = violation.proto.rule_id
    if rule_id != "string.pattern":
        return RULE_WORDS.get(rule_id) or violation.proto.message.removeprefix("value ")
    words = PATTERN_WORDS[str(violation.rule_value)]
    blank = isinstance(violation.field_value, str) and not violation.field_value.strip()
    return "must not be blank" if blank else words


def _path(path: Any, starts: Mapping[str, int]) -> str:
    """
    Spell a protovalidate field path, for instance `order[1].incentive_id`.

    The windows of long lists begin at *starts*, by the list's path.
    """
    spelt = ""
    for element in path.elements if path is not None else ():
        spelt += f".{element.field_name}" if spelt else element.field_name
        if element.subscript is not None:
            index = element.subscript.value
            spelt += f"[{index + starts.get(spelt, 0) if starts else index}]"
    return spelt


def _undecodable(descriptor: Descriptor, data: bytes) -> tuple[FieldViolation, ...]:
    found: list[FieldViolation] = []
    broken = _broken_text(Walk(data), descriptor, 0, len(data), "")
    with suppress(MalformedError, RequestInvalidError):
        found.extend(islice(broken, VIOLATIONS_MAX))
    return tuple(found) or (FieldViolation("", wanted(descriptor.name)),)


def _broken_text(
    walk: Walk, descriptor: Descriptor, at: int, end: int, prefix: str
) -> Iterator[FieldViolation]:
    """Find the text fields that are not UTF-8: what makes a well-formed message undecodable."""
    seen: dict[int, int] = {}
    for tag, start, stop in walk.entries(at, end):
        field = descriptor.fields_by_number.get(tag >> 3)
        if field is None or tag & 7 != LENGTH_DELIMITED:
            continue
        index = seen.get(field.number, 0)
        seen[field.number] = index + 1
        place = f"{prefix}{field.name}" + (f"[{index}]" if field.is_repeated else "")
        if field.message_type is not None:
            yield from _broken_text(walk, field.message_type, start, stop, f"{place}.")
        elif field.type == FieldDescriptor.TYPE_STRING:
            try:
                walk.data[start:stop].decode()
            except UnicodeDecodeError:
                yield FieldViolation(place, "must be UTF-8 text")
