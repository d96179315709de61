"""
Runs units of work: writes in groups that share one durable commit, reads beside them.

Calls queue on the event loop. Whenever a writer is free it gets everything that waits as one
batch, runs it in one transaction on its own thread, commits once, and only then are the callers
answered. While more calls are on their way a batch waits a moment for company, because one
hand-over and one sync then serve many; a call that is alone never waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import psycopg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from server.application.unit import Unit
from server.domain.clock import now_ms
from server.domain.errors import DeadlinePassedError, LoyaltyError, ServerBusyError
from server.domain.program import Catalog
from server.storage import catalog as catalog_tables
from server.storage.databases import Database
from server.storage.reads import SqlReader
from server.storage.statements import Statements, dialect_of
from server.storage.unit_of_work import UnitOfWork

T = TypeVar("T")
Work = Callable[[Unit, int], Any]

QUEUE_MAX = 4096
BATCH_MAX = 256
COMPANY_WAIT_S = 0.002
RETRIES_MAX = 10
CATALOG_POLL_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Item:
    work: Work
    future: asyncio.Future[Any]
    outcome: Any = None
    failed: bool = False


class _MustRunAloneError(Exception):
    """Raised inside a batch when one of its calls must be rolled back."""


class _Writer:
    """One connection and the thread that owns it."""

    def __init__(self, database: Database, statements: Statements, pepper: bytes) -> None:
        self._database = database
        self._statements = statements
        self._pepper = pepper
        self._begin = "BEGIN IMMEDIATE" if database.embedded else "BEGIN"
        self._connection: Any = None
        self.catalog = Catalog(revision=-1)
        self.inbox: queue.SimpleQueue[tuple[list[_Item], Callable[[], object]] | None]
        self.inbox = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name="loyalty-writer", daemon=True)

    def _serve(self) -> None:
        while (job := self.inbox.get()) is not None:
            batch, done = job
            self._run(batch)
            done()
        self._disconnect()

    def _run(self, batch: list[_Item]) -> None:
        """Run a batch in one transaction, or its calls one by one when one of them fails."""
        try:
            self._attempt(batch)
        except Exception as problem:  # noqa: BLE001 - whatever it is, only the guilty call may fail.
            if len(batch) > 1:
                for item in batch:
                    self._run([item])
            else:
                batch[0].outcome = problem
                batch[0].failed = True

    def _attempt(self, batch: list[_Item]) -> None:
        collided = False
        for attempt in range(RETRIES_MAX + 1):
            try:
                self._transact(batch)
            except psycopg.errors.UniqueViolation:
                # Another writer kept the same new row first; run again, the call meets that row.
                if collided:
                    raise
                collided = True
            except psycopg.OperationalError as problem:
                # Serialization failures, deadlocks and lost connections: nothing was committed.
                if attempt == RETRIES_MAX or isinstance(problem, psycopg.errors.DiskFull):
                    raise
                time.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 6)))  # noqa: S311
            else:
                return

    def _transact(self, batch: list[_Item]) -> None:
        connection = self._connect()
        connection.execute(self._begin)
        try:
            unit = UnitOfWork(
                connection, self._statements, self._fresh_catalog(connection), self._pepper
            )
            now = now_ms()
            for item in batch:
                before = unit.changes
                try:
                    item.outcome = item.work(unit, now)
                    item.failed = False
                except LoyaltyError as refusal:
                    item.outcome = refusal
                    item.failed = True
                    if unit.changes != before:
                        self._refuse_after_writing(batch)
                        return
            unit.flush()
            connection.execute("COMMIT")
            self.catalog = unit.catalog
        except BaseException:
            self._roll_back()
            raise

    def _refuse_after_writing(self, batch: list[_Item]) -> None:
        """Undo a call that was refused after its first write, together with its batch."""
        if len(batch) > 1:
            raise _MustRunAloneError
        self._roll_back()

    def _fresh_catalog(self, connection: Any) -> Catalog:
        """Give the catalogue as of this transaction, read again only when it has changed."""
        (revision,) = connection.execute(self._statements.catalog_revision.sql).fetchone()
        if revision == self.catalog.revision:
            return self.catalog
        return catalog_tables.load(connection, self._statements)

    def _connect(self) -> Any:
        if self._connection is None:
            self._connection = self._database.connect_writer()
        return self._connection

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except Exception as problem:  # noqa: BLE001 - a connection that can't roll back is given up.
            log.warning("writer reconnects", reason=type(problem).__name__)
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


class Store:
    """
    The storage as the rest of the program sees it.

    Open it with `async with`. `catalog` is the newest catalogue seen, at most a second old.
    """

    def __init__(self, database: Database, pepper: bytes) -> None:
        self.catalog = Catalog(revision=-1)
        self._database = database
        statements = Statements(dialect_of(database.url.drivername))
        self._writers = [_Writer(database, statements, pepper) for _ in range(database.writers)]
        self._idle = list(self._writers)
        self._waiting: deque[_Item] = deque()
        self._company = 1
        self._timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._pepper = pepper
        self._loop: asyncio.AbstractEventLoop
        self._readers: AsyncEngine
        self._poll: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._readers = self._database.connect_readers()
        for writer in self._writers:
            writer.thread.start()
        await self.refresh_catalog()
        self._poll = asyncio.create_task(self._keep_catalog_fresh())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Finish what was accepted, then let go of the database."""
        self._poll.cancel()
        await self._drained.wait()
        for writer in self._writers:
            writer.inbox.put(None)
        for writer in self._writers:
            await self._loop.run_in_executor(None, writer.thread.join)
        await self._readers.dispose()

    async def write(self, work: Callable[[Unit, int], T], timeout_s: float = 5.0) -> T:
        """
        Run a unit of work and answer once its commit is durable.

        Giving up waiting, by deadline or cancellation, never stops the work itself.

        Raises:
            LoyaltyError: The work refuses.
            ServerBusyError: The queue is full; nothing was done.
            DeadlinePassedError: The answer did not come in time; the outcome is unknown.
        """
        if len(self._waiting) >= QUEUE_MAX:
            raise ServerBusyError
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Item(work, future))
        self._drained.clear()
        self._schedule()
        alarm = self._loop.call_later(timeout_s, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[SqlReader]:
        """Open a reader over one consistent state."""
        async with AsyncSession(self._readers) as session:
            yield SqlReader(session, self._pepper)

    async def refresh_catalog(self) -> None:
        """Take up what operators changed."""
        self.catalog = await self.write(lambda unit, _now: unit.catalog)

    async def _keep_catalog_fresh(self) -> None:
        while True:
            await asyncio.sleep(CATALOG_POLL_S)
            try:
                await self.refresh_catalog()
            except Exception as problem:  # noqa: BLE001 - tried again in a second.
                log.warning("catalogue not refreshed", reason=repr(problem))

    def _schedule(self) -> None:
        """Hand over what waits, now or after a moment for company."""
        if not self._idle or not self._waiting:
            return
        if len(self._waiting) >= self._company:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(COMPANY_WAIT_S, self._hand_over)

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._idle or not self._waiting:
            return
        writer = self._idle.pop()
        size = min(len(self._waiting), BATCH_MAX)
        batch = [self._waiting.popleft() for _ in range(size)]
        # As much company as came last time is worth a moment's wait; less wears off by halves.
        self._company = max(1, size if size > 1 else self._company // 2)
        writer.inbox.put(
            (batch, lambda: self._loop.call_soon_threadsafe(self._finish, writer, batch))
        )

    def _finish(self, writer: _Writer, batch: Sequence[_Item]) -> None:
        self._idle.append(writer)
        if writer.catalog.revision > self.catalog.revision:
            self.catalog = writer.catalog
        for item in batch:
            if item.future.done():
                continue
            if item.failed:
                item.future.set_exception(item.outcome)
            else:
                item.future.set_result(item.outcome)
        if self._waiting:
            self._schedule()
        elif len(self._idle) == len(self._writers):
            self._drained.set()


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(DeadlinePassedError())
