"""G38: a pooler between servers and PostgreSQL loses no setting and fails no call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.durability import UnsafeDatabaseError
from loyalty_service.storage.migrate import downgrade, migrate
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.storage.tools.restore import restore
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.line import HungUpError, Line
from tests.fault.tills import Client, Ledgers
from tests.support.banks import SECRET, Bank, prepare_bank, run_servers
from tests.support.pooler import MODES, PROGRAM, Pooler, run_pooler
from tests.support.postgres import Postgres
from tests.support.server import Caller
from tests.support.silence import listening
from tests.support.stores import PEPPER

MEMBERS = 16
POINTS = 5000
SERVERS = 2
CLIENTS = 8
SESSIONS = {"transaction": 4, "session": 32}
"""
Sessions of the pooler for each database.

Two servers have twelve connections: in transaction mode they share four sessions, in session mode
each has its own, and commands and looks have some more.
"""

OLDER = "0003"
"""A schema that a store can go back to, and come forward from."""

_WATCH = """
CREATE SCHEMA watch;
CREATE TABLE watch.seen (commits text, locks text, whole text, told text);
CREATE FUNCTION watch.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watch.seen VALUES (current_setting('synchronous_commit'),
    current_setting('lock_timeout'), current_setting('transaction_timeout'),
    current_setting('client_min_messages'));
  RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER look AFTER INSERT OR UPDATE ON loyalty_transaction
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch.look();
CREATE CONSTRAINT TRIGGER look AFTER INSERT ON remembered_answer
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch.look();
"""
"""Notes what is set when a transaction commits: deferred triggers run last of all."""

_PLANTED = {
    "synchronous_commit": "off",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "client_min_messages": "error",
}
"""What sessions have set where nobody sets anything: nothing that a server wants."""

_WANTED = ("on", "1s", "5s", "warning")


async def run(trial: Trial) -> None:
    """
    Serve through a real pooler, look at the settings of every commit, and run every command.

    Sessions are fewer than connections in transaction mode, and what a session has set by itself
    would lose acknowledged points. Statement mode must be refused by name.
    """
    assert isinstance(trial.backend, Postgres)
    figures: Counter[str] = Counter()
    for mode in MODES:
        with _database(trial, mode) as (url, pooler):
            await _serve(trial, url, pooler, figures)
            await asyncio.to_thread(_command, trial, url, pooler)
            _look_at_sessions(trial, url, pooler)
        trial.say(f"{mode} mode: {figures['calls']} calls so far")
    with _database(trial, "statement") as (url, pooler):
        trial.require(_is_refused(pooler.before(url)), "statement mode was not refused by name")
    for name, value in figures.items():
        trial.figure(name, value)
    trial.require(figures["commits looked at"], "no commit was looked at")


@contextmanager
def _database(trial: Trial, mode: str) -> Iterator[tuple[str, Pooler]]:
    """Make a database whose sessions are set as nobody wants them, with a pooler before it."""
    assert isinstance(trial.backend, Postgres)
    url = trial.new_database()
    name = make_url(url).database
    for setting, value in _PLANTED.items():
        trial.backend.run(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    with ExitStack() as cleanup:
        cleanup.callback(trial.backend.drop, url)
        yield url, cleanup.enter_context(run_pooler(trial.backend, mode, SESSIONS.get(mode, 4)))


async def _serve(trial: Trial, url: str, pooler: Pooler, figures: Counter[str]) -> None:
    through = pooler.before(url)
    members = await prepare_bank(through, [POINTS] * MEMBERS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WATCH)
    folder = trial.folder / pooler.mode
    folder.mkdir()
    calls = trial.choose(10_000, 160) // len(MODES) // SERVERS
    async with run_servers(through, folder, SERVERS, processes=trial.full) as addresses:
        shared = [Ledgers(Bank(address, url, tuple(members))) for address in addresses]
        await asyncio.gather(*(_call(trial, *both, calls) for both in enumerate(shared)))
        # No session tells that servers are there: each may be anybody's.
        refused = await asyncio.to_thread(_is_served, through)
        trial.require(refused, f"{pooler.mode} mode: a store that is served was taken back")
        trial.problems += [f"{pooler.mode} mode: {w}" for ledgers in shared for w in ledgers.wrong]
    with psycopg.connect(url) as connection:
        seen = connection.execute("SELECT * FROM watch.seen").fetchall()
    lost = sum(settings != _WANTED for settings in seen)
    trial.require(not lost, f"{pooler.mode} mode: {lost} of {len(seen)} commits lost settings")
    figures["calls"] += sum(ledgers.outcomes.total() for ledgers in shared)
    figures["commits looked at"] += len(seen)
    figures["failed calls"] += sum(len(ledgers.wrong) for ledgers in shared)
    figures["commits that lost settings"] += lost


async def _call(trial: Trial, server: int, shared: Ledgers, calls: int) -> None:
    """Let tills call one server until so many of their calls were answered."""
    line = Line()
    line.connect(shared.bank.address)
    caller = Caller(line, SECRET)  # type: ignore[arg-type]
    working = [
        asyncio.create_task(Client(shared, caller, trial.chance(n), n).run(float("inf")))
        for n in range(server * CLIENTS, (server + 1) * CLIENTS)
    ]
    answered = asyncio.create_task(line.until_answered(calls))
    try:
        await asyncio.wait([answered, *working], return_when=asyncio.FIRST_COMPLETED)
        line.hang_up()
        for outcome in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, HungUpError):
                raise outcome
    finally:
        answered.cancel()
        await line.close()


def _is_served(url: str) -> bool:
    try:
        with listening():
            downgrade(Database.from_text(url), OLDER, lose_data=True)
    except OpenElsewhereError:
        return True
    return False


def _is_refused(url: str) -> bool:
    try:
        Database.from_text(url).require_durable()
    except UnsafeDatabaseError as problem:
        return "pool_mode" in str(problem)
    return False


def _command(trial: Trial, url: str, pooler: Pooler) -> None:
    """Do through the pooler what operators do, with a store that nobody serves."""
    through = Database.from_text(pooler.before(url))
    findings = audit(through)
    trial.problems += [f"{pooler.mode} mode: {problem}" for problem in findings.problems]
    file: Path = trial.folder / f"{pooler.mode}.backup"
    saved = back_up(through, file, PEPPER)
    downgrade(through, OLDER, lose_data=True)
    migrate(through)
    restored = restore(file, through, PEPPER, replace=True)
    trial.require(
        restored.saved.rows == saved.rows, f"{pooler.mode} mode: a backup came back otherwise"
    )
    copied = audit(through)
    trial.require(copied.all_hold, f"{pooler.mode} mode: what was restored fails its audit")


def _look_at_sessions(trial: Trial, url: str, pooler: Pooler) -> None:
    """Look at every session that the pooler has: nothing of ours may be left in it."""
    with ExitStack() as stack:
        for _ in range(max(1, pooler.sessions(url))):
            connection: Any = stack.enter_context(
                psycopg.connect(pooler.before(url), prepare_threshold=None)
            )
            (left,) = connection.execute(
                "SELECT (SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM "
                "pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
            ).fetchone()
            found = {
                name: connection.execute(f"SELECT current_setting('{name}')").fetchone()[0]
                for name in _PLANTED
            }
            trial.require(not left, f"{pooler.mode} mode: a session kept {left} names or locks")
            trial.require(
                found == _PLANTED, f"{pooler.mode} mode: a session kept settings: {found}"
            )


GOALS = (
    Goal(
        "G38",
        "Pooler",
        "Through a pooler no setting is lost, no call fails and nothing stays in a session; what "
        "can't work is refused at the start by name.",
        run,
        (POSTGRESQL,),
        (PROGRAM,),
    ),
)
