"""Calls on the gRPC port whose message does not come, or whose headers nobody would send."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty.v1 import session_service_pb2
from loyalty_service.domain.errors import ServerBusyError
from loyalty_service.transport import grpcio_transport, handling, keyless, native_transport
from loyalty_service.transport.admission import Admission
from loyalty_service.transport.keyless import HEALTH_BYTES_MAX, LastPlaces, Places
from loyalty_service.transport.messages import MESSAGE_WAIT_S, ending, know_calls
from loyalty_service.transport.server import HANDSHAKE_MS, MESSAGE_BYTES_MAX
from tests.support.http2 import HEADERS
from tests.support.raw_grpc import (
    HELLO,
    IDENTIFY,
    TAKES_NOTHING,
    content,
    headers,
    message,
    opening,
    raw_call,
)
from tests.support.server import POS_KEY, Front, Server, identify_request, open_channel, run_server

pytestmark = pytest.mark.any_database

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, INTERNAL, UNAVAILABLE = 0, 3, 4, 5, 13, 14
RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAUTHENTICATED = 8, 12, 16
SOON_S = MESSAGE_WAIT_S / 2
LATE_S = 4 * MESSAGE_WAIT_S
"""A machine that does much else may tell the time late; a call that never ends takes longer."""

KEY = {"x-api-key": POS_KEY}
REQUEST = message(identify_request("123456").SerializeToString())
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def _port(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


@pytest.mark.grpcio_only
async def test_call_whose_message_does_not_come_is_ended_within_a_second(server: Server) -> None:
    """A caller with a key is told that its request did not arrive, and holds nothing."""
    parts = (b"", REQUEST[:3], REQUEST[:-1])
    calls = (raw_call(_port(server), sent, KEY, end=False) for sent in parts)
    for sent, ended in zip(parts, await asyncio.gather(*calls), strict=True):
        assert ended.status == DEADLINE_EXCEEDED, sent
        assert b"did not arrive" in ended.text
        assert MESSAGE_WAIT_S - 0.1 < ended.seconds < LATE_S


@pytest.mark.grpcio_only
async def test_call_that_does_not_arrive_has_its_reason(server: Server) -> None:
    """The refusal has details, as any other."""
    async with open_channel(server.address) as channel:
        call: Any = channel.stream_unary(IDENTIFY)(metadata=tuple(KEY.items()), timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
    details = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status = status_pb2.Status.FromString(bytes(details))  # type: ignore[arg-type]
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.reason == "REQUEST_NOT_RECEIVED"


@pytest.mark.grpcio_only
@pytest.mark.parametrize("key", [None, "nobody's"])
async def test_caller_without_a_key_is_refused_before_its_message(
    server: Server, key: str | None
) -> None:
    """Who has no valid key is told so at once, whatever else does not come."""
    ended = await raw_call(_port(server), b"", {"x-api-key": key} if key else {}, end=False)
    assert ended.status == UNAUTHENTICATED
    assert ended.seconds < SOON_S


async def test_only_a_call_with_key_and_message_takes_a_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places among the calls let in are for those who may call, and whose message is there."""
    entered: list[object] = []
    enter: Any = Admission.enter

    def note(*args: object) -> Any:
        entered.append(args)
        return enter(*args)

    monkeypatch.setattr(Admission, "enter", note)
    await raw_call(_port(server), b"", KEY, end=False)
    await raw_call(_port(server), REQUEST, {"x-api-key": "nobody's"})
    assert not entered
    await raw_call(_port(server), REQUEST, KEY)
    assert len(entered) == 1


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (REQUEST * 2, True),
        pytest.param(REQUEST, False, marks=pytest.mark.grpcio_only),
        pytest.param(REQUEST * 2, False, marks=pytest.mark.grpcio_only),
    ],
)
async def test_call_that_sends_more_or_never_ends_is_served_by_its_first_message(
    server: Server,
    sent: bytes,
    end: bool,  # noqa: FBT001 - a case.
) -> None:
    """Nobody waits for a second message, or for the end of the caller's side."""
    ended = await raw_call(_port(server), sent, KEY, end=end)
    assert ended.status == OK
    assert ended.seconds < SOON_S


