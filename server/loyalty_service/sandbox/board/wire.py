"""
Reads calls and answers off the bytes of a connection, of HTTP/1.1 and of HTTP/2.

It looks on: it changes nothing, and what it can't read it leaves alone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import structlog

from loyalty_service.sandbox.board.exchange import Calls, Exchange, Side
from loyalty_service.sandbox.framing import Body

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_MAX = 65536
FRAME_MAX = 1 << 20
OPEN_MAX = 1000
"""Calls of a connection that are open at once; beyond that it is not watched."""

_DATA, _HEADERS, _RESET, _SETTINGS, _CONTINUATION = 0, 1, 3, 4, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_TABLE_SIZE = 1
_TABLE_MAX = 1 << 20
_FRAME = 9
_FIRST_LINE = re.compile(r"(\S+) (\S+)")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")

log = structlog.get_logger(__name__)


class UnreadableError(Exception):
    """Raised for bytes that are neither HTTP/1.1 nor HTTP/2."""


class Watch:
    """
    One connection.

    Args:
        calls: Keeps what is read.
        door: Where the connection came in.
        name: Names the call of a number.
    """

    def __init__(self, calls: Calls, door: str, name: Callable[[int], str]) -> None:
        self._calls = calls
        self._door = door
        self._name = name
        self._open: dict[int, Exchange] = {}
        self._halves: tuple[_Http1 | _Http2, _Http1 | _Http2] | None = None
        self._held = b""
        self._early = b""
        self._blind = False

    def up(self, data: bytes) -> None:
        """Read what the caller sends."""
        self._read(0, data)

    def down(self, data: bytes) -> None:
        """Read what the server sends."""
        self._read(1, data)

    def closed(self) -> None:
        """Take note that the connection has ended."""
        for call in self._open.values():
            self._calls.end(call, broken=True)
        self._open.clear()

    def begin(self, number: int, fields: list[tuple[str, str]]) -> None:
        """Take note of a call."""
        if len(self._open) >= OPEN_MAX:
            raise UnreadableError
        call = self._open[number] = self._calls.begin(self._name(number), self._door)
        call.request.fields = fields
        self._calls.change(call)

    def head(self, number: int, fields: list[tuple[str, str]]) -> None:
        """Take note of the headers or trailers of an answer."""
        call = self._open.get(number)
        if call is None or dict(fields).get(":status", "").startswith("1"):
            return  # It is nobody's, or the answer itself is still to come.
        if call.answer.fields:
            call.trailers = fields
        else:
            call.answer.fields = fields
        self._calls.change(call)

    def side(self, number: int, *, answer: bool) -> Side:
        """Give what one side sends of a call."""
        call = self._open.get(number)
        if call is None:
            return Side()
        return call.answer if answer else call.request

    def end(self, number: int, *, broken: bool = False) -> None:
        """Take note that an answer is whole, or that none comes."""
        call = self._open.pop(number, None)
        if call is not None:
            self._calls.end(call, broken=broken)

    def _read(self, direction: int, data: bytes) -> None:
        if self._blind:
            return
        try:
            if self._halves is None:
                data = self._begin(direction, data)
                if self._halves is None:
                    return
                self._halves[1].feed(self._early)
            self._halves[direction].feed(data)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the connection goes on.
            self._blind = True
            log.debug("a connection is not shown", reason=type(problem).__name__)
            self.closed()

    def _begin(self, direction: int, data: bytes) -> bytes:
        """Tell by its first bytes what a connection speaks; returns what is to be read."""
        if direction:
            # A server of HTTP/2 need not wait for its caller.
            self._early += data
            if len(self._early) > HEAD_MAX:
                raise UnreadableError
            return b""
        self._held += data
        if len(self._held) < len(PREFACE) and PREFACE.startswith(self._held):
            return b""
        if self._held.startswith(PREFACE):
            up, down = _Http2(self, answers=False), _Http2(self, answers=True)
            up.other, down.other = down, up
            self._halves = up, down
            return self._held[len(PREFACE) :]
        verbs: list[bytes] = []
        self._halves = _Http1(self, verbs, answers=False), _Http1(self, verbs, answers=True)
        return self._held


class _Http1:
    """One direction of HTTP/1.1."""

    def __init__(self, watch: Watch, verbs: list[bytes], *, answers: bool) -> None:
        self._watch = watch
        self._verbs = verbs
        self._answers = answers
        self._number = 0
        self._held = b""
        self._body: Body | None = None

    def feed(self, data: bytes) -> None:
        while data:
            if self._body is None:
                data = self._read_head(data)
                continue
            taken = self._body.take(data)
            self._watch.side(self._number, answer=self._answers).add(data[:taken])
            data = data[taken:]
            if self._body.done:
                self._end()

    def _read_head(self, data: bytes) -> bytes:
        self._held = (self._held + data).lstrip(b"\r\n")
        blank = _BLANK_LINE.search(self._held)
        if blank is None:
            if len(self._held) > HEAD_MAX:
                raise UnreadableError
            return b""
        head, rest = self._held[: blank.end()], self._held[blank.end() :]
        self._held = b""
        first, *lines = head.decode("latin-1").splitlines()
        fields = [
            (name.strip().lower(), value.strip())
            for name, colon, value in (line.partition(":") for line in lines)
            if colon
        ]
        words = _FIRST_LINE.match(first)
        if words is None:
            raise UnreadableError
        if self._answers:
            if words[2].startswith("1"):
                return rest  # The answer itself is still to come.
            self._number += 1
            verb = self._verbs.pop(0) if self._verbs else b""
            self._watch.head(self._number, [(":status", words[2]), *fields])
            self._body = Body(head, answers=True, method=verb)
        else:
            self._number += 1
            self._verbs.append(words[1].encode("latin-1"))
            self._watch.begin(self._number, [(":method", words[1]), (":path", words[2]), *fields])
            self._body = Body(head)
        if self._body.done:
            self._end()
        return rest

    def _end(self) -> None:
        self._body = None
        if self._answers:
            self._watch.end(self._number)


class _Http2:
    """One direction of HTTP/2, after its preface."""

    other: _Http2

    def __init__(self, watch: Watch, *, answers: bool) -> None:
        # Imported here because whoever lacks the extra `sandbox` is told so, by a better line.
        import hpack  # noqa: PLC0415

        self.table = hpack.Decoder(HEAD_MAX)
        self._watch = watch
        self._answers = answers
        self._held = b""
        self._block = b""
        self._ends = False

    def feed(self, data: bytes) -> None:
        self._held += data
        while len(self._held) >= _FRAME:
            end = _FRAME + int.from_bytes(self._held[:3])
            if end > FRAME_MAX:
                raise UnreadableError
            if len(self._held) < end:
                return
            frame, self._held = self._held[:end], self._held[end:]
            stream = int.from_bytes(frame[5:9]) & 0x7FFFFFFF
            self._take(frame[3], frame[4], stream, frame[_FRAME:])

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in {_DATA, _HEADERS} and flags & _PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if kind == _SETTINGS and not flags & _ACK:
            self._read_settings(payload)
        elif kind == _RESET:
            self._watch.end(stream, broken=True)
        elif kind == _DATA:
            self._watch.side(stream, answer=self._answers).add(payload)
            if flags & _END_STREAM and self._answers:
                self._watch.end(stream)
        elif kind == _HEADERS:
            self._ends = bool(flags & _END_STREAM)
            self._block = payload[5:] if flags & _PRIORITY else payload
        elif kind == _CONTINUATION:
            self._block += payload
            if len(self._block) > HEAD_MAX:
                raise UnreadableError
        if kind in {_HEADERS, _CONTINUATION} and flags & _END_HEADERS:
            self._read_block(stream)

    def _read_settings(self, payload: bytes) -> None:
        """Learn how large a table the other side may use from here on."""
        for at in range(0, len(payload) - 5, 6):
            name, value = struct.unpack_from(">HI", payload, at)
            if name == _TABLE_SIZE:
                self.other.table.max_allowed_table_size = min(value, _TABLE_MAX)

    def _read_block(self, stream: int) -> None:
        block, self._block = self._block, b""
        found: Any = self.table.decode(block, raw=True)
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in found]
        if self._answers:
            self._watch.head(stream, fields)
            if self._ends:
                self._watch.end(stream)
        elif any(name == ":method" for name, _ in fields):
            self._watch.begin(stream, fields)
