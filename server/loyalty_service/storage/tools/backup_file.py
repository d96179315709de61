"""A backup file: where it may be written, and what it holds."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tables import DERIVED
from loyalty_service.storage.tools.proof import PROOF_TABLE

SIDE_FILES = ("-journal", "-wal", "-shm")
"""Files that SQLite makes beside a database: the ends of their names."""

_SECRET_FILES = ("code-pepper", "code-peppers-other")

_OF_A_STORE = "{file} is in {folder}, where the database is: nothing there is replaced"


class BackupError(OperatorError):
    """Raised when a store was not saved or not restored; nothing was changed then."""


@dataclass(frozen=True, slots=True)
class Saved:
    """
    What a backup holds.

    Attributes:
        rows: Rows by table.
        size: Bytes of the file.
        newest_transfer: Number of the last transfer, 0 without any.
        newest_ms: When it was recorded.
        proved: Whether it has a proof of its rows.
    """

    rows: Counter[str]
    size: int
    newest_transfer: int
    newest_ms: int
    proved: bool


def require_place(source: Database, file: Path, data_dir: Path | None, *, replace: bool) -> None:
    """Refuse a file that belongs to a database, by whatever name, or is not an older backup."""
    if not file.absolute().parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    if file.is_symlink():
        raise BackupError(f"{file} is a symbolic link: name the file itself")
    if file.exists() and not file.is_file():
        raise BackupError(f"{file} is not a file")
    _require_no_store(source, file, data_dir)
    if file.exists() and not replace:
        raise BackupError(f"{file} exists already: nothing was written; --force replaces it")
    if file.exists() and not _is_backup(file):
        raise BackupError(f"{file} is not a backup: --force replaces nothing else")


def _require_no_store(source: Database, file: Path, data_dir: Path | None) -> None:
    if file.name in _SECRET_FILES:
        raise BackupError(f"{file} has the name of a file with code peppers")
    if source.embedded:
        store = Path(source.url.database or "")
        if file.absolute().parent.samefile(store.parent) and _is_side_file(file, store):
            raise BackupError(f"{file} belongs to the database itself")
        _require_outside(file, store.parent)
    if data_dir is not None:
        _require_outside(file, data_dir)
        if file.exists() and file.resolve().is_relative_to(data_dir.resolve()):
            raise BackupError(_OF_A_STORE.format(file=file, folder=data_dir))


def _is_side_file(file: Path, store: Path) -> bool:
    return file.name in {f"{store.name}{suffix}" for suffix in ("", *SIDE_FILES)}


def _require_outside(file: Path, folder: Path) -> None:
    """Refuse to replace what lies in a store's folder; a hard link elsewhere is the same file."""
    if file.exists() and folder.is_dir():
        for path in folder.iterdir():
            if path.is_file() and path.samefile(file):
                raise BackupError(_OF_A_STORE.format(file=file, folder=folder))


def _is_backup(file: Path) -> bool:
    """Tell a backup, or a file without content, from the database of a store and from the rest."""
    with file.open("rb") as opened:
        head = opened.read(20)
    if not head:
        return True
    beside = [f"{file.name}{suffix}" for suffix in SIDE_FILES]
    if any(file.with_name(name).exists() for name in (*beside, *_SECRET_FILES)):
        return False
    # A store that was ever served says that it has a log; a backup has none.
    return head[:16] == b"SQLite format 3\0" and head[18:20] == b"\x01\x01"


def failed_name(file: Path) -> Path:
    """Find a name that tells of the failure and is not taken."""
    for number in count(1):
        name = file.with_name(f"{file.name}.failed-audit{'' if number == 1 else f'-{number}'}")
        if not name.exists() and not name.is_symlink():
            return name
    raise AssertionError


def describe(file: Path) -> Saved:
    """Tell what a complete backup holds."""
    with closing(read_only(file)) as connection:
        newest = connection.execute(
            "SELECT transfer_id, recorded_ms FROM transfer ORDER BY transfer_id DESC LIMIT 1"
        ).fetchone()
        number, recorded_ms = newest or (0, 0)
        rows = rows_of(connection)
    for table in ("alembic_version", *DERIVED):
        rows.pop(table, None)
    proved = rows.pop(PROOF_TABLE, None) is not None
    return Saved(rows, file.stat().st_size, number, recorded_ms, proved)


def rows_of(connection: sqlite3.Connection) -> Counter[str]:
    """Count the rows of each table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return Counter(
        {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608
            for (table,) in tables
        }
    )


def read_only(file: Path) -> sqlite3.Connection:
    """Open a backup that nobody writes to; no file is made beside it."""
    place = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(place, uri=True)
