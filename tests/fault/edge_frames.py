"""
Connections of an attacker: what they share, and bodies of which every byte has a frame of its own.

edge_floods.py runs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from tests.fault.keyless_calls import IDENTIFY
from tests.support import http2

WINDOW = 1 << 30
FRAME_HEADER = 9
UNKNOWN_KIND = 0x20
"""Of a frame that HTTP/2 does not have: whoever gets it passes over it."""

BLOCK = 1000
"""Frames or chunks that are written in one go."""

BODY_BYTES = 524_288
UNTOLD_BYTES = 65_535
"""What somebody whose key has never worked may send without telling how much comes."""


class Attacker:
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


class Connection(asyncio.Protocol):
    """Says what it has to say once all are there."""

    def __init__(self, attacker: Attacker) -> None:
        self.attacker = attacker
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)
        self.greet()
        self.attacker.add(self.transport, self.speak)

    def greet(self) -> None:
        """Say what comes before all else."""

    def speak(self) -> None:
        """Say it."""

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio."""
        self.attacker.open.pop(self.transport, None)


class Over2(Connection):
    """A connection over HTTP/2 that takes all that it is sent."""

    def __init__(self, attacker: Attacker) -> None:
        super().__init__(attacker)
        self._read = bytearray()

    def greet(self) -> None:
        """Begin, with room for every answer."""
        window = http2.WINDOW_SETTING.to_bytes(2, "big") + WINDOW.to_bytes(4, "big")
        self.transport.write(
            http2.MAGIC
            + http2.frame(http2.SETTINGS, 0, 0, window)
            + http2.frame(http2.WINDOW_UPDATE, 0, 0, WINDOW.to_bytes(4, "big"))
        )

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._read += data
        at = 0
        while len(self._read) - at >= FRAME_HEADER:
            size = int.from_bytes(self._read[at : at + 3], "big")
            if len(self._read) - at < FRAME_HEADER + size:
                break
            kind, flags = self._read[at + 3 : at + 5]
            stream = int.from_bytes(self._read[at + 5 : at + 9], "big")
            payload = bytes(self._read[at + 9 : at + 9 + size])
            if kind in {http2.SETTINGS, http2.PING} and not flags & http2.ACK:
                answer = payload if kind == http2.PING else b""
                self.transport.write(http2.frame(kind, http2.ACK, 0, answer))
            self.take(kind, flags, stream, payload)
            at += FRAME_HEADER + size
        del self._read[:at]
        if not self.transport.is_closing():
            self.heard()

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Take a frame."""

    def heard(self) -> None:
        """Go on after some were taken."""


@dataclass(frozen=True, slots=True)
class Dribble:
    """
    Bodies whose every byte comes in a frame, or a chunk, of its own.

    Attributes:
        headers: Of each call, besides its path.
        length: Bytes of a body.
        over_http1: Whether they come in chunks.
    """

    headers: tuple[tuple[str, str], ...] = ()
    length: int = UNTOLD_BYTES
    over_http1: bool = False

    def connection(self, attacker: Attacker) -> Connection:
        """Make one that sends such bodies, one after another."""
        return _Chunks(attacker, self) if self.over_http1 else _Frames(attacker, self)


@dataclass(frozen=True, slots=True)
class Repeated:
    """
    The same bytes again and again.

    Attributes:
        frame: Of HTTP/2, which belongs to no call.
        call: Over HTTP/1.1, one behind another, whose answers nobody waits for.
    """

    frame: bytes = b""
    call: bytes = b""

    def connection(self, attacker: Attacker) -> Connection:
        """Make one that sends nothing else."""
        return _Pipelined(attacker, self.call) if self.call else _Repeats(attacker, self.frame)


class _Pausing(Connection):
    """Writes as fast as its bytes are taken, and no faster."""

    _waits = False

    def pause_writing(self) -> None:
        """See asyncio."""
        self._waits = True

    def resume_writing(self) -> None:
        """See asyncio."""
        self._waits = False
        self.speak()


class _Pipelined(_Pausing):
    def __init__(self, attacker: Attacker, call: bytes) -> None:
        super().__init__(attacker)
        self._block = call * BLOCK

    def speak(self) -> None:
        """Send calls until somebody else must take some."""
        while not (self._waits or self.transport.is_closing()):
            self.attacker.sent += 1
            self.transport.write(self._block)


class _Paced(_Pausing, Over2):
    """The same over HTTP/2."""

    def heard(self) -> None:
        """Go on with what there was no leave for."""
        if self.attacker.began:
            self.speak()


class _Repeats(_Paced):
    def __init__(self, attacker: Attacker, frame: bytes) -> None:
        super().__init__(attacker)
        self._block = frame * BLOCK

    def speak(self) -> None:
        """Send frames until somebody else must take some."""
        while not (self._waits or self.transport.is_closing()):
            self.attacker.sent += 1
            self.transport.write(self._block)


class _Frames(_Paced):
    """One call after another, as far as the windows of HTTP/2 let it go."""

    def __init__(self, attacker: Attacker, dribble: Dribble) -> None:
        super().__init__(attacker)
        fields = {":method": "POST", ":scheme": "http", ":path": IDENTIFY, ":authority": "x"}
        fields |= dict(dribble.headers)
        self._head = b"".join(http2.literal(*field) for field in fields.items())
        self._length = dribble.length
        self._stream, self._left, self._is_reset = -1, 0, False
        self._windows = {0: http2.WINDOW}

    def speak(self) -> None:
        """Send as much as there is leave for."""
        while not (self._waits or self.transport.is_closing()):
            if self._left == 0:
                self._stream += 2
                self._left, self._is_reset = self._length, False
                self._windows = {0: self._windows[0], self._stream: http2.WINDOW}
                self.attacker.sent += 1
                head = http2.frame(http2.HEADERS, http2.END_HEADERS, self._stream, self._head)
                self.transport.write(head)
            count = min(BLOCK, self._left, *self._windows.values())
            if count == 0:
                self._begin_anew_where_stuck()
                return
            self._left -= count
            for stream in self._windows:
                self._windows[stream] -= count
            one = http2.frame(http2.DATA, 0, self._stream, b" ")
            last = http2.frame(http2.DATA, http2.END_STREAM, self._stream, b" ")
            self.transport.write(one * count if self._left else one * (count - 1) + last)

    def take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Note what may be sent; of what was reset the rest comes all the same, while it may."""
        if kind == http2.WINDOW_UPDATE and stream in self._windows:
            self._windows[stream] += int.from_bytes(payload, "big")
        elif kind == http2.RESET and stream == self._stream:
            self._left = min(self._left, self._windows[stream])
            self._is_reset = True
            self._begin_anew_where_stuck()
        del flags

    def _begin_anew_where_stuck(self) -> None:
        """Hang up where a refused call has used up the connection's window: another one comes."""
        if self._is_reset and self._windows[0] == 0:
            self.transport.abort()


