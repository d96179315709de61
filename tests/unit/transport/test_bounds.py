"""No list of a request is longer than the contract lets it be, in whatever way it is encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from buf.validate import validate_pb2
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.transport.bounds import (
    ENTRIES_MAX,
    MalformedError,
    elements_max,
    require_bounds,
)
from loyalty_service.transport.parsing import WINDOW
from loyalty_service.transport.rpcs import SERVICES
from loyalty_service.transport.server import MESSAGE_BYTES_MAX

NESTED_MAX = 1000
"""Elements of all lists of a request together, lists within lists multiplied out."""


def _sample() -> Descriptor:
    """Make a message with lists of every kind: within others, of numbers, packed, of itself."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="sample.proto",
        package="sample",
        syntax="proto3",
        dependency=["buf/validate/validate.proto"],
    )
    sample = file.message_type.add(name="Sample")

    def add(number: int, name: str, kind: int, label: int, most: int = 0) -> None:
        part = sample.field.add(number=number, name=name, type=kind, label=label)
        if kind == field.TYPE_MESSAGE:
            part.type_name = ".sample.Sample"
        if most:
            rules: Any = part.options.Extensions[validate_pb2.field]
            rules.repeated.max_items = most

    add(1, "items", field.TYPE_MESSAGE, field.LABEL_REPEATED, 3)
    add(2, "numbers", field.TYPE_INT32, field.LABEL_REPEATED, 4)
    add(3, "prices", field.TYPE_DOUBLE, field.LABEL_REPEATED, 5)
    add(4, "names", field.TYPE_STRING, field.LABEL_REPEATED, 2)
    add(5, "inside", field.TYPE_MESSAGE, field.LABEL_OPTIONAL)
    add(16, "marks", field.TYPE_FIXED32, field.LABEL_REPEATED, 2)
    add(17, "free", field.TYPE_BOOL, field.LABEL_REPEATED)
    add(18, "ignored", field.TYPE_MESSAGE, field.LABEL_OPTIONAL)
    rules: Any = sample.field[-1].options.Extensions[validate_pb2.field]
    rules.ignore = validate_pb2.IGNORE_ALWAYS
    descriptor_pool.Default().Add(file)  # type: ignore[no-untyped-call]
    return descriptor_pool.Default().FindMessageTypeByName("sample.Sample")


SAMPLE = _sample()
Sample = GetMessageClass(SAMPLE)


def _refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(RequestInvalidError) as refused:
        require_bounds(SAMPLE, data)
    (violation,) = refused.value.violations
    return violation.field, violation.message


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("items", [Sample()] * 4),
        ("numbers", [1, 300, -1, 70000, 0]),
        ("prices", [0.5] * 6),
        ("names", ["", "", ""]),
        ("marks", [1, 2, 3]),
        ("free", [True] * (ENTRIES_MAX + 1)),
    ],
)
def test_list_too_long_is_refused_by_name_wherever_it_stands(name: str, values: list[Any]) -> None:
    """One element beyond the limit is refused, at the top, in a message and in a list's element."""
    for place in ("", "inside.", "items[1].", "inside.items[0].inside."):
        message = Sample()
        holder: Any = message
        for part in place.split(".")[:-1]:
            listed, _, index = part.partition("[")
            if index:
                holder.items.extend([Sample()] * (int(index[:-1]) + 1))
                holder = holder.items[-1]
            else:
                holder = getattr(holder, listed)
        getattr(holder, name).extend(values[:-1])
        require_bounds(SAMPLE, message.SerializeToString())
        getattr(holder, name).append(values[-1])
        field, words = _refused(message.SerializeToString())
        assert field == f"{place}{name}"
        assert words == f"must contain no more than {len(values) - 1} item(s)"


def test_numbers_count_the_same_packed_and_one_by_one() -> None:
    """Numbers that are packed, and those that stand alone, make one list."""
    packed = Sample(numbers=[1, 2, 3]).SerializeToString()
    require_bounds(SAMPLE, packed + b"\x10\x05")
    assert _refused(packed + b"\x10\x05\x10\x05")[0] == "numbers"


def test_list_in_pieces_is_one_list() -> None:
    """A message sent in pieces is merged by whoever decodes it, and its lists are joined."""
    piece = Sample(inside=Sample(names=["a"])).SerializeToString()
    require_bounds(SAMPLE, piece * 2)
    assert _refused(piece * 3)[0] == "inside.names"


