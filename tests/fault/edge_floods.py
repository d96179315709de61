"""
Floods of whoever has no valid key, as fast as the edge takes them: an attacker of its own process.

    python -m tests.fault.edge_floods KIND PORT CONNECTIONS SECONDS [ADDRESSES]

Prints how many calls it made.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import uvloop

from tests.fault.edge_frames import (
    BODY_BYTES,
    DRIBBLES,
    Attacker,
    Connection,
    Dribble,
    Over2,
    Repeated,
)
from tests.fault.keyless_calls import HEALTH, IDENTIFY, NO_FIELDS
from tests.support import http2

STREAMS = 8
"""As many as Envoy says that a connection may have under way; more are refused unread."""

STATIC_NAMES = 61
"""HPACK: what a caller names first of his own has the next number."""

LONG = 3600
REPEATED = 8
FRAME_MAX = 16_384
OPENING_A_TURN = 50
OPENING_MAX_S = 20.0


def _kept(name: str, value: str) -> bytes:
    """Write a header that HPACK keeps in its table."""
    return b"\x40" + _text(name) + _text(value)


def _text(value: str) -> bytes:
    size, rest = len(value), b""
    if size >= 127:
        size -= 127
        while size >= 128:
            rest += bytes([size % 128 + 128])
            size //= 128
        rest, size = rest + bytes([size]), 127
    return bytes([size]) + rest + value.encode("ascii")


@dataclass(frozen=True, slots=True)
class Flood:
    """
    Calls over HTTP/2 that name what was sent before.

    Attributes:
        headers: Sent once, and then named again with a byte each; HTTP/2 wants `:` first.
        named: Headers that are named more than once a call, by their place.
        ended: Whether a call is whole.
        body: Of each call, if it has one.
        large: A header that each call has of its own, so long that it is sent again.
    """

    headers: tuple[tuple[str, str], ...]
    repeated: int = 1
    ended: bool = True
    body: bytes | None = None
    own_key: int = 0

    def call(self, stream: int, number: int) -> bytes:
        """Write a call; the first of a connection is the longest."""
        if stream == 1:
            block = b"".join(_kept(*header) for header in self.headers)
        else:
            places = [STATIC_NAMES + len(self.headers) - at for at in range(len(self.headers))]
            places += [places[-1]] * (self.repeated - 1)
            block = bytes(0x80 | place for place in places)
        if self.own_key:
            key = f"{number}".zfill(self.own_key)
            block += b"\x00" + _text("x-api-key") + _text(key)
        last = http2.END_STREAM if self.ended else 0
        flags = http2.END_HEADERS | (last if self.body is None else 0)
        sent = http2.frame(http2.HEADERS, flags, stream, block)
        for at in range(0, len(self.body or b""), FRAME_MAX):
            part = self.body[at : at + FRAME_MAX] if self.body else b""
            ends = last if at + FRAME_MAX >= len(self.body or b"") else 0
            sent += http2.frame(http2.DATA, ends, stream, part)
        return sent

    def connection(self, attacker: Attacker) -> Connection:
        """Make one that keeps such calls under way."""
        return _Calls(attacker, self)


def _start(method: str, path: str) -> tuple[tuple[str, str], ...]:
    return ((":method", method), (":scheme", "http"), (":path", path), (":authority", "x"))


DEAR = b'{"x":[' + b'{"amount":1.5},' * 3_900 + b"0]}"
"""JSON that is as costly to read as any of its length, less than what Envoy calls large."""

KINDS: Mapping[str, Flood | Dribble | Repeated | None] = {
    "keyless over HTTP/2": Flood(_start("GET", "/otp/1")),
    "half calls of eight long headers": Flood(
        (*_start("POST", IDENTIFY), ("x-api-key", "k"), ("a", "b" * LONG)),
        repeated=REPEATED,
        ended=False,
    ),
    "half calls of two long headers": Flood(
        (*_start("POST", IDENTIFY), ("x-api-key", "k"), ("a", "b" * LONG)), repeated=2, ended=False
    ),
    "half bodies": None,
    "long keys": Flood(_start("POST", IDENTIFY), own_key=7000),
    "health with long keys": Flood(
        (*_start("POST", HEALTH), ("content-type", "application/grpc"), ("te", "trailers")),
        body=NO_FIELDS,
        own_key=7000,
    ),
    "small dear bodies": Flood(
        (*_start("POST", "/loyalty/transaction/pos"), ("content-type", "application/json")),
        body=DEAR,
        own_key=8,
    ),
    # Envoy answers these before any filter, so all that came of a connection in one turn.
    "refused before any filter": Flood(
        (*_start("POST", "/%2f"), ("content-type", "application/grpc+" + "a" * LONG)), repeated=2
    ),
    "half calls that announce much": Flood(
        (
            *_start("POST", "/loyalty.v1.MemberService/GetMember"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("content-length", "25149000"),
        ),
        ended=False,
        own_key=8,
    ),
    "half calls that announce a whole body": Flood(
        (*_start("POST", IDENTIFY), ("content-length", "524288")), ended=False, own_key=8
    ),
    "may I": Flood(_start("OPTIONS", "/otp")),
    "may I, with half a body": Flood(
        (
            *_start("OPTIONS", IDENTIFY),
            ("content-type", "application/grpcx"),
            ("authorization", "x"),
        ),
        ended=False,
        body=bytes(8_000),
    ),
    **DRIBBLES,
}
"""Whole calls are made again as they are answered; of half ones the place is taken again."""


class _Calls(Over2):
    """Keeps as many calls under way as a connection may have."""

    def __init__(self, attacker: Attacker, flood: Flood) -> None:
        super().__init__(attacker)
        self._flood = flood
        self._stream, self._under_way = 1, 0

    def speak(self) -> None:
        """Make as many calls as there may be."""
        calls = []
        while self._under_way < STREAMS:
            calls.append(self._flood.call(self._stream, self.attacker.sent))
            self._stream += 2
            self._under_way += 1
            self.attacker.sent += 1
        self.transport.write(b"".join(calls))

    def heard(self) -> None:
        """Make more, where half of them have ended."""
        if self._under_way <= STREAMS // 2:
            self.speak()

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Note which calls have ended."""
        if kind in {http2.DATA, http2.HEADERS} and flags & http2.END_STREAM:
            self._under_way -= 1
        del stream, payload


