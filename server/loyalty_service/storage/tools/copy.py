"""Copies a whole database into another one, of either kind, and audits the copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection, Table, delete, exists, func, insert, literal_column, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from loyalty_service.domain.events import LANE_BITS
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage import tables as t
from loyalty_service.storage.alone import refusing_locks, require_unserved
from loyalty_service.storage.connections import reading, require_database, writing
from loyalty_service.storage.databases import LOCK_TIMEOUT_S, Database
from loyalty_service.storage.migrate import migrate, require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.audit import audit_state
from loyalty_service.storage.tools.chains import Report, no_report
from loyalty_service.storage.tools.findings import Findings

BATCH_ROWS = 5000

_REPLACED = (table_of(t.CatalogRevisionTable), table_of(t.CodePepperTable))
"""Tables that have rows once a store was opened, before anything has happened in it."""


class CopyError(OperatorError):
    """Raised when a store was not copied; the target has no rows then."""


def copy_store(
    source: Database,
    target: Database,
    report: Report = no_report,
    *,
    replace: bool = False,
    alone: bool = False,
    keep_failed: bool = False,
) -> Findings:
    """
    Copy all rows of one state of a database into an empty one; return the audit of the copy.

    What is written to the source meanwhile is not copied, so nothing should write to it. All of it
    arrives in one transaction, or nothing does; a database without tables is migrated first.

    Args:
        source: Where the rows are.
        target: Where they go.
        report: Told how far it is.
        replace: Delete what the target has, rather than refuse it.
        alone: Refuse a target on PostgreSQL that a server is connected to, and let none in.
        keep_failed: Keep a copy that fails its audit; the findings tell.

    Raises:
        CopyError: The target has rows, or is served; a row does not fit; or the copy fails its
            audit.
        SchemaError: The source or the target has another schema.
        UnreachableError: A database does not answer.
    """
    require_database(source)
    require_current(source)
    _prepare(target)
    with reading(source) as origin, writing(target) as copy:
        if alone:
            lock_all(target, copy)
        if replace:
            _empty(copy)
        else:
            _require_empty(target, copy, "; --replace deletes what is there" if alone else "")
        copied = _copy_tables(origin, copy, report)
        _finish(copy)
        _require_counts(copy, copied)
        findings = audit_state(copy, report)
        if not findings.all_hold and not keep_failed:
            raise CopyError(
                f"the copy fails its audit, so nothing was kept: {findings.problems[0]} "
                f"({findings.problem_count} bad rows in all). `loyalty audit` shows whether the "
                "source has them too"
            )
        findings.rows = copied
    return findings


def _prepare(target: Database) -> None:
    """Migrate a target without any schema, and refuse one with an older schema."""
    with writing(target) as copy:
        known = copy.dialect.has_table(copy, "alembic_version")
    if known:
        require_current(target)
    else:
        migrate(target)


def lock_all(target: Database, copy: Connection) -> None:
    """Refuse a database that a server writes to, and keep out whoever would start now."""
    if copy.dialect.name != "postgresql":
        return
    with refusing_locks(target):
        copy.exec_driver_sql(f"SET LOCAL lock_timeout = {round(LOCK_TIMEOUT_S * 1000)}")
        copy.exec_driver_sql(f"LOCK TABLE {_names(copy)} IN ACCESS EXCLUSIVE MODE")
    require_unserved(target, copy)


def _empty(copy: Connection) -> None:
    if copy.dialect.name == "postgresql":
        copy.exec_driver_sql(f"TRUNCATE {_names(copy)}")
    for table in reversed(_tables()):
        copy.execute(delete(table))


def _names(copy: Connection) -> str:
    return ", ".join(copy.dialect.identifier_preparer.quote(table.name) for table in _tables())


def _require_empty(target: Database, copy: Connection, way_out: str) -> None:
    for table in _tables():
        if table in _REPLACED:
            continue
        if copy.execute(select(exists(literal_column("1")).select_from(table))).scalar():
            place = target.shown
            raise CopyError(f"{place} is not empty: table {table.name} has rows{way_out}")
    for table in _REPLACED:
        copy.execute(delete(table))


def _tables() -> list[Table]:
    """Give all tables of a store, each after those it refers to."""
    left_out = t.OF_NOW | t.DERIVED
    return [table for table in SQLModel.metadata.sorted_tables if table.name not in left_out]


def _copy_tables(origin: Connection, copy: Connection, report: Report) -> Counter[str]:
    copied: Counter[str] = Counter()
    for table in _tables():
        try:
            for done in _copy_table(table, origin, copy, report):
                copied[table.name] = done
        except (DBAPIError, psycopg.Error) as problem:
            why = problem.orig if isinstance(problem, DBAPIError) else problem
            raise CopyError(
                f"table {table.name} was not accepted, so nothing was kept: {why}"
            ) from None
    return copied


def _copy_table(
    table: Table, origin: Connection, copy: Connection, report: Report
) -> Iterator[int]:
    """Copy a table in batches; yield the rows copied so far after each."""
    total = _count(origin, table)
    done = 0
    report(table.name, done, total)
    ordered = select(table).order_by(*table.primary_key)
    with origin.execution_options(yield_per=BATCH_ROWS).execute(ordered) as streamed:
        for batch in streamed.partitions():
            _put(copy, table, batch)
            done += len(batch)
            report(table.name, done, total)
            yield done


def _put(copy: Connection, table: Table, rows: Sequence[Any]) -> None:
    if copy.dialect.name != "postgresql":
        sql = str(insert(table).compile(dialect=copy.dialect))
        copy.exec_driver_sql(sql, [tuple(row) for row in rows])
        return
    quote = copy.dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.columns)
    driver: Any = copy.connection.driver_connection
    with driver.cursor() as cursor:
        statement = f"COPY {quote(table.name)} ({columns}) FROM STDIN"
        with cursor.copy(statement) as sink:
            for row in rows:
                sink.write_row(row)


def _finish(copy: Connection) -> None:
    """Let the target number new rows after the copied ones, and know how many there are."""
    if copy.dialect.name == "postgresql":
        for table in _tables():
            if table.autoincrement_column is not None:
                _number_after(copy, table, table.autoincrement_column.name)
    copy.exec_driver_sql("DELETE FROM event_lane")
    copy.exec_driver_sql(_LANES_AGAIN)
    # Without statistics, the audit's joins and the first days of service would be planned badly.
    copy.exec_driver_sql("ANALYZE")


_LANES_AGAIN = f"""
INSERT INTO event_lane (lane, newest)
SELECT event_id >> {LANE_BITS}, max(event_id) & {(1 << LANE_BITS) - 1}
FROM event GROUP BY event_id >> {LANE_BITS}
"""  # noqa: S608 - numbers of ours.


def _number_after(copy: Connection, table: Table, column: str) -> None:
    newest = select(func.coalesce(func.max(table.c[column]), literal_column("0")))
    sequence = func.pg_get_serial_sequence(table.name, column)
    copy.execute(
        select(func.setval(sequence, newest.scalar_subquery() + 1, literal_column("false")))
    )


def _require_counts(copy: Connection, copied: Counter[str]) -> None:
    for table in _tables():
        arrived = _count(copy, table)
        if arrived != copied[table.name]:
            raise CopyError(
                f"table {table.name} has {arrived} rows where {copied[table.name]} were copied, "
                "so nothing was kept"
            )


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
