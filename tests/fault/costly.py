"""The costliest requests that anyone can write, drawn from the contract's descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loyalty_service.transport.bounds import elements_max
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.fault.doors import Fields, Rpc, is_free

UNKNOWN = 15
"""A field number that no message has, of one byte with its wire type."""

GROUPS_DEEP = 90
HEAD_BYTES = 64
"""More than the tags and lengths of all messages around a filling take."""

_VARINT, _LENGTH, _GROUP, _END = 0, 2, 3, 4
_STRING = FieldDescriptor.TYPE_STRING
TEXTS = {
    "letters": b"x",
    "controls": b"\x01",
    "no UTF-8": b"\xff",
    "marks of many bytes": "\U0001f36a".encode(),
    "an address": b"a@a.",
    "dots": b".",
}


@dataclass(frozen=True, slots=True)
class Costly:
    """A request in bytes, as large as one may be, and what is costly about it."""

    name: str
    data: bytes


def varint(value: int) -> bytes:
    """Write a number of variable length."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, kind: int, content: bytes = b"") -> bytes:
    """Write a field; one with a length is given its content."""
    tag = varint(number << 3 | kind)
    return tag + varint(len(content)) + content if kind == _LENGTH else tag + content


def costly_requests(rpc: Rpc, good: Any) -> Iterator[Costly]:
    """
    Give the largest requests of every kind for a call, made of a *good* one and something added.

    For every message in the request, and every list: as many elements as fit, as many as the list
    takes with each as large as fits, fields that nobody knows, pieces of the same message, and
    every text as long as fits, good and bad.
    """
    head = good.SerializeToString()
    room = MESSAGE_BYTES_MAX - len(head)
    yield Costly("good", head)
    for path, descriptor in _messages(rpc.request.DESCRIPTOR):
        where = ".".join(part.name for part in path) or "request"
        for what, filling, before in _fillings(descriptor, room - HEAD_BYTES * (1 + len(path))):
            data = _within(path, filling)
            if len(head) + len(data) <= MESSAGE_BYTES_MAX:
                whole = data + head if before else head + data
                yield Costly(f"{where}: {what}", whole)
    yield from _stuffed(rpc, head)


def _messages(descriptor: Descriptor, above: Fields = ()) -> Iterator[tuple[Fields, Descriptor]]:
    yield above, descriptor
    for part in descriptor.fields:
        if part.message_type is not None and not is_free(part):
            yield from _messages(part.message_type, (*above, part))


def _within(path: Fields, content: bytes) -> bytes:
    for part in reversed(path):
        content = field(part.number, _LENGTH, content)
    return content


def _fillings(descriptor: Descriptor, room: int) -> Iterator[tuple[str, bytes, bool]]:
    """Give what a message may be filled with, and whether it goes before what is good."""
    group = field(UNKNOWN, _GROUP), field(UNKNOWN, _END)
    nested = group[0] * GROUPS_DEEP + group[1] * GROUPS_DEEP
    for what, one in {
        "unknown numbers": field(UNKNOWN, _VARINT, b"\1"),
        "unknown texts": field(UNKNOWN, _LENGTH),
        "unknown groups": b"".join(group),
        "unknown groups within groups": nested,
        "numbers without end": field(UNKNOWN, _VARINT, b"\xff" * 9 + b"\1"),
    }.items():
        yield what, one * (room // len(one)), True
    yield "one number without end", field(UNKNOWN, _VARINT, b"\xff" * room), True
    for part in descriptor.fields:
        yield from _of(part, room)


def _of(part: FieldDescriptor, room: int) -> Iterator[tuple[str, bytes, bool]]:
    most = elements_max(part) if part.is_repeated else None
    if part.message_type is not None or part.type == _STRING:
        empty = field(part.number, _LENGTH)
        yield f"{part.name} empty, again and again", empty * (room // len(empty)), True
    else:
        one = field(part.number, _VARINT, b"\1")
        yield f"{part.name} again and again", one * (room // len(one)), True
    if part.is_repeated and part.message_type is None and part.type != _STRING:
        yield f"{part.name} packed", field(part.number, _LENGTH, b"\1" * room), True
    if part.type == _STRING:
        for what, sign in TEXTS.items():
            text = sign * (room // len(sign))
            yield f"{part.name} of {what}", field(part.number, _LENGTH, text), False
            few = field(part.number, _LENGTH, sign)
            yield f"{part.name} of {what}, again", few * (room // len(few)), False
    if most and part.message_type is not None:
        yield from _full(part, most, room)


def _full(part: FieldDescriptor, most: int, room: int) -> Iterator[tuple[str, bytes, bool]]:
    """Give lists of as many elements as they take, each as large as fits."""
    each = room // most - HEAD_BYTES
    inner = [one for one in _fillings(part.message_type, each) if len(one[1]) <= each]
    for what, filling, _ in inner:
        element = field(part.number, _LENGTH, filling)
        yield f"{most} {part.name}, each {what}", element * most, False


def _stuffed(rpc: Rpc, head: bytes) -> Iterator[Costly]:
    """Give requests whose every list is full, and every field wrong, in as many ways as fit."""
    for sign in ("\x01", "x"):
        message = rpc.request()
        _stuff(message, sign)
        data = message.SerializeToString()
        if len(data) <= MESSAGE_BYTES_MAX:
            yield Costly(f"everything wrong with {sign!r}", data)
    message = rpc.request.FromString(head)
    if _fill(message):
        yield Costly("every list full of what is good", message.SerializeToString())


def _stuff(message: Any, sign: str) -> None:
    for part in message.DESCRIPTOR.fields:
        value = getattr(message, part.name)
        if is_free(part):
            value.update({sign * 65: sign})
        elif part.message_type is not None:
            for _ in range((elements_max(part) or 1) if part.is_repeated else 1):
                below = value.add() if part.is_repeated else value
                below.SetInParent()
                _stuff(below, sign)
        if part.message_type is not None:
            continue
        if part.type == _STRING:
            wrong: object = sign * 65
        elif part.cpp_type == FieldDescriptor.CPPTYPE_INT32:
            wrong = -1
        elif part.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            wrong = 99
        else:
            continue
        if part.is_repeated:
            value.extend([wrong] * (elements_max(part) or 1))
        else:
            setattr(message, part.name, wrong)


def _fill(message: Any) -> bool:
    """Repeat the first element of each list until it is full; tells whether there was any."""
    filled = False
    for part, value in message.ListFields():
        if part.is_repeated and part.message_type is not None:
            first = part.message_type._concrete_class.FromString(value[0].SerializeToString())
            value.extend([first] * ((elements_max(part) or 1) - len(value)))
            filled = True
        elif part.message_type is not None:
            filled = _fill(value) or filled
    return filled


def lists_of(rpc: Rpc) -> Iterator[Fields]:
    """Give the path to every list of a call's request."""
    for path, descriptor in _messages(rpc.request.DESCRIPTOR):
        yield from ((*path, part) for part in descriptor.fields if part.is_repeated)
