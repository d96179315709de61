"""
Saves a store into one file beside a running server, and brings such a file back.

A backup is a SQLite file whatever the store runs on, holds one state of it, and has passed its
audit. It keeps a check of the code pepper, never the pepper.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import hmac
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from server.storage.alone import alone
from server.storage.audit import Findings, Report, audit, no_report
from server.storage.connections import require_database
from server.storage.copy import copy_store
from server.storage.databases import BUSY_TIMEOUT_S, Database, prepare_file
from server.storage.migrate import SchemaError, migrate, require_current, require_known

_SIDE_FILES = ("-journal", "-wal", "-shm")
_UNCOUNTED = {"alembic_version", "catalog_revision"}
"""Tables that have rows even where nothing has happened."""


class BackupError(Exception):
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
        pepper_known: Whether the backup can tell its pepper from another.
    """

    rows: Counter[str]
    size: int
    newest_transfer: int
    newest_ms: int
    pepper_known: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """
    What a restored store holds.

    Attributes:
        saved: What the backup held.
        migrated: Revisions of its schema before and after.
        pepper_fits: Whether the pepper is the backup's; absent when one of them is not known.
    """

    saved: Saved
    migrated: tuple[str | None, str]
    pepper_fits: bool | None


def back_up(
    source: Database,
    file: Path,
    pepper: bytes | None,
    report: Report = no_report,
    *,
    replace: bool = False,
) -> Saved:
    """
    Save one state of a store, beside whoever reads and writes it, and audit what was saved.

    Everything acknowledged before the call is in it. The file is there as a whole or not at all.

    Raises:
        BackupError: The file exists and *replace* is off, the disk is full, or what was saved
            fails its audit.
        SchemaError: The store has another schema than this version's.
        UnreachableError: The database does not answer.
    """
    require_database(source)
    _require_place(source, file, replace=replace)
    require_current(source)
    with _beside(file) as draft:
        try:
            _save(source, draft, report)
            _mark(draft, pepper)
        except sqlite3.Error as problem:
            raise BackupError(f"{file} was not written: {problem}") from None
        saved = _describe(draft)
        _sync(draft)
        if not replace and file.exists():
            raise BackupError(f"{file} exists meanwhile: nothing was written")
        draft.replace(file)
        _sync(file.absolute().parent)
    return saved


def restore(
    file: Path,
    target: Database,
    pepper: bytes | None,
    report: Report = no_report,
    *,
    replace: bool = False,
) -> Restored:
    """
    Put a backup into a database of either kind, all of it or nothing; a backup stays as it is.

    A backup of an older schema is migrated on the way. What is put in place has passed its audit.

    Raises:
        BackupError: It is no backup or fails its audit; or the target has rows and *replace* is
            off, or somebody has it open.
        CopyError: As above, on PostgreSQL.
        SchemaError: The backup or the target has a schema newer than this version's.
        UnreachableError: The database does not answer.
    """
    _require_backup(file)
    with _workplace(file, target) as draft:
        try:
            _clone(file, draft, "ro")
        except sqlite3.Error as problem:
            raise BackupError(f"{file} was not read: {problem}") from None
        try:
            migrated = migrate(Database.from_text(f"sqlite:///{draft}"))
        except SchemaError as problem:
            raise SchemaError(f"{file}: {problem}") from None
        check = _pepper_check_of(draft)
        fits = None if not check or pepper is None else check == _pepper_check(pepper)
        if target.embedded:
            _put_in_place(draft, Path(target.url.database or ""), report, replace=replace)
        else:
            copy_store(
                Database.from_text(f"sqlite:///{draft}"),
                target,
                report,
                replace=replace,
                alone=True,
            )
        return Restored(_describe(draft), migrated, fits)


def _require_place(source: Database, file: Path, *, replace: bool) -> None:
    if not file.absolute().parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    if file.exists() and not file.is_file():
        raise BackupError(f"{file} is not a file")
    if source.embedded and file.exists() and file.samefile(source.url.database or ""):
        raise BackupError(f"{file} is the store itself")
    if file.exists() and not replace:
        raise BackupError(f"{file} exists: nothing was written; --force writes over it")


def _save(source: Database, draft: Path, report: Report) -> None:
    """Copy one state of the store, and audit the copy."""
    saved = Database.from_text(f"sqlite:///{draft}")
    if not source.embedded:
        copy_store(source, saved, report)
        return
    # Who may only read the log could not tidy it away afterwards.
    _clone(Path(source.url.database or ""), draft, "rw")
    _require_holding(audit(saved, report), "what was saved fails its audit, so it was not kept")


def _clone(origin: Path, copy: Path, mode: str) -> None:
    """
    Copy one state of an embedded database, page by page, beside its writer.

    All pages in one step: it is one read, which a writer neither waits for nor makes begin again.
    """
    source = sqlite3.connect(f"{origin.absolute().as_uri()}?mode={mode}", uri=True)
    with closing(source), closing(sqlite3.connect(copy, isolation_level=None)) as draft:
        # It is synced as a whole when it is complete; until then nobody relies on it.
        draft.execute("PRAGMA synchronous = OFF")
        source.backup(draft)
        # The log's mode is copied too, and would make side files wherever the copy is opened.
        draft.execute("PRAGMA journal_mode = DELETE")


