"""Brings a backup back into a database of either kind: its rows and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage.alone import alone
from loyalty_service.storage.databases import Database, prepare_file
from loyalty_service.storage.migrate import SchemaError, migrate
from loyalty_service.storage.migrate import require_known as require_known_revision
from loyalty_service.storage.peppers import announce, kept_peppers, missed_among
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup_file import (
    BackupError,
    Saved,
    describe,
    read_only,
    rows_of,
)
from loyalty_service.storage.tools.chains import Report, no_report
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.drafts import workplace
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.foreign_file import (
    ForeignFileError,
    attached,
    proof_in,
    require_expected,
    revision_in,
    take_rows,
)
from loyalty_service.storage.tools.proof import (
    Proof,
    Shape,
    is_named_here,
    pepper_of,
    prove,
    shapes_in,
)

_UNCOUNTED = {"alembic_version", "catalog_revision", "code_pepper"}
"""Tables that have rows even where nothing has happened."""

OLDER_PEPPER = "of an older version"
"""Name of a pepper if the backup has too little of it for its own name."""


@dataclass(frozen=True, slots=True)
class PepperFit:
    """
    How the peppers of this machine compare with those of a restored database.

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
    What a restored database has.

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
    with workplace(file, target) as draft:
        proved = _take(file, draft, peppers, report, unproved=unproved)
        migrated = migrate(Database.of_file(draft))
        fit = _pepper_fit(file, draft, peppers)
        if target.embedded:
            _put_in_place(draft, Path(target.url.database or ""), report, replace=replace)
        else:
            copy_store(
                Database.of_file(draft),
                target,
                report,
                replace=replace,
                alone=True,
            )
        name = None if proved is None else name_of(check_of(proved))
        size = file.stat().st_size
        saved = dataclasses.replace(describe(draft), size=size, proved=proved is not None)
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
            raise BackupError(f"{file} is not a backup: it has no ledger")
        require_known_revision(revision)
        migrate(Database.of_file(draft), revision)
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
        if getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            # Of the draft: nobody may take a good backup for a damaged one.
            raise BackupError(
                f"there is too little room in {draft.parent}: {file} was not restored, and nothing "
                "was changed"
            ) from None
        raise BackupError(f"{file} is not a backup, or is damaged: {problem}") from None
    except ForeignFileError as problem:
        raise BackupError(f"{file} can't be restored: {problem}") from None
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
        why = "has no proof of its rows, like the backups of older versions"
    elif pepper is None and is_named_here(proof, peppers):
        why = (
            f"has a damaged proof: it names the code pepper {name_of(proof.check_value)}, which "
            "is known here, but its check value differs"
        )
    elif pepper is None:
        why = (
            f"was proved with the code pepper {name_of(proof.check_value)}, which is not known "
            "here: set it in LOYALTY_OTHER_CODE_PEPPERS"
        )
    elif hmac.compare_digest(prove(own, revision, shapes, pepper, report), proof.digest):
        return pepper
    else:
        why = "was changed after it was saved: its rows do not fit its proof"
    if not unproved:
        raise BackupError(
            f"{file} {why}. Whoever could write the file may have changed any row, API keys and "
            "points among them; --unproved restores it all the same. Nothing was changed"
        )
    return None


def _pepper_fit(file: Path, draft: Path, peppers: Peppers | None) -> PepperFit:
    """
    Compare the peppers here with the database's, and announce the current one in the draft.

    The store may be of before a rotation. No server runs, so none can miss what is announced, and
    without that none could start: each would wait for another that knows its pepper.
    """
    store = Database.of_file(draft)
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


def _put_in_place(draft: Path, place: Path, report: Report, *, replace: bool) -> None:
    findings = audit(Database.of_file(draft), report)
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
                f"{place} is not a database: move it and its -wal and -shm away, then restore again"
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
    for table, rows in rows_of(target).items():
        if rows and table not in _UNCOUNTED:
            raise BackupError(
                f"{place} is not empty: table {table} has rows; --replace deletes what is there"
            )


def _require_holding(findings: Findings, what: str) -> None:
    if not findings.all_hold:
        raise BackupError(
            f"{what}: {findings.problems[0]} ({findings.problem_count} bad rows in all)"
        )


def _older_check(pepper: bytes) -> int:
    """Make the 31 bits by which backups of older versions tell their pepper; never 0."""
    digest = hmac.digest(pepper, b"loyalty pepper check", hashlib.sha256)
    return int.from_bytes(digest[:4]) & 0x7FFFFFFF or 1


def _older_check_of(file: Path) -> int:
    with closing(read_only(file)) as connection:
        check: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return check
