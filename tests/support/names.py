"""A name server on this machine, which a test tells what to answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

_ANSWER, _NO_ERROR = 0x8400, 0
_A, _IN = 1, 1
_HEADER = 12
_TTL_S = 300
"""Long, so that whoever holds to it does not notice a change."""


class NameServer(asyncio.DatagramProtocol):
    """
    Answers each question for an IPv4 address by the same addresses, and all others by none.

    Attributes:
        addresses: What every name has.
        asked: How many questions were answered.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = tuple(addresses)
        self.asked = 0
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep what answers are sent by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        end = data.index(0, _HEADER) + 5
        question = data[_HEADER:end]
        kind, _ = struct.unpack("!HH", question[-4:])
        found = self.addresses if kind == _A else ()
        self.asked += 1
        records = b"".join(
            struct.pack("!HHHIH", 0xC000 | _HEADER, _A, _IN, _TTL_S, 4) + socket.inet_aton(address)
            for address in found
        )
        header = data[:2] + struct.pack("!HHHHH", _ANSWER | _NO_ERROR, 1, len(found), 0, 0)
        self._transport.sendto(header + question + records, addr)


@asynccontextmanager
async def name_server(addresses: Sequence[str]) -> AsyncIterator[tuple[NameServer, int]]:
    """Run a name server; gives it and its port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
