"""G14: one row of the ledger tampered with, and an audit that has to name it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from sqlalchemy import Connection, text

from server.storage.audit import Findings, audit, audit_state
from server.storage.connections import writing
from server.storage.databases import Database
from tests.benchmark.population import Population, populate
from tests.fault.goal import Goal, Trial
from tests.support.lived_store import live

ROWS = 1_000_000
AUDIT_MAX_S = 60.0

_MOVED = (
    "source_id, destination_id, points, cause, transaction_id, note, effective_ms, recorded_ms, "
    "source_sequence, source_hash, destination_sequence, destination_hash"
)
_CHANGES = (
    "points = points + 1",
    "note = note || 'x'",
    "effective_ms = effective_ms + 1",
    "transaction_id = transaction_id || 'x'",
    "source_sequence = source_sequence + 1",
    "destination_hash = source_hash",
)

Named = tuple[str, str]
"""The table and key of a row."""


class _UndoneError(Exception):
    """Raised to roll tampering back."""


def _run(connection: Connection, statement: str, **values: object) -> None:
    connection.execute(text(statement), values)


def _change(connection: Connection, chance: random.Random, row: int) -> Named:
    change = chance.choice(_CHANGES)
    _run(connection, f"UPDATE transfer SET {change} WHERE transfer_id = :row", row=row)  # noqa: S608
    return "transfer", str(row)


def _delete(connection: Connection, _chance: random.Random, row: int) -> Named:
    """Delete a row: the next one of either chain misses it, or the account where it was last."""
    accounts = "SELECT source_id, destination_id FROM transfer WHERE transfer_id = :row"
    source, destination = connection.execute(text(accounts), {"row": row}).one()
    later = text(
        "SELECT min(transfer_id) FROM transfer WHERE transfer_id > :row AND "
        "(source_id IN (:a, :b) OR destination_id IN (:a, :b))"
    )
    follower = connection.execute(later, {"row": row, "a": source, "b": destination}).scalar()
    _run(connection, "DELETE FROM transfer WHERE transfer_id = :row", row=row)
    if follower is None:
        return "account", str(min(source, destination))
    return "transfer", str(follower)


def _insert(connection: Connection, _chance: random.Random, row: int) -> Named:
    """Play a row a second time."""
    last = connection.execute(text("SELECT max(transfer_id) FROM transfer")).scalar_one()
    _run(
        connection,
        f"INSERT INTO transfer (transfer_id, {_MOVED}) "  # noqa: S608 - names of ours.
        f"SELECT :new, {_MOVED} FROM transfer WHERE transfer_id = :row",
        new=last + 1,
        row=row,
    )
    return "transfer", str(last + 1)


def _reorder(connection: Connection, _chance: random.Random, row: int) -> Named:
    """Let a row and the next one of its source's chain change places."""
    following = text(
        "SELECT b.transfer_id FROM transfer AS a JOIN transfer AS b "
        "ON b.transfer_id > a.transfer_id AND a.source_id IN (b.source_id, b.destination_id) "
        "WHERE a.transfer_id = :row ORDER BY b.transfer_id LIMIT 1"
    )
    other = connection.execute(following, {"row": row}).scalar()
    if other is None:
        return _change(connection, random.Random(row), row)  # noqa: S311 - it is the last one.
    for number, to in ((row, -1), (other, row), (-1, other)):
        change = "UPDATE transfer SET transfer_id = :to WHERE transfer_id = :number"
        _run(connection, change, number=number, to=to)
    return "transfer", str(row)


TAMPERINGS: tuple[Callable[[Connection, random.Random, int], Named], ...] = (
    _change,
    _delete,
    _insert,
    _reorder,
)


def _tampered(
    database: Database,
    chance: random.Random,
    tamper: Callable[[Connection, random.Random, int], Named],
) -> tuple[Named, Findings]:
    """Tamper with a row by chance, audit, and undo it; answers the row that is to be named."""
    try:
        with writing(database) as connection:
            if not database.embedded:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            last = connection.execute(text("SELECT max(transfer_id) FROM transfer")).scalar_one()
            named = tamper(connection, chance, chance.randrange(1, last + 1))
            findings = audit_state(connection)
            raise _UndoneError  # noqa: TRY301 - only leaving the context by one rolls back.
    except _UndoneError:
        return named, findings


async def run(trial: Trial) -> None:
    """
    Change, delete, insert and reorder rows of the ledger, one at a time.

    Each audit finds it and names the first bad row; a store nobody touched holds; and a million
    rows are audited within a minute.
    """
    url = trial.new_database()
    await live(url)
    database = Database.from_text(url)
    rounds = trial.choose(25, 2)
    for tamper in TAMPERINGS:
        name = tamper.__name__.strip("_")
        found = 0
        for number in range(rounds):
            chance = trial.chance(name, number)
            named, findings = await asyncio.to_thread(_tampered, database, chance, tamper)
            first = findings.problems[0] if findings.problems else None
            if first is not None and (first.table, first.key) == named:
                found += 1
            else:
                trial.problems.append(f"{name} of {' '.join(named)}: first named was {first}")
        trial.figure(name, f"{found} of {rounds} named")
    trial.require((await asyncio.to_thread(audit, database)).all_hold, "a sound store was blamed")
    if trial.full:
        await _audit_a_million(trial)


async def _audit_a_million(trial: Trial) -> None:
    assert trial.backend is not None
    url = trial.backend.empty_database()
    # A member's welcome and four claimed orders.
    await populate(url, Population(members=ROWS // 5, transfers_each=5, claims=True))
    database = Database.from_text(url)
    started, cpu = time.perf_counter(), time.process_time()
    findings = await asyncio.to_thread(audit, database)
    seconds = time.perf_counter() - started
    trial.figure("rows", findings.rows["transfer"])
    trial.figure("audited s", round(seconds, 1))
    trial.figure("CPU s here", round(time.process_time() - cpu, 1))
    trial.require(findings.all_hold, "a sound store was blamed")
    trial.require(findings.rows["transfer"] >= ROWS, "there were fewer rows than a million")
    trial.require(seconds <= AUDIT_MAX_S, f"auditing a million rows took {seconds:.0f} s")
    named, findings = await asyncio.to_thread(_tampered, database, trial.chance("million"), _change)
    first = findings.problems[0] if findings.problems else None
    trial.require(
        first and (first.table, first.key) == named, f"one of a million: first named was {first}"
    )


GOALS = (
    Goal(
        "G14",
        "Audit",
        "One row of the ledger changed, deleted, inserted or moved is found, and is named first.",
        run,
    ),
)