@pytest.mark.grpcio_only
@pytest.mark.parametrize("sent", [b"", REQUEST[:-1]])
async def test_call_that_ends_without_a_message_is_invalid(server: Server, sent: bytes) -> None:
    """A caller that says it has sent everything, and has not, is refused at once."""
    ended = await raw_call(_port(server), sent, KEY)
    assert ended.status == INVALID_ARGUMENT
    assert ended.seconds < SOON_S


async def test_health_and_reflection_wait_no_longer(server: Server) -> None:
    """What is served without a key ends within a second too when nothing is asked."""
    paths = (CHECK, WATCH, REFLECT)
    calls = (raw_call(_port(server), b"", path=path, end=False) for path in paths)
    for path, ended in zip(paths, await asyncio.gather(*calls), strict=True):
        assert ended.status == DEADLINE_EXCEEDED, path
        assert ended.seconds < LATE_S


@pytest.mark.parametrize("path", [CHECK, WATCH])
async def test_health_refuses_what_is_no_request(server: Server, path: str) -> None:
    """Bytes that are no request are the caller's mistake."""
    assert (await raw_call(_port(server), message(b"\x0a\x07"), path=path)).status == (
        INVALID_ARGUMENT
    )


@pytest.mark.parametrize("path", [CHECK, WATCH])
async def test_health_refuses_a_long_name(server: Server, path: str) -> None:
    """Nobody without a key has the server keep a text that is longer than any name."""
    for length, status in ((100, None), (HEALTH_BYTES_MAX + 1, INVALID_ARGUMENT)):
        asked = health_pb2.HealthCheckRequest(service="x" * length).SerializeToString()
        ended = await raw_call(
            _port(server), message(asked), path=path, end=False, patience_s=SOON_S
        )
        # What is not known is watched until it is, and not found when it is only asked for.
        assert ended.status == (status or (NOT_FOUND if path == CHECK else None))


async def test_health_lists_nothing(server: Server) -> None:
    """The one health method that is not served is refused at once."""
    ended = await raw_call(_port(server), b"", path="/grpc.health.v1.Health/List", end=False)
    assert (ended.status, ended.seconds < SOON_S) == (UNIMPLEMENTED, True)


async def test_health_watch_tells_and_stays(server: Server) -> None:
    """A watch lasts beyond the time in which its message must come."""
    ended = await raw_call(
        _port(server), message(b""), path=WATCH, end=False, patience_s=1.5 * MESSAGE_WAIT_S
    )
    assert (ended.status, ended.reset) == (None, False)


async def test_health_watch_too_many_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watches hold no more places than are set aside for them, and checks need none."""
    monkeypatch.setattr(keyless, "WATCHES_MAX", 1)
    request = health_pb2.HealthCheckRequest()
    async with run_server(tmp_path) as server:
        health = health_pb2_grpc.HealthStub(server.admin.channel)
        first = health.Watch(request)
        assert await first.read()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await health.Watch(request).read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await health.Check(request)
        first.cancel()


async def test_health_watch_has_a_place_before_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the message of a watch for which there is no place."""
    monkeypatch.setattr(keyless, "WATCHES_MAX", 0)
    async with run_server(tmp_path) as server:
        ended = await raw_call(_port(server), b"", path=WATCH, end=False)
        assert (ended.status, ended.seconds < SOON_S) == (RESOURCE_EXHAUSTED, True)


@pytest.mark.grpcio_only
async def test_health_watches_that_take_no_answer_hold_nobody_up(server: Server) -> None:
    """Whoever watches hears at once, though many watch who take nothing of what they are told."""
    _, writer = await asyncio.open_connection("127.0.0.1", _port(server))
    streams = range(1, 80, 2)
    writer.write(TAKES_NOTHING)
    for stream in streams:
        writer.write(opening(stream, headers(WATCH)) + content(stream, message(b""), end=False))
    await writer.drain()
    health = health_pb2_grpc.HealthStub(server.admin.channel)
    async with asyncio.timeout(LATE_S):
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    writer.close()


