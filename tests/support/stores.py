"""A store under test: opened on a database, watched, and made to wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from loyalty_service.application.unit import Unit
from loyalty_service.domain.program import Program
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.statements import Statements
from loyalty_service.storage.store import Store
from tests.support.programs import put_program

WRITERS = 4
"""More than a server has unless told, so that writers meet."""

PEPPER = b"a pepper of thirty-two bytes....."


_compiled: dict[str, Statements] = {}


def statements_once(dialect: Dialect) -> Statements:
    """Compile every statement once: many stores are opened."""
    if dialect.name not in _compiled:
        _compiled[dialect.name] = Statements(dialect)
    return _compiled[dialect.name]


@dataclass
class WatchedDatabase:
    """A database that counts the commits of its writers."""

    database: Database
    commits: int = field(default=0)

    @property
    def url(self) -> Any:
        """See `Database.url`."""
        return self.database.url

    @property
    def embedded(self) -> bool:
        """See `Database.embedded`."""
        return self.database.embedded

    @property
    def platform(self) -> Any:
        """See `Database.platform`."""
        return self.database.platform

    def connect_writer(self) -> Any:
        """Open a connection whose commits are counted."""
        return _WatchedConnection(self.database.connect_writer(), self)

    def connect_readers(self) -> AsyncEngine:
        """See `Database.connect_readers`."""
        return self.database.connect_readers()


class _WatchedConnection:
    def __init__(self, connection: Any, database: WatchedDatabase) -> None:
        self._connection = connection
        self._database = database

    def execute(self, sql: str, *values: Any) -> Any:
        self._database.commits += sql == "COMMIT"
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@asynccontextmanager
async def open_store(database_url: str) -> AsyncIterator[Store]:
    """Open a store on a database as it is."""
    async with Store(Database.from_text(database_url), PEPPER, WRITERS) as store:
        yield store


@asynccontextmanager
async def demo_store(database_url: str, program: Program | None = None) -> AsyncIterator[Store]:
    """Open a store that has the demo program, unless another is given."""
    async with open_store(database_url) as store:
        await put_program(store, program)
        yield store


@asynccontextmanager
async def writers_busy(store: Store) -> AsyncIterator[None]:
    """Keep every writer of a store at work, so that what is asked for meanwhile is one batch."""
    loop = asyncio.get_running_loop()
    release = threading.Event()
    started: asyncio.Queue[None] = asyncio.Queue()

    def block(_unit: Unit, _now_ms: int) -> None:
        loop.call_soon_threadsafe(started.put_nowait, None)
        release.wait()

    blocked = []
    for _ in store._writers:
        blocked.append(asyncio.create_task(store.write(block, timeout_s=60)))
        await started.get()
    try:
        yield
    finally:
        release.set()
        await asyncio.gather(*blocked)
