"""What is used of a database driver; sqlite3 and psycopg have it alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    def fetchone(self) -> Any:
        """Give the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Give all rows."""

    def execute(self, sql: str, values: Sequence[Any], /) -> Any:
        """Run a statement."""

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any:
        """Run a statement once for each row."""


class Connection(Protocol):
    """What is used of a driver's connection."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Run a statement."""

    def cursor(self) -> Cursor:
        """Open a cursor."""
