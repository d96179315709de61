"""How large a database is, and how much of it new rows can fill."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from loyalty_service.storage.connections import reading
from loyalty_service.storage.databases import Database


@dataclass(frozen=True, slots=True)
class Room:
    """
    Bytes of a database.

    Attributes:
        size: All of it.
        free: Pages without a row; on PostgreSQL what rows of before take until they are vacuumed,
            as its statistics estimate it.
    """

    size: int
    free: int


_DEAD = """
SELECT coalesce(sum(pg_table_size(relid) * n_dead_tup / greatest(n_live_tup + n_dead_tup, 1)), 0)
FROM pg_stat_user_tables
"""


def room_in(database: Database) -> Room:
    """Tell how large a database is."""
    with reading(database) as connection:
        if database.embedded:
            page = _number(connection, "PRAGMA page_size")
            pages = _number(connection, "PRAGMA page_count")
            return Room(page * pages, page * _number(connection, "PRAGMA freelist_count"))
        size = _number(connection, "SELECT pg_database_size(current_database())")
        return Room(size, _number(connection, _DEAD))


def _number(connection: Connection, sql: str) -> int:
    return int(connection.exec_driver_sql(sql).scalar_one())
