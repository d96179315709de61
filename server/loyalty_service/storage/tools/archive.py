"""
Moves the transfers up to a checkpoint into a file that audits alone, and joins the ledger's chain.

The file is whole, proved and synced before the first transfer leaves the ledger. Then they leave
in small batches, each with the sums of the owners that it moved points for, which stay. Where that
was cut short, the next archive first goes on with it, if the file is still what was written.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.peppers import Peppers, check_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import reading, require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.archive_file import (
    COLUMNS,
    STATE_COLUMNS,
    ArchiveError,
    ArchiveHead,
    audit_archive,
    seal_archive,
    write_head,
)
from loyalty_service.storage.tools.backup_file import require_place
from loyalty_service.storage.tools.batches import Gentle, gently
from loyalty_service.storage.tools.chains import Chain, Report, no_report, stream, taken_up
from loyalty_service.storage.tools.checkpoints import (
    CHECKPOINT,
    Checkpoint,
    archived_checkpoint,
    chains_at,
    checkpoint_problems,
    state_of,
    usable_checkpoints,
)
from loyalty_service.storage.tools.checks import bound
from loyalty_service.storage.tools.drafts import beside, move, sync
from loyalty_service.storage.tools.owner_promises import OWNER_SUMS

_TRANSFER = table_of(t.TransferTable)
_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Archived:
    """
    What an archive took.

    Attributes:
        checkpoint: The one that it ends with.
        transfers: Transfers in the file.
        size: Bytes of the file.
        removed: Transfers that left the ledger, those of an earlier archive included.
        longest_s: Longest time that a batch held the database.
    """

    checkpoint: Checkpoint
    transfers: int
    size: int
    removed: int
    longest_s: float


def archive(
    database: Database, file: Path, peppers: Peppers, report: Report = no_report
) -> Archived:
    """
    Move the transfers up to the newest checkpoint into a new file, while servers run.

    Raises:
        ArchiveError: There is no checkpoint after the last archive; the transfers are not what it
            was made of; the file exists; or an earlier one was cut short and is not beside it.
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    require_place(database, file, None, replace=False)
    removed = _finish_earlier(database, file.parent, peppers, report)
    with beside(file) as draft:
        with reading(database) as connection:
            before, until = _span(connection, peppers)
            written = _write(connection, draft, before, until, peppers, report)
        findings = audit_archive(draft, peppers, report)
        if not findings.all_hold:
            raise ArchiveError(f"what was written does not hold: {findings.problems[0]}")
        sync(draft)
        if file.exists():
            raise ArchiveError(f"{file} exists meanwhile: nothing was changed")
        move(draft, file)
    with gently(database) as gentle:
        values = {
            "archive": file.name,
            "archive_digest": written.digest,
            "archived_ms": now_ms(),
            "removed_to": before.transfer_id if before else 0,
        }
        gentle.write(partial(_mark, number=until.checkpoint_id, values=values))
    gone, longest_s = finish_removal(database)
    archived = replace(until, archive=file.name)
    size = file.stat().st_size
    return Archived(archived, written.transfers, size, removed + gone, longest_s)


def _span(connection: Connection, peppers: Peppers) -> tuple[Checkpoint | None, Checkpoint]:
    """Give the checkpoint that the last archive ends with, if any, and the newest one."""
    before = archived_checkpoint(connection)
    usable = usable_checkpoints(connection)
    if not usable or usable[-1].archived_ms is not None:
        raise ArchiveError("there is no checkpoint after the last archive: make one first")
    for one in filter(None, (before, usable[-1])):
        for problem in checkpoint_problems(connection, one, peppers):
            raise ArchiveError(f"{problem}. Nothing was changed")
    return before, usable[-1]


