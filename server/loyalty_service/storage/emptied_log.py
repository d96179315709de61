"""
Leaves nothing of what was written over, where a query or a look into the files could find it.

PostgreSQL keeps samples of columns for its planner, in which names and addresses stay after their
rows are gone, for everybody who may read the table; so they are taken again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from loyalty_service.storage.connections import writing
from loyalty_service.storage.databases import Database

LOG_WAIT_S = 2.0
"""Time that others may take to let go of what the log holds."""

REWRITTEN_MAX_BYTES = 1 << 30
"""A larger file is not written again beside calls: they would wait for too long."""

NAMING_TABLES = ("member", "member_email", "member_term")
"""Tables with values that name a person, of which PostgreSQL's planner keeps samples."""

log = structlog.get_logger(__name__)


class EmptiedLog:
    """
    The part of a store that clears what was written over.

    Attributes:
        rewrite_due: Whether free parts of pages may hold what is to be found nowhere: SQLite clears
            what it deletes, and not what it leaves behind as it moves rows from page to page. On
            PostgreSQL, whether its planner's samples may.
    """

    rewrite_due = False
    _database: Database

    async def empty_log(self) -> bool:
        """
        Bring the log into the file of an embedded database, and leave none behind.

        Returns whether it is so; the sweeper does the rest, see `rewrite`. PostgreSQL's log is not
        ours to empty.
        """
        self.rewrite_due = True
        if not self._database.embedded:
            return True
        return await asyncio.to_thread(_empty, self._database.url.database or "", rewrite=False)

    async def rewrite(self) -> bool:
        """
        Write the file of an embedded database again, without its free parts, and empty the log.

        On PostgreSQL take the planner's samples again, which takes seconds and makes nobody wait.

        Returns whether it was; where others hold the database, or it is too large to do it beside
        them, it was not.
        """
        if not self._database.embedded:
            await asyncio.to_thread(_sample_again, self._database)
            self.rewrite_due = False
            return True
        file = self._database.url.database or ""
        size = (await asyncio.to_thread(Path(file).stat)).st_size
        if size > REWRITTEN_MAX_BYTES:
            self.rewrite_due = False
            log.warning("free parts of the file may hold what was erased", file=file)
            return False
        self.rewrite_due = not await asyncio.to_thread(_empty, file, rewrite=True)
        return not self.rewrite_due


def _empty(file: str, *, rewrite: bool) -> bool:
    try:
        with closing(sqlite3.connect(file, timeout=LOG_WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA synchronous = FULL")
            if rewrite:
                connection.execute("VACUUM")
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False  # Somebody else holds it.
    return not busy


def _sample_again(database: Database) -> None:
    """Have PostgreSQL forget the values of rows that are gone; an owner of the tables may do it."""
    with writing(database) as connection:
        connection.exec_driver_sql(f"ANALYZE {', '.join(NAMING_TABLES)}")
