"""
Floods of whoever has no valid key, as fast as the edge takes them: an attacker of its own process.

    python -m tests.fault.edge_floods KIND PORT CONNECTIONS SECONDS [ADDRESSES]

Prints how many calls it made.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import uvloop

from tests.fault.keyless_calls import HEALTH, IDENTIFY, NO_FIELDS
from tests.support import http2

STREAMS = 16
"""As many as Envoy says that a connection may have under way; more are refused unread."""

WINDOW = 1 << 30
STATIC_NAMES = 61
"""HPACK: what a caller names first of his own has the next number."""

LONG = 3600
REPEATED = 8
BODY_BYTES = 524_288
FRAME_HEADER = 9
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
        large: A header that each call has of its own, so long that it is sent anew.
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


def _start(method: str, path: str) -> tuple[tuple[str, str], ...]:
    return ((":method", method), (":scheme", "http"), (":path", path), (":authority", "x"))


DEAR = b'{"x":[' + b'{"amount":1.5},' * 3_900 + b"0]}"
"""JSON that is as costly to read as any of its length, less than what Envoy calls large."""

KINDS: Mapping[str, Flood | None] = {
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
}
"""Whole calls are made again as they are answered; of half ones the place is taken again."""


class _Attacker:
    """What all connections share."""

    def __init__(self) -> None:
        self.sent = 0
        self.open: dict[asyncio.Transport, Callable[[], None]] = {}
        """What a connection has to say, once all are there."""
        self.began = False

    def add(self, transport: asyncio.Transport, speak: Callable[[], None]) -> None:
        """Take up a connection; one that comes later than the others speaks at once."""
        self.open[transport] = speak
        if self.began:
            speak()

    def begin(self) -> None:
        """Let all speak at once."""
        self.began = True
        for speak in tuple(self.open.values()):
            speak()


class _Over2(asyncio.Protocol):
    """Keeps as many calls under way as a connection may have."""

    def __init__(self, attacker: _Attacker, flood: Flood) -> None:
        self._attacker, self._flood = attacker, flood
        self._transport: asyncio.Transport
        self._read = bytearray()
        self._stream, self._under_way = 1, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        window = http2.WINDOW_SETTING.to_bytes(2, "big") + WINDOW.to_bytes(4, "big")
        self._transport.write(
            http2.MAGIC
            + http2.frame(http2.SETTINGS, 0, 0, window)
            + http2.frame(http2.WINDOW_UPDATE, 0, 0, WINDOW.to_bytes(4, "big"))
        )
        self._attacker.add(self._transport, self._fill)

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio."""
        self._attacker.open.pop(self._transport, None)

    def _fill(self) -> None:
        calls = []
        while self._under_way < STREAMS:
            calls.append(self._flood.call(self._stream, self._attacker.sent))
            self._stream += 2
            self._under_way += 1
            self._attacker.sent += 1
        self._transport.write(b"".join(calls))

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._read += data
        at = 0
        while len(self._read) - at >= FRAME_HEADER:
            size = int.from_bytes(self._read[at : at + 3], "big")
            if len(self._read) - at < FRAME_HEADER + size:
                break
            self._take(*self._read[at + 3 : at + 5], bytes(self._read[at + 9 : at + 9 + size]))
            at += FRAME_HEADER + size
        del self._read[:at]
        if self._under_way <= STREAMS // 2 and not self._transport.is_closing():
            self._fill()

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        if kind in {http2.DATA, http2.HEADERS} and flags & http2.END_STREAM:
            self._under_way -= 1
        elif kind in {http2.SETTINGS, http2.PING} and not flags & http2.ACK:
            answer = payload if kind == http2.PING else b""
            self._transport.write(http2.frame(kind, http2.ACK, 0, answer))


class _HalfBody(asyncio.Protocol):
    """Sends all of a body but its last byte."""

    def __init__(self, attacker: _Attacker) -> None:
        self._attacker = attacker
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._attacker.add(self._transport, self._speak)

    def _speak(self) -> None:
        self._attacker.sent += 1
        lines = (f"POST {IDENTIFY} HTTP/1.1", "host: x", "x-api-key: k")
        head = "\r\n".join((*lines, f"content-length: {BODY_BYTES}", "", "")).encode()
        self._transport.write(head + b" " * (BODY_BYTES - 1))

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio."""
        self._attacker.open.pop(self._transport, None)


async def attack(kind: str, port: int, connections: int, seconds: float, addresses: int = 0) -> int:
    """
    Keep so many connections open and busy for so long; returns the calls made.

    They all begin at once, which is when they take the most memory. They come from the tills' own
    address, or from so many others.
    """
    loop = asyncio.get_running_loop()
    attacker = _Attacker()
    flood = KINDS[kind]

    def connection() -> asyncio.Protocol:
        return _HalfBody(attacker) if flood is None else _Over2(attacker, flood)

    ends = loop.time() + OPENING_MAX_S
    numbers = itertools.count()
    while loop.time() < ends:
        for _ in range(min(OPENING_A_TURN, connections - len(attacker.open))):
            with suppress(OSError):
                address = f"127.0.1.{next(numbers) % addresses + 1}" if addresses else "127.0.0.1"
                await loop.create_connection(connection, "127.0.0.1", port, local_addr=(address, 0))
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
