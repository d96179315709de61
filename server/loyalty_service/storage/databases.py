"""Opening databases: how each kind is reached by the writer, by readers and by migrations."""

from __future__ import annotations

import selectors
import sqlite3
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from loyalty_service.domain.errors import DeadlinePassedError
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.platforms import Platform
from loyalty_service.storage import durability, postgresql
from loyalty_service.storage.database_urls import SECRET_PARAMETERS, read_url

BUSY_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 1.0
"""Longer than any peer that works holds a row: who holds one longer is stuck."""

CONNECT_TIMEOUT_S = 3
"""For each address of the database's; the driver waits 130 s by itself."""

ANSWER_TIMEOUT_S = 5.0
"""Time for a first answer, the connecting included, where a command or a start looks for one."""

WAIT_TOLD_S = 2.0
"""Time after which a person at the terminal is told what is waited for."""

NETWORK_TIMEOUT_S = 10
TRANSACTION_MAX_S = 5
"""
No transaction of a writer that works takes so long: a longer one is of a server that stands still.

As long as a call may take, and shorter than Envoy goes on using a server without a database: tills
that it sends to another server must find the rows there that the silent one had locked.

It is not the time that a transaction is idle which is limited, because PostgreSQL does not measure
that after a pipeline.
"""

READERS = 4

FOLDER_MODE = 0o755
"""Of a folder for an embedded database: whatever the umask, none but its owner writes there."""

_ALIVE: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": NETWORK_TIMEOUT_S * 1000,
    # Who waits for an answer has sent nothing that could go unacknowledged: only asking shows
    # that the other side has vanished without a word, and by default nobody asks for two hours.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""How a connection notices that a database does not answer or is gone."""

POSTGRESQL_PORT = 5432

_LOOK_S = 0.1  # A signal is seen as late.

_DIGEST_SPACE = 0x10A2  # Keeps our locks of codes apart from those of others in the database.

SHARED_SESSIONS: dict[str, Any] = {"prepare_threshold": None}
"""Keeps the driver from naming statements: behind a pooler, names are those of others as well."""


log = structlog.get_logger(__name__)


class UnreachableError(OperatorError):
    """Raised when the database does not answer."""


