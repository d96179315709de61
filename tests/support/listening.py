"""What serves connections on a free port of this machine until it is closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self


class Listening:
    """
    Serves each connection in a task of its own.

    Attributes:
        port: Where to connect.
    """

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up, and leave no connection to the loop, which may end now."""
        self._server.close()
        # Who was let in just now begins, so that it can be ended.
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, in the task that runs, which is cancelled at the end."""
        raise NotImplementedError

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # asyncio's streams would report a connection that is cancelled as a failure.
        with suppress(asyncio.CancelledError):
            try:
                await self._serve(reader, writer)
            finally:
                writer.close()
                # The task that is told to end waits until the connection is gone, too.
                with suppress(ConnectionError):
                    await writer.wait_closed()