def _put_in_place(draft: Path, place: Path, report: Report, *, replace: bool) -> None:
    findings = audit(Database.from_text(f"sqlite:///{draft}"), report)
    _require_holding(findings, "the backup fails its audit, so nothing was changed")
    fresh = not place.exists()
    prepare_file(place)
    try:
        with _replaceable(place) as target:
            if not replace:
                _require_empty(target, place)
            with closing(sqlite3.connect(draft)) as origin:
                # One transaction of the target: cut short, its journal brings back what was there.
                origin.backup(target)
            target.execute("PRAGMA user_version = 0")
    except sqlite3.Error as problem:
        fault = f"{place} was not changed: {problem}"
        if fresh:
            place.unlink(missing_ok=True)
        raise BackupError(fault) from None


@contextmanager
def _replaceable(place: Path) -> Iterator[sqlite3.Connection]:
    """Open an embedded database to be replaced: nobody else has it open, and it is no newer one."""
    with ExitStack() as cleanup:
        try:
            target = cleanup.enter_context(alone(place))
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            raise BackupError(
                f"{place} is no database: move it and its -wal and -shm away, then restore again"
            ) from None
        _require_not_newer(target, place)
        yield target


def _require_not_newer(target: sqlite3.Connection, place: Path) -> None:
    with suppress(sqlite3.OperationalError):  # It has no tables, or is damaged.
        for (revision,) in target.execute("SELECT version_num FROM alembic_version"):
            try:
                require_known(revision)
            except SchemaError as problem:
                raise SchemaError(f"{place}: {problem}") from None


def _require_empty(target: sqlite3.Connection, place: Path) -> None:
    for table, rows in _rows(target).items():
        if rows and table not in _UNCOUNTED:
            raise BackupError(
                f"{place} is not empty: table {table} has rows; --replace deletes what is there"
            )


def _require_backup(file: Path) -> None:
    """Refuse what is no store of ours."""
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    try:
        with closing(_read_only(file)) as connection:
            known = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'transfer')"
            ).fetchone()
    except sqlite3.Error as problem:
        raise BackupError(f"{file} is no backup: {problem}") from None
    if known != (2,):
        raise BackupError(f"{file} is no backup: it has no ledger")


def _require_holding(findings: Findings, what: str) -> None:
    if not findings.all_hold:
        raise BackupError(
            f"{what}: {findings.problems[0]} ({findings.problem_count} bad rows in all)"
        )


def _describe(file: Path) -> Saved:
    with closing(_read_only(file)) as connection:
        newest = connection.execute(
            "SELECT transfer_id, recorded_ms FROM transfer ORDER BY transfer_id DESC LIMIT 1"
        ).fetchone()
        number, recorded_ms = newest or (0, 0)
        check = connection.execute("PRAGMA user_version").fetchone()
        rows = _rows(connection)
    rows.pop("alembic_version", None)
    return Saved(rows, file.stat().st_size, number, recorded_ms, check != (0,))


def _rows(connection: sqlite3.Connection) -> Counter[str]:
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return Counter(
        {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608
            for (table,) in tables
        }
    )


def _mark(draft: Path, pepper: bytes | None) -> None:
    """Leave a check of the pepper in the file's header, where no table has to have a place."""
    if pepper is not None:
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA user_version = {_pepper_check(pepper)}")


def _pepper_check(pepper: bytes) -> int:
    """
    Make 31 bits that another pepper would hardly make; never 0, which says that there are none.

    They tell a mistake from the right pepper. To a thief they tell less than each code's digest,
    which is keyed alike and stands in the same file.
    """
    digest = hmac.digest(pepper, b"loyalty pepper check", hashlib.sha256)
    return int.from_bytes(digest[:4]) & 0x7FFFFFFF or 1


def _pepper_check_of(file: Path) -> int:
    with closing(_read_only(file)) as connection:
        check: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return check


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)


@contextmanager
def _workplace(file: Path, target: Database) -> Iterator[Path]:
    """Name a file that only its owner reads and that is gone afterwards, to work on a backup in."""
    if target.embedded:
        place = Path(target.url.database or "")
        place.parent.mkdir(parents=True, exist_ok=True)
        with _beside(place) as draft:
            yield draft
    else:
        with tempfile.TemporaryDirectory(prefix="loyalty-restore-") as folder:
            yield Path(folder) / file.name


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """Create a file of another name in the same folder; it is gone afterwards, unless moved."""
    folder = file.absolute().parent
    with _entered(file, folder):
        try:
            descriptor, name = tempfile.mkstemp(".partial", f".{file.name}.", folder)
        except OSError as problem:
            raise _unwritable(file, problem) from None
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            for suffix in ("", *_SIDE_FILES):
                Path(name + suffix).unlink(missing_ok=True)


@contextmanager
def _entered(file: Path, folder: Path) -> Iterator[None]:
    """
    Share the folder's lock with all who have a draft there; who is alone removes what is left.

    Whoever was killed left a draft behind. The drafts themselves are SQLite's to lock.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as problem:
        raise _unwritable(file, problem) from None
    try:
        with suppress(OSError):  # Others are at work, or the file system has no such locks.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for suffix in ("", *_SIDE_FILES):
                for left in folder.glob(f".{glob.escape(file.name)}.*.partial{suffix}"):
                    left.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _unwritable(file: Path, problem: OSError) -> BackupError:
    return BackupError(f"{file} can't be written: {problem.strerror}")


def _sync(path: Path) -> None:
    """Make a file, or what a folder lists, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
