"""No bytes make the parser do anything but answer or name what is wrong."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.domain.errors import RequestInvalidError
from server.transport.parsing import parse
from server.transport.server import SERVICES
from tests.support.server import identify_request

REQUESTS = sorted(
    {
        method.input_type.full_name: method.input_type
        for service in SERVICES
        for method in service.methods
    }.values(),
    key=lambda descriptor: descriptor.full_name,
)
_NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 5, 15])
_VARINT, _I64, _LEN, _GROUP, _GROUP_END, _I32 = range(6)


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    end = bytes([number << 3 | _GROUP_END]) if wire_type == _GROUP else b""
    length = bytes([len(content)]) if wire_type == _LEN else b""
    return bytes([number << 3 | wire_type]) + length + content + end


_PLAIN = (
    st.builds(_field, _NUMBERS, st.just(_VARINT), st.sampled_from([b"\0", b"\1", b"\xff\1"]))
    | st.builds(_field, _NUMBERS, st.just(_I64), st.just(bytes(8)))
    | st.builds(_field, _NUMBERS, st.just(_I32), st.just(bytes(4)))
)
FIELDS = st.recursive(
    _PLAIN,
    lambda inner: st.builds(
        _field,
        _NUMBERS,
        st.sampled_from([_LEN, _GROUP]),
        st.lists(inner, max_size=3).map(b"".join).filter(lambda content: len(content) < 128),
    ),
    max_leaves=5,
)
"""Any fields, groups that no message has included, well-formed but for their numbers."""

VALID = identify_request("123456", "order").SerializeToString()


@pytest.mark.parametrize("descriptor", REQUESTS, ids=lambda descriptor: descriptor.name)
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_a_request_or_refused(descriptor: object, data: bytes) -> None:
    """Random bytes are a valid request or refused with at least one violation."""
    message_class: type[Message] = GetMessageClass(descriptor)  # type: ignore[arg-type]
    try:
        message = parse(message_class, data)
    except RequestInvalidError as refusal:
        assert refusal.violations  # noqa: PT017 - either outcome is right.
    else:
        assert isinstance(message, message_class)


@settings(max_examples=300, deadline=None)
@given(data=st.lists(FIELDS, max_size=4).map(b"".join))
@example(data=_field(15, _GROUP, _field(0, _VARINT, b"\0")))
def test_unknown_fields_and_groups_are_a_request_or_refused(data: bytes) -> None:
    """Python's parser and the validator's own differ in what they let pass in unknown groups."""
    for descriptor in REQUESTS:
        try:
            parse(GetMessageClass(descriptor), data)
        except RequestInvalidError as refusal:
            assert refusal.violations  # noqa: PT017 - either outcome is right.


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(VALID) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_request_is_a_request_or_refused(
    place: int,
    value: int,
    cut: bool,  # noqa: FBT001 - drawn.
) -> None:
    """A request with one byte changed, or cut short there, never breaks the parser."""
    data = VALID[:place] if cut else VALID[:place] + bytes([value]) + VALID[place + 1 :]
    message_class = type(identify_request("123456", "order"))
    try:
        parse(message_class, data)
    except RequestInvalidError as refusal:
        assert refusal.violations  # noqa: PT017 - either outcome is right.
