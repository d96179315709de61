"""G2: no write is acknowledged before its commit is synced, and each commit is."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.line import HungUpError, Line
from tests.fault.tills import Client, Ledgers
from tests.support.banks import SECRET, Bank, ServerProcess, prepare_bank, process_environment
from tests.support.postgres import Postgres, run_postgres
from tests.support.programs import enroll, put_program
from tests.support.server import Caller
from tests.support.stores import PEPPER
from tests.support.syncs import Interval, SyncLog, answered_early, build_sync_counter

MEMBERS = 8
POINTS = 5000
ALONE = 500
CLIENTS = 32
SECONDS = 30.0
ROOM = 2_000_000
SESSION_END_S = 5.0
SYNC_S = 0.01
"""Added to each sync, so that an answer that does not wait for it comes visibly before. Less where
there are many: PostgreSQL syncs each of its files."""


async def run(trial: Trial) -> None:
    """
    Count the syncs of calls that come one by one, then look at every answer under load.

    The full form preloads the processes that sync, the server's or PostgreSQL's, with a library
    that notes each call of fsync and fdatasync. The short form needs no compiler: it looks through
    the eyes of a recording VFS on SQLite, and of PostgreSQL's own statistics.
    """
    if trial.full:
        await _preloaded(trial)
    elif trial.kind == SQLITE:
        await _recorded(trial)
    else:
        await _counted(trial)


def _report(trial: Trial, alone: int, syncs: int) -> None:
    ratio = syncs / alone
    trial.figure("commits one by one", alone)
    trial.figure("syncs for each", f"{ratio:.2f}")
    trial.require(ratio >= 1, f"{alone} acknowledged commits had {syncs} syncs")


def _report_early(trial: Trial, answers: int, early: int) -> None:
    trial.figure("answers", answers)
    trial.figure("answered before their sync", early)
    trial.require(not early, f"{early} of {answers} answers came before their sync")


@dataclass(frozen=True, slots=True)
class _Noted:
    """A server whose data are synced by a process that notes it."""

    log: SyncLog
    address: str
    bank: Bank


async def _preloaded(trial: Trial) -> None:
    async with _noted(trial) as noted:
        if noted is None:
            trial.require(False, "there is no C compiler (cc): no sync can be counted")  # noqa: FBT003
            return
        line = Line()
        line.connect(noted.address)
        try:
            before = noted.log.count()
            await _till(trial, line, noted.bank, 0, ALONE)
            alone = [one for one in line.answers.values() if not one.repeated]
            _report(trial, len(alone), noted.log.count() - before)
            until = time.monotonic() + SECONDS
            tills = [_till(trial, line, noted.bank, n, 0, until) for n in range(1, CLIENTS + 1)]
            await asyncio.gather(*tills)
        finally:
            await line.close()
        trial.require(noted.log.count() <= ROOM, "there were more syncs than there was room for")
        answers = [(a.sent_ns, a.answered_ns) for a in line.answers.values() if not a.repeated]
        syncs = noted.log.syncs()
        trial.figure("syncs", len(syncs))
        _report_early(trial, len(answers), answered_early(answers, syncs))


async def _till(
    trial: Trial, line: Line, bank: Bank, number: int, calls: int, until: float = float("inf")
) -> None:
    """Let a till call until it is time, or until so many of its calls were answered."""
    shared = Ledgers(bank)
    client = Client(shared, Caller(line, SECRET), trial.chance(number), number)  # type: ignore[arg-type]
    working = asyncio.create_task(client.run(until))
    if calls:
        await line.until_answered(calls)
        line.hang_up()
    try:
        await working
    except HungUpError:
        line.take_up()
    trial.problems += shared.wrong


@asynccontextmanager
async def _noted(trial: Trial) -> AsyncIterator[_Noted | None]:
    """Run a server such that the syncs of its data are noted."""
    with ExitStack() as stack:
        log = stack.enter_context(_sync_log())
        if log is None:
            yield None
            return
        if trial.kind == SQLITE:
            url, environment = trial.new_database(), log.environment(SYNC_S)
        else:
            with _variables(log.environment(SYNC_S / 10)):
                postgres = stack.enter_context(run_postgres())
            url, environment = postgres.new_database(), {}
        members = await prepare_bank(url, [POINTS] * MEMBERS)
        server = await ServerProcess.start(process_environment(url, trial.folder, **environment))
        try:
            yield _Noted(log, server.address, Bank(server.address, url, tuple(members)))
            await server.stop()
        finally:
            await server.kill()


@contextmanager
def _sync_log() -> Iterator[SyncLog | None]:
    """Make an empty log, where there is a compiler for the library that writes it."""
    with tempfile.TemporaryDirectory(prefix="loyalty-syncs-") as name:
        folder = Path(name)
        # Whoever PostgreSQL runs as must get at the folder.
        folder.chmod(0o755)
        library = build_sync_counter(folder)
        yield SyncLog.new(library, folder / "syncs", ROOM) if library else None


@contextmanager
def _variables(extra: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def _recorded(trial: Trial) -> None:
    # Only this form needs apsw: the other goals can be tried where it is not installed.
    from tests.support.recorded_disk import RecordingDisk  # noqa: PLC0415
    from tests.support.recorded_store import RecordedDatabase  # noqa: PLC0415

    disk = RecordingDisk(SYNC_S)
    database = RecordedDatabase(Database.from_text(trial.new_database()), disk)
    async with Store(database, PEPPER) as store:  # type: ignore[arg-type]
        await put_program(store)
        before = len(disk.syncs())
        answers = [await _enroll(store) for _ in range(20)]
        _report(trial, 20, len(disk.syncs()) - before)
        for _ in range(20):
            answers += await asyncio.gather(*(_enroll(store) for _ in range(10)))
    _report_early(trial, len(answers), answered_early(answers, disk.syncs()))


async def _enroll(store: Store) -> Interval:
    sent = time.monotonic_ns()
    await enroll(store, POINTS)
    return sent, time.monotonic_ns()


async def _counted(trial: Trial) -> None:
    assert isinstance(trial.backend, Postgres)
    url = trial.new_database()
    async with Store(Database.from_text(url), PEPPER) as store:
        await put_program(store)
    before = _log_syncs(trial.backend)
    early = 0
    async with Store(Database.from_text(url), PEPPER) as store:
        for _ in range(50):
            written = trial.backend.ask("SELECT pg_current_wal_insert_lsn()")
            await enroll(store, POINTS)
            early += trial.backend.ask(f"SELECT pg_current_wal_flush_lsn() <= '{written}'")
    _report_early(trial, 50, early)
    # A session that has ended has told all it counted; it ends soon after we have hung up.
    until = time.monotonic() + SESSION_END_S
    while _log_syncs(trial.backend) < before + 50 and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    _report(trial, 50, _log_syncs(trial.backend) - before)


def _log_syncs(postgres: Postgres) -> int:
    return int(postgres.ask("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"))


GOALS = (
    Goal(
        "G2",
        "Durability is real",
        "No write is answered before its commit is synced, however many share the commit.",
        run,
    ),
)
