"""What goes wrong is told in full: reason, values, every wrong field."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from loyalty.v1 import code_service_pb2, identify_service_pb2, member_service_pb2, order_pb2
from loyalty.v1 import session_service_pb2 as session_pb2
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.sandbox.fixed_codes import FARHAN, RETIRED_OFFER, RETIRED_REWARD
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.book.pages import BOOK
from tests.support.programs import demo_program, put_program
from tests.support.server import Server, identify_request, refusal_of
from tests.support.stores import writers_busy

pytestmark = pytest.mark.any_database

C = grpc.StatusCode


@pytest.mark.parametrize(
    ("identifier", "code", "reason", "metadata"),
    [
        ("900422", C.FAILED_PRECONDITION, "CODE_ALREADY_USED", {}),
        ("900404", C.NOT_FOUND, "CODE_NOT_FOUND", {}),
        ("000000", C.NOT_FOUND, "CODE_NOT_FOUND", {}),
        ("900405", C.NOT_FOUND, "REWARD_NOT_FOUND", {"incentive_id": RETIRED_REWARD}),
        ("900406", C.NOT_FOUND, "OFFER_NOT_FOUND", {"incentive_id": RETIRED_OFFER}),
        ("12345", C.INVALID_ARGUMENT, "IDENTIFIER_INVALID", {}),
        ("1234567", C.INVALID_ARGUMENT, "IDENTIFIER_INVALID", {}),
        ("١٢٣٤٥٦", C.INVALID_ARGUMENT, "IDENTIFIER_INVALID", {}),
        ("hello", C.INVALID_ARGUMENT, "IDENTIFIER_INVALID", {}),
        (FARHAN.replace("-", ""), C.INVALID_ARGUMENT, "IDENTIFICATION_FAILED", {}),
        (f"{{{FARHAN}}}", C.INVALID_ARGUMENT, "IDENTIFICATION_FAILED", {}),
        (
            "00000000-0000-4000-8000-000000000000",
            C.NOT_FOUND,
            "MEMBER_NOT_FOUND",
            {"loyalty_id": "00000000-0000-4000-8000-000000000000"},
        ),
    ],
)
async def test_identify_tells_why_it_refuses(
    server: Server, identifier: str, code: grpc.StatusCode, reason: str, metadata: dict[str, str]
) -> None:
    """Each identifier that can't be taken is refused with its own reason, again and again."""
    for _ in range(2):
        refusal = await server.till.refused(
            server.till.identifies.IdentifyMember, identify_request(identifier)
        )
        assert (refusal.code, refusal.reason) == (code, reason)
        assert refusal.metadata == metadata
        assert not refusal.violations


async def test_unknown_store_is_named(server: Server) -> None:
    """A store the program does not have is refused by its number."""
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember, identify_request("123456", store_id=5)
    )
    assert (refusal.code, refusal.reason) == (C.NOT_FOUND, "STORE_NOT_FOUND")
    assert refusal.metadata == {"store_id": "5"}


@pytest.mark.parametrize(
    ("left", "identifier", "kind"),
    [
        (IdentifierKind.CODE, FARHAN, "loyalty_id"),
        (IdentifierKind.LOYALTY_ID, "123456", "code"),
    ],
)
async def test_identifier_kind_that_is_off_is_named(
    own_server: Server, left: IdentifierKind, identifier: str, kind: str
) -> None:
    """A kind of identifier that the program has switched off is refused by its name."""
    changed = replace(demo_program(), identifier_kinds=frozenset({left}))
    await put_program(own_server.store, changed)
    refusal = await own_server.till.refused(
        own_server.till.identifies.IdentifyMember, identify_request(identifier)
    )
    assert (refusal.code, refusal.reason) == (C.FAILED_PRECONDITION, "IDENTIFIER_TYPE_DISABLED")
    assert refusal.metadata == {"kind": kind}


BROKEN_REQUESTS = [
    *((page.rpc, page.bad, set(page.broken)) for page in BOOK.values()),
    (
        "IdentifyService/IdentifyMember",
        identify_service_pb2.IdentifyMemberRequest(
            identifier="a\x01" * 65,
            pos_vendor=order_pb2.PosVendor(
                store_id=0,
                transaction_id="  ",
                pos_type="x" * 65,
            ),
        ),
        {
            "identifier",
            "pos_vendor.store_id",
            "pos_vendor.transaction_id",
            "pos_vendor.pos_type",
        },
    ),
    (
        "SessionService/StartAnonymousSession",
        session_pb2.StartAnonymousSessionRequest(
            correlation_id="a/b",
            external_identifier="x" * 256,
            channel="\x00",
            anonymous_session_id="x" * 129,
        ),
        {"correlation_id"},
    ),
    (
        "CodeService/IssueCode",
        code_service_pb2.IssueCodeRequest(
            loyalty_id="zz",
            order=[
                code_service_pb2.SelectedIncentive(incentive_id="a"),
                code_service_pb2.SelectedIncentive(incentive_id="", quantity=0),
                code_service_pb2.SelectedIncentive(incentive_id="a", quantity=100),
            ],
        ),
        {
            "loyalty_id",
            "order",
            "order[1].quantity",
            "order[2].quantity",
        },
    ),
    (
        "MemberService/EnrollMember",
        member_service_pb2.EnrollMemberRequest(
            name=" ", email="nobody", locale="German", birth_date="yesterday"
        ),
        {"name", "email", "locale", "birth_date"},
    ),
    (
        "MemberService/EnrollMember",
        member_service_pb2.EnrollMemberRequest(name="Guest", birth_date="2021-02-29"),
        {"birth_date"},
    ),
    (
        "MemberService/GetMember",
        member_service_pb2.GetMemberRequest(loyalty_id="x"),
        {"loyalty_id"},
    ),
    (
        "MemberService/ListTransfers",
        member_service_pb2.ListTransfersRequest(
            loyalty_id="x",
            page_size=-1,
            page_token="x" * 201,
            account=9,  # type: ignore[arg-type]
        ),
        {"loyalty_id", "page_size", "page_token", "account"},
    ),
]


