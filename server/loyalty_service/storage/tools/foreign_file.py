"""
Reads a SQLite file that anybody may have written, and takes rows from it, never anything else.

A file of SQLite carries more than rows: triggers, views, generated columns and indexes run when
their tables are used. So its rows are copied into a schema that this version built itself, from
tables whose names and columns are expected, and whatever else it has is refused by name.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from loyalty_service.storage.report_views import VIEW_NAMES
from loyalty_service.storage.tools.proof import FORMAT, PROOF_TABLE, Proof, Report, Shape

_FILE = "foreign_file"
_VALUE_BYTES_MAX = 64 * 1024 * 1024
"""No value that a server writes comes near: the longest is an order or a program."""

_SCHEMA_BYTES_MAX = 1024 * 1024
_OWN_OF_SQLITE = re.compile(r"sqlite_(stat[14]|sequence|autoindex_\w+)")
_PLAIN_TABLE = re.compile(r"\s*CREATE\s+TABLE\s", re.IGNORECASE)


class ForeignFileError(Exception):
    """Raised when a file has what no backup has; it names the first such thing."""


@contextmanager
def attached(connection: sqlite3.Connection, file: Path) -> Iterator[None]:
    """
    Attach a file to a connection of our own database, for reading only.

    A log or journal that somebody put beside it is not read.

    Raises:
        sqlite3.Error: It is no database, or damaged.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES_MAX)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _SCHEMA_BYTES_MAX)
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        connection.execute(f"ATTACH DATABASE ? AS {_FILE}", (uri,))
        yield
    except UnicodeDecodeError as problem:
        # SQLite's message quotes the damaged bytes, and Python can't turn them into text.
        raise sqlite3.DatabaseError(problem.object.decode(errors="replace")) from None
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # A query that failed may still hold it; then it goes when the connection is closed.
        with suppress(sqlite3.Error):
            connection.execute(f"DETACH DATABASE {_FILE}")


def revision_in(connection: sqlite3.Connection) -> str | None:
    """Read which schema the attached file says it has; absent when it has no ledger."""
    if not _plain_tables(connection) >= {"alembic_version", "transfer"}:
        return None
    row = connection.execute(f"SELECT version_num FROM {_FILE}.alembic_version").fetchone()  # noqa: S608
    return None if row is None else str(row[0])


def proof_in(connection: sqlite3.Connection) -> Proof | None:
    """
    Read the proof of the attached file, where it has one of a form that this version knows.

    Raises:
        ForeignFileError: It has one of a newer version.
    """
    if PROOF_TABLE not in _plain_tables(connection):
        return None
    rows = connection.execute(
        f"SELECT format, check_value, digest FROM {_FILE}.{PROOF_TABLE}"  # noqa: S608
    ).fetchmany(2)
    if len(rows) != 1:
        return None
    form, check_value, digest = rows[0]
    if form != FORMAT:
        raise ForeignFileError(f"its proof has form {form}, which only another version can read")
    if not isinstance(check_value, bytes) or not isinstance(digest, bytes):
        return None
    return Proof(check_value, digest)


def require_expected(connection: sqlite3.Connection, shapes: Mapping[str, Shape]) -> None:
    """
    Refuse an attached file that is damaged, or has anything but the tables of a schema.

    Raises:
        ForeignFileError: It names the first thing that is there and should not be, or is missing.
        sqlite3.Error: The file is damaged.
    """
    own = set(connection.execute("SELECT type, name FROM main.sqlite_master").fetchall())
    # The views for analysts belong to no schema, so a draft of an older one has none. Nothing asks
    # those of the file: they are left behind with it.
    own |= {("table", PROOF_TABLE)} | {("view", name) for name in VIEW_NAMES}
    for kind, name, sql in connection.execute(
        f"SELECT type, name, sql FROM {_FILE}.sqlite_master ORDER BY type, name"  # noqa: S608
    ):
        if _OWN_OF_SQLITE.fullmatch(str(name)):
            continue
        if (kind, name) not in own:
            raise ForeignFileError(f"it has a {kind} {name}, which no version makes")
        if kind == "table" and not _PLAIN_TABLE.match(str(sql)):
            raise ForeignFileError(f"its table {name} is not a plain table")
    found = _plain_tables(connection)
    for name, shape in shapes.items():
        if name not in found:
            raise ForeignFileError(f"it has no table {name}")
        _require_columns(connection, name, shape)
    for (told,) in connection.execute(f"PRAGMA {_FILE}.quick_check(1)"):
        if told != "ok":
            raise ForeignFileError(f"it is damaged: {told}")


def _require_columns(connection: sqlite3.Connection, name: str, shape: Shape) -> None:
    question = "SELECT name, hidden FROM pragma_table_xinfo(?, ?)"
    columns = dict(connection.execute(question, (name, _FILE)).fetchall())
    for column, hidden in columns.items():
        if column not in shape.columns or hidden:
            raise ForeignFileError(
                f"its table {name} has a column {column}, which no version makes"
            )
    for column in shape.columns:
        if column not in columns:
            raise ForeignFileError(f"its table {name} has no column {column}")


def take_rows(connection: sqlite3.Connection, shapes: Mapping[str, Shape], report: Report) -> None:
    """
    Copy the rows of an attached file into the tables of the connection's own database.

    Raises:
        ForeignFileError: A row does not fit.
        sqlite3.Error: The file is damaged.
    """
    for done, (name, shape) in enumerate(shapes.items()):
        report("rows", done, len(shapes))
        columns = ", ".join(f'"{column}"' for column in shape.columns)
        connection.execute(f'DELETE FROM main."{name}"')  # noqa: S608 - names of our own schema.
        try:
            connection.execute(
                f'INSERT INTO main."{name}" ({columns}) '  # noqa: S608
                f'SELECT {columns} FROM {_FILE}."{name}" NOT INDEXED'
            )
        except sqlite3.IntegrityError as problem:
            raise ForeignFileError(f"a row of its table {name} does not fit: {problem}") from None
    report("rows", len(shapes), len(shapes))


def _plain_tables(connection: sqlite3.Connection) -> set[str]:
    """Name the tables that hold rows of their own, and are made by no module."""
    found = connection.execute(f"SELECT name, sql FROM {_FILE}.sqlite_master WHERE type = 'table'")  # noqa: S608
    return {str(name) for name, sql in found if _PLAIN_TABLE.match(str(sql))}
