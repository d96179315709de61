"""A network between Envoy and a server that loses what it carries without telling either side."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.support.listening import Listening

READ_MAX = 65536


class NetworkPath(Listening):
    """Passes bytes on to a port of this machine."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self._target_port = target_port
        self._whole = asyncio.Event()
        self._whole.set()
        self._ways: set[asyncio.Task[None]] = set()
        self._lost: set[asyncio.Task[None]] = set()

    def lose_connections(self) -> int:
        """Carry nothing more of the open ones, as a firewall that forgot them; return how many."""
        lost = len(self._ways)
        self._lost |= self._ways
        self._ways.clear()
        return lost

    def cut(self) -> None:
        """Carry nothing more, of new connections either."""
        self.lose_connections()
        self._whole.clear()

    def mend(self) -> None:
        """Carry new connections again; those from before stay lost."""
        self.lose_connections()
        self._whole.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `Listening`."""
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await self._whole.wait()
            if task in self._ways:
                far_reader, far = await asyncio.open_connection("127.0.0.1", self._target_port)
                ways = (self._pass_on(task, reader, far), self._pass_on(task, far_reader, writer))
                try:
                    await asyncio.gather(*ways)
                finally:
                    far.transport.abort()
        writer.transport.abort()
        self._ways.discard(task)

    async def _pass_on(
        self, task: asyncio.Task[None], source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while data := await source.read(READ_MAX):
            if task not in self._lost:
                sink.write(data)
                await sink.drain()
        if task not in self._lost:
            sink.transport.abort()