async def test_health_check_needs_no_place_that_others_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that is there whole is answered, however many wait without their message."""
    monkeypatch.setattr(keyless, "CHECKS_MAX", 2)
    async with run_server(tmp_path) as server:
        port = _port(server)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO + b"".join(opening(stream, headers(CHECK)) for stream in (1, 3, 5, 7)))
        for _ in range(9):
            assert (await raw_call(port, message(b""), path=CHECK)).status == OK
        writer.close()
        await writer.wait_closed()


def test_places_are_shared_among_addresses_but_for_this_machine() -> None:
    """One address leaves places for others; Envoy's, on the same machine, takes what there is."""
    places = Places(5, 1)
    with ExitStack() as taken:
        taken.enter_context(places.one("ipv4:10.0.0.1:1"))
        taken.enter_context(places.one("ipv6:%5B2001:db8::1%5D:1"))
        for peer in ("ipv4:10.0.0.1:2", "ipv6:%5B2001:db8::ffff:2%5D:1"):
            with pytest.raises(ServerBusyError):
                taken.enter_context(places.one(peer))
        for peer in ("ipv6:%5B2001:db8:0:1::1%5D:1", "ipv4:127.0.0.1:1", "ipv6:%5B::1%5D:2"):
            taken.enter_context(places.one(peer))
        with pytest.raises(ServerBusyError):
            taken.enter_context(places.one("ipv4:10.0.0.3:1"))
    with places.one("ipv4:10.0.0.1:3"):
        pass


def test_last_places_end_the_oldest_of_an_address_and_of_all() -> None:
    """One address pushes out its own; once all places are taken, the oldest goes."""
    ended: list[str] = []

    def end(name: str) -> partial[None]:
        return partial(ended.append, name)

    places = LastPlaces(3, 2)
    with ExitStack() as taken:
        taken.enter_context(places.one("unix:x", end("this machine")))
        for name in ("first", "second", "third"):
            taken.enter_context(places.one("ipv4:10.0.0.1:1", end(name)))
        assert ended == ["first"]
        for number in range(2):
            taken.enter_context(places.one(f"ipv4:10.0.0.2:{number}", end(f"other {number}")))
        assert ended == ["first", "this machine", "second"]
    with places.one("unix:x", end("after")):
        assert len(ended) == 3