@pytest.mark.parametrize(("method", "request_message", "fields"), BROKEN_REQUESTS)
async def test_all_wrong_fields_are_named_at_once(
    server: Server, method: str, request_message: Any, fields: set[str]
) -> None:
    """A request with many mistakes is refused once, with every field and what it must be."""
    call = server.admin.channel.unary_unary(
        f"/loyalty.v1.{method}", request_serializer=type(request_message).SerializeToString
    )
    refusal = await server.admin.refused(call, request_message)
    assert (refusal.code, refusal.reason) == (C.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert refusal.violations.keys() == fields
    assert all(text and not text.endswith(".") for text in refusal.violations.values())
    assert set(refusal.metadata["fields"].split(",")) == fields


async def test_unknown_incentives_are_named_by_place(server: Server) -> None:
    """A selection names, by index, each incentive that the program does not offer."""
    request = code_service_pb2.IssueCodeRequest(
        loyalty_id=FARHAN,
        order=[
            code_service_pb2.SelectedIncentive(incentive_id="nothing"),
            code_service_pb2.SelectedIncentive(incentive_id=RETIRED_REWARD),
        ],
    )
    refusal = await server.app.refused(server.app.codes.IssueCode, request)
    assert refusal.reason == "REQUEST_INVALID"
    assert [*refusal.violations] == ["order[0].incentive_id", "order[1].incentive_id"]


async def test_malformed_local_time_is_named(server: Server) -> None:
    """A local time of the guest that can't be read is refused with the header's name."""
    request = code_service_pb2.IssueCodeRequest(loyalty_id=await server.admin.enroll())
    refusal = await server.app.refused(
        server.app.codes.IssueCode, request, x_user_datetime="yesterday"
    )
    assert [*refusal.violations] == ["x-user-datetime"]


async def _send_bytes(server: Server, method: str, data: bytes) -> Any:
    call = server.admin.channel.unary_unary(f"/loyalty.v1.{method}")
    return await refusal_of(call(data, metadata=server.admin.metadata()))


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0b", b"\x00\x00"])
async def test_malformed_message_is_refused(server: Server, data: bytes) -> None:
    """Bytes that are no message are refused as invalid, never as a failure of the server."""
    refusal = await _send_bytes(server, "IdentifyService/IdentifyMember", data)
    assert (refusal.code, refusal.reason) == (C.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert [*refusal.violations] == [""]


async def test_text_that_is_not_utf8_is_named(server: Server) -> None:
    """Every text field that is not UTF-8 is named, inside messages and lists too."""
    vendor = b"\x0a\x01\xff" + b"\x2a\x01\xfe"
    data = b"\x0a\x02\xc3\x28" + b"\x12" + bytes([len(vendor)]) + vendor
    refusal = await _send_bytes(server, "IdentifyService/IdentifyMember", data)
    assert refusal.reason == "REQUEST_INVALID"
    assert refusal.violations.keys() == {
        "identifier",
        "pos_vendor.transaction_id",
        "pos_vendor.pos_type",
    }
    lines = b"\x12\x03\x0a\x01a" + b"\x12\x03\x0a\x01\xff"
    refusal = await _send_bytes(server, "CodeService/IssueCode", lines)
    assert [*refusal.violations] == ["order[1].incentive_id"]


async def test_unknown_fields_are_ignored(server: Server) -> None:
    """A newer caller's unknown fields change nothing, not even under an idempotency key."""
    loyalty_id = await server.admin.enroll()
    data = identify_request(loyalty_id, "unknown-fields").SerializeToString()
    call = server.till.channel.unary_unary("/loyalty.v1.IdentifyService/IdentifyMember")
    metadata = server.till.metadata(idempotency_key=f"newer {loyalty_id}")
    first = await call(data, metadata=metadata)
    assert await call(data + b"\xc2\x3e\x03new", metadata=metadata) == first


@pytest.mark.parametrize("over", [0, 1])
async def test_message_limit_is_exact(server: Server, over: int) -> None:
    """A message of 512 KiB is read; one byte more is refused as too large."""
    envelope = len(
        identify_service_pb2.IdentifyMemberRequest(identifier="x" * 200_000).SerializeToString()
    )
    text = "x" * (MESSAGE_BYTES_MAX - (envelope - 200_000) + over)
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember,
        identify_service_pb2.IdentifyMemberRequest(identifier=text),
    )
    assert refusal.code == (C.RESOURCE_EXHAUSTED if over else C.INVALID_ARGUMENT)


async def test_long_text_is_refused_by_name(server: Server) -> None:
    """A text of 10,000 characters is a clear refusal."""
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember, identify_request("x" * 10_000)
    )
    assert [*refusal.violations] == ["identifier"]