class _Chunks(Connection):
    """One call over HTTP/1.1; after its answer another connection comes."""

    def __init__(self, attacker: Attacker, dribble: Dribble) -> None:
        super().__init__(attacker)
        self._dribble = dribble

    def speak(self) -> None:
        """Send all of it."""
        self.attacker.sent += 1
        lines = [f"POST {IDENTIFY} HTTP/1.1", "host: x", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in self._dribble.headers]
        self.transport.write("\r\n".join([*lines, "", ""]).encode())
        self.transport.write(b"1\r\n \r\n" * self._dribble.length + b"0\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if not self.transport.is_closing():
            self.speak()
        del data


WRONG_KEY = ("x-api-key", "k")
DRIBBLES: Mapping[str, Dribble | Repeated] = {
    "frames of a byte": Dribble(),
    "frames of a byte, wrong key": Dribble((WRONG_KEY,)),
    "frames of a byte, wrong key, announced": Dribble(
        (WRONG_KEY, ("content-length", str(BODY_BYTES))), BODY_BYTES
    ),
    "chunks of a byte": Dribble(over_http1=True),
    "chunks of a byte, wrong key": Dribble((WRONG_KEY,), over_http1=True),
    "frames of no known kind": Repeated(http2.frame(UNKNOWN_KIND, 0, 0, b"")),
    "calls over HTTP/1.1 one behind another": Repeated(
        call=b"GET /otp/1 HTTP/1.1\r\nhost: x\r\n\r\n"
    ),
    "pings": Repeated(http2.frame(http2.PING, 0, 0, bytes(8))),
}
