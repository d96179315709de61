"""What a database holds already, looked up before anything is created or migrated in it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, exists, func, inspect, literal_column, select
from sqlalchemy import table as table_of
from sqlmodel import col

from loyalty_service.storage.connections import reading
from loyalty_service.storage.databases import Database, is_absent
from loyalty_service.storage.tables import (
    ApiKeyTable,
    CodeTable,
    KeptAnswerTable,
    ProgramTable,
    TransactionTable,
)

PEPPERED = tuple(
    str(table.__tablename__) for table in (CodeTable, TransactionTable, KeptAnswerTable)
)
"""Tables whose rows are useless without the pepper with which they were written."""


def needs_known_pepper(database: Database) -> bool:
    """
    Tell whether an embedded database holds what another pepper than its own can't read.

    Raises:
        UnreachableError: The database does not answer.
    """
    if is_absent(database):
        return False
    with reading(database) as connection:
        there = set(inspect(connection).get_table_names())
        return any(name in there and _has_rows(connection, name) for name in PEPPERED)


def strangers(
    database: Database, programs: Collection[str], key_digests: Collection[bytes]
) -> list[str]:
    """
    Name the programs and the API keys that a database has beside these.

    Where it has all of these keys, others of the same programs were made by hand beside them, and
    are none of a stranger's.

    Raises:
        UnreachableError: The database does not answer.
    """
    if is_absent(database):
        return []
    with reading(database) as connection:
        there = set(inspect(connection).get_table_names())
        if not there >= {ProgramTable.__tablename__, ApiKeyTable.__tablename__}:
            return []
        others = select(col(ProgramTable.program_id)).where(
            col(ProgramTable.program_id).not_in(programs)
        )
        ours = select(func.count()).where(col(ApiKeyTable.digest).in_(key_digests))
        keys = select(col(ApiKeyTable.key_id)).where(col(ApiKeyTable.digest).not_in(key_digests))
        if connection.scalar(ours) == len(key_digests):
            keys = keys.where(col(ApiKeyTable.program_id).not_in(programs))
        return [
            *(f"program {name}" for name in connection.scalars(others)),
            *(f"API key {name}" for name in connection.scalars(keys)),
        ]


def _has_rows(connection: Connection, table: str) -> bool:
    found = exists(literal_column("1")).select_from(table_of(table))
    return bool(connection.execute(select(found)).scalar())
