"""
Saves a store into one file beside a running server, and brings such a file back.

A backup is a SQLite file whatever the store runs on, and holds one state of it. It has passed its
audit, or says in its name that it has not. A digest over all its rows, keyed with the code pepper,
proves that they are those that were saved; the pepper itself is not in it.
"""

from __future__ import annotations

import dataclasses
import fcntl
import glob
import hashlib
import hmac
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage.alone import alone
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.databases import Database, prepare_file
from loyalty_service.storage.migrate import SchemaError, migrate, require_current
from loyalty_service.storage.migrate import require_known as require_known_revision
from loyalty_service.storage.peppers import announce, kept_peppers, missed_among, require_known
from loyalty_service.storage.tools.audit import Findings, Report, audit, no_report
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.foreign_file import (
    ForeignFileError,
    attached,
    proof_in,
    require_expected,
    revision_in,
    take_rows,
)
from loyalty_service.storage.tools.proof import (
    PROOF_TABLE,
    Proof,
    Shape,
    is_named_here,
    keep_proof,
    pepper_of,
    prove,
    shapes_in,
    shapes_of_today,
)

_SIDE_FILES = ("-journal", "-wal", "-shm")
_SECRET_FILES = ("code-pepper", "code-peppers-other")
_UNCOUNTED = {"alembic_version", "catalog_revision", "code_pepper"}
"""Tables that have rows even where nothing has happened."""


OLDER_PEPPER = "of an older version"
"""What a pepper is called of which a backup keeps less than its name."""

_OF_A_STORE = "{file} lies in {folder}, where the store is: nothing there is written over"


class BackupError(OperatorError):
    """Raised when a store was not saved or not restored; nothing was changed then."""


class FailedAuditError(BackupError):
    """Raised when what was saved fails its audit; it is kept, under a name that says so."""

    def __init__(self, file: Path, findings: Findings) -> None:
        super().__init__(
            f"what was saved fails its audit, so it was kept as {file}: {findings.problems[0]} "
            f"({findings.problem_count} bad rows in all). `loyalty repair` tells what can be mended"
        )
        self.file = file


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


@dataclass(frozen=True, slots=True)
class PepperFit:
    """
    How the peppers of this machine stand to those that a restored store was served with.

    Attributes:
        in_use: Names of the store's, the newest first; none where it does not tell.
        missing: Those of them that are not here: no server starts without them.
        current: Name of the one that a server would digest with; absent where none is here.
        announced: Whether the store was told of that one, which it did not know.
    """

    in_use: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    current: str | None = None
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """
    What a restored store holds.

    Attributes:
        saved: What the backup held.
        migrated: Revisions of its schema before and after.
        proved_by: Name of the pepper that its rows were proved with; absent when they were not.
        peppers: How the peppers here stand to the store's.
    """

    saved: Saved
    migrated: tuple[str | None, str]
    proved_by: str | None
    peppers: PepperFit


def back_up(
    source: Database,
    file: Path,
    pepper: bytes | Peppers | None,
    report: Report = no_report,
    *,
    replace: bool = False,
    data_dir: Path | None = None,
) -> Saved:
    """
    Save one state of a store, beside whoever reads and writes it, and audit what was saved.

    Everything acknowledged before the call is in it. The file is there as a whole or not at all.
    Without a pepper it has no proof.

    Args:
        source: The store.
        file: Where to save it.
        pepper: What to prove it with.
        report: Told how far it is.
        replace: Write over an older backup; never over what belongs to a store.
        data_dir: Folder of the store's secrets, in which nothing is replaced.

    Raises:
        BackupError: The file exists and *replace* is off, or belongs to a store; or the disk is
            full.
        FailedAuditError: What was saved fails its audit. It is kept under another name.
        PepperError: The pepper is not the store's, so that nobody could prove the backup.
        SchemaError: The store has another schema than this version's.
        UnreachableError: The database does not answer.
    """
    require_database(source)
    _require_place(source, file, data_dir, replace=replace)
    require_current(source)
    peppers = None if pepper is None else Peppers.of(pepper)
    if peppers is not None:
        require_known(source, peppers)
    with _beside(file) as draft:
        try:
            findings = _save(source, draft, report)
            if peppers is not None:
                _prove(draft, peppers.current, report)
        except sqlite3.Error as problem:
            raise BackupError(f"{file} was not written: {problem}") from None
        saved = _describe(draft)
        _sync(draft)
        if not findings.all_hold:
            failed = _failed_name(file)
            _move(draft, failed)
            raise FailedAuditError(failed, findings)
        if not replace and file.exists():
            raise BackupError(f"{file} exists meanwhile: nothing was written")
        _move(draft, file)
    return saved