class _HalfBody(Connection):
    """Sends all of a body but its last byte."""

    def speak(self) -> None:
        """See Connection."""
        self.attacker.sent += 1
        lines = (f"POST {IDENTIFY} HTTP/1.1", "host: x", "x-api-key: k")
        head = "\r\n".join((*lines, f"content-length: {BODY_BYTES}", "", "")).encode()
        self.transport.write(head + b" " * (BODY_BYTES - 1))


async def attack(kind: str, port: int, connections: int, seconds: float, addresses: int = 0) -> int:
    """
    Keep so many connections open and busy for so long; returns the calls made.

    They all begin at once, which is when they take the most memory. They come from the tills' own
    address, or from so many others.
    """
    loop = asyncio.get_running_loop()
    attacker = Attacker()
    flood = KINDS[kind]

    def connection() -> Connection:
        return flood.connection(attacker) if flood else _HalfBody(attacker)

    ends = loop.time() + OPENING_MAX_S
    numbers = itertools.count()
    while loop.time() < ends:
        for _ in range(min(OPENING_A_TURN, connections - len(attacker.open))):
            # Where nobody takes connections any more, one would wait for seconds to be made.
            with suppress(OSError, TimeoutError):
                address = f"127.0.1.{next(numbers) % addresses + 1}" if addresses else "127.0.0.1"
                async with asyncio.timeout_at(ends):
                    await loop.create_connection(
                        connection, "127.0.0.1", port, local_addr=(address, 0)
                    )
        if not attacker.began and len(attacker.open) == connections:
            attacker.begin()
            ends = loop.time() + seconds
        await asyncio.sleep(0.02)
    for transport in list(attacker.open):
        transport.abort()
    return attacker.sent


if __name__ == "__main__":
    kind, port, connections, seconds, *more = sys.argv[1:]
    calls = uvloop.run(
        attack(kind, int(port), int(connections), float(seconds), *(int(count) for count in more))
    )
    sys.stdout.write(f"{calls}\n")
