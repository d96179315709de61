"""What a store holds, as one digest a table, so that two stores of any size can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, inspect, select
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of

from loyalty_service.storage.connections import reading
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tables import DERIVED

BATCH_ROWS = 5000

Columns = Mapping[str, Sequence[str]]
"""The columns of each table."""


def columns_of(database: Database) -> dict[str, list[str]]:
    """List the tables and their columns, but for the schema's own number and what is derived."""
    with reading(database) as connection:
        # Of all tables at once: asked for each, a PostgreSQL is asked a hundred times.
        found = inspect(connection).get_multi_columns()
        return {
            table: sorted(column["name"] for column in columns)
            for (_, table), columns in found.items()
            if table not in {"alembic_version", *DERIVED}
        }


def shared_columns(first: Columns, second: Columns) -> dict[str, list[str]]:
    """Give what two schemas have in common."""
    return {
        table: [name for name in columns if name in second[table]]
        for table, columns in first.items()
        if table in second
    }


def digests(database: Database, columns: Columns) -> dict[str, tuple[int, str]]:
    """Give the number of rows of each table, and one digest of what stands in these columns."""
    with reading(database) as connection:
        return {name: _digest(connection, name, columns[name]) for name in sorted(columns)}


def _digest(connection: Connection, name: str, columns: Sequence[str]) -> tuple[int, str]:
    """Digest each row by itself and add up, because two kinds of database sort text differently."""
    statement = select(*map(column_of, columns)).select_from(table_of(name))
    total = rows = 0
    with connection.execution_options(yield_per=BATCH_ROWS).execute(statement) as streamed:
        for batch in streamed.partitions():
            rows += len(batch)
            for row in batch:
                digest = hashlib.sha256(repr(tuple(map(_plain, row))).encode()).digest()
                total += int.from_bytes(digest)
    return rows, f"{total % 2**256:064x}"


def _plain(value: Any) -> Any:
    """Make two drivers' values of one thing the same."""
    return bytes(value) if isinstance(value, memoryview) else value
