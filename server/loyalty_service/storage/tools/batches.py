"""
Many small transactions beside live calls: each is over before a call would notice it.

A batch grows while it is fast and shrinks where it was slow, and after each the writers have the
database to themselves for several times as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from loyalty_service.storage.connections import engine_of
from loyalty_service.storage.databases import Database, UnreachableError

HELD_S = 0.005
"""Time for which a batch should hold an embedded database, whose writer waits for it."""

REST = 4
"""Times as long as a batch took in which nothing is asked of an embedded database."""

SHARED_HELD_S = 0.02
SHARED_REST = 1
"""As above where only old rows are held, for which nobody waits: what is shared is the machine."""

ROWS_FIRST = 50
ROWS_MAX = 2000
_AGAIN_MAX = 20
_AGAIN_S = 0.05


class Pace:
    """
    How many rows the next batch takes.

    Attributes:
        longest_s: Longest time that any batch held.
        batches: How many there were.
    """

    def __init__(self, held_s: float = HELD_S, rest: float = REST) -> None:
        self.rows = ROWS_FIRST
        self.longest_s = 0.0
        self.batches = 0
        self._held_s = held_s
        self._rest = rest

    def took(self, seconds: float) -> None:
        """Take note of a batch, choose the size of the next, and rest."""
        self.batches += 1
        self.longest_s = max(self.longest_s, seconds)
        fits = self._held_s / max(seconds, 1e-6)
        self.rows = max(1, min(ROWS_MAX, round(self.rows * min(2.0, max(0.25, fits)))))
        time.sleep(seconds * self._rest)


class Gentle:
    """
    One connection for many transactions, none of which waits for a disk.

    What it does may be done again after a crash: so a commit of it is not synced by itself, but by
    that of the next call.
    """

    def __init__(self, connection: Connection, *, embedded: bool) -> None:
        self._connection = connection
        self.embedded = embedded
        self.pace = Pace() if embedded else Pace(SHARED_HELD_S, SHARED_REST)

    def read(self, ask: Callable[[Connection], Any]) -> Any:
        """Ask something in a transaction of its own, which no writer waits for."""
        self._connection.exec_driver_sql("BEGIN")
        try:
            return ask(self._connection)
        finally:
            self._connection.exec_driver_sql("COMMIT")

    def write(self, change: Callable[[Connection], Any]) -> Any:
        """
        Change something in a transaction of its own; one that a conflict has ended runs again.

        The time is counted from when it holds the database until it lets go.
        """
        for attempt in range(_AGAIN_MAX + 1):
            try:
                self._connection.exec_driver_sql("BEGIN IMMEDIATE" if self.embedded else "BEGIN")
                began = time.perf_counter()
                if not self.embedded:
                    self._connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                found = change(self._connection)
                self._connection.exec_driver_sql("COMMIT")
            except OperationalError:
                self._roll_back()
                if attempt == _AGAIN_MAX:
                    raise
                time.sleep(_AGAIN_S * (attempt + 1))
            except BaseException:
                self._roll_back()
                raise
            else:
                self.pace.took(time.perf_counter() - began)
                return found
        raise AssertionError

    def _roll_back(self) -> None:
        """Leave a transaction, if there is one."""
        driver: Any = self._connection.connection.driver_connection
        if driver is not None and not getattr(driver, "closed", False):
            driver.rollback()


@contextmanager
def gently(database: Database) -> Iterator[Gentle]:
    """
    Open a database for many small transactions.

    Raises:
        UnreachableError: The database does not answer.
    """
    engine: Engine = engine_of(database)
    try:
        with engine.connect() as connection:
            if database.embedded:
                connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
            yield Gentle(connection, embedded=database.embedded)
    except DatabaseError as problem:
        if type(problem) not in {DatabaseError, OperationalError}:
            raise
        place = database.shown
        raise UnreachableError(f"{place} does not answer: {problem.orig}") from None
