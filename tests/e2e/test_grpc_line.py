"""Calls on the gRPC port that come while the server does something else, and stand in line."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loyalty_service.transport import grpcio_transport
from loyalty_service.transport.handling import Handling
from tests.support.http2 import ACK, END_STREAM, HEADERS, PING, RESET, frame
from tests.support.raw_grpc import HELLO, content, headers, message, opening, raw_call
from tests.support.server import POS_KEY, Server, identify_request, run_server

pytestmark = [pytest.mark.any_database, pytest.mark.grpcio_only]

RESETS = 1000
LINE_OF_ONE_MAX = 160
"""Calls of one connection that may stand before another's: each takes the server 0.2 ms."""

CANCEL = (8).to_bytes(4, "big")
KEY = {"x-api-key": POS_KEY}
REQUEST = message(identify_request("123456").SerializeToString())
READ = b"was read"
PATIENCE_S = 30.0

Frame = tuple[int, int, int, bytes]


def _port(server: Server) -> int:
    return int(server.address.rpartition(":")[2])


def _send_while_nobody_looks(port: int, sent: bytes) -> socket.socket:
    """
    Send frames, and return when gRPC's own threads have read them.

    The loop of the server is the test's own, which stands still meanwhile.
    """
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    connection.sendall(HELLO + sent + frame(PING, 0, 0, READ))
    for kind, flags, _, payload in _frames(connection):
        if kind == PING and flags & ACK and payload == READ:
            return connection
    raise AssertionError("hung up on")


def _frames(connection: socket.socket) -> Iterator[Frame]:
    while start := _exactly(connection, 9):
        payload = _exactly(connection, int.from_bytes(start[:3], "big"))
        yield start[3], start[4], int.from_bytes(start[5:], "big"), payload


def _exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes and no more, for whoever reads after; nothing once it is closed."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return b""
        data += part
    return data


async def test_calls_that_were_reset_leave_the_line_short(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one connection's resets few stand before others' calls, however many there were."""
    seen: list[str] = []
    begin: Any = Handling._begin

    def note(self: Handling, name: str, *args: Any, **other: Any) -> Any:
        seen.append(name)
        return begin(self, name, *args, **other)

    monkeypatch.setattr(Handling, "_begin", note)
    block = headers()
    sent = b"".join(
        opening(stream, block) + frame(RESET, 0, stream, CANCEL)
        for stream in range(1, 2 * RESETS, 2)
    )
    with _send_while_nobody_looks(_port(server), sent):
        assert (await raw_call(_port(server), REQUEST, KEY, patience_s=PATIENCE_S)).status == 0
    assert 1 < len(seen) <= LINE_OF_ONE_MAX


async def test_call_that_waited_too_long_is_cancelled_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited in a long line has gone, or calls again: what he sent is not done behind him."""
    monkeypatch.setattr(grpcio_transport, "UNSEEN_S", 1)
    block = headers(x_api_key=POS_KEY)
    streams = (1, 3, 5)
    sent = b"".join(opening(stream, block) + content(stream, REQUEST) for stream in streams)
    async with run_server(tmp_path) as server:
        with _send_while_nobody_looks(_port(server), sent) as connection:
            time.sleep(1.5)  # noqa: ASYNC251  (The server's loop stands still: that is the fault.)
            ends = await asyncio.to_thread(_ends_of, connection, len(streams))
    # For the first one somebody has waited.
    assert ends == {1: HEADERS, 3: RESET, 5: RESET}


def _ends_of(connection: socket.socket, count: int) -> dict[int, int]:
    """Tell how each call ended: with an answer, or reset."""
    ends: dict[int, int] = {}
    for kind, flags, stream, _ in _frames(connection):
        if kind == RESET or (kind == HEADERS and flags & END_STREAM):
            ends[stream] = kind
        if len(ends) == count:
            break
    return ends
