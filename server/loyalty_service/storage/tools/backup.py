"""
Saves a database into one file beside a running server.

A backup is a SQLite file, whatever the database runs on, and has one state of it. It has passed its
audit, or its name says that it has not. A digest over all its rows, made with the code pepper as
its key, proves that they are those that were saved; the pepper itself is not in the file.
`restore.py` brings the file back.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup_file import (
    BackupError,
    Saved,
    describe,
    failed_name,
    require_place,
)
from loyalty_service.storage.tools.chains import Report, no_report
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.drafts import beside, move, sync
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.proof import keep_proof, prove, shapes_of_today


class FailedAuditError(BackupError):
    """Raised when what was saved fails its audit; it is kept, under a name that says so."""

    def __init__(self, file: Path, findings: Findings) -> None:
        super().__init__(
            f"what was saved fails its audit, so it was kept as {file}: {findings.problems[0]} "
            f"({findings.problem_count} bad rows in all). `loyalty repair` shows what it corrects"
        )
        self.file = file


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
    Save one state of a database, while others read and write it, and audit what was saved.

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
    require_place(source, file, data_dir, replace=replace)
    require_current(source)
    peppers = None if pepper is None else Peppers.of(pepper)
    if peppers is not None:
        require_known(source, peppers)
    with beside(file) as draft:
        try:
            findings = _save(source, draft, report)
            if peppers is not None:
                _prove(draft, peppers.current, report)
        except sqlite3.Error as problem:
            raise BackupError(f"{file} was not written: {problem}") from None
        saved = describe(draft)
        sync(draft)
        if not findings.all_hold:
            failed = failed_name(file)
            move(draft, failed)
            raise FailedAuditError(failed, findings)
        if not replace and file.exists():
            raise BackupError(f"{file} exists meanwhile: nothing was written")
        move(draft, file)
    return saved


def _save(source: Database, draft: Path, report: Report) -> Findings:
    """Copy one state of the store, and audit the copy."""
    saved = Database.of_file(draft)
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
    Copy one state of an embedded database, row by row, beside its writer.

    It is one read, which a writer neither waits for nor makes begin again. Pages would bring along
    what an older version has written over, and with it the names of members who were erased.
    """
    source = sqlite3.connect(
        f"{origin.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
    )
    with closing(source):
        # It is synced as a whole when it is complete; until then nobody relies on it.
        source.execute("VACUUM INTO ?", (str(copy),))
