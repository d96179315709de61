"""An HTTP/1 client that sends exactly the bytes it is given."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 20.0

_FIRST_PORT, _PORTS = 20_000, 12_000
"""Below those that the system gives to connections, of which other tests open many meanwhile."""

_offsets = itertools.count(os.getpid() * 61)
"""Each process of the tests begins elsewhere."""


def free_port() -> int:
    """Find a port that nobody listens on, for a setting that can't be 0."""
    while True:
        port = _FIRST_PORT + next(_offsets) % _PORTS
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; header names are in lower case."""

    version: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the value of a header, which may be there once at most."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class HttpClient:
    """Speaks to one address, over a new connection each time, and TLS if it is told how."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    async def request(
        self, method: str, path: str, body: str | bytes | None, headers: Mapping[str, str]
    ) -> Response:
        """Make a request with a body of known length."""
        content = body.encode() if isinstance(body, str) else body or b""
        lines = [f"{method} {path} HTTP/1.1", "host: loyalty", "connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"content-length: {len(content)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return await self.send(head + content)

    async def send(self, data: bytes) -> Response:
        """Send bytes as they are; return what comes back."""
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls)
            try:
                # Whoever refuses a body before its end may hang up while it is still sent.
                answer = asyncio.create_task(read_response(reader))
                writer.write(data)
                with suppress(ConnectionError):
                    await writer.drain()
                return await answer
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Read one response, of any framing HTTP/1 has."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.rstrip("\r\n").split("\r\n")
    version, status, *_reason = status_line.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
    found = dict(headers)
    if "content-length" in found:
        body = await reader.readexactly(int(found["content-length"]))
    elif found.get("transfer-encoding") == "chunked":
        body = await _read_chunks(reader)
    elif found.get("connection") == "close" or version == "HTTP/1.0":
        body = await reader.read()
    else:
        body = b""
    return Response(version, int(status), headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        pieces.append(await reader.readexactly(size))
        await reader.readline()
        if size == 0:
            return b"".join(pieces)
