"""Makes sure that no server has a database open that is to be replaced or taken back."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from server.storage.databases import Database, has_writers

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class OpenElsewhereError(Exception):
    """Raised when a database is in use that nobody may use meanwhile; nothing was changed."""

    def __init__(self, place: object) -> None:
        super().__init__(f"{place} is open elsewhere: stop the servers first; nothing was changed")


@contextmanager
def alone(place: Path) -> Iterator[sqlite3.Connection]:
    """
    Open an embedded database such that nobody else has it open, nor can until it is closed.

    Raises:
        OpenElsewhereError: Somebody has.
        sqlite3.DatabaseError: The file is no database.
    """
    with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as target:
        target.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            # Leaving the log's mode needs every other connection gone, and empties the log.
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
            target.execute("BEGIN EXCLUSIVE")
            target.execute("COMMIT")
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF not in _BUSY:
                raise
            raise OpenElsewhereError(place) from None
        yield target


@contextmanager
def only_server(database: Database) -> Iterator[None]:
    """
    Be the only server of an embedded database until the context ends.

    Two would not know of each other's calls under way. Operators' commands are no servers.

    Raises:
        OpenElsewhereError: Another process serves it.
    """
    if not database.embedded:
        yield
        return
    # A file of its own: closing the database's would let go of SQLite's locks on it.
    place = Path(f"{database.url.database}-server")
    place.touch(mode=0o600)
    with place.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OpenElsewhereError(database.url.database) from None
        yield


def require_unserved(database: Database, connection: Connection) -> None:
    """
    Refuse a database that is not embedded while a server is connected to it.

    Raises:
        OpenElsewhereError: One is.
    """
    if not database.embedded and has_writers(connection):
        raise OpenElsewhereError(database.url.render_as_string(hide_password=True))
