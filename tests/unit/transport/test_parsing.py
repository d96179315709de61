"""No bytes make the parser do anything but answer or name what is wrong."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
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
