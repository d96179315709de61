"""A network between one till and the server that loses what it is told to lose."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from enum import Enum

from tests.support.listening import Listening

READ_MAX = 65536
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = 9
DATA, HEADERS = 0, 1
END_STREAM = 1


class Cut(Enum):
    """When the connection breaks."""

    HALFWAY = "within the request"
    SENT = "when the request is sent"
    ANSWERED = "when the server has answered"


class Frames:
    """Reads the heads of HTTP/2 frames as their bytes pass, in pieces of any length."""

    def __init__(self, *, preface: bool) -> None:
        self._skip = len(PREFACE) if preface else 0
        self._head = b""

    def take(self, data: bytes) -> list[tuple[int, int]]:
        """Take bytes; return type and flags of each frame whose head they complete."""
        found = []
        while data:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
            if self._skip or not data:
                break
            missing = FRAME_HEAD - len(self._head)
            self._head += data[:missing]
            data = data[missing:]
            if len(self._head) == FRAME_HEAD:
                found.append((self._head[3], self._head[4]))
                self._skip = int.from_bytes(self._head[:3])
                self._head = b""
        return found


class Proxy(Listening):
    """
    Passes one till's bytes on, to a port of this machine, until it is told to cut.

    The till has one call under way at a time; before it makes one, it may set `cut`, which then
    happens to that call, once.

    Attributes:
        cut: What happens to the next call; absent when nothing does.
        cuts: How often each happened.
    """

    def __init__(self, target_port: int, *, http2: bool) -> None:
        super().__init__()
        self.cut: Cut | None = None
        self.cuts: Counter[Cut] = Counter()
        self._target_port = target_port
        self._http2 = http2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both directions until either side, or a cut, ends it."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.create_task(self._pass_requests(reader, far_writer)),
            asyncio.create_task(self._pass_answers(far_reader, writer)),
        ]
        # Cancelled when the proxy closes: asyncio's streams would report that as a failure.
        with suppress(asyncio.CancelledError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        # The till gets no word, only the end. The server may write into the void.
        writer.transport.abort()
        far_writer.close()

    async def _pass_requests(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        frames = Frames(preface=True)
        while data := await reader.read(READ_MAX):
            whole = not self._http2 or (
                any(kind == DATA and flags & END_STREAM for kind, flags in frames.take(data))
            )
            if whole and self.cut is Cut.HALFWAY:
                far.write(data[: len(data) // 2])
                self._happened()
                return
            far.write(data)
            await far.drain()
            if whole and self.cut is Cut.SENT:
                self._happened()
                return

    async def _pass_answers(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(preface=False)
        while data := await far.read(READ_MAX):
            answer = not self._http2 or any(kind == HEADERS for kind, _ in frames.take(data))
            if answer and self.cut is Cut.ANSWERED:
                self._happened()
                return
            writer.write(data)
            await writer.drain()

    def _happened(self) -> None:
        if self.cut is not None:
            self.cuts[self.cut] += 1
        self.cut = None
