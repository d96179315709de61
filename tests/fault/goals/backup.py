"""G15: backups taken while tills write, and what comes back from them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.storage.tools.backup_file import Saved
from loyalty_service.storage.tools.restore import restore
from tests.benchmark.population import Population, populate
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.goals.bank import unbalanced
from tests.fault.tills import Client, Ledgers
from tests.support.banks import SECRET, Bank, open_bank_on
from tests.support.databases import Backend, Sqlite
from tests.support.ledger import rows
from tests.support.postgres import run_postgres
from tests.support.server import Caller
from tests.support.stores import PEPPER

POINTS = 5000
MEMBERS = 8
RESTORE_MAX_S = 300.0
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup, and the keys of all calls that were answered before it began."""

    file: Path
    saved: Saved
    seconds: float
    answered: frozenset[str]


async def run(trial: Trial) -> None:
    """
    Save a store again and again while tills write to it, and restore each file into both kinds.

    Every restored store balances and passes its audit, and has every call that was answered
    before its backup began.
    """
    url = trial.new_database()
    seconds = trial.choose(40.0, 0.0)
    async with open_bank_on(url, trial.folder, [POINTS] * MEMBERS, 60) as bank:
        shared = Ledgers(bank)
        async with _tills(trial, shared, trial.choose(16, 4), time.monotonic() + seconds + 60):
            backups = []
            for number in range(trial.choose(6, 1)):
                before = len(shared.keys)
                await _until_more(shared, before)
                backups.append(await _save(trial, shared, trial.folder / f"saved-{number}.db"))
                await asyncio.sleep(seconds / 6)
    trial.problems += shared.wrong
    trial.figure("calls meanwhile", shared.outcomes.total())
    trial.figure("backups", len(backups))
    trial.figure("answers before the last", len(backups[-1].answered))
    trial.figure("newest transfers", ", ".join(str(one.saved.newest_transfer) for one in backups))
    with _kinds(trial) as kinds:
        for backup in backups:
            for backend in kinds:
                await asyncio.to_thread(_restore, trial, backup, backend)
    trial.figure("restored into", " and ".join(type(kind).__name__ for kind in kinds))
    if trial.full:
        await _restore_a_million(trial)


@asynccontextmanager
async def _tills(trial: Trial, shared: Ledgers, clients: int, until: float) -> AsyncIterator[None]:
    """Let tills do whatever they like for the time of the context."""
    async with grpc.aio.insecure_channel(shared.bank.address) as channel:
        caller = Caller(channel, SECRET)
        working = [
            asyncio.create_task(Client(shared, caller, trial.chance(n), n).run(until))
            for n in range(clients)
        ]
        try:
            yield
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def _until_more(shared: Ledgers, before: int, more: int = 20) -> None:
    """Wait until tills got more answers."""
    async with asyncio.timeout(30):
        # It is tills of this process that are waited for, and they are tasks of their own.
        while not shared.wrong and len(shared.keys) < before + more:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _save(trial: Trial, shared: Ledgers, file: Path) -> Backup:
    answered, before = frozenset(shared.keys), shared.outcomes.total()
    started = time.monotonic()
    source = Database.from_text(shared.bank.database_url)
    saved = await asyncio.to_thread(back_up, source, file, PEPPER)
    seconds = time.monotonic() - started
    meanwhile = shared.outcomes.total() - before
    trial.require(meanwhile, "nobody was served while the backup was taken")
    trial.say(f"{file.name}: {saved.rows.total()} rows, {seconds:.2f} s, {meanwhile} calls")
    return Backup(file, saved, seconds, answered)


@contextmanager
def _kinds(trial: Trial) -> Iterator[list[Backend]]:
    """Give the kinds of database to restore into; both where there is time to start them."""
    assert trial.backend is not None
    if trial.kind != SQLITE:
        folder = trial.folder / "sqlite"
        folder.mkdir()
        yield [trial.backend, Sqlite(folder)]
    elif trial.full:
        with run_postgres() as postgres:
            yield [trial.backend, postgres]
    else:
        yield [trial.backend]


def _restore(trial: Trial, backup: Backup, backend: Backend) -> None:
    url = backend.empty_database()
    restored = restore(backup.file, Database.from_text(url), PEPPER)
    name = f"{backup.file.name} in {type(backend).__name__}"
    trial.require(restored.saved == backup.saved, f"{name} is not what was saved")
    fit = restored.peppers
    trial.require(fit.in_use and not fit.missing, f"{name} does not know its pepper")
    bank = Bank("", url, ())
    trial.problems += [f"{name}: {what}" for what in bank.read(unbalanced)]
    known = {
        row.idempotency_key for row in rows(url, "SELECT idempotency_key FROM remembered_answer")
    }
    lost = sorted(backup.answered - known)
    trial.require(backup.answered, f"{name}: nothing was answered before, so nothing was tried")
    trial.require(not lost, f"{name} lacks {len(lost)} answered calls, the first {lost[:1]}")
    backend.drop(url)


async def _restore_a_million(trial: Trial) -> None:
    """Measure both ways with a store of the promised size."""
    url = trial.backend.empty_database() if trial.backend else ""
    await populate(url, Population(members=MILLION, orders=10_000))
    file = trial.folder / "million.db"
    started = time.monotonic()
    saved = await asyncio.to_thread(back_up, Database.from_text(url), file, PEPPER)
    trial.figure("backup of 1 M members s", round(time.monotonic() - started, 1))
    trial.figure("MB", round(saved.size / 1e6))
    started = time.monotonic()
    target = Database.from_text(url)
    await asyncio.to_thread(restore, file, target, PEPPER, replace=True)
    seconds = time.monotonic() - started
    trial.figure("restore of 1 M members s", round(seconds, 1))
    trial.require(saved.rows["member"] == MILLION, "there were fewer members than a million")
    trial.require(seconds <= RESTORE_MAX_S, f"restoring a million members took {seconds:.0f} s")


GOALS = (
    Goal(
        "G15",
        "Backup",
        "A backup taken under load has everything that was answered before it, and is restored "
        "completely.",
        run,
    ),
)
