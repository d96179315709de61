"""
How much a request may contain, counted in its bytes before it is decoded or checked.

Decoding and checking cost time and memory for each element, so nobody may send more elements than
the contract's lists allow. Counting them costs almost nothing, because everything without a list is
skipped by its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError

ENTRIES_MAX = 8192
"""Fields and elements that are walked over; those of the largest valid request are under 700."""

DEPTH_MAX = 100
"""Messages within messages; protobuf's own decoders take no more."""

_VARINT, _I64, LENGTH_DELIMITED, _I32 = 0, 1, 2, 5
_SIZES = {_I64: 8, _I32: 4}
_VARINT_BYTES_MAX = 10
_MORE = 128
"""Set in each byte of a variable-length number but the last."""

_CONTINUED = bytes(range(128, 256))
_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: _I64,
    FieldDescriptor.TYPE_FIXED64: _I64,
    FieldDescriptor.TYPE_SFIXED64: _I64,
    FieldDescriptor.TYPE_FLOAT: _I32,
    FieldDescriptor.TYPE_FIXED32: _I32,
    FieldDescriptor.TYPE_SFIXED32: _I32,
    FieldDescriptor.TYPE_STRING: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_BYTES: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_MESSAGE: LENGTH_DELIMITED,
}
"""How one value of each type is encoded; types that are missing are variable-length numbers."""


class MalformedError(Exception):
    """Raised when bytes are no encoded message."""


class Walk:
    """
    Walks over an encoded message, and over those within it, for ENTRIES_MAX fields in all.

    Attributes:
        data: The whole of it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = ENTRIES_MAX

    def entries(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """
        Give the fields of the message that is between two places: tag, and where the content is.

        Raises:
            MalformedError: It is no message, or has a group, which no message of ours has.
            RequestInvalidError: There are too many fields.
        """
        data = self.data
        try:
            while at < end:
                tag = data[at]
                at += 1
                if tag & _MORE:
                    tag, at = _continued(data, at, tag)
                kind = tag & 7
                if kind == LENGTH_DELIMITED:
                    size = data[at]
                    at += 1
                    if size & _MORE:
                        size, at = _continued(data, at, size)
                    stop = at + size
                elif kind == _VARINT:
                    stop = at + 1
                    if data[at] & _MORE:
                        _, stop = _continued(data, stop, 0, _VARINT_BYTES_MAX)
                else:
                    stop = at + _SIZES[kind]
                if stop > end:
                    raise MalformedError
                self._left -= 1
                if self._left < 0:
                    raise _refusal("", f"must have at most {ENTRIES_MAX} fields")
                yield tag, at, stop
                at = stop
        except (IndexError, KeyError):
            raise MalformedError from None


def _continued(data: bytes, at: int, first: int, most: int = 5) -> tuple[int, int]:
    """Read the rest of a variable-length number of *most* bytes; return it and where it ends."""
    value = first & 127
    for number, byte in enumerate(data[at : at + most - 1], 1):
        value |= (byte & 127) << 7 * number
        if not byte & _MORE:
            return value, at + number
    raise MalformedError


@dataclass(frozen=True, slots=True)
class Part:
    """
    A field that is a list, or a message that has one somewhere inside.

    Attributes:
        most: Elements that the contract lets in; absent for a message that is not a list.
        below: The message that it is or has elements of, where that holds lists itself.
        checked: Whether the contract's rules hold for what is in it.
        packed: Wire type of the numbers that one entry of the list may pack together.
    """

    number: int
    name: str
    most: int | None
    below: Descriptor | None
    checked: bool
    packed: int | None = None

    def count(self, data: bytes, start: int, stop: int) -> int:
        """Count the elements in one entry of the list."""
        if self.packed is None:
            return 1
        if self.packed == _VARINT:
            return len(data[start:stop].translate(None, _CONTINUED))
        return (stop - start) // _SIZES[self.packed]


def elements_max(field: FieldDescriptor) -> int | None:
    """Give how many elements the contract lets into a list or map; absent when it says nothing."""
    rules = _rules(field)
    if rules.HasField("map"):
        return rules.map.max_pairs if rules.map.HasField("max_pairs") else None
    return rules.repeated.max_items if rules.repeated.HasField("max_items") else None


def _rules(field: FieldDescriptor) -> Any:
    # The types of protobuf's own options know no extensions by others.
    return field.GetOptions().Extensions[validate_pb2.field]  # type: ignore[index]


def _holds_lists(descriptor: Descriptor, above: tuple[Descriptor, ...] = ()) -> bool:
    return descriptor not in above and any(
        field.is_repeated
        or (
            field.message_type is not None
            and _holds_lists(field.message_type, (*above, descriptor))
        )
        for field in descriptor.fields
    )


@cache
def parts_of(descriptor: Descriptor) -> Mapping[int, Part]:
    """Give what has to be counted in a message, by tag; messages without lists are left out."""
    parts: dict[int, Part] = {}
    for field in descriptor.fields:
        below = field.message_type
        if below is not None and not _holds_lists(below):
            below = None
        if not field.is_repeated and below is None:
            continue
        most = None
        if field.is_repeated:
            most = elements_max(field)
            most = ENTRIES_MAX if most is None else most
        checked = _rules(field).ignore != validate_pb2.IGNORE_ALWAYS
        kind = _WIRE_TYPES.get(field.type, _VARINT)
        part = Part(field.number, field.name, most, below, checked)
        parts[field.number << 3 | kind] = part
        if kind != LENGTH_DELIMITED:
            parts[field.number << 3 | LENGTH_DELIMITED] = replace(part, packed=kind)
    return parts


def require_bounds(descriptor: Descriptor, data: bytes) -> None:
    """
    Refuse an encoded request with more elements in a list than the contract lets in.

    Of what the contract's rules leave alone only ENTRIES_MAX holds.

    Args:
        descriptor: What the request is to be decoded as.
        data: The request.

    Raises:
        RequestInvalidError: A list is too long, or the request has more than ENTRIES_MAX fields.
        MalformedError: The bytes are no message.
    """
    if parts_of(descriptor):
        _count(Walk(data), descriptor, 0, len(data), {}, "")


def _count(
    walk: Walk,
    descriptor: Descriptor,
    at: int,
    end: int,
    seen: dict[int, Any],
    place: str,
    *,
    checked: bool = True,
    depth: int = 0,
) -> None:
    """
    Count what a message holds, and refuse it when that is too much.

    A message that is sent in several pieces is one, and so are its lists: *seen* is what was
    counted of it so far, by number.
    """
    if depth > DEPTH_MAX:
        raise MalformedError
    parts = parts_of(descriptor)
    for tag, start, stop in walk.entries(at, end):
        part = parts.get(tag)
        if part is None:
            continue
        inside = f"{place}{part.name}"
        if part.most is None:
            below = seen.setdefault(part.number, {})
        else:
            count = seen.get(part.number, 0) + part.count(walk.data, start, stop)
            most = part.most if checked and part.checked else ENTRIES_MAX
            if count > most:
                raise _refusal(inside, f"must contain no more than {most} item(s)")
            seen[part.number] = count
            inside = f"{inside}[{count - 1}]"
            below = {}
        if part.below is not None:
            _count(
                walk,
                part.below,
                start,
                stop,
                below,
                f"{inside}.",
                checked=checked and part.checked,
                depth=depth + 1,
            )


def _refusal(field: str, message: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation(field, message),))
