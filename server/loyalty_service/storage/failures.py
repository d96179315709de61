"""What it means that a batch failed: whether to run it again, to refuse its calls, or a fault."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import psycopg
import structlog

from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.storage.batch import Item, names_of

log = structlog.get_logger(__name__)

_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


def require_another_try(problem: Exception, batch: Sequence[Item], *, last: bool) -> None:
    """
    Raise what it means that a batch failed, unless it should be run again.

    Raises:
        StorageUnavailableError: The database can't serve now.
        Exception: The problem itself, which is not one that passes.
    """
    if _is_unavailable(problem, alone=len(batch) == 1):
        log.warning("database does not serve", reason=str(problem), **names_of(batch))
        raise StorageUnavailableError from problem
    if not _is_worth_another_try(problem):
        raise problem
    if last:
        log.warning("database gave up", reason=str(problem), **names_of(batch))
        raise StorageUnavailableError from problem


def _is_unavailable(problem: Exception, *, alone: bool) -> bool:
    """Tell whether the database can't serve now, and trying again at once would not help."""
    if isinstance(problem, sqlite3.OperationalError):
        # Another process writes for longer than a call may take, or the disk fails.
        return problem.sqlite_errorcode & 0xFF in _SQLITE_UNAVAILABLE
    if isinstance(problem, psycopg.errors.LockNotAvailable):
        # Somebody holds a row for long: only the calls about that row pay for it.
        return alone
    # The primary of yesterday, after a failover.
    return isinstance(problem, psycopg.errors.ReadOnlySqlTransaction)


def _is_worth_another_try(problem: Exception) -> bool:
    """Tell serialization failures, deadlocks and lost connections from faults."""
    if isinstance(problem, psycopg.errors.TransactionTimeout):
        # We stood still, as a machine that is paused does: the connection is lost, and no more.
        return True
    return isinstance(problem, psycopg.OperationalError) and not isinstance(
        problem, psycopg.errors.LockNotAvailable
    )
