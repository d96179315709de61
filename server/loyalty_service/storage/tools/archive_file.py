"""A file of transfers that left the ledger: how it is proved, and how it is audited alone."""

from __future__ import annotations

import hmac
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import reading, require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.backup_file import read_only
from loyalty_service.storage.tools.chains import Chain, Report, no_report, taken_up
from loyalty_service.storage.tools.checkpoints import chains_at, checkpoints, state_of
from loyalty_service.storage.tools.checks import Problem
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.proof import Shape, prove

REVISION = "archive 1"
"""What an archive is proved as, which no schema is called."""

COLUMNS = tuple(column.name for column in table_of(t.TransferTable).columns)
STATE_COLUMNS = ("account_id", "balance", "sequence", "head", "recorded_ms", "latest_ms")

_SHAPES: Mapping[str, Shape] = {
    "transfer": Shape(COLUMNS, ("transfer_id",)),
    "account_before": Shape(STATE_COLUMNS, ("account_id",)),
    "account_after": Shape(STATE_COLUMNS, ("account_id",)),
}
_ROWS = 5000


class ArchiveError(OperatorError):
    """Raised when transfers can't be archived, or a file is no archive; nothing was changed."""


@dataclass(frozen=True, slots=True)
class ArchiveHead:
    """
    What a file says of itself.

    Attributes:
        checkpoint_id: The checkpoint that it ends with.
        first_transfer: The last transfer of before it.
        before_digest: Digest of the archive before it; empty where it is the first.
        digest: Digest of all the rest, with a key derived from a pepper.
    """

    checkpoint_id: int
    first_transfer: int
    last_transfer: int
    transfers: int
    check_value: bytes
    before_digest: bytes
    digest: bytes = b""


_HEAD = tuple(one.name for one in fields(ArchiveHead))


def write_head(target: sqlite3.Connection, head: ArchiveHead) -> None:
    """Let a file say what it is, in place of what it said."""
    target.execute("DROP TABLE IF EXISTS archive")
    target.execute(f"CREATE TABLE archive ({', '.join(_HEAD)})")
    places = ", ".join("?" * len(_HEAD))
    target.execute(f"INSERT INTO archive VALUES ({places})", astuple(head))  # noqa: S608


def seal_archive(
    target: sqlite3.Connection, head: ArchiveHead, pepper: bytes, report: Report
) -> ArchiveHead:
    """Prove the rows of a file and what it says of itself."""
    sealed = replace(head, digest=_digest(target, head, pepper, report))
    write_head(target, sealed)
    return sealed


def _digest(
    connection: sqlite3.Connection, head: ArchiveHead, pepper: bytes, report: Report
) -> bytes:
    rows = prove(connection, REVISION, _SHAPES, pepper, report)
    told = repr(astuple(replace(head, digest=rows))).encode()
    return hmac.digest(pepper, b"loyalty archive" + told, "sha256")


def read_head(connection: sqlite3.Connection, file: Path) -> ArchiveHead:
    """
    Read what a file says of itself.

    Raises:
        ArchiveError: It is no archive.
    """
    try:
        row = connection.execute(f"SELECT {', '.join(_HEAD)} FROM archive").fetchone()  # noqa: S608
    except sqlite3.Error as problem:
        raise ArchiveError(f"{file} is no archive: {problem}") from None
    if row is None:
        raise ArchiveError(f"{file} is no archive: it does not say what it is")
    return ArchiveHead(*row)


def audit_archive(
    file: Path,
    peppers: Peppers | None,
    report: Report = no_report,
    database: Database | None = None,
) -> Findings:
    """
    Audit a file of transfers alone: its proof, its hashes, and what they make of the accounts.

    Args:
        file: What `archive` wrote.
        peppers: What it is proved with.
        report: Told how far it is.
        database: The store that it left, to compare with; absent to look at the file alone.

    Raises:
        ArchiveError: It is no archive, or was proved with a pepper that is not known here.
    """
    if not file.is_file():
        raise ArchiveError(f"there is no file {file}")
    findings = Findings()
    with closing(read_only(file)) as connection:
        head = read_head(connection, file)
        try:
            for problem in _problems(connection, head, file, peppers, findings, report):
                findings.add(problem)
        except sqlite3.Error as error:
            raise ArchiveError(f"{file} is damaged: {error}") from None
        if database is not None:
            for problem in _joins(database, connection, head, file):
                findings.add(problem)
    return findings