def restore(
    file: Path,
    target: Database,
    pepper: bytes | Peppers | None,
    report: Report = no_report,
    *,
    replace: bool = False,
    unproved: bool = False,
) -> Restored:
    """
    Put the rows of a backup into a database of either kind, all of them or nothing.

    Rows are taken and nothing else, into a schema that this version builds; the file stays as it
    is. A backup of an older schema is migrated on the way. What is put in place has passed its
    audit.

    Args:
        file: The backup, which anybody may have written.
        target: Where its rows go.
        pepper: What proves them: the current pepper or another that is known.
        report: Told how far it is.
        replace: Delete what the target has, rather than refuse it.
        unproved: Take rows that nothing proves, as those of a backup without a proof.

    Raises:
        BackupError: It is no backup, has what no backup has, is not proved, or fails its audit;
            or the target has rows and *replace* is off, or somebody has it open.
        CopyError: As above, on PostgreSQL.
        SchemaError: The backup or the target has a schema newer than this version's.
        UnreachableError: The database does not answer.
    """
    if not file.is_file():
        raise BackupError(f"there is no file {file}")
    peppers = None if pepper is None else Peppers.of(pepper)
    with _workplace(file, target) as draft:
        proved = _take(file, draft, peppers, report, unproved=unproved)
        migrated = migrate(Database.from_text(f"sqlite:///{draft}"))
        fit = _pepper_fit(file, draft, peppers)
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
        name = None if proved is None else name_of(check_of(proved))
        size = file.stat().st_size
        saved = dataclasses.replace(_describe(draft), size=size, proved=proved is not None)
        return Restored(saved, migrated, name, fit)


def _take(
    file: Path, draft: Path, peppers: Peppers | None, report: Report, *, unproved: bool
) -> bytes | None:
    """Take the rows of a file into a draft of its schema; returns the pepper that proves them."""
    try:
        memory = sqlite3.connect(":memory:", isolation_level=None, uri=True)
        with closing(memory) as looking, attached(looking, file):
            revision = revision_in(looking)
        if revision is None:
            raise BackupError(f"{file} is no backup: it has no ledger")
        require_known_revision(revision)
        migrate(Database.from_text(f"sqlite:///{draft}"), revision)
        with closing(sqlite3.connect(draft, isolation_level=None, uri=True)) as own:
            own.execute("PRAGMA synchronous = OFF")
            shapes = shapes_in(own)
            with attached(own, file):
                own.execute("BEGIN")
                require_expected(own, shapes)
                if revision_in(own) != revision:
                    raise BackupError(f"{file} was changed meanwhile")
                proof = proof_in(own)
                take_rows(own, shapes, report)
                own.execute("COMMIT")
            return _proved(file, own, revision, shapes, proof, peppers, report, unproved=unproved)
    except sqlite3.Error as problem:
        raise BackupError(f"{file} is no backup, or is damaged: {problem}") from None
    except ForeignFileError as problem:
        raise BackupError(f"{file} is no backup that can be restored: {problem}") from None
    except SchemaError as problem:
        raise SchemaError(f"{file}: {problem}") from None


def _proved(
    file: Path,
    own: sqlite3.Connection,
    revision: str,
    shapes: Mapping[str, Shape],
    proof: Proof | None,
    peppers: Peppers | None,
    report: Report,
    *,
    unproved: bool,
) -> bytes | None:
    """Give the pepper that proves the rows; nothing where they need not be proved."""
    pepper = None if proof is None else pepper_of(proof, peppers)
    if proof is None:
        why = "has no proof of its rows, as backups of older versions have none"
    elif pepper is None and is_named_here(proof, peppers):
        why = (
            f"has a damaged proof: it names the code pepper {name_of(proof.check_value)}, which "
            "is here, and the rest of what it says of it differs"
        )
    elif pepper is None:
        why = (
            f"was proved with the code pepper {name_of(proof.check_value)}, which is not known "
            "here: bring it, in LOYALTY_OTHER_CODE_PEPPERS beside another"
        )
    elif hmac.compare_digest(prove(own, revision, shapes, pepper, report), proof.digest):
        return pepper
    else:
        why = "is not as it was saved: its rows do not make its proof"
    if not unproved:
        raise BackupError(
            f"{file} {why}. Whoever could write the file may have changed any row, API keys and "
            "points among them; --unproved restores it all the same. Nothing was changed"
        )
    return None


