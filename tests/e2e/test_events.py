"""What happened, as pages and as a stream, for those who follow a program."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from loyalty.v1 import event_service_pb2 as pb
from loyalty.v1 import event_service_pb2_grpc, member_service_pb2
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.revoke_key import RevokeKey
from loyalty_service.domain.keys import Role
from loyalty_service.observability.access_log import AccessLog
from loyalty_service.transport import streams
from loyalty_service.transport.streams import STREAMS_OF_KEY_MAX
from tests.support.doing import apply_program, create_key, revoke_key
from tests.support.programs import other_program
from tests.support.server import (
    ADMIN_KEY,
    POS_KEY,
    PROGRAM_ID,
    Caller,
    Front,
    Server,
    give_points,
    open_channel,
    refusal_of,
    run_server,
)

WAIT_S = 10.0
C = grpc.StatusCode


def stub(caller: Caller) -> Any:
    """Make a stub of the service."""
    return event_service_pb2_grpc.EventServiceStub(caller.channel)  # type: ignore[no-untyped-call]


async def listed(caller: Caller, **asked: Any) -> Any:
    """Ask for a page of events."""
    return await caller.call(stub(caller).ListEvents, pb.ListEventsRequest(**asked))


@asynccontextmanager
async def watched(caller: Caller, **asked: Any) -> AsyncIterator[Any]:
    """Open a stream of events, whose first message has come."""
    call = stub(caller).WatchEvents(pb.WatchEventsRequest(**asked), metadata=caller.metadata())
    try:
        first = await asyncio.wait_for(call.read(), WAIT_S)
        assert first.resume_token
        assert not first.events
        yield call
    finally:
        call.cancel()


async def events_of(call: Any, count: int) -> tuple[list[Any], str]:
    """Read a stream until so many events have come; give them, and where to go on."""
    found: list[Any] = []
    token = ""
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            message = await call.read()
            found += message.events
            token = message.resume_token
    return found, token


def told(events: Any) -> list[str]:
    """Give the types of events."""
    return [event.type.removeprefix("loyalty.") for event in events]


async def new_key(server: Server, role: Role, *stores: int, program: str = PROGRAM_ID) -> Any:
    """Make an API key."""
    command = CreateKey(program, "followers", role, frozenset(stores))
    made = await server.store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
    await server.store.refresh_catalog()
    return made


async def test_page_tells_what_a_member_did(server: Server) -> None:
    """Each event is a CloudEvent with both times, who did it, and the balance after it."""
    member = await server.admin.enroll()
    await give_points(server.store, member, 70)

    page = await listed(server.admin, loyalty_id=member)

    assert told(page.events) == ["member.enrolled", "points.adjusted"]
    enrolled, adjusted = page.events
    assert (enrolled.specversion, enrolled.source) == ("1.0", "/programs/demo-ca")
    assert enrolled.subject == enrolled.data.loyalty_id == member
    assert enrolled.data.actor.kind == pb.EventActor.KIND_KEY
    assert enrolled.data.actor.method == "MemberService/EnrollMember"
    assert enrolled.id != adjusted.id
    assert adjusted.data.actor.kind == pb.EventActor.KIND_OPERATOR
    assert adjusted.data.reason == "test"
    assert (adjusted.data.available.points, adjusted.data.available.sequence) == (70, 1)
    assert adjusted.time == adjusted.data.record_time
    assert not page.has_more
    assert not page.has_gap


async def test_pages_follow_one_another_without_a_gap(server: Server) -> None:
    """Pages of two events are together what one page has, and the last token finds what is new."""
    member = await server.admin.enroll()
    for points in range(1, 6):
        await give_points(server.store, member, points)
    whole = await listed(server.admin, loyalty_id=member)

    found: list[Any] = []
    token = ""
    while True:
        page = await listed(server.admin, loyalty_id=member, page_size=2, page_token=token)
        assert len(page.events) <= 2
        found += page.events
        token = page.next_page_token
        if not page.has_more:
            break
    await give_points(server.store, member, 6)
    later = await listed(server.admin, loyalty_id=member, page_token=token)

    assert [event.id for event in found] == [event.id for event in whole.events]
    assert [event.data.available.points for event in found[1:]] == [1, 3, 6, 10, 15]
    assert [event.data.available.points for event in later.events] == [21]


async def test_types_leave_out_all_others(server: Server) -> None:
    """Only events of the types that are asked for come; from_now leaves out what was before."""
    member = await server.admin.enroll()
    await give_points(server.store, member, 5)
    now = await listed(server.admin, from_now=True)
    await give_points(server.store, member, 6)

    page = await listed(server.admin, loyalty_id=member, types=["loyalty.points.adjusted"])
    after = await listed(server.admin, loyalty_id=member, page_token=now.next_page_token)

    assert told(page.events) == ["points.adjusted", "points.adjusted"]
    assert not now.events
    assert [event.data.available.points for event in after.events] == [11]


async def test_wrong_questions_are_refused(server: Server) -> None:
    """A type that there is not, a token of something else, and a member of nobody."""
    ask = stub(server.admin).ListEvents
    types = await server.admin.refused(ask, pb.ListEventsRequest(types=["loyalty.order.eaten"]))
    token = await server.admin.refused(ask, pb.ListEventsRequest(page_token="A" * 48))
    nobody = "00000000-0000-4000-8000-000000000000"
    member = await server.admin.refused(ask, pb.ListEventsRequest(loyalty_id=nobody))

    assert list(types.violations) == ["types[0]"]
    assert list(token.violations) == ["page_token"]
    assert member.reason == "MEMBER_NOT_FOUND"


async def test_events_are_for_readers_of_all_stores(server: Server) -> None:
    """A key of the role events may read; a till's may not, nor one of some stores."""
    made = await new_key(server, Role.EVENTS)
    limited = await new_key(server, Role.ADMIN, 9999)
    member = await server.admin.enroll()
    reader, few = server.admin.with_key(made.secret), server.admin.with_key(limited.secret)

    page = await listed(reader, loyalty_id=member)
    refusals = [
        await caller.refused(stub(caller).ListEvents, pb.ListEventsRequest())
        for caller in (server.till, few)
    ]
    enrolling = await reader.refused(
        reader.members.EnrollMember, member_service_pb2.EnrollMemberRequest(name="Guest")
    )

    assert told(page.events) == ["member.enrolled"]
    assert {one.reason for one in (*refusals, enrolling)} == {"ROLE_NOT_ALLOWED"}
    for key in (POS_KEY, limited.secret, "wrong", None):
        caller = server.admin.with_key(key)
        call = stub(caller).WatchEvents(pb.WatchEventsRequest(), metadata=caller.metadata())
        refusal = await refusal_of(call.read())
        assert refusal.code in {C.PERMISSION_DENIED, C.UNAUTHENTICATED}