def test_ignored_lists_and_fields_nobody_knows_are_bounded_together() -> None:
    """What the contract does not check may be long, but not without end."""
    below = Sample(names=[""] * (ENTRIES_MAX - 1)).SerializeToString()
    require_bounds(SAMPLE, Sample(ignored=Sample.FromString(below)).SerializeToString())
    below += b"\x22\x00"
    data = Sample(ignored=Sample.FromString(below)).SerializeToString()
    assert _refused(data) == ("", f"must have at most {ENTRIES_MAX} fields")
    assert _refused(b"\x98\x06\x01" * (ENTRIES_MAX + 1))[0] == ""


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05\x00",
        b"\x0b\x0c",
        b"\x10" + b"\xff" * 10 + b"\x01",
        b"\xff" * 6 + b"\x01",
        b"\x0a" + b"\xff" * 6,
        b"\x2a\x02\x0b\x0c",
    ],
)
def test_bytes_that_are_no_message_are_said_to_be_none(data: bytes) -> None:
    """What is cut short, has numbers without end or has groups is not walked over."""
    with pytest.raises(MalformedError):
        require_bounds(SAMPLE, data)


def test_nesting_without_end_is_no_message() -> None:
    """A message within messages is walked into no deeper than a decoder goes."""
    data = b""
    for _ in range(200):
        size = len(data)
        head = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        data = b"\x2a" + head + data
    with pytest.raises(MalformedError):
        require_bounds(SAMPLE, data)


def _longest(message: Any) -> Iterator[tuple[FieldDescriptor, int]]:
    for field, value in message.ListFields():
        if field.is_repeated:
            yield field, len(value)
        if field.message_type is not None and field.name != "ignored":
            for one in value if field.is_repeated else [value]:
                yield from _longest(one)


_PIECES = st.sampled_from(
    [
        *(b"\x0a\x00", b"\x0a\x02\x0a\x00", b"\x2a\x02\x22\x00", b"\x10\x01"),
        *(b"\x12\x03\x01\xff\x01", b"\x1a\x08" + bytes(8), b"\x19" + bytes(8), b"\x22\x01a"),
        *(b"\x85\x01" + bytes(4), b"\x82\x01\x04" + bytes(4), b"\x8a\x80\x00\x00"),
        *(b"\x0a\x82\x80\x80\x00\x0a\x00", b"\x2a\x80\x00", b"\x92\x01\x02\x22\x00"),
        b"\x50\x01",
    ]
)
"""Fields of the sample, packed and not, in pieces, and with numbers longer than they need be."""


@settings(max_examples=500, deadline=None)
@given(data=st.lists(_PIECES | st.binary(max_size=4), max_size=12).map(b"".join))
def test_whatever_gets_in_holds_no_list_too_long(data: bytes) -> None:
    """The walk and the decoder never differ on what a list holds, however it is encoded."""
    try:
        require_bounds(SAMPLE, data)
        message = Sample.FromString(data)
    except (MalformedError, DecodeError, RequestInvalidError):
        return
    for field, count in _longest(message):
        most = elements_max(field)
        assert count <= (ENTRIES_MAX if most is None else most)


@settings(max_examples=300, deadline=None)
@given(data=st.lists(_PIECES, max_size=12).map(b"".join))
def test_whatever_decodes_is_walked_over(data: bytes) -> None:
    """A message without groups is never called malformed, however strangely it is encoded."""
    try:
        Sample.FromString(data)
    except DecodeError:
        return
    try:
        require_bounds(SAMPLE, data)
    except RequestInvalidError as refused:
        assert "no more than" in refused.violations[0].message  # noqa: PT017 - either is right.


def _elements(descriptor: Descriptor, above: tuple[Descriptor, ...] = ()) -> int:
    """Count what all lists of a request may hold together, and look at each on the way."""
    if descriptor.full_name == "google.protobuf.Struct":
        return 0  # It holds itself: the depth and all fields of a request together bound it.
    assert descriptor not in above, f"{descriptor.full_name} holds itself, so nothing bounds it"
    total = 0
    for field in descriptor.fields:
        below = field.message_type
        inside = 0 if below is None else _elements(below, (*above, descriptor))
        if not field.is_repeated:
            total += inside
            continue
        most = elements_max(field)
        assert most, f"{field.full_name} has no max_items"
        rules: Any = field.GetOptions().Extensions[validate_pb2.field]  # type: ignore[index]
        listed = [rule.name for rule, _ in rules.repeated.ListFields() if rule.name != "max_items"]
        # A window of such a list would be judged, or a rule that takes every pair of elements.
        assert most <= WINDOW or not (rules.cel or rules.cel_expression or listed), field.full_name
        total += most * (1 + inside)
    return total


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_list_of_the_contract_is_bounded(service: Any) -> None:
    """No request has a list without `max_items`, holds itself, or multiplies lists by lists."""
    for method in service.methods:
        total = _elements(method.input_type)
        assert total <= NESTED_MAX, f"{method.full_name} takes {total} elements"
        assert 2 * total < MESSAGE_BYTES_MAX
