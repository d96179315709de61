"""
Proves the rows of a backup: a digest over every row and the schema, keyed with the code pepper.

It does not depend on where the rows are in their file. So a file that was damaged or changed does
not fit its proof, and a copy of all rows does.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel

from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage import tables as tables  # noqa: PLC0414 - imported for its tables.

PROOF_TABLE = "backup_proof"
FORMAT = 1
BATCH_ROWS = 2000

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table by name, and those of its key in their order."""

    columns: tuple[str, ...]
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """
    What a backup keeps to be proved by.

    Attributes:
        check_value: Which pepper it was made with.
        digest: The keyed digest, of 32 bytes.
    """

    check_value: bytes
    digest: bytes


def shapes_of_today() -> dict[str, Shape]:
    """Give the shape of each table of this version's schema."""
    return {
        table.name: Shape(
            tuple(sorted(column.name for column in table.columns)),
            tuple(column.name for column in table.primary_key),
        )
        for table in SQLModel.metadata.tables.values()
    }


def shapes_in(connection: sqlite3.Connection) -> dict[str, Shape]:
    """Give the shape of each table of a database that this version has just built itself."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND name <> 'alembic_version'"
    ).fetchall()
    shapes = {}
    for (name,) in names:
        found = connection.execute(
            "SELECT name, pk FROM pragma_table_info(?) ORDER BY pk", (name,)
        ).fetchall()
        columns = tuple(sorted(column for column, _ in found))
        shapes[name] = Shape(columns, tuple(column for column, place in found if place))
    return shapes


def prove(
    connection: sqlite3.Connection,
    revision: str,
    shapes: Mapping[str, Shape],
    pepper: bytes,
    report: Report,
) -> bytes:
    """
    Digest the rows of all tables with a pepper, in the order of their names and keys.

    It reads each row once and keeps none.

    Raises:
        sqlite3.Error: A row can't be read.
    """
    key = hmac.digest(pepper, b"loyalty backup proof", hashlib.sha256)
    digest = hmac.new(key, digestmod=hashlib.sha256)
    digest.update(_encoded([("loyalty backup", FORMAT, revision, len(shapes))]))
    for name in sorted(shapes):
        shape = shapes[name]
        columns = ", ".join(f'"{column}"' for column in shape.columns)
        order = ", ".join(f'"{column}"' for column in shape.key)
        (total,) = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608
        digest.update(_encoded([(name, total), shape.columns]))
        done = 0
        rows = connection.execute(f'SELECT {columns} FROM "{name}" ORDER BY {order}')  # noqa: S608
        while batch := rows.fetchmany(BATCH_ROWS):
            digest.update(_encoded(batch))
            done += len(batch)
            report("proof", done, total)
        digest.update(_encoded([(done,)]))
    return digest.digest()


def keep_proof(connection: sqlite3.Connection, pepper: bytes, digest: bytes) -> None:
    """Put a proof into a backup, in place of any that is there."""
    connection.execute(f"DROP TABLE IF EXISTS {PROOF_TABLE}")
    connection.execute(
        f"CREATE TABLE {PROOF_TABLE} (format INTEGER, check_value BLOB, digest BLOB)"
    )
    connection.execute(
        f"INSERT INTO {PROOF_TABLE} VALUES (?, ?, ?)",  # noqa: S608 - a name of ours.
        (FORMAT, check_of(pepper), digest),
    )


def pepper_of(proof: Proof, peppers: Peppers | None) -> bytes | None:
    """Find the pepper that a proof was made with among those that are known."""
    known = () if peppers is None else peppers.known
    return next((one for one in known if check_of(one) == proof.check_value), None)


def is_named_here(proof: Proof, peppers: Peppers | None) -> bool:
    """Tell whether a known pepper has the name that a proof's has, be it the same or not."""
    known = () if peppers is None else peppers.known
    return name_of(proof.check_value) in {name_of(check_of(one)) for one in known}


def _encoded(rows: Sequence[Sequence[Any]]) -> bytes:
    """Write values one after the other, such that no other values are written alike."""
    parts = []
    for row in rows:
        for value in row:
            if value is None:
                parts.append(b"n")
            elif isinstance(value, int):
                parts.append(b"i%d," % value)
            elif isinstance(value, bytes):
                parts.append(b"b%d:%b" % (len(value), value))
            elif isinstance(value, str):
                text = value.encode()
                parts.append(b"t%d:%b" % (len(text), text))
            else:
                text = repr(value).encode()
                parts.append(b"f%d:%b" % (len(text), text))
    return b"".join(parts)
