"""One JSON call over HTTP/2, without TLS, written by hand: what the frames of a body may weigh."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.http import TIMEOUT_S

MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
WINDOW_SETTING = 4
NO_WINDOW = WINDOW_SETTING.to_bytes(2, "big") + bytes(4)
"""A setting with which no content may be sent until there is leave for it."""
WINDOW = 65535  # Until the other side says otherwise.
FRAME_BYTES_MAX = 16384


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame."""
    start = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return start + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """Write a header as HPACK can without tables; both parts may have 126 bytes."""
    parts = (name.encode("ascii"), value.encode("ascii"))
    return b"\x00" + b"".join(bytes([len(part)]) + part for part in parts)


@dataclass(slots=True)
class Call:
    """
    A call under way, and what came of it.

    Attributes:
        body: What was answered; headers, the status too, are left unread.
        reset: The code of the reset that ended the stream, if one did.
        windows: How much of each stream the other side takes; 0 is the connection.
    """

    body: bytes = b""
    reset: int | None = None
    ended: bool = False
    windows: dict[int, int] = field(default_factory=lambda: {0: WINDOW, 1: WINDOW})
    moved: asyncio.Event = field(default_factory=asyncio.Event)


async def post(
    port: int,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    announced: bool = True,
    trailers: Mapping[str, str] | None = None,
) -> Call:
    """Send a body to this machine, announced by its length or not; return what came of it."""
    fields = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": path, **headers}
    if announced:
        fields["content-length"] = str(len(body))
    block = b"".join(literal(name, value) for name, value in fields.items())
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        call = Call()
        reading = asyncio.create_task(_read(reader, writer, call))
        try:
            writer.write(MAGIC + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, block))
            with suppress(ConnectionError):
                await _write(writer, call, body, trailers or {})
            await reading
        finally:
            reading.cancel()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    return call


async def _write(
    writer: asyncio.StreamWriter, call: Call, body: bytes, trailers: Mapping[str, str]
) -> None:
    """Send the body as fast as the other side takes it, and not after its answer."""
    sent = 0
    while not call.ended and sent < len(body):
        size = min(FRAME_BYTES_MAX, len(body) - sent, *call.windows.values())
        if size <= 0:
            call.moved.clear()
            await call.moved.wait()
            continue
        for stream in call.windows:
            call.windows[stream] -= size
        last = sent + size == len(body)
        ends = END_STREAM if last and not trailers else 0
        writer.write(frame(DATA, ends, 1, body[sent : sent + size]))
        await writer.drain()
        sent += size
    if trailers and not call.ended:
        block = b"".join(literal(name, value) for name, value in trailers.items())
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
    """Take frames until the call has its answer, or the other side hangs up."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while not call.ended:
            start = await reader.readexactly(9)
            kind, flags = start[3], start[4]
            stream = int.from_bytes(start[5:], "big")
            payload = await reader.readexactly(int.from_bytes(start[:3], "big"))
            if kind == SETTINGS and not flags & ACK:
                for at in range(0, len(payload), 6):
                    if int.from_bytes(payload[at : at + 2], "big") == WINDOW_SETTING:
                        call.windows[1] += int.from_bytes(payload[at + 2 : at + 6], "big") - WINDOW
                writer.write(frame(SETTINGS, ACK, 0, b""))
            elif kind == WINDOW_UPDATE and stream in call.windows:
                call.windows[stream] += int.from_bytes(payload, "big")
            elif kind == PING and not flags & ACK:
                writer.write(frame(PING, ACK, 0, payload))
            elif kind == DATA:
                call.body += payload
            elif kind == RESET:
                call.reset = int.from_bytes(payload, "big")
            call.ended = kind in {RESET, GO_AWAY} or (
                kind in {DATA, HEADERS} and bool(flags & END_STREAM)
            )
            call.moved.set()
    call.ended = True
    call.moved.set()