async def test_other_program_is_told_nothing(own_server: Server) -> None:
    """A program's reader sees its own events alone, and can't go on from another's token."""
    command = ApplyProgram(other_program())
    await own_server.store.write(lambda unit, now_ms: apply_program(unit, command, now_ms))
    made = await new_key(own_server, Role.EVENTS, program=other_program().program_id)
    other = own_server.admin.with_key(made.secret)
    await own_server.admin.enroll()
    ours = await listed(own_server.admin)

    theirs = await listed(other)
    request = pb.ListEventsRequest(page_token=ours.next_page_token)
    refusal = await other.refused(stub(other).ListEvents, request)

    assert {event.source for event in theirs.events} == {f"/programs/{made.key.program_id}"}
    assert list(refusal.violations) == ["page_token"]
    assert len(ours.next_page_token) == len(theirs.next_page_token)


async def test_json_is_a_cloud_event(front: Front) -> None:
    """Over JSON each event is what it is over gRPC, in the names of CloudEvents."""
    member = await front.server.admin.enroll()
    over_grpc = await listed(front.server.admin, loyalty_id=member)

    answer = await front.get(f"/loyalty/events?loyaltyId={member}&pageSize=1")

    (event,) = answer.json()["events"]
    assert answer.status == 200
    assert {"specversion", "id", "source", "type", "subject", "time", "data"} == event.keys()
    assert event == json_format.MessageToDict(
        over_grpc.events[0], always_print_fields_with_no_presence=True
    )


async def test_stream_tells_events_as_they_happen(server: Server) -> None:
    """What happens while a stream is open comes, and a later one goes on where it has ended."""
    member = await server.admin.enroll()
    async with watched(server.admin, loyalty_id=member, from_now=True) as stream:
        await give_points(server.store, member, 5)
        first, token = await events_of(stream, 1)
    await give_points(server.store, member, 6)

    async with watched(server.admin, loyalty_id=member, resume_token=token) as stream:
        await give_points(server.store, member, 7)
        later, _ = await events_of(stream, 2)

    points = [event.data.available.points for event in (*first, *later)]
    assert points == [5, 11, 18]


async def test_stream_goes_through_envoy(front: Front) -> None:
    """A stream stays open through Envoy for longer than a call may take, and is fed."""
    member = await front.server.admin.enroll()
    async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
        caller = Caller(channel)
        async with watched(caller, loyalty_id=member, from_now=True) as stream:
            quiet = [await asyncio.wait_for(stream.read(), WAIT_S) for _ in range(2)]
            await give_points(front.server.store, member, 5)
            found, _ = await events_of(stream, 1)

    assert all(message.resume_token and not message.events for message in quiet)
    assert told(found) == ["points.adjusted"]


