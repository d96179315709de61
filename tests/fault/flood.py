"""
`python -m tests.fault.flood PORT KIND RATE SECONDS`: somebody without a key, at a gRPC port.

Prints what was done as JSON: how often, how many calls were ended, and how long one was open at
most. Only this machine is ever called, and everything is let go of at the end.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import uvloop

from tests.support.http2 import ACK, END_STREAM, HEADERS, PING, RESET, SETTINGS, frame
from tests.support.raw_grpc import HELLO, TAKES_NOTHING, content, headers, message, opening

CONNECTIONS = 16
TICK_S = 0.01
REST_S = 10.0
"""Time after the last call in which the server must have ended every call."""

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
BIG = message(bytes(1000))
CANCEL = (8).to_bytes(4, "big")
LONG = {f"x_long_{number}": "v" * 100 for number in range(100)}


@dataclass
class Done:
    """
    What a flood came to.

    Attributes:
        sent: Calls, frames or connections.
        opened: Calls opened on connections that stayed open.
        ended: Those of them that the server ended.
        reset: Those of these that it ended without a word.
        longest_s: The longest that one of these was open.
        connections: Connections that were made.
    """

    sent: int = 0
    opened: int = 0
    ended: int = 0
    reset: int = 0
    longest_s: float = 0.0
    connections: int = 0


CALLS: Mapping[str, Callable[[int], bytes]] = {
    "empty calls": lambda stream: opening(stream, EMPTY),
    "half calls": lambda stream: opening(stream, EMPTY) + content(stream, BIG[:3], end=False),
    "endless calls": lambda stream: opening(stream, EMPTY) + content(stream, BIG * 2, end=False),
    "whole calls": lambda stream: opening(stream, EMPTY) + content(stream, BIG),
    "wrong keys": lambda stream: opening(stream, WRONG),
    "long headers": lambda stream: opening(stream, headers(**LONG)),
    "broken headers": lambda stream: opening(stream, BROKEN),
    "unknown calls": lambda stream: opening(stream, UNKNOWN),
    "empty checks": lambda stream: opening(stream, headers(CHECK)),
    "untaken checks": lambda stream: opening(stream, headers(CHECK)) + content(stream, NOTHING),
    "bursts": lambda stream: opening(stream, EMPTY, end=True),
    "watches": lambda stream: opening(stream, headers(WATCH)) + content(stream, NOTHING),
}
"""What opens a call that the server must end by itself; watches alone may last."""

EMPTY = headers()
WRONG = headers(x_api_key="lk_nobody")
BROKEN = headers(grpc_timeout="x")
NOTHING = message(b"")
UNKNOWN = headers("/loyalty.v1.Nothing/Nothing")

HELLOS: Mapping[str, bytes] = {"untaken checks": TAKES_NOTHING}
"""What the connections of a kind begin with, if not as any other."""

FRAMES: Mapping[str, Callable[[int], bytes]] = {
    "resets": lambda stream: opening(stream, EMPTY) + frame(RESET, 0, stream, CANCEL),
    "many resets": lambda stream: opening(stream, EMPTY) + frame(RESET, 0, stream, CANCEL),
    "pings": lambda _: frame(PING, 0, 0, b"12345678"),
    "settings": lambda _: frame(SETTINGS, 0, 0, b""),
}
"""What leaves nothing to be ended."""

HANDS: Mapping[str, bytes] = {
    "silent connections": b"",
    "idle connections": HELLO,
    "junk connections": b"GET / HTTP/1.1\r\n\r\n" * 10,
}
"""What a connection of its own says."""

KINDS = (*CALLS, *FRAMES, *HANDS)

AT_ONCE: Mapping[str, int] = {"bursts": 2000}
"""How many of a kind come at the same moment, if not one by one."""

FAST: Mapping[str, int] = {"many resets": 64}
"""Connections of what comes faster than the server can look at it, and stands in line."""

FASTER = 20
"""How many times as often as others that comes, or as often as this process can."""


class Line:
    """One connection, opened again whenever the server closes it."""

    def __init__(self, port: int, done: Done, hello: bytes) -> None:
        self._port = port
        self._hello = hello
        self._done = done
        self._stream = 1
        self._open: dict[int, float] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def send(self, write: Callable[[int], bytes], *, opens: bool) -> None:
        """Write something in a new stream."""
        if self._writer is None or self._writer.is_closing():
            await self._connect()
        assert self._writer is not None
        self._writer.write(write(self._stream))
        self._done.sent += 1
        if opens:
            self._done.opened += 1
            self._open[self._stream] = time.monotonic()
        self._stream += 2

    async def _connect(self) -> None:
        self.close()
        self._stream = 1
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self._hello)
        self._done.connections += 1
        self._reading = asyncio.create_task(self._read(reader, self._writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                start = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(start[:3], "big"))
                kind, flags = start[3], start[4]
                if kind == PING and not flags & ACK:
                    writer.write(frame(PING, ACK, 0, payload))
                elif kind == RESET or (kind == HEADERS and flags & END_STREAM):
                    self._done.reset += kind == RESET
                    self._end(int.from_bytes(start[5:], "big"))
        writer.close()
        for stream in tuple(self._open):
            self._end(stream)

    def _end(self, stream: int) -> None:
        began = self._open.pop(stream, None)
        if began is not None:
            self._done.ended += 1
            self._done.longest_s = max(self._done.longest_s, time.monotonic() - began)

    def close(self) -> None:
        """Let go of the connection; what is open on it counts as never ended."""
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        self._open.clear()


async def _hand(port: int, sent: bytes, done: Done) -> None:
    """Connect, say something, and wait until the server hangs up."""
    began = time.monotonic()
    with suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done.connections += 1
        try:
            writer.write(sent)
            while await reader.read(65536):
                pass
            done.longest_s = max(done.longest_s, time.monotonic() - began)
        finally:
            writer.close()


async def flood(port: int, kind: str, rate: float, seconds: float) -> Done:
    """Do something so often a second, and wait for its end."""
    done = Done()
    count = FAST.get(kind, CONNECTIONS)
    lines = [Line(port, done, HELLOS.get(kind, HELLO)) for _ in range(count)]
    rate = rate * FASTER if kind in FAST else rate
    hands: set[asyncio.Task[None]] = set()
    at_once = AT_ONCE.get(kind, 1)
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        while done.sent < math.ceil(elapsed * rate / at_once) * at_once:
            if kind in HANDS:
                hands.add(asyncio.create_task(_hand(port, HANDS[kind], done)))
                done.sent += 1
            else:
                write = CALLS[kind] if kind in CALLS else FRAMES[kind]
                with suppress(ConnectionError):
                    await lines[done.sent % count].send(write, opens=kind in CALLS)
        await asyncio.sleep(TICK_S)
    until = time.monotonic() + REST_S
    # Whichever call is ended last, nobody tells.
    while (  # noqa: ASYNC110
        done.ended < done.opened and time.monotonic() < until and kind != "watches"
    ):
        await asyncio.sleep(TICK_S)
    for hand in hands:
        hand.cancel()
    for line in lines:
        line.close()
    return done


def main() -> None:
    """Flood, and print what came of it."""
    port, kind, rate, seconds = sys.argv[1:]
    done = uvloop.run(flood(int(port), kind, float(rate), float(seconds)))
    print(json.dumps(asdict(done)))  # noqa: T201


if __name__ == "__main__":
    main()
