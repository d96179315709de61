"""No bytes make the parser do anything but answer or name what is wrong."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loyalty.v1 import code_service_pb2, identify_service_pb2, order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.transport import parsing
from loyalty_service.transport.parsing import VIOLATIONS_MAX, WINDOW, parse
from loyalty_service.transport.rpcs import SERVICES
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


def _violations(message: Message) -> tuple[FieldViolation, ...]:
    with pytest.raises(RequestInvalidError) as refused:
        parse(type(message), message.SerializeToString())
    return refused.value.violations


def _order(lines: list[order_pb2.OrderLine]) -> pb.RecordUnclaimedOrderRequest:
    vendor = order_pb2.PosVendor(transaction_id="1", store_id=9999, pos_type="Partner")
    details = order_pb2.TransactionDetails(currency="CAD", order=lines, pos_vendor=vendor)
    return pb.RecordUnclaimedOrderRequest(
        channel="RESTAURANT", service_mode="EAT_IN", transaction_details=details
    )


LINE = order_pb2.OrderLine(product_id="1", product_type="item", reference_id="1", price=1)
BAD_LINE = order_pb2.OrderLine(product_id="\x01", quantity=10_000, incentive_id="n" * 129)


@pytest.mark.parametrize("place", [0, WINDOW - 1, WINDOW, 499])
def test_wrong_line_of_a_long_order_is_named_wherever_it_stands(place: int) -> None:
    """The number of the line is the order's, whatever window of the order it was found in."""
    found = _violations(_order([*[LINE] * place, BAD_LINE, *[LINE] * (499 - place)]))
    assert {violation.field for violation in found} == {
        f"transaction_details.order[{place}].{name}"
        for name in ("product_id", "quantity", "incentive_id", "product_type")
    }


def test_all_that_is_wrong_with_a_short_order_is_named() -> None:
    """A list of up to a window is looked through as a whole."""
    found = _violations(_order([BAD_LINE] * WINDOW))
    places = {violation.field.rpartition(".")[0] for violation in found}
    assert places == {f"transaction_details.order[{number}]" for number in range(WINDOW)}


def test_order_that_is_wrong_all_over_is_refused_with_the_first_of_it() -> None:
    """Nobody reads thousands of violations, and each costs time."""
    line = order_pb2.OrderLine(product_id="\x01" * 65, incentive_id="\x01" * 129, quantity=10_000)
    lines = [line] * 500
    assert len(_violations(_order(lines))) == VIOLATIONS_MAX


@pytest.mark.parametrize(
    "problem", [parsing.protovalidate.EvaluationError, parsing.protovalidate.CompilationError]
)
def test_request_that_the_checker_gives_up_on_is_refused(
    problem: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the checker is the request's fault, never the server's."""

    class Broken:
        def collect_violations(self, *_: object, **__: object) -> None:
            raise problem

    monkeypatch.setattr(parsing, "_validator", Broken())
    (violation,) = _violations(identify_request("123456"))
    assert violation.message.startswith("can't be checked")


def test_codes_of_a_hundred_thousand_lines_are_refused_by_their_count() -> None:
    """A list that must be unique, and over which the checker gives up, is counted first."""
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id="f4190848-169d-4c69-9f53-f916318c432b",
        order=[code_service_pb2.SelectedIncentive()] * 170_000,
    )
    (violation,) = _violations(request)
    assert violation == FieldViolation("order", "must contain no more than 20 item(s)")


def test_fields_that_nobody_knows_are_dropped() -> None:
    """What a newer caller sends beside the contract is not kept, let alone checked."""
    data = VALID + b"\x9a\x06\x01x"
    assert parse(type(identify_request("123456")), data).SerializeToString() == VALID


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (identify_service_pb2.IdentifyMemberRequest, "must be an IdentifyMemberRequest message"),
        (pb.ValidateOrderRequest, "must be a ValidateOrderRequest message"),
    ],
)
def test_message_that_is_none_is_named_with_its_article(kind: type[Message], words: str) -> None:
    """What can't be decoded is told in a sentence that reads well."""
    with pytest.raises(RequestInvalidError) as refused:
        parse(kind, b"\xff")
    assert refused.value.violations == (FieldViolation("", words),)


@pytest.mark.parametrize("kind", [pb.ValidateOrderRequest, pb.ReportOrderRequest])
@pytest.mark.parametrize("status", [pb.Transaction.PENDING, pb.Transaction.CLAIMED])
def test_blanks_around_an_orders_texts_of_a_fixed_form_are_left_out(
    kind: type[Message], status: int
) -> None:
    """Tills with fields of a fixed width fill them up, before the guest has paid and after."""
    uuid = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
    details = order_pb2.TransactionDetails(
        currency=" CAD ",
        pos_vendor={"transaction_id": "1", "store_id": 9999, "pos_type": "Partner"},
    )
    request = kind(
        loyalty_transaction_id=uuid,
        loyalty_id=f"{uuid}  ",
        transaction_id=f"\t{uuid}",
        channel=1,
        service_mode=1,
        status=status,
        transaction_details=details,
    )
    read = parse(kind, request.SerializeToString())
    assert read == kind(
        loyalty_transaction_id=uuid,
        loyalty_id=uuid,
        transaction_id=uuid,
        channel=1,
        service_mode=1,
        status=status,
        transaction_details=order_pb2.TransactionDetails(
            currency="CAD", pos_vendor=details.pos_vendor
        ),
    )
