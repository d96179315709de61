"""A stand-in for the server behind Envoy, which does what a real one never should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from loyalty_service.transport.errors.rendering import BUSY


@dataclass
class Upstream:
    """
    What reached the stand-in, and what it does about it.

    Attributes:
        port: Where Envoy finds it.
        cut: Whether to break the connection instead of answering.
        hang: Whether to keep callers waiting, until they are released.
        busy: Whether to refuse as a server does whose caller's key has its share under way.
        calls: The metadata of each call that arrived.
        message: The last message that arrived, as its bytes.
    """

    port: int = 0
    cut: bool = False
    hang: bool = False
    busy: bool = False
    calls: list[dict[str, str]] = field(default_factory=list)
    message: bytes | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self) -> None:
        """Answer all that wait."""
        self._released.set()
        self._released = asyncio.Event()

    async def _answer(self, message: bytes, context: Any) -> bytes:
        self.message = message
        self.calls.append(
            {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        )
        if self.cut:
            for writer in list(self._writers):
                writer.transport.abort()
        if self.cut or self.hang:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), 60)
        if self.busy:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", (BUSY,))
        return b""

    async def _carry(
        self, server_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one connection to the gRPC server, until either end or the stand-in ends it."""
        to_server_reader, to_server = await asyncio.open_connection("127.0.0.1", server_port)
        self._writers.add(writer)
        try:
            await asyncio.gather(_pump(reader, to_server), _pump(to_server_reader, writer))
        finally:
            self._writers.discard(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class _Everything(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # Not subscriptable.
    """Takes every method."""

    def __init__(self, upstream: Upstream) -> None:
        self._handler: Any = grpc.unary_unary_rpc_method_handler(upstream._answer)

    def service(self, _: Any) -> Any:
        """Give the one handler."""
        return self._handler


@asynccontextmanager
async def run_upstream() -> AsyncIterator[Upstream]:
    """Run a stand-in on a free port."""
    upstream = Upstream()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Everything(upstream),))
    server_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upstream._carry(server_port, reader, writer)

    front = await asyncio.start_server(carry, "127.0.0.1", 0)
    upstream.port = front.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        front.close()
        for writer in list(upstream._writers):
            writer.transport.abort()
        await server.stop(None)
