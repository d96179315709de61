"""The network between a server and its PostgreSQL, which can be cut and mended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import make_url

READ_MAX = 65536

IN_TRANSACTION = b"Z\x00\x00\x00\x05T"
"""How PostgreSQL ends what it says when it waits for more of a transaction."""


class DatabasePath:
    """
    Passes bytes on between a port of this machine and PostgreSQL's socket.

    It does so on a thread of its own: a server that starts in this process waits for its database.

    Attributes:
        url: The database, as it is reached this way.
    """

    def __init__(self, database_url: str) -> None:
        self.url = ""
        self._direct = make_url(database_url)
        self._socket = Path(str(self._direct.query["host"])) / ".s.PGSQL.5432"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._whole = asyncio.Event()
        self._whole.set()
        self._refuses = False
        self._amid: asyncio.Event | None = None
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._thread.start()
        self._run(self._listen())
        port = self._server.sockets[0].getsockname()[1]
        way = self._direct.set(host="127.0.0.1", port=port, query={})
        self.url = way.render_as_string(hide_password=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, silently: bool) -> None:
        """Let nothing through: without a word, or such that both sides are told."""
        self._run(self._cut(silently))

    def cut_amid(self) -> None:
        """Let nothing through, without a word, once a transaction has begun and locked its rows."""
        self._run(self._cut_amid())

    def mend(self) -> None:
        """Let new connections through; those from before are lost."""
        self._run(self._mend())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        self._hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut(self, silently: object) -> None:
        self._whole.clear()
        self._refuses = not silently
        if self._refuses:
            self._hang_up()

    async def _cut_amid(self) -> None:
        self._amid = asyncio.Event()
        await self._amid.wait()

    async def _mend(self) -> None:
        self._hang_up()
        self._refuses = False
        self._whole.set()

    def _hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        if self._refuses:
            writer.transport.abort()
            return
        with suppress(OSError, asyncio.CancelledError):
            await self._whole.wait()
            far_reader, far = await asyncio.open_unix_connection(str(self._socket))
            self._writers.add(far)
            ways = [
                asyncio.create_task(self._pass_on(reader, far)),
                asyncio.create_task(self._pass_on(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far.transport.abort()
                writer.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        told = 0
        while data := await source.read(READ_MAX):
            await self._whole.wait()
            told = told + 1 if data.endswith(IN_TRANSACTION) else 0
            # First it tells that the transaction has begun, then what it has locked.
            if self._amid is not None and told > 1:
                self._whole.clear()
                self._amid.set()
                self._amid = None
                await self._whole.wait()
            sink.write(data)
            await sink.drain()