async def test_browser_reads_a_stream_as_grpc_web(front: Front) -> None:
    """gRPC-Web carries the stream, its messages one after the other."""
    member = await front.server.admin.enroll()
    request = pb.WatchEventsRequest(loyalty_id=member).SerializeToString()
    body = base64.b64encode(b"\0" + struct.pack(">I", len(request)) + request)
    head = (
        "POST /loyalty.v1.EventService/WatchEvents HTTP/1.1\r\nhost: loyalty.example\r\n"
        "content-type: application/grpc-web-text\r\naccept: application/grpc-web-text\r\n"
        f"x-api-key: {ADMIN_KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", front.envoy.http_port)
    try:
        writer.write(head.encode() + body)
        answer = b""
        async with asyncio.timeout(WAIT_S):
            while answer.count(b"\r\n") < 12 or b"200 OK" not in answer:
                answer += await reader.read(65536)
                if _messages(answer)[-1:] and _messages(answer)[-1].events:
                    break
    finally:
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert told(_messages(answer)[-1].events) == ["member.enrolled"]


def _messages(answer: bytes) -> list[Any]:
    """Read the messages of gRPC-Web in base64 that have come so far as chunks."""
    chunks = answer.partition(b"\r\n\r\n")[2].split(b"\r\n")[1::2]
    data = b"".join(base64.b64decode(chunk + b"=" * (-len(chunk) % 4)) for chunk in chunks)
    found = []
    while len(data) >= 5:
        length = struct.unpack(">I", data[1:5])[0]
        if len(data) < 5 + length:
            break
        found.append(pb.WatchEventsResponse.FromString(data[5 : 5 + length]))
        data = data[5 + length :]
    return found


async def test_stream_shows_that_it_lives(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing happens that is wanted, messages without events come all the same."""
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    member = await server.admin.enroll()
    async with watched(server.admin, loyalty_id=member, from_now=True) as stream:
        await server.admin.enroll()
        async with asyncio.timeout(WAIT_S):
            messages = [await stream.read() for _ in range(3)]

    assert all(message.resume_token and not message.events for message in messages)


async def test_key_has_so_many_streams_and_no_more(own_server: Server) -> None:
    """One more of a key is refused for now; another key has its own."""
    made = await new_key(own_server, Role.EVENTS)
    other = own_server.admin.with_key(made.secret)
    open_ones = [watched(own_server.admin) for _ in range(STREAMS_OF_KEY_MAX)]
    for one in open_ones:
        await one.__aenter__()
    try:
        call = stub(own_server.admin).WatchEvents(
            pb.WatchEventsRequest(), metadata=own_server.admin.metadata()
        )
        refusal = await refusal_of(call.read())
        async with watched(other):
            pass
    finally:
        for one in open_ones:
            await one.__aexit__(None, None, None)

    assert (refusal.code, refusal.reason) == (C.RESOURCE_EXHAUSTED, "SERVER_BUSY")
    assert refusal.retry_s is not None


async def test_stream_of_a_revoked_key_ends(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is not to see any more hears so on the stream that is open."""
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    made = await new_key(own_server, Role.EVENTS)
    reader = own_server.admin.with_key(made.secret)
    async with watched(reader, from_now=True) as stream:
        revoke = RevokeKey(made.key.key_id)
        await own_server.store.write(lambda unit, now_ms: revoke_key(unit, revoke, now_ms))
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await _to_the_end(stream)

    assert ended.value.code() is C.UNAUTHENTICATED


@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_streams_end_well_when_the_server_does(
    tmp_path: Path, database_url: str, transport: str
) -> None:
    """On each transport a stream is served, and ends with OK when the server is shut down."""
    async with AsyncExitStack() as stack, AsyncExitStack() as serving:
        server = await serving.enter_async_context(
            run_server(tmp_path, database_url=database_url, transport=transport)
        )
        member = await server.admin.enroll()
        caller = Caller(await stack.enter_async_context(open_channel(server.address)))
        call = stub(caller).WatchEvents(
            pb.WatchEventsRequest(loyalty_id=member), metadata=caller.metadata()
        )
        found, token = await events_of(call, 1)
        reading = asyncio.ensure_future(_to_the_end(call))
        await serving.aclose()
        await reading

    assert told(found) == ["member.enrolled"]
    assert token
    assert await call.code() is C.OK


async def _to_the_end(call: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
            pass


@pytest.mark.grpcio_only
async def test_reader_that_takes_nothing_is_hung_up_on(
    own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes no message loses the stream, and pages are served meanwhile."""
    monkeypatch.setattr(streams, "SEND_S", 0.5)
    ended = asyncio.Event()
    monkeypatch.setattr(
        AccessLog, "write", lambda _log, *line: "WatchEvents" in line[0] and ended.set()
    )
    member = await own_server.admin.enroll()
    for _ in range(600):
        await give_points(own_server.store, member, 1)
    # Its window does not grow.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(own_server.address, options=options) as channel:
        slow = Caller(channel)
        call = stub(slow).WatchEvents(pb.WatchEventsRequest(), metadata=slow.metadata())
        await call.read()
        page = await listed(own_server.admin, loyalty_id=member, page_size=1000)
        async with asyncio.timeout(WAIT_S):
            await ended.wait()
        with pytest.raises(grpc.aio.AioRpcError):
            await _to_the_end(call)

    assert len(page.events) == 601
    assert page.events[-1].data.available.points == 600
