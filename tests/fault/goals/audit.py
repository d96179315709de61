"""G14: one row of the ledger tampered with, and an audit that has to name it."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy import Connection, text

from loyalty_service.storage.connections import writing
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import TransferTable
from loyalty_service.storage.tools.audit import audit, audit_state
from loyalty_service.storage.tools.findings import Findings
from tests.benchmark.population import Population, populate
from tests.fault.goal import Goal, Trial
from tests.support.lived_store import copy_lived

ROWS = 1_000_000
AUDIT_MAX_S = 60.0

_TRANSFER = table_of(TransferTable)
_COLUMNS = tuple(column.name for column in _TRANSFER.columns if not column.primary_key)
_ACCOUNTS = {"source_id", "destination_id"}
_MOVED = ", ".join(_COLUMNS)

Named = tuple[str, str]
"""The table and key of a row."""


class _UndoneError(Exception):
    """Raised to roll tampering back."""


def _run(connection: Connection, statement: str, **values: object) -> None:
    connection.execute(text(statement), values)


def _change(
    connection: Connection, chance: random.Random, row: int, column: str | None = None
) -> Named:
    """
    Change what stands in a column, one by chance unless told.

    The row itself is named whatever it is: both chains hash what it moves, so that when it leaves
    the chain of one account, that of the other breaks there.
    """
    column = column or chance.choice(_COLUMNS)
    if column in _ACCOUNTS:
        # The first of all: every other account's chain has a place for it, so only hashes tell.
        row = 1
    select = f"SELECT {column}, source_id, destination_id FROM transfer WHERE transfer_id = :row"  # noqa: S608
    value, *accounts = connection.execute(text(select), {"row": row}).one()
    if column in _ACCOUNTS:
        other = text("SELECT min(account_id) FROM account WHERE account_id NOT IN (:a, :b)")
        changed = connection.execute(other, dict(zip("ab", accounts, strict=True))).scalar_one()
    elif isinstance(value, bytes):
        changed = bytes([value[0] ^ 1]) + value[1:]
    else:
        changed = value + ("x" if isinstance(value, str) else 1)
    update = f"UPDATE transfer SET {column} = :changed WHERE transfer_id = :row"  # noqa: S608
    _run(connection, update, changed=changed, row=row)
    return "transfer", str(row)


def _change_number(connection: Connection, chance: random.Random, row: int) -> Named:
    """Give a row a number behind all others: the next one of either chain misses it."""
    follower = _follower(connection, row)
    if follower is None:
        # A number is no more than a place in the order: the last of both its chains keeps its own.
        return _change_number(connection, chance, row - 1)
    update = "UPDATE transfer SET transfer_id = :last WHERE transfer_id = :row"
    _run(connection, update, last=_last(connection) + 1, row=row)
    return "transfer", str(follower)


def _delete(connection: Connection, _chance: random.Random, row: int) -> Named:
    """Delete a row: the next one of either chain misses it, or the account where it was last."""
    follower = _follower(connection, row)
    accounts = text("SELECT source_id, destination_id FROM transfer WHERE transfer_id = :row")
    touched = connection.execute(accounts, {"row": row}).one()
    _run(connection, "DELETE FROM transfer WHERE transfer_id = :row", row=row)
    if follower is None:
        return "account", str(min(touched))
    return "transfer", str(follower)


def _last(connection: Connection) -> int:
    return int(connection.execute(text("SELECT max(transfer_id) FROM transfer")).scalar_one())


def _follower(connection: Connection, row: int) -> int | None:
    """Find the next row of either chain of a row."""
    later = text(
        "SELECT min(b.transfer_id) FROM transfer AS a JOIN transfer AS b "
        "ON b.transfer_id > a.transfer_id AND (b.source_id IN (a.source_id, a.destination_id) "
        "OR b.destination_id IN (a.source_id, a.destination_id)) WHERE a.transfer_id = :row"
    )
    found: int | None = connection.execute(later, {"row": row}).scalar()
    return found


def _insert(connection: Connection, _chance: random.Random, row: int) -> Named:
    """Play a row a second time."""
    last = _last(connection)
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


Tamper = Callable[[Connection, random.Random, int], Named]

TAMPERINGS: Mapping[str, tuple[Tamper, ...]] = {
    "change": (_change_number, *(partial(_change, column=column) for column in _COLUMNS)),
    "delete": (_delete,),
    "insert": (_insert,),
    "reorder": (_reorder,),
}
"""Each kind of tampering; of changes one for every column that the table has."""


def _tampered(
    database: Database, chance: random.Random, tamper: Tamper, which: int
) -> tuple[Named, Findings]:
    """
    Tamper with a row, audit, and undo it; returns the row that is to be named.

    The row is the first, the last and then one by chance, by the number *which*.
    """
    try:
        with writing(database) as connection:
            if not database.embedded:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            last = _last(connection)
            row = {0: 1, 1: last}.get(which) or chance.randrange(1, last + 1)
            named = tamper(connection, chance, row)
            findings = audit_state(connection)
            raise _UndoneError  # noqa: TRY301 - only leaving the context by one rolls back.
    except _UndoneError:
        return named, findings


async def run(trial: Trial) -> None:
    """
    Change every column, delete, insert and reorder rows of the ledger, one at a time.

    Each audit finds it and names the first bad row; a store nobody touched holds; and a million
    rows are audited within a minute.
    """
    url = await copy_lived(trial.databases)
    database = Database.from_text(url)
    rounds = trial.choose(25, 2)
    for name, tampers in TAMPERINGS.items():
        found = 0
        for number, tamper in itertools.product(range(rounds), tampers):
            chance = trial.chance(name, number, tampers.index(tamper))
            named, findings = await asyncio.to_thread(_tampered, database, chance, tamper, number)
            first = findings.problems[0] if findings.problems else None
            if first is not None and (first.table, first.key) == named:
                found += 1
            else:
                trial.problems.append(f"{name} of {' '.join(named)}: first named was {first}")
        trial.figure(name, f"{found} of {rounds * len(tampers)} named")
    trial.figure("columns changed", len(TAMPERINGS["change"]))
    trial.require((await asyncio.to_thread(audit, database)).all_hold, "a sound store was blamed")
    await _audit_many(trial, trial.choose(ROWS, 1000))


async def _audit_many(trial: Trial, many: int) -> None:
    assert trial.backend is not None
    url = trial.backend.empty_database()
    # A member's welcome and four claimed orders.
    await populate(url, Population(members=many // 5, transfers_each=5, claims=True))
    database = Database.from_text(url)
    started, cpu = time.perf_counter(), time.process_time()
    findings = await asyncio.to_thread(audit, database)
    seconds = time.perf_counter() - started
    trial.figure("rows", findings.rows["transfer"])
    trial.figure("audited s", round(seconds, 1))
    trial.figure("CPU s here", round(time.process_time() - cpu, 1))
    trial.require(findings.all_hold, "a sound store was blamed")
    trial.require(findings.rows["transfer"] >= many, "there were fewer rows than asked for")
    trial.require(seconds <= AUDIT_MAX_S, f"auditing {many} rows took {seconds:.0f} s")
    chance = trial.chance("many")
    named, findings = await asyncio.to_thread(_tampered, database, chance, _change, many)
    first = findings.problems[0] if findings.problems else None
    trial.require(
        first and (first.table, first.key) == named, f"one of {many}: first named was {first}"
    )


GOALS = (
    Goal(
        "G14",
        "Audit",
        "One row of the ledger changed, deleted, inserted or moved is found, and is named first.",
        run,
        any_database=True,
    ),
)
