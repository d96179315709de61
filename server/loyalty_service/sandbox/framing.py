"""
Finds calls and answers in the bytes of a connection, of HTTP/1.1 and of HTTP/2.

Each class takes bytes as they come and gives them back with a header added to each call or answer.
Nothing is decoded that need not be, so that what is malformed stays so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PREFACE_LINE = b"PRI * HTTP/2.0\r\n"
_PREFACE_REST = 8
_REQUEST_LINE = re.compile(rb"([A-Z]+) \S+ HTTP/1\.[01]\r?\n")
_FRAME = 9
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_RESET = 3
_END_STREAM, _END_HEADERS, _PADDED = 0x1, 0x4, 0x8
_HEAD_MAX = 65536
_DIGITS_MAX = 18
"""Of a length: more than any body has, and less than Python refuses to read."""

_LINE_MAX = 4096
"""Bytes of a line that begins a chunk: who sends more sends no chunk."""
_FRAME_MAX = 65536
"""Bytes of a frame; nobody here lets the other side send more than 16,384."""
_BODILESS = re.compile(rb"HTTP/1\.[01] (?:1\d\d|204|304)")


@dataclass(frozen=True, slots=True)
class Piece:
    """
    A part of what a server sends.

    Attributes:
        data: The bytes to pass on.
        call: Number of the call whose answer it belongs to; 0 for none.
        begins: Whether the answer begins with it.
        body: Whether it is of the answer's body.
        length: Bytes of the body that follows, where the beginning tells.
    """

    data: bytes
    call: int = 0
    begins: bool = False
    body: bool = False
    length: int | None = None


def _number(digits: bytes, base: int) -> int:
    """Read a length; what is longer than any is one that no body reaches."""
    return int(digits.lstrip(b"0")[:_DIGITS_MAX] or b"0", base)


class Body:
    """Counts the bytes of an HTTP/1.1 body, to find its end."""

    def __init__(self, head: bytes, *, answers: bool = False, method: bytes = b"") -> None:
        fields = head.lower()
        length = re.search(rb"\ncontent-length:[ \t]*(\d+)", fields)
        self.length = _number(length[1], 10) if length else None
        self._chunked = re.search(rb"\ntransfer-encoding:[^\n]*chunked", fields) is not None
        self._left = self.length or 0
        self._line = b""
        self._trailers = False
        self.until_close = False
        if answers and (method == b"HEAD" or _BODILESS.match(head)):
            self.length, self._left, self._chunked = 0, 0, False
        elif answers and not self._chunked and self.length is None:
            self.until_close = True
        if self._chunked:
            self.length = None
        self.done = not (self._chunked or self._left or self.until_close)

    def take(self, data: bytes) -> int:
        """Take note of bytes; return how many of them belong to the body."""
        if self.until_close:
            return len(data)
        if not self._chunked:
            taken = min(self._left, len(data))
            self._left -= taken
            self.done = not self._left
            return taken
        return self._take_chunks(data)

    def _take_chunks(self, data: bytes) -> int:
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
                continue
            end = data.find(b"\n", at) + 1
            self._line += data[at : end or len(data)]
            at = end or len(data)
            if end:
                self._end_line()
            elif len(self._line) > _LINE_MAX:
                self._line, self.until_close = b"", True
                return len(data)
        return at

    def _end_line(self) -> None:
        line, self._line = self._line.strip(), b""
        if self._trailers:
            self.done = not line
            return
        size = re.match(rb"[0-9a-fA-F]+", line)
        if size is None:
            self.until_close = True  # It is malformed: nobody can tell where it ends.
            return
        self._left = _number(size[0], 16)
        self._trailers = not self._left
        self._left += 2 if self._left else 0


class Calls:
    """
    What a caller sends: each call gets a header of ours.

    Args:
        header: Gives name and value for the call of a number.

    Attributes:
        methods: Of the HTTP/1.1 calls that have no answer yet.
    """

    def __init__(self, header: Callable[[int], tuple[bytes, bytes]]) -> None:
        self.methods: list[bytes] = []
        self._header = header
        self._count = 0
        self._line = b""
        self._head: bytes | None = None
        self._body: Body | None = None
        self._raw = False
        self._frames: Frames | None = None

    def feed(self, data: bytes) -> bytes:
        """Give back what is to be sent on."""
        sent = b""
        while data:
            if self._frames is not None:
                return sent + b"".join(piece.data for piece in self._frames.feed(data))
            if self._raw:
                return sent + data
            step, data = self._step(data)
            sent += step
        return sent

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        if self._body is not None:
            taken = self._body.take(data)
            if self._body.done:
                self._body = None
            return data[:taken], data[taken:]
        end = data.find(b"\n") + 1
        line, rest = (data[:end], data[end:]) if end else (data, b"")
        self._line += line
        if not end:
            self._raw = len(self._line) > _HEAD_MAX
            return line, rest
        whole, self._line = self._line, b""
        return line + self._end_line(whole), rest

    def _end_line(self, line: bytes) -> bytes:
        """Take note of a line of a head; return what is to be sent after it."""
        if self._head is None:
            if line == PREFACE_LINE and not self._count:
                self._frames = Frames(self._header, skip=_PREFACE_REST)
                return b""
            if not line.strip():
                return b""
            found = _REQUEST_LINE.fullmatch(line)
            if found is None:
                self._raw = True
                return b""
            self._count += 1
            self.methods.append(found[1])
            self._head = line
            name, value = self._header(self._count)
            return name + b": " + value + b"\r\n"
        self._head += line
        if line.strip():
            self._raw = len(self._head) > _HEAD_MAX
            return b""
        body = Body(self._head)
        self._head, self._body = None, None if body.done else body
        return b""


class Answers:
    """
    What a server sends over HTTP/1.1: each answer gets a header of ours.

    Args:
        header: Gives name and value for the answer to the call of a number.
        methods: Of the calls that have no answer yet.
    """

    def __init__(self, header: Callable[[int], tuple[bytes, bytes]], methods: list[bytes]) -> None:
        self._header = header
        self._methods = methods
        self._count = 0
        self._head = b""
        self._body: Body | None = None

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Give what is to be sent on, piece by piece."""
        while data:
            if self._body is not None:
                taken = self._body.take(data)
                piece, data = data[:taken], data[taken:]
                if self._body.done:
                    self._body = None
                yield Piece(piece, self._count, body=True)
                continue
            self._head += data
            head, blank, data = self._head.partition(b"\r\n\r\n")
            if not blank:
                return
            self._head = b""
            yield self._begin(head + blank)

    def _begin(self, head: bytes) -> Piece:
        if head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
            return Piece(head)  # The answer itself is still to come.
        self._count += 1
        method = self._methods.pop(0) if self._methods else b""
        body = Body(head, answers=True, method=method)
        self._body = None if body.done else body
        name, value = self._header(self._count)
        first, _, rest = head.partition(b"\r\n")
        marked = first + b"\r\n" + name + b": " + value + b"\r\n" + rest
        return Piece(marked, self._count, begins=True, length=body.length)


