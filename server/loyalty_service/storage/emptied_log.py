"""Leaves nothing in the log of an embedded database of what was written over."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from loyalty_service.storage.databases import Database

LOG_WAIT_S = 2.0
"""Time that readers may take to let go of what the log holds."""


class EmptiedLog:
    """
    The part of a store that empties the log.

    Attributes:
        log_due: Whether the log may hold what was written over and is to be found nowhere.
    """

    log_due = False
    _database: Database

    async def empty_log(self) -> bool:
        """
        Bring the log into the file of an embedded database, and leave none behind.

        Returns whether it is so; where a reader still needs what the log holds, the sweeper tries
        again. Elsewhere there is nothing to do.
        """
        if self._database.embedded:
            file = self._database.url.database or ""
            self.log_due = not await asyncio.to_thread(_empty, file)
        return not self.log_due


def _empty(file: str) -> bool:
    with closing(sqlite3.connect(file, timeout=LOG_WAIT_S)) as connection:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
