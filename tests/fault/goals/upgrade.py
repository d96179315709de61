"""G16: a store of every older schema, filled as its server would have, brought to the newest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from loyalty_service.storage import migrate as migrations
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import BASE, SchemaError, downgrade, migrate, require_current
from loyalty_service.storage.tools.audit import audit
from tests.benchmark.population import Population, populate
from tests.fault.goal import Goal, Trial
from tests.support.contents import columns_of, digests, shared_columns
from tests.support.ledger import execute
from tests.support.lived_store import copy_lived

ROWS = 1_000_000

Content = Mapping[str, tuple[int, str]]


async def run(trial: Trial) -> None:
    """
    Take a store full of life to each older schema, and from there to the newest and back.

    Whatever two schemas have in common is digested before and after each step: no row changes,
    and the ledger holds. A version that knows less than the database's schema refuses it.
    """
    url = await copy_lived(trial.databases)
    await asyncio.to_thread(_try_all, trial, Database.from_text(url), "")
    if trial.full:
        assert trial.backend is not None
        big = trial.backend.empty_database()
        await populate(big, Population(members=ROWS // 5, transfers_each=5, claims=True))
        await asyncio.to_thread(_try_all, trial, Database.from_text(big), "1 M rows: ")
    await asyncio.to_thread(_refuse_newer, trial, Database.from_text(url))


def _revisions() -> list[str]:
    return [script.revision for script in migrations._scripts()]


def _try_all(trial: Trial, database: Database, size: str) -> None:
    """Go up to the newest schema from each older one, and back to it."""
    revisions = _revisions()
    newest, checked = revisions[-1], 0
    for older in _tried(trial, revisions[:-1]):
        # What the newer tables hold has no place there, and an older server never wrote it.
        downgrade(database, older, lose_data=True)
        before = columns_of(database)
        held = digests(database, before)
        started = time.perf_counter()
        migrate(database)
        seconds = time.perf_counter() - started
        columns = shared_columns(before, columns_of(database))
        if columns == before:
            _compare(trial, f"{size}{older} to {newest}", held, digests(database, columns))
        else:
            trial.problems.append(f"{older} to {newest} drops {before.keys() - columns.keys()}")
        trial.require(audit(database).all_hold, f"{older} to {newest}: the ledger does not hold")
        downgrade(database, older)
        _compare(trial, f"{size}{newest} to {older}", held, digests(database, before))
        migrate(database)
        trial.figure(f"{size}{older} to {newest}, writers locked s", f"{seconds:.2f}")
        checked += sum(rows for rows, _ in held.values())
    if len(revisions) == 1:
        checked = sum(rows for rows, _ in digests(database, columns_of(database)).values())
    trial.figure(f"{size}rows compared", checked)
    trial.require(checked, "there were no rows, so nothing was tried")
    trial.figure("revisions", len(revisions))


def _tried(trial: Trial, older: list[str]) -> list[str]:
    """
    Choose older schemas, the newest first: each way back loses what only the newer ones keep.

    The short form takes both ends and two between; `tests/storage` goes every step with few rows.
    """
    if not trial.full:
        between = trial.chance("older").sample(older[1:-1], 2)
        older = [one for one in older if one in {older[0], *between, older[-1]}]
    return older[::-1]


def _compare(trial: Trial, step: str, before: Content, after: Content) -> None:
    for table, held in before.items():
        trial.require(after.get(table) == held, f"{step} changed {table}: {held[0]} rows before")


def _refuse_newer(trial: Trial, database: Database) -> None:
    """A server of this version neither serves nor touches what it does not know."""
    url = database.url.render_as_string(hide_password=False)
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    before = digests(database, columns_of(database))
    for work in (migrate, require_current, lambda newer: downgrade(newer, BASE, lose_data=True)):
        try:
            work(database)
        except SchemaError:
            continue
        trial.problems.append("a newer schema was not refused")
    _compare(trial, "refusing a newer schema", before, digests(database, columns_of(database)))


GOALS = (
    Goal(
        "G16",
        "Upgrade",
        "Every older schema can be migrated to the newest and back, and no row changes its "
        "meaning.",
        run,
    ),
)
