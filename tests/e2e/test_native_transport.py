"""pygrpc-native: when it carries the calls, and what it does with callers that mean harm."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from loyalty_service.transport import native_transport
from loyalty_service.transport.native_transport import NativeTransport
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.support.certificates import Authority
from tests.support.http2 import DATA, END_STREAM, PING, RESET, SETTINGS, frame, literal
from tests.support.raw_grpc import (
    HELLO,
    IDENTIFY,
    content,
    headers,
    message,
    opening,
    raw_call,
)
from tests.support.server import (
    POS_KEY,
    Server,
    identify_request,
    open_channel,
    run_front,
    run_server,
)

NATIVE = {"transport": "native"}
KEY = {"x-api-key": POS_KEY}
OK, RESOURCE_EXHAUSTED, INTERNAL = 0, 8, 13
C = grpc.StatusCode
ASKED = identify_request("123456").SerializeToString()
REQUEST = message(ASKED)
CONTINUATION = 9
CANCEL = (8).to_bytes(4, "big")
ROUNDS = 200
HANG_UP_S = 10.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def native(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose calls pygrpc-native carries."""
    async with run_server(tmp_path_factory.mktemp("native"), **NATIVE) as server:
        yield server


def _started(lines: list[Any]) -> dict[str, Any]:
    """Give the line that tells the start."""
    (line,) = (line for line in lines if line["event"] == "serving")
    return dict(line)


async def test_start_names_the_transport(tmp_path: Path) -> None:
    """Whoever reads the log knows what carries the calls."""
    with capture_logs() as lines:
        async with run_server(tmp_path, **NATIVE):
            pass
    assert _started(lines)["transport"] == "native"
    assert "instead_of_native" not in _started(lines)


async def test_port_with_tls_is_served_by_grpcio(tmp_path: Path) -> None:
    """Native has no TLS: the port is protected all the same, and the start says by what."""
    authority = Authority("Loyalty test CA")
    certificate, private_key = authority.sign("server").write(tmp_path / "tls", "server")
    tls = {"tls_certificate": certificate, "tls_private_key": private_key}
    with capture_logs() as lines:
        async with run_server(tmp_path, **NATIVE, **tls):
            pass
    assert _started(lines)["transport"] == "grpcio"
    assert _started(lines)["instead_of_native"] == "native has no TLS"


async def test_compressed_request_beyond_its_limit_is_refused(native: Server) -> None:
    """It is unpacked all the same; what it is refused with is grpcio's code."""
    port = native.running.grpc_port
    coded = {**KEY, "grpc-encoding": "gzip"}
    bomb = message(gzip.compress(bytes(MESSAGE_BYTES_MAX + 1)), compressed=True)
    assert (await raw_call(port, bomb, coded)).status == RESOURCE_EXHAUSTED


@pytest.mark.parametrize("sent", [b"", REQUEST[:3], REQUEST[:-1]], ids=["none", "start", "half"])
async def test_call_that_ends_without_a_message_is_refused(native: Server, sent: bytes) -> None:
    """A caller that says it has sent everything, and has not, is told by the library itself."""
    assert (await raw_call(native.running.grpc_port, sent, KEY)).status == INTERNAL


@pytest.mark.parametrize(
    ("length", "told"),
    [(17_000, (C.UNKNOWN, "status: 431")), (100_000, (C.UNAVAILABLE, "header_list_way_too_large"))],
    ids=["long", "far too long"],
)
async def test_headers_beyond_their_limit_are_refused_unread(
    native: Server, length: int, told: tuple[grpc.StatusCode, str]
) -> None:
    """With a status of HTTP's or, far beyond it, with the end of the connection."""
    metadata = (*KEY.items(), ("x-long", "y" * length))
    async with open_channel(native.address) as channel:
        call: Any = channel.unary_unary(IDENTIFY, None, None)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(ASKED, metadata=metadata, timeout=10)
    code, words = told
    assert refused.value.code() is code
    assert words in str(refused.value.details())


async def test_unreadable_timeout_is_none(native: Server) -> None:
    """Its call is served as one without a deadline."""
    unreadable = {**KEY, "grpc-timeout": "x"}
    assert (await raw_call(native.running.grpc_port, REQUEST, unreadable)).status == OK


async def test_stopped_server_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its thread, nor its socket's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(threading.enumerate())
    transport = NativeTransport(share_port=False)
    await transport.start("127.0.0.1:0")
    assert _files(tmp_path)
    await transport.stop(1.0)
    assert not _files(tmp_path)
    assert not _named(set(threading.enumerate()) - before)