def _write(
    connection: Connection,
    draft: Path,
    before: Checkpoint | None,
    until: Checkpoint,
    peppers: Peppers,
    report: Report,
) -> ArchiveHead:
    """Write the transfers between two checkpoints, and what they make of the accounts."""
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    if before is not None:
        chains.update(chains_at(connection, before))
    first = before.transfer_id if before else 0
    states: dict[int, Sequence[Any]] = {}
    with closing(sqlite3.connect(draft, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = OFF")
        _make_tables(target)
        target.execute("BEGIN")
        rows: list[Sequence[Any]] = []
        where = _TRANSFER.c.transfer_id > first, _TRANSFER.c.transfer_id <= until.transfer_id
        count = 0
        for row in stream(connection, _TRANSFER, Counter(), report, *where):
            for account_id in row[1:3]:
                if account_id not in states:
                    states[account_id] = state_of(account_id, chains[account_id])
            if wrong := taken_up(chains, row):
                raise ArchiveError(f"transfer {row[0]} {'; '.join(wrong)}. Nothing was changed")
            rows.append(tuple(row))
            count += 1
            if len(rows) == _ROWS:
                _put(target, "transfer", COLUMNS, rows)
                rows.clear()
        _put(target, "transfer", COLUMNS, rows)
        ends = [state_of(account_id, chains[account_id]) for account_id in states]
        _put(target, "account_before", STATE_COLUMNS, list(states.values()))
        _put(target, "account_after", STATE_COLUMNS, ends)
        _require_the_checkpoint(connection, until, chains)
        head = ArchiveHead(
            checkpoint_id=until.checkpoint_id,
            first_transfer=first,
            last_transfer=until.transfer_id,
            transfers=count,
            check_value=check_of(peppers.current),
            before_digest=(before.archive_digest or b"") if before else b"",
        )
        write_head(target, head)
        target.execute("COMMIT")
        return seal_archive(target, head, peppers.current, report)


def _make_tables(target: sqlite3.Connection) -> None:
    plain = str(CreateTable(_TRANSFER).compile(dialect=sqlite.dialect()))
    # Accounts are not in the file, so that nothing can refer to them.
    lines = [line for line in plain.splitlines() if "FOREIGN KEY" not in line]
    target.execute("\n".join(lines).rstrip().rstrip(")").rstrip().rstrip(",") + "\n)")
    for name in ("account_before", "account_after"):
        target.execute(
            f"CREATE TABLE {name} (account_id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, "
            "sequence INTEGER NOT NULL, head BLOB NOT NULL, recorded_ms INTEGER NOT NULL, "
            "latest_ms INTEGER NOT NULL)"
        )


def _put(
    target: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    target.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # noqa: S608


def _require_the_checkpoint(
    connection: Connection, until: Checkpoint, chains: dict[int, Chain]
) -> None:
    """Refuse to archive other transfers than those that were summed up and signed."""
    signed = chains_at(connection, until)
    for account_id in chains.keys() | signed.keys():
        one, other = chains.get(account_id), signed.get(account_id)
        if one is None or other is None or state_of(account_id, one) != state_of(account_id, other):
            raise ArchiveError(
                f"account {account_id} is not as checkpoint {until.checkpoint_id} has it: make "
                "another checkpoint. Nothing was changed"
            )


def _mark(connection: Connection, number: int, values: dict[str, Any]) -> None:
    place = CHECKPOINT.c.checkpoint_id == number
    connection.execute(update(CHECKPOINT).where(place).values(values))


_NEXT = bound(
    """
    SELECT max(transfer_id) FROM (
      SELECT transfer_id FROM transfer WHERE transfer_id > :first AND transfer_id <= :last
      ORDER BY transfer_id LIMIT :rows
    ) AS next_rows
    """
)
_SUMS = ("held", "earned", "redeemed", "reversed", "refunded", "returned", "expired")
_KEEP_SUMS = bound(
    f"""
    INSERT INTO archived_owner (owner_kind, owner_id, {", ".join(_SUMS)})
    SELECT owner_kind, owner_id, {", ".join(f"nullif({name}, 0)" for name in _SUMS)} FROM (
      SELECT owner_kind, transaction_id AS owner_id, {OWNER_SUMS}
      FROM transfer
      WHERE transfer_id > :first AND transfer_id <= :last AND transaction_id <> ''
      GROUP BY owner_kind, transaction_id
    ) AS sums WHERE true
    ON CONFLICT (owner_kind, owner_id) DO UPDATE SET {
        ", ".join(
            f"{name} = nullif(coalesce(archived_owner.{name}, 0) + coalesce(excluded.{name}, 0), 0)"
            for name in _SUMS
        )
    }
    """  # noqa: S608 - names of ours.
)
_DELETE = bound("DELETE FROM transfer WHERE transfer_id > :first AND transfer_id <= :last")
_MOVE_ON = bound(
    "UPDATE checkpoint SET removed_to = :last WHERE checkpoint_id = :number AND removed_to = :first"
)


def _finish_earlier(database: Database, folder: Path, peppers: Peppers, report: Report) -> int:
    """
    Go on with an archive that was cut short, if its file is there; return how many left.

    Its transfers would be nowhere if the file was lost or exchanged meanwhile.
    """
    with reading(database) as connection:
        archived = archived_checkpoint(connection)
    if archived is None or archived.removed_to >= archived.transfer_id:
        return 0
    file = folder / str(archived.archive)
    if not file.is_file():
        raise ArchiveError(
            f"an archive was cut short, and its file {archived.archive} is not in {folder}: bring "
            "it there, or archive into its folder. Nothing was changed"
        )
    for problem in audit_archive(file, peppers, report, database).problems:
        raise ArchiveError(f"{file} was cut short, and does not hold: {problem}")
    return finish_removal(database)[0]


def finish_removal(database: Database) -> tuple[int, float]:
    """
    Take out of the ledger what is in archives already; return how many, and the longest batch.

    Two at once do no harm: only one of them moves on from a place.
    """
    removed = 0
    with gently(database) as gentle:
        archived = gentle.read(archived_checkpoint)
        while archived is not None and archived.removed_to < archived.transfer_id:
            removed += _remove_some(gentle, archived)
            archived = gentle.read(archived_checkpoint)
        return removed, gentle.pace.longest_s


def _remove_some(gentle: Gentle, archived: Checkpoint) -> int:
    span = {"first": archived.removed_to, "last": archived.transfer_id, "rows": gentle.pace.rows}
    last = gentle.read(lambda connection: connection.execute(_NEXT, span).scalar())
    # Where there is no row any more, the end is reached.
    end = archived.transfer_id if last is None else last
    return int(gentle.write(partial(_remove, archived=archived, last=end)))


def _remove(connection: Connection, archived: Checkpoint, last: int) -> int:
    span = {"first": archived.removed_to, "last": last}
    moved = connection.execute(_MOVE_ON, {**span, "number": archived.checkpoint_id}).rowcount
    if not moved:
        return 0  # Another one has taken these.
    connection.execute(_KEEP_SUMS, span)
    return int(connection.execute(_DELETE, span).rowcount)
