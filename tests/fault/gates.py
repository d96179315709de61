"""A gate between a store and its database, where a writer stops until a trial lets it go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store

HANG_S = 30.0


class Gate:
    """
    Where a writer stops, and what becomes of its connection.

    Attributes:
        lost: Connections that were lost at a commit, still open on the other side.
    """

    def __init__(self) -> None:
        self.lost: list[Any] = []
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()
        self._open.set()
        self._sql = ""
        self._arrived = asyncio.Event()
        self._tell: Callable[[], object] = self._arrived.set
        self._loses = False

    def before(self, database_url: str) -> Any:
        """Give a database that a store opens through this gate."""
        return _GatedDatabase(Database.from_text(database_url), self)

    def close(self, sql: str, tell: Callable[[], object] | None = None) -> None:
        """Stop the writer at its next statement that begins so; *tell* is called, on the loop."""
        self._sql, self._tell = sql, tell or self._arrived.set
        self._arrived.clear()
        self._open.clear()

    def lose(self) -> None:
        """Lose the connection at the next commit, which stays open on the other side."""
        self._loses = True

    def open(self) -> None:
        """Let the writer go on."""
        self._open.set()

    async def arrived(self) -> None:
        """Wait until the writer stops."""
        async with asyncio.timeout(HANG_S):
            await self._arrived.wait()

    async def hold_writer(self, store: Store) -> asyncio.Task[None]:
        """Give the writer other work, and stop it there until the gate is opened."""
        self.close("BEGIN")
        other = asyncio.create_task(store.refresh_catalog(HANG_S))
        await self.arrived()
        return other

    def pass_through(self, sql: str, connection: Any) -> None:
        """Wait, on the writer's thread, when the gate is closed for this statement."""
        if self._loses and sql == "COMMIT":
            self._loses = False
            self.lost.append(connection)
            raise psycopg.OperationalError("lost amid the commit")
        if not self._open.is_set() and sql.startswith(self._sql):
            self._loop.call_soon_threadsafe(self._tell)
            if not self._open.wait(HANG_S):
                raise TimeoutError("the trial forgot its gate")


class _GatedConnection:
    def __init__(self, connection: Any, gate: Gate) -> None:
        self._connection = connection
        self._gate = gate

    def execute(self, sql: str, *values: Any) -> Any:
        self._gate.pass_through(sql, self._connection)
        return self._connection.execute(sql, *values)

    def close(self) -> None:
        if self._connection not in self._gate.lost:
            self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _GatedDatabase:
    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self._gate = gate

    def connect_writer(self) -> Any:
        return _GatedConnection(self._database.connect_writer(), self._gate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)
