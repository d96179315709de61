"""gRPC calls written by hand: without their message, in halves, with headers nobody would send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hpack import Decoder

from tests.support.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_MAX,
    GO_AWAY,
    HEADERS,
    MAGIC,
    NO_WINDOW,
    PING,
    RESET,
    SETTINGS,
    frame,
    literal,
)

IDENTIFY = "/loyalty.v1.IdentifyService/IdentifyMember"
HELLO = MAGIC + frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, ACK, 0, b"")
"""What a connection begins with."""

TAKES_NOTHING = MAGIC + frame(SETTINGS, 0, 0, NO_WINDOW) + frame(SETTINGS, ACK, 0, b"")
"""What one begins with whose calls never take an answer."""


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """Write a message as gRPC frames it."""
    return bytes([compressed]) + len(data).to_bytes(4, "big") + data


def headers(path: str = IDENTIFY, **extra: str) -> bytes:
    """Write the headers of a call; underscores in names stand for dashes."""
    return _block(path, {name.replace("_", "-"): value for name, value in extra.items()})


def _block(path: str, extra: Mapping[str, str]) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "x",
        "te": "trailers",
        "content-type": "application/grpc",
        **extra,
    }
    return b"".join(literal(name, value) for name, value in fields.items())


def opening(stream: int, block: bytes, *, end: bool = False) -> bytes:
    """Write the frame that opens a call."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def content(stream: int, data: bytes, *, end: bool = True) -> bytes:
    """Write the frames of a call's content, up to the first window."""
    starts = range(0, len(data), FRAME_BYTES_MAX)
    return b"".join(
        frame(
            DATA,
            END_STREAM if end and start + FRAME_BYTES_MAX >= len(data) else 0,
            stream,
            data[start : start + FRAME_BYTES_MAX],
        )
        for start in starts
    )


@dataclass(slots=True)
class Ended:
    """
    How a call ended.

    Attributes:
        status: The gRPC status; absent when the call was reset, or did not end.
        text: The trailers, a line each, status message included.
        reset: Whether it was reset, or its connection closed.
        seconds: How long it took.
    """

    status: int | None = None
    text: bytes = b""
    reset: bool = False
    seconds: float = 0.0


async def raw_call(
    port: int,
    data: bytes = b"",
    extra: Mapping[str, str] | None = None,
    *,
    path: str = IDENTIFY,
    end: bool = True,
    hello: bytes = HELLO,
    patience_s: float = 5.0,
) -> Ended:
    """
    Make one call to this machine, on a connection of its own.

    After the headers, *extra* ones among them, *data* is sent as it is, and unless *end* is false
    that no more will come. A call that has not ended after *patience_s* has no status.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    block = _block(path, extra or {})
    sent = opening(1, block, end=end and not data) + content(1, data, end=end)
    began = time.monotonic()
    ended = Ended()
    try:
        writer.write(hello + sent)
        async with asyncio.timeout(patience_s):
            await _read(reader, writer, ended)
    except TimeoutError:
        pass
    except (asyncio.IncompleteReadError, ConnectionError):
        ended.reset = True
    finally:
        ended.seconds = time.monotonic() - began
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return ended


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: Ended) -> None:
    decoder = Decoder()
    while True:
        start = await reader.readexactly(9)
        kind, flags = start[3], start[4]
        payload = await reader.readexactly(int.from_bytes(start[:3], "big"))
        if kind == PING and not flags & ACK:
            writer.write(frame(PING, ACK, 0, payload))
        elif kind in {RESET, GO_AWAY}:
            ended.reset = True
            return
        elif kind == HEADERS:
            fields = dict(decoder.decode(payload, raw=True))
            if flags & END_STREAM:
                ended.status = int(fields[b"grpc-status"]) if b"grpc-status" in fields else None
                lines = (name + b": " + value for name, value in fields.items())
                ended.text = unquote_to_bytes(b"\n".join(lines))
                return
