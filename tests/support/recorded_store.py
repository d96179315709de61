"""A store on a recorded disk, which knows the content of every state that was committed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
from sqlalchemy.ext.asyncio import AsyncEngine

from loyalty_service.storage.databases import Database
from loyalty_service.storage.durability import require_durable_sqlite, sync_commits_of_sqlite
from tests.support.recorded_disk import RecordingDisk


class RecordedDatabase:
    """
    A SQLite file whose writer goes through a recorded disk.

    Nobody else of this process may open the file meanwhile: two copies of SQLite in one process
    take each other's locks away.

    Attributes:
        disk: What the writer asked of the disk.
        states: The number of the commit that made each content.
        commit_of: The number of the commit that kept the answer of each idempotency key.
    """

    def __init__(self, database: Database, disk: RecordingDisk) -> None:
        self.disk = disk
        self.states: dict[bytes, int] = {}
        self.commit_of: dict[str, int] = {}
        self._database = database

    @property
    def url(self) -> Any:
        """See `Database.url`."""
        return self._database.url

    @property
    def embedded(self) -> bool:
        """See `Database.embedded`."""
        return True

    def connect_writer(self) -> Any:
        """Open a connection on the recorded disk, set up as the server's own are."""
        connection = apsw.Connection(self.url.database, vfs=self.disk.name)
        sync_commits_of_sqlite(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        require_durable_sqlite(connection)
        return _RecordedConnection(connection, self._keep_state)

    def connect_readers(self) -> AsyncEngine:
        """See `Database.connect_readers`; they open nothing as long as nobody reads."""
        return self._database.connect_readers()

    def _keep_state(self, connection: apsw.Connection) -> None:
        number = len(self.states)
        digest = _digest(connection.execute)
        self.states.setdefault(digest, number)
        for (key,) in connection.execute("SELECT idempotency_key FROM remembered_answer"):
            self.commit_of.setdefault(key, number)


class _RecordedConnection:
    def __init__(
        self, connection: apsw.Connection, committed: Callable[[apsw.Connection], None]
    ) -> None:
        self._connection = connection
        self._committed = committed

    def execute(self, sql: str, *values: Any) -> Any:
        done = self._connection.execute(sql, *values)
        if sql == "COMMIT":
            self._committed(self._connection)
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def content_digest(database_url: str) -> bytes:
    """Digest all rows of a SQLite file."""
    path = Path(database_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return _digest(connection.execute)


def _digest(execute: Callable[[str], Any]) -> bytes:
    digest = hashlib.sha256()
    names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    for (table,) in list(execute(names)):
        digest.update(f"{table}\n".encode())
        for row in execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own tables.
            digest.update(repr(row).encode())
    return digest.digest()