@dataclass(frozen=True, slots=True)
class Database:
    """
    Where the data is: `sqlite:///path` or `postgresql://user@host/name`.

    Attributes:
        allow_data_loss: Whether to write where acknowledged points may be lost, too.
        platform: What keeps more than PostgreSQL's settings say, as its operator answers for.

    Raises:
        ValueError: The URL is of another kind.
    """

    url: URL
    allow_data_loss: bool = False
    platform: Platform | None = None

    def __post_init__(self) -> None:
        if self.platform is not None and self.embedded:
            raise ValueError(f"is a file, which {self.platform} is not about")

    @classmethod
    def from_text(
        cls, text: str, *, allow_data_loss: bool = False, platform: Platform | None = None
    ) -> Database:
        """Read a URL, whatever driver it names; see `read_url`."""
        return cls(read_url(text), allow_data_loss, platform)

    @classmethod
    def of_file(
        cls, file: Path, *, allow_data_loss: bool = False, platform: Platform | None = None
    ) -> Database:
        """Name an embedded database by its file, whose name may hold what a URL may not."""
        return cls(URL.create("sqlite", database=str(file)), allow_data_loss, platform)

    @property
    def embedded(self) -> bool:
        """Whether it is a SQLite file, which has one writer."""
        return self.url.drivername == "sqlite"

    @property
    def shown(self) -> str:
        """The URL as a person may read it: without its passwords, wherever they are."""
        url = self.url.difference_update_query(SECRET_PARAMETERS)
        return url.render_as_string(hide_password=True)

    @property
    def place(self) -> str:
        """Where it is, for a person who reads of it: a file, or HOST:PORT."""
        if self.embedded:
            return str(self.url.database)
        if self.url.host:
            return f"{self.url.host}:{self.url.port or POSTGRESQL_PORT}"
        hosts, ports = (str(self.url.query.get(name, "")).split(",") for name in ("host", "port"))
        if not any(hosts):
            return "the local socket"
        told = ports if len(ports) == len(hosts) else ports * len(hosts)
        return ",".join(
            host if host.startswith(("/", "@")) else f"{host}:{port or POSTGRESQL_PORT}"
            for host, port in zip(hosts, told, strict=True)
        )

    def why(self, problem: BaseException) -> str:
        """Word in one line, with its place, why something could not be had from the database."""
        if isinstance(
            problem, TimeoutError | DeadlinePassedError | psycopg.errors.ConnectionTimeout
        ):
            return f"{self.place} does not answer in time"
        said = " ".join(str(problem).split())
        return f"{self.place}: {type(problem).__name__}{f': {said}' if said else ''}"

    def warn_of_loss(self) -> None:
        """Log why what is acknowledged may be lost, where that was allowed or is known."""
        if self.allow_data_loss:
            log.warning("acknowledged points may be lost, as was allowed")
        if self.embedded and durability.is_in_memory(Path(self.url.database or "")):
            log.warning("the database is in memory and gone when the machine goes off")

    def connect_answering(self) -> psycopg.Connection[Any]:
        """
        Open a connection to PostgreSQL over which a first answer has come, within 5 s.

        Whoever accepts a connection need not answer: a process that was stopped, or a pooler
        whose database is gone.

        Raises:
            psycopg.OperationalError: No answer came in time.
        """
        until_s = time.monotonic() + ANSWER_TIMEOUT_S
        teller = threading.Timer(WAIT_TOLD_S, _tell_wait, (self.place,))
        teller.daemon = True
        teller.start()
        try:
            connection = psycopg.connect(
                self.url.render_as_string(hide_password=False), **_ALIVE, **SHARED_SESSIONS
            )
            try:
                _require_answer(connection, until_s)
            except BaseException:
                connection.close()
                raise
            return connection
        finally:
            teller.cancel()

    def sync_url(self) -> URL:
        """URL for SQLAlchemy without asyncio, as migrations use it."""
        return self.url.set(drivername="sqlite" if self.embedded else "postgresql+psycopg")

    def connect_writer(self) -> Any:
        """
        Open a raw connection on which `begin` and `commit` are statements of ours.

        Raises:
            UnsafeDatabaseError: The file does not sync what it acknowledges, and data loss is not
                allowed; PostgreSQL is looked at whenever a transaction begins.
        """
        if not self.embedded:
            return self._connect_postgresql()
        connection = _connect_sqlite(Path(self.url.database or ""))
        if not self.allow_data_loss:
            try:
                durability.require_durable_sqlite(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def require_durable(self) -> None:
        """
        Refuse a database that may lose what it acknowledges, unless that is allowed.

        Raises:
            UnsafeDatabaseError: It may, and that is not allowed; or a pooler before it does not
                keep transactions together.
            UnreachableError: The database does not answer.
        """
        try:
            if not self.embedded:
                self.connect_answering().close()
            with closing(self.connect_writer()) as connection:
                if not self.embedded:
                    postgresql.require_transactions(connection)
        except (sqlite3.OperationalError, psycopg.OperationalError) as problem:
            raise UnreachableError(f"{self.shown} does not answer: {problem}") from None

    def _connect_postgresql(self) -> postgresql.WriterConnection:
        return postgresql.WriterConnection.open(
            self.url.render_as_string(hide_password=False),
            # The database too must notice that we are gone, or our locks would stay for hours.
            postgresql.Timeouts(
                lock_timeout_s=LOCK_TIMEOUT_S,
                transaction_max_s=TRANSACTION_MAX_S,
                network_timeout_s=NETWORK_TIMEOUT_S,
                keepalive=(
                    _ALIVE["keepalives_idle"],
                    _ALIVE["keepalives_interval"],
                    _ALIVE["keepalives_count"],
                ),
            ),
            allow_data_loss=self.allow_data_loss,
            platform=self.platform,
            application_name="loyalty-writer",
            **_ALIVE,
        )

    async def connect_beside(self, name: str) -> psycopg.AsyncConnection[Any]:
        """
        Open a connection to PostgreSQL for short transactions of the server's own.

        It depends on nothing that a session keeps, so a pooler may be between.

        Args:
            name: What the database's own views call it.
        """
        dsn = self.url.render_as_string(hide_password=False)
        return await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, prepare_threshold=None, application_name=name, **_ALIVE
        )

    async def _connect_reader(self) -> psycopg.AsyncConnection[Any]:
        # As the others connect: SQLAlchemy reads some forms of several hosts otherwise.
        return await psycopg.AsyncConnection.connect(
            self.url.render_as_string(hide_password=False),
            application_name="loyalty-reader",
            **_ALIVE,
            **SHARED_SESSIONS,
        )

    def connect_readers(self) -> AsyncEngine:
        """
        Open the pool that readers share.

        A reader sees one state from its first query on, and never waits for the writer.
        """
        if not self.embedded:
            return create_async_engine(
                self.url.set(drivername="postgresql+psycopg"),
                pool_size=READERS,
                max_overflow=0,
                pool_pre_ping=True,
                hide_parameters=True,
                isolation_level="REPEATABLE READ",
                async_creator=self._connect_reader,
            )
        engine = create_async_engine(
            self.url.set(drivername="sqlite+aiosqlite"),
            pool_size=READERS,
            max_overflow=0,
            hide_parameters=True,
            # The driver would begin no transaction for a query: BEGIN is sent below instead.
            connect_args={"isolation_level": None},
        )

        @event.listens_for(engine.sync_engine, "connect")
        def _only_read(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA query_only = ON")

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

        return engine


def _tell_wait(place: str) -> None:
    sys.stderr.write(f"waiting for the database at {place}\n")
    sys.stderr.flush()


def _require_answer(connection: psycopg.Connection[Any], until_s: float) -> None:
    """
    Ask for nothing, and wait for the answer until a moment of the monotonic clock.

    Raises:
        psycopg.OperationalError: None came, or it was an error.
    """
    # By the driver's lowest layer, because the others wait for an answer without end.
    session = connection.pgconn
    session.send_query(b"SELECT 1")
    with selectors.DefaultSelector() as selector:
        selector.register(session.socket, selectors.EVENT_READ)
        while True:
            while not session.is_busy():
                result = session.get_result()
                if result is None:
                    return
                if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                    said = (result.error_message or b"").decode(errors="replace").strip()
                    raise psycopg.OperationalError(said)
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise psycopg.errors.ConnectionTimeout("no answer to a first query in time")
            if selector.select(min(left_s, _LOOK_S)):
                session.consume_input()


def lock_digest(connection: Any, digest: bytes) -> bool:
    """
    Try to lock a code's digest until the transaction ends; tells whether nobody else has.

    Digests that begin alike share a lock: then one of two that could both go on runs again.
    """
    (free,) = connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s)", (_DIGEST_SPACE, lock_number(digest))
    ).fetchone()
    return bool(free)


def lock_number(digest: bytes) -> int:
    """Give the number that a digest is locked by."""
    return int.from_bytes(digest[:4], signed=True)


def is_absent(database: Database) -> bool:
    """Tell whether there is no file yet of a database that is one."""
    return database.embedded and not Path(database.url.database or "").is_file()


def prepare_file(path: Path) -> None:
    """Create an embedded database's folder, and its file such that only its owner reads it."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    prepare_file(path)
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    durability.sync_commits_of_sqlite(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    # What is deleted or written over is gone from the file too: a member who is erased must be.
    connection.execute("PRAGMA secure_delete = ON")
    return connection
