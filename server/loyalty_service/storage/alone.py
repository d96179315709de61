"""Makes sure that no server has a database open that is to be replaced or taken back."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.connections import writing
from loyalty_service.storage.databases import FOLDER_MODE, LOCK_TIMEOUT_S, Database

SILENCE_S = 4.5
"""
A server looks at the catalogue every second, and lets nobody in that has not for 4 s.

So nobody serves from a database that has been left in silence for longer.
"""

_LOOK_S = 0.05
_CATALOG = "catalog_revision"
_ASKED = (
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON oid = pg_locks.database "
    "WHERE datname = current_database() AND relation = '{table}'::regclass AND NOT granted)"
)
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class OpenElsewhereError(OperatorError):
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


def require_unopened(database: Database) -> None:
    """
    Refuse an embedded database that somebody has open; for another see `require_unserved`.

    Raises:
        OpenElsewhereError: Somebody has.
    """
    if database.embedded:
        with alone(Path(database.url.database or "")):
            pass


def require_stopped(database: Database) -> None:
    """
    Refuse a database that somebody has open, before a person is asked about it; keeps nobody out.

    Raises:
        OpenElsewhereError: Somebody has.
        UnreachableError: The database does not answer.
    """
    require_unopened(database)
    if not database.embedded:
        with writing(database) as connection:
            require_unserved(database, connection)


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
    place.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    place.touch(mode=0o600)
    with place.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OpenElsewhereError(database.url.database) from None
        yield


def require_unserved(database: Database, connection: Connection) -> None:
    """
    Refuse a database that is not embedded while a server has it open, and keep servers out.

    The transaction of *connection* takes the table that every server looks at each second, and
    waits to see whether one does. That needs nothing that a session would have to keep, so it is
    true behind a pooler as well. Whoever comes later waits until the transaction ends.

    Raises:
        OpenElsewhereError: One has.
    """
    if database.embedded or not connection.dialect.has_table(connection, _CATALOG):
        return
    with refusing_locks(database):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(LOCK_TIMEOUT_S * 1000)}")
        connection.exec_driver_sql(f"LOCK TABLE {_CATALOG} IN ACCESS EXCLUSIVE MODE")
        connection.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")
    until = time.monotonic() + SILENCE_S
    while time.monotonic() < until:
        if connection.exec_driver_sql(_ASKED.format(table=_CATALOG)).scalar():
            raise OpenElsewhereError(database.shown)
        time.sleep(_LOOK_S)


@contextmanager
def refusing_locks(database: Database) -> Iterator[None]:
    """
    Refuse a database in which somebody holds what is to be locked.

    Raises:
        OpenElsewhereError: A wait for a lock took too long.
    """
    try:
        yield
    except DBAPIError as problem:
        if not isinstance(problem.orig, psycopg.errors.LockNotAvailable):
            raise
        raise OpenElsewhereError(database.shown) from None