async def test_call_that_is_cut_at_its_end_says_nothing(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A cut that comes as the handler ends leaves no traceback of gRPC's, in any form."""
    told, cut = asyncio.Event(), asyncio.Event()

    async def handle(_request: object, context: Any) -> None:
        end = ending()
        try:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        finally:
            await told.wait()
            # After this step, which ends the handler, and before anybody knows that it ended.
            loop.call_soon(end)
            loop.call_soon(cut.set)

    loop = asyncio.get_running_loop()
    know_calls(loop)
    server = grpc.aio.server()
    method = grpc.stream_stream_rpc_method_handler(handle)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x", {"Y": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert (await raw_call(port, message(b""), path="/x/Y")).status == UNAVAILABLE
    told.set()
    async with asyncio.timeout(LATE_S):
        await cut.wait()
    await server.stop(LATE_S)
    assert not capfd.readouterr().err
    assert not caplog.records


@pytest.mark.grpcio_only
async def test_header_that_grpc_can_not_read_ends_the_call_by_name(server: Server) -> None:
    """GRPC's own library refuses such a call: INTERNAL, with words that name the header."""
    unreadable = {
        "grpc-timeout": "x",
        "grpc-encoding": "nope",
        "grpc-trace-bin": "!!!",
        "x-anything-bin": "!!!",
        "grpc-previous-rpc-attempts": "x",
        "te": "gzip",
    }
    calls = (
        raw_call(_port(server), REQUEST, {**KEY, name: unreadable[name]}) for name in unreadable
    )
    for name, ended in zip(unreadable, await asyncio.gather(*calls), strict=True):
        assert ended.status == INTERNAL, name
        assert name.encode() in ended.text
        assert ended.seconds < LATE_S


async def test_compressed_request_is_read_and_never_beyond_its_limit(server: Server) -> None:
    """A request may be compressed; what is larger than it may be when it is not, is too large."""
    packed = message(gzip.compress(REQUEST[5:]), compressed=True)
    coded = {**KEY, "grpc-encoding": "gzip"}
    assert (await raw_call(_port(server), packed, coded)).status == OK
    bomb = message(gzip.compress(bytes(MESSAGE_BYTES_MAX + 1)), compressed=True)
    assert (await raw_call(_port(server), bomb, coded)).status == RESOURCE_EXHAUSTED


@pytest.mark.grpcio_only
async def test_compressed_request_is_read_through_envoy(front: Front) -> None:
    """A kiosk that compresses what it sends is served behind Envoy as well."""
    packed = message(gzip.compress(REQUEST[5:]), compressed=True)
    coded = {**KEY, "grpc-encoding": "gzip"}
    assert (await raw_call(front.envoy.http_port, packed, coded)).status == OK


@pytest.mark.grpcio_only
async def test_connection_that_says_nothing_is_closed(server: Server) -> None:
    """Who connects and does not speak HTTP/2 holds a connection for seconds."""

    async def say(nothing: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(server))
        writer.write(nothing)
        async with asyncio.timeout(2 * HANDSHAKE_MS / 1000):
            await reader.read()
        writer.close()

    await asyncio.gather(say(b""), say(HELLO[:24]))


async def _require_let_go(server: Server, path: str, sent: bytes, key: dict[str, str]) -> None:
    """Make a call whose answer is not taken, and require that its place is soon another's."""
    port = _port(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(TAKES_NOTHING + opening(1, headers(path, **key)) + content(1, sent))
    kind = None
    async with asyncio.timeout(LATE_S):
        # The answer's headers come, its content can't.
        while kind != HEADERS:
            start = await reader.readexactly(9)
            kind = start[3]
            await reader.readexactly(int.from_bytes(start[:3], "big"))
        while (await raw_call(port, message(b""), path=CHECK)).status != OK:
            pass
    writer.close()


def _one_call_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (grpcio_transport, native_transport):
        monkeypatch.setattr(module, "CONCURRENT_CALLS_MAX", 1)


@pytest.mark.parametrize("path", [CHECK, pytest.param(WATCH, marks=pytest.mark.grpcio_only)])
async def test_answer_that_nobody_takes_holds_no_place(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for the health, and has no room for the answer, is soon let go of."""
    _one_call_at_once(monkeypatch)
    async with run_server(tmp_path) as server:
        await _require_let_go(server, path, message(b""), {})


async def test_answer_that_a_caller_with_a_key_does_not_take_holds_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key gives more time to take an answer, and not for ever."""
    _one_call_at_once(monkeypatch)
    monkeypatch.setattr(handling, "SEND_S", 1.0)
    request = session_service_pb2.StartAnonymousSessionRequest(
        correlation_id="0b0e7f3a-54a4-4b0c-9d0e-6b7a4b1c2d3e", channel="STORE"
    )
    path = "/loyalty.v1.SessionService/StartAnonymousSession"
    async with run_server(tmp_path) as server:
        await _require_let_go(server, path, message(request.SerializeToString()), KEY)


@pytest.mark.grpcio_only
async def test_many_small_headers_are_refused_unread(server: Server) -> None:
    """A thousand headers of a byte each cost as much as long ones, and are refused as they are."""
    extra = {f"a{number}": "" for number in range(600)}
    ended = await raw_call(_port(server), REQUEST, {**KEY, **extra})
    assert ended.status == RESOURCE_EXHAUSTED
