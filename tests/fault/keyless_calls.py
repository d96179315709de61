"""Calls of somebody who has no valid key: nothing, half and whole, as bytes on a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from tests.support import http2

IDENTIFY = "/loyalty/identify"
IDENTIFY_RPC = "/loyalty.v1.IdentifyService/IdentifyMember"
HEALTH = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
WRONG_KEY = "lk_nobody-has-such-a-key"
NO_FIELDS = bytes(5)
"""A message of gRPC without a field: no compression, no length."""

MALFORMED = b'{"posVendor": {"terminal": 0, "order": [' + b'{"a": [1, 2, "\\u0041"]}, ' * 600
PREFACE = http2.MAGIC + http2.frame(http2.SETTINGS, 0, 0, b"")


def json_call(
    body: bytes = b"{}",
    *,
    key: str = "",
    path: str = IDENTIFY,
    more: int = 0,
    headers: Sequence[str] = (),
) -> bytes:
    """
    Write a call over HTTP/1.1.

    Args:
        body: What is sent of the body.
        key: Its API key; without one it has no such header.
        path: Where to.
        more: Bytes that are announced besides and never come.
        headers: Whole lines of others.
    """
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body) + more}"]
    lines += [f"x-api-key: {key}"] if key else []
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def grpc_call(
    path: str, body: bytes | None, *, key: str = "", ended: bool = True, streams: int = 1
) -> bytes:
    """
    Write calls over HTTP/2 on a connection of their own.

    Args:
        path: Method.
        body: What is sent of the message; nothing at all unless given.
        key: API key; without one there is no such header.
        ended: Whether the caller says that nothing more comes.
        streams: How many such calls.
    """
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "x",
        ":path": path,
        "te": "trailers",
        "content-type": "application/grpc",
    }
    if key:
        fields["x-api-key"] = key
    block = b"".join(http2.literal(name, value) for name, value in fields.items())
    sent = PREFACE
    for stream in range(1, 2 * streams, 2):
        last = http2.END_STREAM if ended else 0
        flags = http2.END_HEADERS | (last if body is None else 0)
        sent += http2.frame(http2.HEADERS, flags, stream, block)
        if body is not None:
            sent += http2.frame(http2.DATA, last, stream, body)
    return sent


def _without_a_window() -> bytes:
    """Write a JSON call over HTTP/2 whose caller has no room for a byte of the answer's body."""
    fields = {":method": "GET", ":scheme": "http", ":authority": "x", ":path": IDENTIFY}
    block = b"".join(http2.literal(*field) for field in fields.items())
    flags = http2.END_HEADERS | http2.END_STREAM
    settings = http2.frame(http2.SETTINGS, 0, 0, http2.NO_WINDOW)
    return http2.MAGIC + settings + http2.frame(http2.HEADERS, flags, 1, block)


def _web(body: bytes, *, key: str = "", more: int = 0) -> bytes:
    headers = ["content-type: application/grpc-web+proto"]
    return json_call(body, key=key, path=IDENTIFY_RPC, more=more, headers=headers)


