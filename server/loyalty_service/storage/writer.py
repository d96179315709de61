"""
One connection that writes, and the thread that owns it.

A batch of calls runs in one transaction and shares one durable commit. A call that fails is
rolled back alone: the batch is undone and its calls run one by one.
"""

from __future__ import annotations

import contextlib
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic_ns
from typing import Any

import psycopg
import structlog

from loyalty_service.application.unit import Refused
from loyalty_service.domain.clock import ClockCheck, now_ms
from loyalty_service.domain.errors import LoyaltyError, StorageUnavailableError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.observability.trail import Stages
from loyalty_service.storage import postgresql
from loyalty_service.storage.batch import (
    Item,
    keep_unsettled,
    registrations,
    require_registered,
    still_wanted,
)
from loyalty_service.storage.databases import Database
from loyalty_service.storage.durability import UnsafeDatabaseError
from loyalty_service.storage.failures import require_another_try
from loyalty_service.storage.patience import Patience
from loyalty_service.storage.postgresql import Begun
from loyalty_service.storage.prefetch import prefetch
from loyalty_service.storage.repositories import catalogue
from loyalty_service.storage.repositories.catalogue import CatalogueStatements
from loyalty_service.storage.repositories.codes import CollisionError
from loyalty_service.storage.repositories.event_log import new_units
from loyalty_service.storage.repositories.ledger import SHARDS
from loyalty_service.storage.repositories.limit_counts import KnownSums
from loyalty_service.storage.repositories.members import MembersMovedError
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import Statements
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.storage.stats import Histogram

RETRIES_MAX = 12
RETRY_WAIT_MAX_S = 0.25
SETTLE_WAIT_S = 3.0
CLOSE_WAIT_S = 10.0

BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
COMMIT_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
log = structlog.get_logger(__name__)


class _MustRunAloneError(Exception):
    """Raised inside a batch when one of its calls must be rolled back."""


