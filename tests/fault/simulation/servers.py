"""Simulated servers: the real store and writer on one database, without threads or sockets."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Dialect

from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import LoyaltyError, ServerFailedError, StorageUnavailableError
from loyalty_service.storage.batch import Item
from loyalty_service.storage.repositories.statements import Statements, dialect_of
from loyalty_service.storage.store import Store
from loyalty_service.storage.writer import Writer
from tests.fault.simulation.books import Asked
from tests.support.stores import PEPPER

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

STATEMENTS_MAX = 3000
"""Statements that one batch may take before the simulation calls it a runaway."""

_EMBEDDED = "sqlite"
_ERRORS = {
    "database busy": ("database is locked", sqlite3.SQLITE_BUSY),
    "disk error": ("disk I/O error", sqlite3.SQLITE_IOERR),
    "disk full": ("database or disk is full", sqlite3.SQLITE_FULL),
    "database error": ("SQL logic error", sqlite3.SQLITE_ERROR),
}
DATABASE_FAULTS = tuple(_ERRORS)


class Crashed(BaseException):
    """Raised where a server process ends at once."""


@dataclass
class Plan:
    """What is to go wrong with one batch: at which statement, counted from its beginning."""

    kind: str
    at: int
    undone: bool = False


@dataclass(eq=False)
class Deed:
    """
    A unit of work that the simulation knows the meaning of, and what became of it.

    Attributes:
        fails: How it is to go wrong after it has written, if at all.
        excused: Whether the database failed it.
        ran: Whether it ran in the transaction under way.
        settled: Whether its outcome is durable, or a refusal that changed nothing.
    """

    asked: Asked
    work: Callable[[Unit, int], Any]
    fails: str = ""
    excused: bool = False
    ran: bool = False
    now_ms: int = 0
    outcome: Any = None
    refusal: LoyaltyError | None = None
    settled: bool = False

    def __call__(self, unit: Unit, now_ms: int) -> Any:
        """Do it, as the writer asks."""
        self.ran, self.now_ms, self.refusal, self.outcome = True, now_ms, None, None
        try:
            self.outcome = self.work(unit, now_ms)
        except LoyaltyError as refusal:
            self.refusal = refusal
            raise
        except Refused as refused:
            self.refusal = refused.error
            raise
        if self.fails == "call refused late":
            self.refusal = ServerFailedError("simulated")
            raise self.refusal
        if self.fails:
            raise RuntimeError("a call fails after it has written")
        return self.outcome


class _Cursor:
    def __init__(self, connection: Connection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor

    def execute(self, sql: str, *values: Any) -> Any:
        self._connection.count(sql)
        return self._cursor.execute(sql, *values)

    def executemany(self, sql: str, rows: Any) -> Any:
        self._connection.count(sql)
        return self._cursor.executemany(sql, rows)


class Connection:
    """A server's connection to the one database; what it does may be made to go wrong."""

    def __init__(self, server: Server, raw: sqlite3.Connection) -> None:
        self._server = server
        self._raw = raw

    def execute(self, sql: str, *values: Any) -> Any:
        """Run a statement, or fail as the plan has it."""
        self.count(sql)
        found = self._raw.execute(sql, *values)
        if sql == "COMMIT":
            self._server.committed()
        return found

    def cursor(self) -> _Cursor:
        """Open a cursor whose statements count as well."""
        return _Cursor(self, self._raw.cursor())

    def close(self) -> None:
        """Let go; what was begun is undone."""
        self._raw.rollback()

    def count(self, sql: str) -> None:
        """Count a statement, and let it go wrong when it is its turn."""
        server = self._server
        server.statements += 1
        if server.statements > STATEMENTS_MAX:
            server.world.disagree(f"server {server.number} runs away")
            raise Crashed
        plan = server.plan
        if plan is None or sql == "ROLLBACK" or server.statements < plan.at:
            return
        server.plan = None
        server.world.note(plan.kind, f"at statement {server.statements}: {sql[:24]}")
        for deed in server.batch:
            deed.excused = True
        if plan.kind not in _ERRORS:
            raise Crashed
        if plan.undone:
            self._raw.rollback()
        message, code = _ERRORS[plan.kind]
        problem = sqlite3.OperationalError(message)
        problem.sqlite_errorcode = code  # type: ignore[attr-defined]
        raise problem


class Database:
    """What the store and the writer ask of a database."""

    embedded = True
    url = URL.create(_EMBEDDED)

    def __init__(self, server: Server) -> None:
        self._server = server

    def why(self, problem: BaseException) -> str:
        """Word a problem; nobody reads a world's log."""
        return type(problem).__name__

    def connect_writer(self) -> Connection:
        """Open the writer's connection."""
        return Connection(self._server, self._server.world.raw)


