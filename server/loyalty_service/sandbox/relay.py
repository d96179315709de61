"""Passes connections on to a port of this machine, and breaks or delays answers as it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, Protocol

from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.sandbox.framing import Answers, Calls, Frames, Piece
from loyalty_service.sandbox.kinds import Kind

CALL_HEADER = b"sandbox-call"
CLOCK_HEADER = b"sandbox-clock"
LATE_S = 7.0
SLOW_S = 4.0
SLOW_PARTS = 8

Plans = MutableMapping[str, Kind]
"""What is to become of the answer to a call, by the value of its CALL_HEADER."""

_numbers = itertools.count(1)
_BROKEN = (OSError, EOFError)


class Watch(Protocol):
    """Looks on at a connection."""

    def up(self, data: bytes) -> None:
        """Take note of what the caller sends."""

    def down(self, data: bytes) -> None:
        """Take note of what the server sends, whatever becomes of it."""

    def closed(self) -> None:
        """Take note that the connection has ended."""


Watching = Callable[[Callable[[int], str]], Watch]
"""Begins to look on at a connection; it gets what names the call of a number."""


class Relay:
    """
    Listens, and passes each connection on to another port.

    Args:
        plans: Tells what is to become of answers. Without it the bytes stay as they are.
        watching: Looks on at connections that have plans.

    Attributes:
        target: Port on loopback that connections are passed on to; without one they are broken.
        port: Where it listens, once it is started.
    """

    def __init__(self, plans: Plans | None = None, watching: Watching | None = None) -> None:
        self.target: int | None = None
        self.port = 0
        self._plans = plans
        self._watching = watching
        self._lines: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks one."""
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end the connections."""
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Break every connection."""
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a callback of the server's has one.
        self._lines.add(task)
        try:
            if self.target is not None:
                ahead = await asyncio.open_connection("127.0.0.1", self.target)
                try:
                    await _Line(self._plans, self._watching).run((reader, writer), ahead)
                finally:
                    ahead[1].transport.abort()
        except _BROKEN:
            pass
        except asyncio.CancelledError:
            pass  # It was cut; whoever did knows.
        finally:
            self._lines.discard(task)
            writer.transport.abort()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One connection."""

    def __init__(self, plans: Plans | None, watching: Watching | None) -> None:
        self._plans = plans
        self._number = next(_numbers)
        self._watch = None if watching is None else watching(self._name)
        self._calls = Calls(self._call_header)
        self._half: int | None = None
        self._hung_up = asyncio.Event()
        self._playing: dict[int, Kind] = {}

    async def run(self, caller: Stream, server: Stream) -> None:
        """Pass bytes on both ways, until both sides have ended or one broke off."""
        up = asyncio.create_task(self._up(caller[0], server[1]))
        down = asyncio.create_task(self._down(server[0], caller[1]))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if up.done() and up.exception() is None and not down.done():
                await asyncio.wait((down,))
            # uvloop says with a RuntimeError that the caller has hung up.
            with suppress(*_BROKEN, RuntimeError):
                caller[1].write_eof()
                await caller[1].drain()
                caller[1].close()
                await caller[1].wait_closed()
        finally:
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            if self._watch is not None:
                self._watch.closed()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._watch is not None:
                self._watch.up(data)
            writer.write(data if self._plans is None else self._calls.feed(data))
            await writer.drain()
        self._hung_up.set()
        # A caller may end its side and wait for the answer on the other.
        writer.write_eof()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers: Answers | Frames | None = None
        while data := await reader.read(65536):
            if self._plans is None:
                writer.write(data)
                await writer.drain()
                continue
            if self._watch is not None:
                self._watch.down(data)
            if answers is None:
                over_1 = data.startswith(b"H")
                answers = (
                    Answers(self._clock_header, self._calls.methods)
                    if over_1
                    else Frames(self._clock_header)
                )
            for piece in answers.feed(data):
                if not await self._pass(piece, writer):
                    return

    def _call_header(self, call: int) -> tuple[bytes, bytes]:
        return CALL_HEADER, self._name(call).encode()

    def _clock_header(self, _call: int) -> tuple[bytes, bytes]:
        return CLOCK_HEADER, rfc3339(now_ms()).encode()

    def _name(self, call: int) -> str:
        return f"{self._number}.{call}"

    async def _pass(self, piece: Piece, writer: asyncio.StreamWriter) -> bool:
        """Pass a piece on as it is planned; return whether the connection goes on."""
        plans = self._plans
        if piece.begins and plans:
            found = plans.pop(self._name(piece.call), None)
            if found is not None:
                self._playing[piece.call] = found
        kind = self._playing.get(piece.call) if piece.call else None
        match kind:
            case Kind.LOST:
                return False
            case Kind.LATE if piece.begins:
                await asyncio.sleep(LATE_S)
            case Kind.NEVER:
                await self._hung_up.wait()
                return False
            case Kind.HALF:
                return await self._pass_half(piece, writer)
            case Kind.SLOW if piece.body:
                await _dribble(piece.data, writer)
                return True
            case _:
                pass
        writer.write(piece.data)
        await writer.drain()
        return True

    async def _pass_half(self, piece: Piece, writer: asyncio.StreamWriter) -> bool:
        """Pass half of an answer on; return whether more of it is to come."""
        if piece.begins:
            self._half = None if piece.length is None else piece.length // 2
            # An answer without a body is halved itself.
            whole = piece.length != 0
            writer.write(piece.data if whole else piece.data[: len(piece.data) // 2])
        else:
            left = len(piece.data) // 2 if self._half is None else self._half
            writer.write(piece.data[:left])
            self._half = max(0, left - len(piece.data)) if self._half is not None else 0
            whole = self._half > 0
        await writer.drain()
        return whole


async def _dribble(data: bytes, writer: asyncio.StreamWriter) -> None:
    size = max(1, -(-len(data) // SLOW_PARTS))
    for at in range(0, len(data), size):
        await asyncio.sleep(SLOW_S / SLOW_PARTS)
        writer.write(data[at : at + size])
        await writer.drain()