class Writer:
    """
    Runs batches on its own thread and connection.

    Attributes:
        catalog: The catalogue as of the last commit.
        catalog_read_ns: When that commit's transaction began.
        commits, retries: Transactions committed so far, and those that had to run again.
        replicated: Whether commits wait for a synchronous standby, as of the last transaction.
        batch_calls: Calls that shared a commit, of the commits that changed anything.
        commit_s: Seconds such a commit took, until it was durable.
        written: Commits so far that changed anything.
        committing: When the commit under way began, monotonic, and PostgreSQL's number of its
            session; absent while none is.
    """

    def __init__(
        self,
        database: Database,
        statements: Statements,
        pepper: bytes | Peppers,
        clock: ClockCheck | None = None,
    ) -> None:
        self.catalog = Catalog(revision=-1)
        self.catalog_read_ns = 0
        self.commits = 0
        self.retries = 0
        self.replicated = False
        self.batch_calls = Histogram(BATCH_BOUNDS)
        self.commit_s = Histogram(COMMIT_BOUNDS_S)
        self.committing: tuple[float, int] | None = None
        self.written = 0
        self._clock = clock or ClockCheck()
        self._database = database
        self._statements = statements
        self._catalogue_by = statements.of(CatalogueStatements)
        self._peppers = Peppers.of(pepper)
        self._seal = Seal(self._peppers)
        self._begin = "BEGIN IMMEDIATE" if database.embedded else "BEGIN"
        self._connection: Any = None
        self._known_sums = KnownSums()
        self._units = new_units()
        self._patience = Patience()
        self._inbox = queue.SimpleQueue[tuple[list[Item], Callable[[], object]] | None]()
        self._thread = threading.Thread(target=self._serve, name="loyalty-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def give(self, batch: list[Item], done: Callable[[], object]) -> None:
        """Hand over a batch; *done* is called on the writer's thread when it is settled."""
        self._inbox.put((batch, done))

    def close(self) -> None:
        """Finish what was given, unless it takes too long, and let go of the connection."""
        self._inbox.put(None)
        self._thread.join(CLOSE_WAIT_S)

    def _serve(self) -> None:
        while (job := self._inbox.get()) is not None:
            batch, done = job
            self._run(batch)
            done()
        self._disconnect()

    def _run(self, batch: list[Item]) -> None:
        try:
            self._attempt(batch)
        except StorageUnavailableError as problem:
            for item in batch:
                item.fail(problem)
        except Exception as problem:  # noqa: BLE001 - whatever it is, only the guilty call may fail.
            if len(batch) > 1:
                self._run_alone(batch)
            else:
                batch[0].fail(problem)

    def _run_alone(self, batch: list[Item]) -> None:
        """Run the calls of a batch that failed one by one, so that only the guilty ones fail."""
        for item in batch:
            self._run([item])

    def _attempt(self, batch: list[Item]) -> None:
        """Run a batch until it is committed: what could not be committed changed nothing."""
        collided = False
        for attempt in range(RETRIES_MAX + 1):
            batch = still_wanted(batch)
            if not batch:
                return
            try:
                self._transact(batch)
            except UnsafeDatabaseError as problem:
                # Connected again, perhaps to another server after a failover.
                log.error("database is not safe", reason=str(problem))  # noqa: TRY400
                raise StorageUnavailableError from problem
            except psycopg.errors.UniqueViolation:
                # Another writer kept the same new row first; run again, the call meets that row.
                if collided:
                    raise
                collided = True
            except (CollisionError, MembersMovedError):
                # Other digits are drawn each time, so it is seldom twice in a row. So are members
                # merged.
                if attempt == RETRIES_MAX:
                    raise
            except (sqlite3.OperationalError, psycopg.Error) as problem:
                require_another_try(problem, batch, last=attempt == RETRIES_MAX)
                longest = min(0.002 * 2**attempt, RETRY_WAIT_MAX_S)
                time.sleep(random.uniform(longest / 2, longest))  # noqa: S311
            else:
                return
            self.retries += 1

    def _transact(self, batch: list[Item]) -> None:
        connection = self._connect()
        begun_ns = monotonic_ns()
        try:
            begun = self._open(connection, registrations(batch))
            unit = UnitOfWork(
                connection,
                self._statements,
                self._fresh_catalog(connection, begun.revision),
                self._peppers,
                self._seal,
                begun.shard,
                self._known_sums,
                self._units,
                self._clock.believed_ms(now_ms()),
            )
            if self._statements.bulk:
                prefetch(unit, connection, self._statements, [item.reads for item in batch])
            if not self._work(unit, batch, begun.registered):
                self._roll_back()
                self._confirm(begun)
                return
            committing_ns = monotonic_ns()
            self.committing = time.monotonic(), begun.session
            try:
                self._commit(connection, unit, begun, batch)
            finally:
                self.committing = None
            committed_ns = monotonic_ns()
        except psycopg.Error as problem:
            self._patience.take_note(problem)
            # A pipeline that failed leaves driver and server of two minds about what is prepared.
            self._disconnect()
            raise
        except BaseException:
            self._roll_back()
            raise
        self.commits += 1
        unit.committed()
        self.catalog = unit.catalog
        self.catalog_read_ns = begun_ns
        if unit.changes:
            self.written += 1
            self.batch_calls.add(len(batch))
            self.commit_s.add((committed_ns - committing_ns) / 1e9)
        traced = tuple(
            item.trail for item in batch if item.trail is not None and item.trail.span is not None
        )
        for trail in traced:
            trail.stages = Stages(begun_ns, committing_ns, committed_ns, len(batch), traced)

    def _work(self, unit: UnitOfWork, batch: list[Item], registered: frozenset[str]) -> bool:
        """Run the calls of a batch; return whether there is something to commit."""
        now = self._clock.believed_ms(now_ms())
        ended_s = time.thread_time()
        for item in batch:
            before = unit.changes
            item.unsettled = False
            try:
                if item.trail is not None:
                    self._clock.require_right()
                require_registered(item, registered)
                item.outcome = item.work(unit, now)
                item.failed = False
            except Refused as refused:
                # What it wrote stays; its caller is refused once that is durable.
                item.outcome, item.failed = refused, False
            except LoyaltyError as refusal:
                item.fail(refusal)
                if unit.changes != before:
                    # It was refused after its first write, which must be undone.
                    if len(batch) > 1:
                        raise _MustRunAloneError from refusal
                    return False
            finally:
                # Where one ends the next begins: the processor's clock is not cheap to read.
                began_s, ended_s = ended_s, time.thread_time()
                item.spent_s += ended_s - began_s
        return True

    def _open(self, connection: Any, registrations: Sequence[str] = ()) -> Begun:
        """Begin, and hold the rows by which the batch's calls are registered."""
        if not self._statements.bulk:
            connection.execute(self._begin)
            return Begun(connection.execute(self._catalogue_by.revision.sql).fetchone()[0])
        longest_s = self._patience.lock_timeout_s()
        revision = self._catalogue_by.revision.sql
        begun = postgresql.begin(connection, revision, SHARDS, longest_s, registrations)
        self.replicated = begun.replicated
        return begun

    def _commit(
        self, connection: Any, unit: UnitOfWork, begun: Begun, batch: Sequence[Item]
    ) -> None:
        """Write what is left to write and commit, or mark the calls if that is open."""
        flushed = False

        def flush() -> None:
            nonlocal flushed
            unit.finish()
            flushed = True

        try:
            if begun.mark is None:
                flush()
                connection.execute("COMMIT")
            else:
                self._commit_marked(connection, unit, begun, begun.mark, flush)
        except Exception as problem:
            # What failed before its COMMIT can't come through any more.
            if flushed:
                keep_unsettled(problem, batch, begun.mark)
            raise

    def _commit_marked(
        self,
        connection: Any,
        unit: UnitOfWork,
        begun: Begun,
        mark: int,
        flush: Callable[[], None],
    ) -> None:
        """Commit a transaction that the database can be asked about by its mark."""
        problem: psycopg.OperationalError
        try:
            if postgresql.commit(connection, begun, flush):
                return
            problem = psycopg.OperationalError("the commit may be on the primary alone")
        except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
            raise
        except psycopg.OperationalError as lost:
            # A connection lost here leaves open whether the commit came through.
            problem = lost
        # Who only read may read again: what it saw may be on the primary alone, too.
        if not unit.changes or not self._came_through(mark, unit):
            raise problem

    def _confirm(self, begun: Begun) -> None:
        """
        Make sure that what an undone transaction saw is where synchronous standbys are.

        Raises:
            psycopg.OperationalError: That is not known.
        """
        if begun.replicated:
            connection = self._connect()
            if not postgresql.commit(connection, self._open(connection)):
                raise psycopg.OperationalError("a refusal may rest on the primary alone")

    def _came_through(self, mark: int, unit: UnitOfWork) -> bool:
        """
        Ask a new connection what became of a transaction.

        Its mark tells when it has ended, and then a row that nobody else can have written tells
        whether it was committed.

        That row is on the primary; whether it is on a synchronous standby as well is known only
        once a later commit has waited for that standby.

        Raises:
            StorageUnavailableError: It can't be told; a caller who sends again under its key will
                learn it.
        """
        until = time.monotonic() + SETTLE_WAIT_S
        while unit.witness is not None and time.monotonic() < until:
            # The last one may be gone, or be to a server that is the primary no more.
            self._disconnect()
            with contextlib.suppress(psycopg.OperationalError):
                connection = self._connect()
                # Before the transaction that looks: its view may be as old as its beginning.
                if postgresql.is_over(connection, mark):
                    begun = self._open(connection)
                    if not unit.witness.holds(connection):
                        self._roll_back()
                        return False
                    if postgresql.commit(connection, replace(begun, replicated=True)):
                        return True
            time.sleep(RETRY_WAIT_MAX_S)
        self._disconnect()
        raise StorageUnavailableError

    def _fresh_catalog(self, connection: Any, revision: int) -> Catalog:
        """Give the catalogue as of this transaction, read again only when it has changed."""
        if revision == self.catalog.revision:
            return self.catalog
        return catalogue.load(connection, self._catalogue_by)

    def _connect(self) -> Any:
        if self._connection is None:
            self._connection = self._database.connect_writer()
        return self._connection

    def _roll_back(self) -> None:
        if self._connection is None:
            return
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