def _problems(
    connection: sqlite3.Connection,
    head: ArchiveHead,
    file: Path,
    peppers: Peppers | None,
    findings: Findings,
    report: Report,
) -> Iterator[Problem]:
    pepper = _pepper_of(head, file, peppers)
    if not hmac.compare_digest(_digest(connection, head, pepper, report), head.digest):
        yield Problem("archive", file.name, "was changed since it was written: its proof differs")
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    for row in _states(connection, "account_before"):
        chains[row[0]] = _chain(row)
    rows = connection.execute(
        f"SELECT {', '.join(COLUMNS)} FROM transfer ORDER BY transfer_id"  # noqa: S608
    )
    count = 0
    while batch := rows.fetchmany(_ROWS):
        for row in batch:
            if wrong := taken_up(chains, row):
                yield Problem("transfer", str(row[0]), "; ".join(wrong))
            if not head.first_transfer < row[0] <= head.last_transfer:
                yield Problem("transfer", str(row[0]), "is not of this archive")
        count += len(batch)
        report("transfer", count, head.transfers)
    findings.rows["transfer"] = count
    if count != head.transfers:
        what = f"has {count} transfers and says {head.transfers}"
        yield Problem("archive", file.name, what)
    for state in _states(connection, "account_after"):
        findings.rows["account"] += 1
        if state_of(state[0], chains[state[0]]) != tuple(state):
            yield Problem("account", str(state[0]), "is not what its transfers make it")


def _pepper_of(head: ArchiveHead, file: Path, peppers: Peppers | None) -> bytes:
    for pepper in () if peppers is None else peppers.known:
        if check_of(pepper) == head.check_value:
            return pepper
    raise ArchiveError(
        f"{file} was proved with the code pepper {name_of(head.check_value)}, which is not known "
        "here: set it in LOYALTY_OTHER_CODE_PEPPERS"
    )


def _states(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(
        f"SELECT {', '.join(STATE_COLUMNS)} FROM {table} ORDER BY account_id"  # noqa: S608
    )


def _chain(row: tuple[Any, ...]) -> Chain:
    _, balance, sequence, head, recorded_ms, latest_ms = row
    return Chain(
        balance=balance,
        length=sequence,
        head=bytes(head),
        recorded_ms=recorded_ms,
        latest_ms=latest_ms,
    )


def _joins(
    database: Database, connection: sqlite3.Connection, head: ArchiveHead, file: Path
) -> Iterator[Problem]:
    """Give where a file does not join the ledger that it was taken from."""
    require_database(database)
    require_current(database)
    with reading(database) as store:
        known = checkpoints(store)
        mine = next((one for one in known if one.checkpoint_id == head.checkpoint_id), None)
        if mine is None or mine.archive_digest != head.digest:
            yield Problem("archive", file.name, "is not the one that this database was told of")
            return
        archived = [one for one in known if one.archived_ms]
        earlier = [one for one in archived if one.checkpoint_id < head.checkpoint_id]
        digest = (earlier[-1].archive_digest or b"") if earlier else b""
        if digest != head.before_digest:
            yield Problem("archive", file.name, "does not follow the archive before it")
        if head.checkpoint_id != archived[-1].checkpoint_id:
            return  # The next archive begins where this one ends.
        signed = chains_at(store, mine)
        for state in _states(connection, "account_after"):
            account_id = state[0]
            chain = signed.get(account_id) or Chain()
            if state_of(account_id, chain) != tuple(state):
                yield Problem("account", str(account_id), "does not go on where the archive ends")