async def test_passed_deadline_is_told_and_leaves_the_key_free(own_server: Server) -> None:
    """A write that waits past its caller's deadline is left out, and done when sent again."""
    request = member_service_pb2.EnrollMemberRequest(name="Late")
    metadata = own_server.app.metadata(idempotency_key="late")
    async with writers_busy(own_server.store):
        call = own_server.app.members.EnrollMember(request, metadata=metadata, timeout=0.3)
        assert (await refusal_of(call)).code == C.DEADLINE_EXCEEDED
    again = own_server.app.members.EnrollMember(request, metadata=metadata)
    assert (await again).member.name == "Late"
    assert "idempotent-replayed" not in dict(await again.initial_metadata() or ())


async def test_server_has_a_deadline_of_its_own(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call without a deadline is given up by the server's own, with a reason and a retry."""
    monkeypatch.setattr("loyalty_service.transport.handling.DEADLINE_MAX_S", 0.05)
    async with writers_busy(own_server.store):
        request = member_service_pb2.EnrollMemberRequest(name="Late")
        refusal = await own_server.app.refused(own_server.app.members.EnrollMember, request)
    assert (refusal.code, refusal.reason) == (C.DEADLINE_EXCEEDED, "DEADLINE_PASSED")
    assert refusal.retry_s == 1


async def test_full_server_says_when_to_retry(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a full queue refuses at once and says when to try again."""
    monkeypatch.setattr("loyalty_service.storage.store.QUEUE_MAX", 0)
    request = member_service_pb2.EnrollMemberRequest(name="Busy")
    refusal = await own_server.app.refused(own_server.app.members.EnrollMember, request)
    assert (refusal.code, refusal.reason) == (C.RESOURCE_EXHAUSTED, "SERVER_BUSY")
    assert refusal.retry_s is not None
    assert 1 <= refusal.retry_s <= 10


async def test_cancelled_call_is_done_once_however_often_it_is_sent(own_server: Server) -> None:
    """Whether or not it was left out when its caller hung up, the key decides what happens."""
    request = member_service_pb2.EnrollMemberRequest(name="Hung up")
    metadata = own_server.app.metadata(idempotency_key="hung-up")
    async with writers_busy(own_server.store):
        call = own_server.app.members.EnrollMember(request, metadata=metadata)
        async with asyncio.timeout(10):
            # The call is on its way; the server has work of its own that may wait as well.
            while not any(  # noqa: ASYNC110 - it waits for another thread.
                item.reads.kept_answers for item in own_server.store._waiting
            ):
                await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    first = await own_server.app.members.EnrollMember(request, metadata=metadata)
    again = own_server.app.members.EnrollMember(request, metadata=metadata)
    assert (await again) == first
    assert dict(await again.initial_metadata())["idempotent-replayed"] == "true"


async def test_unexpected_failure_is_internal_without_its_text(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the server is INTERNAL with a request ID; what happened is in the log alone."""

    def explode(*_arguments: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(
        "loyalty_service.storage.repositories.unit_of_work.UnitOfWork.add_member", explode
    )
    request = member_service_pb2.EnrollMemberRequest(name="Guest")
    with capture_logs() as logs:
        refusal = await own_server.app.refused(
            own_server.app.members.EnrollMember, request, x_request_id="request-7"
        )
    assert (refusal.code, refusal.reason) == (C.INTERNAL, "SERVER_FAILED")
    assert refusal.metadata == {"request_id": "request-7"}
    assert "secret" not in refusal.message
    assert [line["request_id"] for line in logs if line["event"] == "call failed"] == ["request-7"]


@pytest.mark.parametrize("dialect", ["xx", "", "ES"])
async def test_unknown_dialect_is_no_failure(server: Server, dialect: str) -> None:
    """Only Envoy names a dialect; a caller that invents one gets a plain gRPC error."""
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember, identify_request("hello"), loyalty_dialect=dialect
    )
    assert (refusal.code, refusal.reason) == (C.INVALID_ARGUMENT, "IDENTIFIER_INVALID")


async def test_call_by_a_path_of_es_needs_its_contract(server: Server) -> None:
    """A call of our own that came by its path of ES is served if the program has `es-drafts`."""
    refusal = await server.till.refused(
        server.till.identifies.IdentifyMember, identify_request("123456"), loyalty_alias="1"
    )
    assert (refusal.code, refusal.reason) == (C.NOT_FOUND, "CONTRACT_NOT_SERVED")
    assert refusal.metadata == {"contract": "es-drafts"}
