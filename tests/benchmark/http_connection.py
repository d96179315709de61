"""A lean HTTP/1.1 connection: whole requests in, status and body out, one at a time."""

from __future__ import annotations

import asyncio
from typing import cast

_HEAD_END = b"\r\n\r\n"
_CHUNKS_END = b"0\r\n\r\n"


class HttpConnection(asyncio.Protocol):
    """A connection that is kept alive."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, port: int) -> HttpConnection:
        """Connect to a port of this machine."""
        _, protocol = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return protocol

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; return the whole response."""
        self._answer = self._loop.create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Disconnect."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._buffer += data
        if not _complete(self._buffer):
            return
        whole, self._buffer = self._buffer, b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(whole)

    def connection_lost(self, _error: Exception | None) -> None:
        """See asyncio."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())


def _complete(data: bytes) -> bool:
    end = data.find(_HEAD_END)
    if end < 0:
        return False
    head = data[:end].lower()
    place = head.find(b"content-length:")
    if place < 0:
        return b"chunked" in head and data.endswith(_CHUNKS_END)
    stop = head.find(b"\r\n", place)
    length = int(head[place + 15 : stop if stop >= 0 else end])
    return len(data) >= end + len(_HEAD_END) + length
