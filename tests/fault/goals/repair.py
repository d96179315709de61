"""G14: rows that a hand changed, and a repair that must make them what they were, or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.repair import RepairError, repair
from tests.fault.goal import Goal, Trial
from tests.support.contents import columns_of, digests
from tests.support.ledger import execute, rows
from tests.support.lived_store import copy_lived
from tests.support.silence import WHOLE_S, listening

CHANGES = (
    ("account", "account_id", "balance = balance + 1"),
    ("account", "account_id", "sequence = sequence + 1"),
    ("account", "account_id", "sequence = 0, balance = balance + 2"),
    ("account", "account_id", "head = (SELECT max(digest) FROM api_key)"),
    ("loyalty_transaction", "transaction_id", "points_earned = points_earned + 1"),
    ("incentive_usage", "incentive_id", "quantity = quantity + 1"),
)
"""Table, key and change of a row: each is proved by others."""

LOSSES = (
    "DELETE FROM transfer WHERE transfer_id = {row}",
    "UPDATE transfer SET points = points + 1 WHERE transfer_id = {row}",
    "UPDATE transfer SET source_hash = destination_hash WHERE transfer_id = {row}",
)
"""Changes of a transfer: nothing proves what it was."""


async def run(trial: Trial) -> None:
    """
    Change rows that others prove, one after the other, and transfers, which nothing proves.

    Each of the first must be as it was after a repair; none of the second may be mended, nor any
    row change.
    """
    url = await copy_lived(trial.databases)
    # Whether a server runs is for other tests: each look for one takes seconds.
    with listening(trial.choose(WHOLE_S, 0.0)):
        await asyncio.to_thread(_mend, trial, url)
        await asyncio.to_thread(_refuse, trial, url)


def _content(database: Database) -> dict[str, tuple[int, str]]:
    columns = columns_of(database)
    for told in ("repair", "event"):  # Each repair is told there.
        columns.pop(told)
    return dict(digests(database, columns))


def _mend(trial: Trial, url: str) -> None:
    database = Database.from_text(url)
    before = _content(database)
    mended = 0
    for table, key, change in CHANGES:
        for row in _some(trial, url, table, key):
            execute(url, f"UPDATE {table} SET {change} WHERE {key} = :row", row=row)  # noqa: S608
            what = f"{table} {row}, {change}"
            trial.require(_content(database) != before, f"{what}: nothing was changed")
            try:
                repair(database, what)
            except RepairError as problem:
                trial.problems.append(f"{what}: was not mended: {problem}")
                return
            trial.require(_content(database) == before, f"{what}: is not as it was")
            mended += 1
    kept = rows(url, "SELECT count(*) AS number FROM repair")[0].number
    trial.require(kept == mended, f"{kept} reasons are kept of {mended} repairs")
    trial.figure("rows mended", mended)


def _refuse(trial: Trial, url: str) -> None:
    database = Database.from_text(url)
    refused = 0
    for loss in LOSSES:
        for row in _some(trial, url, "transfer", "transfer_id"):
            execute(url, loss.format(row=row))
            lost = _content(database)
            try:
                repair(database, "a guess")
            except RepairError:
                refused += 1
            else:
                trial.problems.append(f"{loss.format(row=row)}: was mended")
            trial.require(_content(database) == lost, f"{loss}: a refused repair changed rows")
    trial.figure("losses refused", refused)


def _some(trial: Trial, url: str, table: str, key: str) -> Sequence[object]:
    """Choose rows that have something to lose."""
    condition = {
        "account": "sequence > 0",
        "loyalty_transaction": "claimed_ms IS NOT NULL",
    }.get(table, f"{key} IS NOT NULL")
    query = f"SELECT DISTINCT {key} AS row_key FROM {table} WHERE {condition} ORDER BY {key}"  # noqa: S608
    found = [row.row_key for row in rows(url, query)]
    return trial.chance(table, key).sample(found, min(len(found), trial.choose(12, 1)))


GOALS = (
    Goal(
        "G14",
        "Repair",
        "A balance or count that was changed is derived again from what proves it, and what "
        "nothing proves is never guessed.",
        run,
        any_database=True,
    ),
)
