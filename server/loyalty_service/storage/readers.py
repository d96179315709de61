"""Who may read next: callers take turns, and nobody can have all readers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.fairness import FairQueue
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.databases import READERS, Database
from loyalty_service.storage.reads import SqlReader

READERS_OF_ONE = READERS // 2
"""Readers that one caller may hold: another always finds one that will be free soon."""


log = structlog.get_logger(__name__)


class Readers:
    """The readers of a database, which of them are in use, and who waits for one."""

    def __init__(self, database: Database, pepper: bytes | Peppers) -> None:
        self._database = database
        self._pepper = pepper
        self._engine: AsyncEngine
        self._reading: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    def open(self) -> None:
        """Open the pool of connections."""
        self._engine = self._database.connect_readers()

    async def close(self) -> None:
        """Let go of the database."""
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[SqlReader]:
        """See `Store.read`."""
        await self._take(caller)
        try:
            async with AsyncSession(self._engine) as session:
                yield SqlReader(session, self._pepper)
        except (OperationalError, InterfaceError, PoolTimeoutError) as problem:
            log.warning("database does not answer a reader", reason=str(problem))
            raise StorageUnavailableError from problem
        finally:
            self._give_back(caller)

    async def _take(self, caller: str) -> None:
        if not self._waiting and self._may_read(caller):
            self._reading[caller] += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(caller, future)
        self._let_in()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give_back(caller)
            raise

    def _may_read(self, caller: str) -> bool:
        return self._reading.total() < READERS and self._reading[caller] < READERS_OF_ONE

    def _give_back(self, caller: str) -> None:
        self._reading[caller] -= 1
        if not self._reading[caller]:
            del self._reading[caller]
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            found = self._waiting.pop_entry(self._may_read)
            if found is None:
                return
            caller, future = found
            if not future.done():
                self._reading[caller] += 1
                future.set_result(None)