class SimulatedWriter(Writer):
    """A writer whose batches take simulated time, and no thread."""

    def __init__(self, server: Server) -> None:
        super().__init__(Database(server), statements_of(), PEPPER)  # type: ignore[arg-type]
        self._server = server

    def give(self, batch: list[Item], done: Callable[[], object]) -> None:
        """Take a batch, and run it a moment later."""
        world = self._server.world
        world.loop.call_later(world.writer_delay_s(), self._serve_one, batch, done)

    def close(self) -> None:
        """Let go of the connection."""
        self._disconnect()

    def _serve_one(self, batch: list[Item], done: Callable[[], object]) -> None:
        server = self._server
        if not server.alive:
            return
        world = server.world
        world.acting = server
        server.statements, server.plan = 0, world.plan_for(batch)
        world.tell(f"server {server.number} runs a batch of {len(batch)}")
        try:
            self._run(batch)
        except Crashed:
            server.crash()
            return
        # Whatever the batch was for, it is over.
        if world.faults.strikes("crash after commit"):
            world.note("crash after commit", f"server {server.number}")
            server.crash()
            return
        world.loop.call_later(world.short_s(), self._tell, done)

    def _tell(self, done: Callable[[], object]) -> None:
        if self._server.alive:
            done()

    def _transact(self, batch: list[Item]) -> None:
        deeds = [item.work for item in batch if isinstance(item.work, Deed)]
        for deed in deeds:
            deed.ran = False
        self._server.batch = deeds
        super()._transact(batch)
        # A call refused after it had written was rolled back: it is settled without a commit.
        for deed in self._server.batch:
            if deed.refusal is not None:
                self._server.world.settle(deed)
        self._server.batch = []


_compiled: list[Statements] = []


def statements_of(_dialect: Dialect | None = None) -> Statements:
    """Compile every statement once for all simulated servers."""
    if not _compiled:
        _compiled.append(Statements(dialect_of(_EMBEDDED)))
    return _compiled[0]


@dataclass(eq=False)
class Server:
    """
    A server process of the simulated world.

    Attributes:
        skew_ms: How far its wall clock is ahead of the world's.
        batch: The deeds of the transaction under way.
        plan: What is to go wrong with it.
    """

    world: World
    number: int
    skew_ms: int = 0
    alive: bool = True
    statements: int = 0
    plan: Plan | None = None
    batch: list[Deed] = field(default_factory=list)
    calls: dict[asyncio.Task[bytes], Callable[[str], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store: Store = self._open()

    def _open(self) -> Store:
        self.world.opening = self
        store = Store(Database(self), PEPPER)  # type: ignore[arg-type]
        store._loop = self.world.loop
        return store

    @property
    def catalog(self) -> Any:
        """The catalogue as this server last saw it."""
        return self.store.catalog

    async def do(
        self,
        asked: Asked,
        work: Callable[[Unit, int], Any],
        timeout_s: float = 5.0,
        reads: Reads = NOTHING,
        *,
        fails: str = "",
        caller: str = "",
    ) -> Any:
        """Run a unit of work whose meaning is known, and check the outcome that it tells."""
        deed = Deed(asked, work, fails)
        try:
            outcome = await self.store.write(deed, timeout_s, reads, caller)
        except LoyaltyError as refusal:
            if refusal is deed.refusal and not deed.settled:
                self.world.disagree(f"{asked.kind} was refused before that was settled")
            if isinstance(refusal, StorageUnavailableError) and not deed.excused:
                self.world.disagree(f"{asked.kind} found no storage, though nothing was wrong")
            raise
        except Exception as problem:
            if not (deed.fails or deed.excused):
                self.world.disagree(f"{asked.kind} failed: {problem!r}")
            raise
        if not deed.settled:
            self.world.disagree(f"{asked.kind} was answered before it was committed")
        return outcome

    def committed(self) -> None:
        """Hear that the transaction under way is durable."""
        for deed in self.batch:
            if deed.ran:
                self.world.settle(deed)
        self.batch = []
        self.world.look()

    def crash(self) -> None:
        """End at once: what was begun is undone, and nobody is answered."""
        self.alive = False
        self.world.raw.rollback()
        self.batch = []
        self.world.tell(f"server {self.number} is gone")
        for task, lost in list(self.calls.items()):
            task.cancel()
            self.world.loop.call_later(self.world.short_s(), lost, "UNAVAILABLE")
        self.calls.clear()
        self.world.restart(self)
