"""What kiosks do all day on a connection that has no call, in real time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.http2 import ACK, GO_AWAY, PING, SETTINGS, frame
from tests.support.raw_grpc import HELLO
from tests.support.server import run_server

EVERY_S = 10.0
PINGS = 4
"""One more than the early ones that gRPC forgives."""

ASKED = frame(PING, 0, 0, b"a kiosk.")


async def test_pings_every_ten_seconds_keep_an_idle_connection(tmp_path: Path) -> None:
    """Each is answered and none is counted against the kiosk; who floods is hung up on."""
    async with run_server(tmp_path) as server:
        port = server.running.grpc_port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO)
        for number in range(PINGS):
            if number:
                await _hear_nothing_of(reader, GO_AWAY)
            writer.write(ASKED)
            assert await _next_of(reader, PING, GO_AWAY) == PING
        # What the server says of the last ping it has said by the time it takes this.
        writer.write(frame(SETTINGS, 0, 0, b""))
        assert await _next_of(reader, SETTINGS, GO_AWAY) == SETTINGS
        writer.write(ASKED * PINGS)
        while await _next_of(reader, PING, GO_AWAY) != GO_AWAY:
            pass
        writer.close()


async def _hear_nothing_of(reader: asyncio.StreamReader, kind: int) -> None:
    """Listen until the next ping is due; the server's own questions may come meanwhile."""
    try:
        async with asyncio.timeout(EVERY_S):
            await _next_of(reader, kind)
    except TimeoutError:
        return
    raise AssertionError("the server hung up")


async def _next_of(reader: asyncio.StreamReader, *kinds: int) -> int:
    """Read frames up to one of these kinds; pings and settings count when they are answers."""
    while True:
        start = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(start[:3], "big"))
        if start[3] in kinds and (start[3] == GO_AWAY or start[4] & ACK):
            return start[3]