KEYLESS: Mapping[str, bytes] = {
    "nothing": b"",
    "half a line": b"POST /loyal",
    "half the headers": b"POST /loyalty/identify HTTP/1.1\r\nhost: x\r\nx-a:",
    "many headers": json_call(headers=[f"x-{number}: {'y' * 250}" for number in range(90)]),
    "too many headers": json_call(headers=[f"x-{number}: y" for number in range(200)]),
    "JSON": json_call(),
    "JSON, malformed": json_call(MALFORMED),
    "JSON, half a body": json_call(b'{"identifier":', more=500),
    "JSON, chunks without end": json_call(headers=["transfer-encoding: chunked"])
    .replace(b"content-length: 2\r\n", b"")
    .replace(b"{}", b"1\r\n{\r\n"),
    "a long path": json_call(path="/loyalty/members/" + "%41/" * 5000),
    "nowhere": json_call(path="/nowhere"),
    "may I": json_call(more=9).replace(b"POST", b"OPTIONS"),
    "may I, that looks like gRPC": json_call(
        b"{", more=700_000, headers=["content-type: application/grpcx", "authorization: x"]
    ).replace(b"POST", b"OPTIONS"),
    "a tunnel": b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n",
    "gRPC, no message": grpc_call(IDENTIFY_RPC, None),
    "gRPC, no message and no end": grpc_call(IDENTIFY_RPC, None, ended=False, streams=4),
    "gRPC": grpc_call(IDENTIFY_RPC, NO_FIELDS),
    "gRPC-Web, no message": _web(b""),
    "gRPC-Web, half a message": _web(NO_FIELDS, more=500),
    "HTTP/2, nothing": PREFACE,
    "HTTP/2, an answer that is not taken": _without_a_window(),
    "health": grpc_call(HEALTH, NO_FIELDS),
    "health, no message": grpc_call(HEALTH, None),
    "health, no end": grpc_call(HEALTH, b"\0\0", ended=False, streams=4),
    "health, watched": grpc_call(WATCH, NO_FIELDS),
    "reflection, no end": grpc_call(REFLECTION, None, ended=False),
}
"""Without any key."""

WRONG_KEYS: Mapping[str, bytes] = {
    "wrong key, JSON": json_call(key=WRONG_KEY),
    "wrong key, JSON, malformed": json_call(MALFORMED, key=WRONG_KEY),
    "wrong key, JSON, half a body": json_call(b'{"identifier":', key=WRONG_KEY, more=500),
    "wrong key, gRPC": grpc_call(IDENTIFY_RPC, NO_FIELDS, key=WRONG_KEY),
    "wrong key, gRPC, no message": grpc_call(IDENTIFY_RPC, None, key=WRONG_KEY),
    "wrong key, gRPC, no end": grpc_call(
        IDENTIFY_RPC, b"\0\0\0\0\xff", key=WRONG_KEY, ended=False, streams=4
    ),
    "wrong key, gRPC-Web, no message": _web(b"", key=WRONG_KEY),
}
"""With a key that was never made; each call has another one."""


class Attacker:
    """
    Opens connections at a fixed rate, sends the same on each, and never hangs up by itself.

    Args:
        port: Of this machine.
        calls: What to send, in turn.
    """

    def __init__(self, port: int, calls: Sequence[bytes]) -> None:
        self.sent = 0
        self._port = port
        self._calls = calls
        self._held: set[asyncio.Transport] = set()
        self._opening: set[asyncio.Task[None]] = set()

    async def attack(self, rate: float, seconds: float) -> None:
        """Make so many calls a second, for so long."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (elapsed := loop.time() - began) < seconds:
            while self.sent < elapsed * rate:
                task = asyncio.create_task(self._call(self.sent))
                self.sent += 1
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
            await asyncio.sleep(0.002)

    async def _call(self, number: int) -> None:
        call = self._calls[number % len(self._calls)]
        # As long as the one it stands for, so that lengths stay right.
        key = f"lk_{number:0{len(WRONG_KEY) - 3}}"
        data = call.replace(WRONG_KEY.encode(), key.encode())
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _Connection(data, self._held.add, self._held.discard),
                "127.0.0.1",
                self._port,
            )
        except OSError:
            return

    async def close(self) -> None:
        """Hang up on all."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for transport in list(self._held):
            transport.abort()


class _Connection(asyncio.Protocol):
    """Sends, and throws away what comes back."""

    def __init__(
        self,
        data: bytes,
        opened: Callable[[asyncio.Transport], None],
        closed: Callable[[asyncio.Transport], None],
    ) -> None:
        self._data = data
        self._opened = opened
        self._closed = closed
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened(self._transport)
        self._transport.write(self._data)

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio."""
        self._closed(self._transport)