class Frames:
    """
    Either direction of HTTP/2: the first headers of each stream get one more.

    It is written without the table of headers, which stays what both sides believe it to be.

    Args:
        header: Gives name and value for the stream of a number.
        skip: Bytes before the first frame.
    """

    def __init__(self, header: Callable[[int], tuple[bytes, bytes]], *, skip: int = 0) -> None:
        self._header = header
        self._skip = skip
        self._held = b""
        self._open: set[int] = set()
        self._unfinished = False
        self._raw = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Give what is to be sent on, frame by frame."""
        if self._skip:
            skipped, data = data[: self._skip], data[self._skip :]
            self._skip -= len(skipped)
            yield Piece(skipped)
        self._held += data
        while len(self._held) >= _FRAME and not self._raw:
            length = int.from_bytes(self._held[:3])
            if length > _FRAME_MAX:
                self._raw = True
                break
            if len(self._held) < _FRAME + length:
                return
            frame, self._held = self._held[: _FRAME + length], self._held[_FRAME + length :]
            yield self._passed(frame)
        if self._raw and self._held:
            # The other side refuses it, and ends the connection.
            held, self._held = self._held, b""
            yield Piece(held)

    def _passed(self, frame: bytes) -> Piece:
        kind, flags = frame[3], frame[4]
        stream = int.from_bytes(frame[5:9]) & 0x7FFFFFFF
        begins = kind == _HEADERS and stream not in self._open
        if begins:
            self._open.add(stream)
        if kind in {_HEADERS, _CONTINUATION} and (begins or self._unfinished):
            self._unfinished = not flags & _END_HEADERS
            if not self._unfinished:
                frame = self._marked(frame, flags if kind == _HEADERS else 0, stream)
        ends = kind in {_HEADERS, _DATA} and bool(flags & _END_STREAM)
        if ends or kind == _RESET:
            self._open.discard(stream)
        if kind in {_HEADERS, _DATA}:
            # An answer that ends with its headers has no body.
            length = 0 if begins and ends else None
            return Piece(frame, stream, begins=begins, body=kind == _DATA, length=length)
        return Piece(frame)

    def _marked(self, frame: bytes, flags: int, stream: int) -> bytes:
        name, value = self._header(stream)
        literal = b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
        padding = frame[_FRAME] if flags & _PADDED else 0
        end = len(frame) - padding
        payload = frame[_FRAME:end] + literal + frame[end:]
        return len(payload).to_bytes(3) + frame[3:_FRAME] + payload