async def test_start_that_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port is free again, though a folder's path is too long for a socket in it."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
    with pytest.raises(RuntimeError, match="unix:"):
        await NativeTransport(share_port=False).start(f"127.0.0.1:{port}")
    assert not _files(folder)
    with closing(socket.create_server(("127.0.0.1", port))) as again:
        assert again.getsockname()[1] == port


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _named(threads: set[threading.Thread]) -> list[str]:
    return [thread.name for thread in threads if thread.name == "native-calls"]


async def test_more_calls_than_can_be_under_way_are_refused(
    native: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits without bounds, and what is refused costs no task."""
    monkeypatch.setattr(native_transport, "CONCURRENT_CALLS_MAX", 0)
    ended = await raw_call(native.running.grpc_port, REQUEST, KEY)
    assert ended.status == RESOURCE_EXHAUSTED


async def test_calls_that_are_taken_back_at_once_hold_no_place(
    native: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is taken back before anything was done about it."""
    monkeypatch.setattr(native_transport, "CONCURRENT_CALLS_MAX", 8)
    port = native.running.grpc_port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HELLO + b"".join(_resets(stream, whole=True) for stream in range(1, 200, 2)))
    await writer.drain()
    async with asyncio.timeout(HANG_UP_S):
        while (await raw_call(port, REQUEST, KEY)).status != OK:
            pass
    writer.transport.abort()


def _resets(stream: int, *, whole: bool) -> bytes:
    """Open a call, with its message or without, and take it back."""
    sent = content(stream, REQUEST) if whole else b""
    return opening(stream, headers(**KEY), end=not whole) + sent + frame(RESET, 0, stream, CANCEL)


FLOODS = {
    "resets": [_resets(stream, whole=False) for stream in range(1, 8000, 2)],
    "resets of whole calls": [_resets(stream, whole=True) for stream in range(1, 8000, 2)],
    "empty content": [opening(1, headers()), *[frame(DATA, 0, 1, b"")] * 100_000],
    "endless headers": [
        frame(1, 0, 1, headers()),
        *[frame(CONTINUATION, 0, 1, literal("x-a", "y" * 100))] * 2000,
    ],
    "no HTTP/2": [b"GET / HTTP/1.1\r\n\r\n"],
    "content of no call": [frame(DATA, 0, 0, b"x")],
    "a frame that is too long": [b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"],
    "unreadable headers": [frame(1, 4 | END_STREAM, 1, b"\xff" * 6)],
}
"""What ends the connection of whoever sends it."""


@pytest.mark.parametrize("kind", FLOODS)
async def test_flood_ends_its_connection(native: Server, kind: str) -> None:
    """Whoever sends what no caller does is hung up on, and others are served."""
    port = native.running.grpc_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reading = asyncio.create_task(_until_closed(reader))
    with suppress(ConnectionError):
        writer.write(HELLO + b"".join(FLOODS[kind]))
        await writer.drain()
    async with asyncio.timeout(HANG_UP_S):
        await reading
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert (await raw_call(port, REQUEST, KEY)).status == OK


async def _until_closed(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


@pytest.mark.parametrize(
    "sent", [frame(PING, 0, 0, bytes(8)), frame(SETTINGS, 0, 0, b"\0\3\0\0\0\x64")]
)
async def test_flood_of_questions_keeps_nobody_from_the_port(native: Server, sent: bytes) -> None:
    """Who asks without end, and reads no answer, is read no more; others are served meanwhile."""
    port = native.running.grpc_port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HELLO)
    for _ in range(ROUNDS):
        writer.write(sent * 1000)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await writer.drain()
    assert (await raw_call(port, REQUEST, KEY)).status == OK
    writer.transport.abort()


async def test_compressed_request_through_envoy_is_not_read(tmp_path: Path) -> None:
    """With the line that operators add to Envoy, nobody's bomb is unpacked; others are served."""
    async with run_front(tmp_path, **NATIVE) as front:
        port = front.envoy.http_port
        coded = {**KEY, "grpc-encoding": "gzip"}
        bomb = message(gzip.compress(bytes(100 * MESSAGE_BYTES_MAX)), compressed=True)
        assert (await raw_call(port, bomb, coded, path=IDENTIFY)).status == INTERNAL
        assert (await raw_call(port, REQUEST, KEY, path=IDENTIFY)).status == OK