def _pepper_fit(file: Path, draft: Path, peppers: Peppers | None) -> PepperFit:
    """
    Tell how the peppers here stand to the store's, and announce the current one in the draft.

    The store may be of before a rotation. No server runs, so none can miss what is announced, and
    without that none could start: each would wait for another that knows its pepper.
    """
    store = Database.from_text(f"sqlite:///{draft}")
    kept = [one for one in kept_peppers(store) if one.current_ms is not None]
    in_use = tuple(one.name for one in sorted(kept, key=lambda one: -(one.current_ms or 0)))
    if not kept and (check := _older_check_of(file)):
        known = () if peppers is None else peppers.known
        found = [name_of(check_of(one)) for one in known if _older_check(one) == check]
        in_use = tuple(found) or (OLDER_PEPPER,)
        missing = () if found else in_use
    elif peppers is None:
        missing = in_use
    else:
        missing = tuple(one.name for one in missed_among(kept, peppers))
    if peppers is None:
        return PepperFit(in_use, missing)
    announced = announce(store, peppers)
    return PepperFit(in_use, missing, name_of(check_of(peppers.current)), announced)


def _require_place(source: Database, file: Path, data_dir: Path | None, *, replace: bool) -> None:
    """Refuse a file that belongs to a store, by whatever name, or that is no older backup."""
    if not file.absolute().parent.is_dir():
        raise BackupError(f"there is no folder {file.parent}")
    if file.is_symlink():
        raise BackupError(f"{file} is a symbolic link: name the file itself")
    if file.exists() and not file.is_file():
        raise BackupError(f"{file} is not a file")
    _require_no_store(source, file, data_dir)
    if file.exists() and not replace:
        raise BackupError(f"{file} exists: nothing was written; --force writes over it")
    if file.exists() and not _is_backup(file):
        raise BackupError(f"{file} is no older backup: --force writes over nothing else")


def _require_no_store(source: Database, file: Path, data_dir: Path | None) -> None:
    if file.name in _SECRET_FILES:
        raise BackupError(f"{file} has the name of a file with code peppers")
    if source.embedded:
        store = Path(source.url.database or "")
        if file.absolute().parent.samefile(store.parent) and _is_side_file(file, store):
            raise BackupError(f"{file} belongs to the store itself")
        _require_outside(file, store.parent)
    if data_dir is not None:
        _require_outside(file, data_dir)
        if file.exists() and file.resolve().is_relative_to(data_dir.resolve()):
            raise BackupError(_OF_A_STORE.format(file=file, folder=data_dir))


def _is_side_file(file: Path, store: Path) -> bool:
    return file.name in {f"{store.name}{suffix}" for suffix in ("", *_SIDE_FILES)}


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
    beside = [f"{file.name}{suffix}" for suffix in _SIDE_FILES]
    if any(file.with_name(name).exists() for name in (*beside, *_SECRET_FILES)):
        return False
    # A store that was ever served says that it has a log; a backup has none.
    return head[:16] == b"SQLite format 3\0" and head[18:20] == b"\x01\x01"


def _failed_name(file: Path) -> Path:
    """Find a name that tells of the failure and is not taken."""
    for number in count(1):
        name = file.with_name(f"{file.name}.failed-audit{'' if number == 1 else f'-{number}'}")
        if not name.exists() and not name.is_symlink():
            return name
    raise AssertionError


def _move(draft: Path, file: Path) -> None:
    draft.replace(file)
    _sync(file.absolute().parent)


def _save(source: Database, draft: Path, report: Report) -> Findings:
    """Copy one state of the store, and audit the copy."""
    saved = Database.from_text(f"sqlite:///{draft}")
    if not source.embedded:
        return copy_store(source, saved, report, keep_failed=True)
    # Who may only read the log could not tidy it away afterwards.
    _clone(Path(source.url.database or ""), draft, "rw")
    return audit(saved, report)


def _prove(draft: Path, pepper: bytes, report: Report) -> None:
    """Leave a proof of its rows in a backup."""
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        digest = prove(connection, revision, shapes_of_today(), pepper, report)
        keep_proof(connection, pepper, digest)


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
                require_known_revision(revision)
            except SchemaError as problem:
                raise SchemaError(f"{place}: {problem}") from None


def _require_empty(target: sqlite3.Connection, place: Path) -> None:
    for table, rows in _rows(target).items():
        if rows and table not in _UNCOUNTED:
            raise BackupError(
                f"{place} is not empty: table {table} has rows; --replace deletes what is there"
            )


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
        rows = _rows(connection)
    rows.pop("alembic_version", None)
    proved = rows.pop(PROOF_TABLE, None) is not None
    return Saved(rows, file.stat().st_size, number, recorded_ms, proved)


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


def _older_check(pepper: bytes) -> int:
    """Make the 31 bits by which backups of older versions tell their pepper; never 0."""
    digest = hmac.digest(pepper, b"loyalty pepper check", hashlib.sha256)
    return int.from_bytes(digest[:4]) & 0x7FFFFFFF or 1


def _older_check_of(file: Path) -> int:
    with closing(_read_only(file)) as connection:
        check: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return check


def _read_only(file: Path) -> sqlite3.Connection:
    place = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(place, uri=True)


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
