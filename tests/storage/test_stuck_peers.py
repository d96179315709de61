"""Peers that hold a row and say nothing, databases that vanish, and callers who gave up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.postgresql import begin
from loyalty_service.storage.store import Store
from tests.support.doing import adjust_points
from tests.support.ledger import audit, count_rows, rows
from tests.support.postgres import Postgres
from tests.support.programs import add_member, enroll
from tests.support.stores import demo_store, writers_busy

PROGRAM = "demo-ca"
WAITS_FOR_LOCK = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def own_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


async def _give(store: Store, loyalty_id: str) -> int:
    """Give a member a point; return how many the member has then."""
    command = AdjustPoints(PROGRAM, loyalty_id, 1, "one more")
    adjusted = await store.write(
        lambda unit, now: adjust_points(unit, command, now).result,
        reads=Reads(members=((PROGRAM, loyalty_id),)),
    )
    return adjusted.after.available


@contextmanager
def _locked(url: str, *loyalty_ids: str) -> Iterator[None]:
    """Hold members' accounts as somebody does who forgot to end a transaction."""
    with psycopg.connect(Database.from_text(url).url.render_as_string(False)) as connection:  # noqa: FBT003
        connection.execute(
            "SELECT account_id FROM account JOIN member ON number = member_number "
            "WHERE loyalty_id = ANY(%s) FOR UPDATE OF account",
            [list(loyalty_ids)],
        )
        yield


@asynccontextmanager
async def _short_waits(monkeypatch: pytest.MonkeyPatch, url: str) -> AsyncIterator[Store]:
    monkeypatch.setattr("loyalty_service.storage.databases.LOCK_TIMEOUT_S", 0.1)
    async with demo_store(url) as store:
        yield store


async def test_adjustment_is_of_the_moment_when_it_has_its_member(own_url: str) -> None:
    """The clock is read once the member's accounts are locked, not while others hold them."""
    async with demo_store(own_url) as store:
        loyalty_id = await enroll(store)
        command = AdjustPoints(PROGRAM, loyalty_id, 1, "one more")
        with _locked(own_url, loyalty_id):
            giving = asyncio.create_task(
                store.write(
                    lambda unit, now: adjust_points(unit, command, now), reads=command.reads()
                )
            )
            while not rows(own_url, WAITS_FOR_LOCK):  # noqa: ASYNC110 - it tells only who asks.
                await asyncio.sleep(0)
            let_go_ms = now_ms()
        await giving

    ((recorded_ms,),) = rows(own_url, "SELECT recorded_ms FROM transfer")
    assert recorded_ms >= let_go_ms


async def test_locked_rows_stop_only_the_calls_about_them(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch, calls about rows that others hold are UNAVAILABLE, and all others are done."""
    async with _short_waits(monkeypatch, own_url) as store:
        members = [await enroll(store) for _ in range(8)]
        stuck = members[:3]
        with _locked(own_url, *stuck):
            async with writers_busy(store):
                calls = [asyncio.create_task(_give(store, member)) for member in members]
                await asyncio.sleep(0)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:3]] == [StorageUnavailableError] * 3
        assert outcomes[3:] == [1] * 5
        assert [await _give(store, member) for member in stuck] == [1] * 3
    audit(own_url)


async def test_locks_of_a_silent_server_end(own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that vanishes amid a transaction keeps its members' accounts for moments only."""
    async with demo_store(own_url) as store:
        member = await enroll(store)
        monkeypatch.setattr("loyalty_service.storage.databases.TRANSACTION_MAX_S", 0.1)
        vanished = Database.from_text(own_url).connect_writer()
        begin(vanished, "SELECT 0")
        vanished.execute("SELECT account_id FROM account FOR UPDATE")

        assert await _give(store, member) == 1
        with pytest.raises(psycopg.Error):
            vanished.execute("COMMIT")
        vanished.close()


async def test_server_that_stood_still_does_its_work_again(
    own_url: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write whose transaction was ended because its server stood still is done, once."""
    monkeypatch.setattr("loyalty_service.storage.databases.TRANSACTION_MAX_S", 0.5)
    name = Database.from_text(own_url).url.database
    amid = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' "  # noqa: S608 - ours.
        "AND application_name = 'loyalty-writer' AND state LIKE 'idle in transaction%'"
    )
    runs = []

    def work(unit: Unit, now_ms: int) -> str:
        runs.append(now_ms)
        while len(runs) == 1 and postgres.ask(amid):
            pass
        return add_member(unit, now_ms, 0)

    async with demo_store(own_url) as store:
        await store.write(work)
    assert len(runs) == 2
    assert count_rows(own_url, "member") == 1


def test_connection_asks_whether_the_database_is_there(own_url: str) -> None:
    """Both sides of a writer's connection notice within seconds that the other one vanished."""
    connection = Database.from_text(own_url).connect_writer()
    asked = connection.info.get_parameters()
    begin(connection, "SELECT 0")
    (longest,) = connection.execute("SHOW transaction_timeout").fetchone()
    connection.close()
    assert int(asked["keepalives_idle"]) <= 5
    assert int(asked["keepalives_interval"]) * int(asked["keepalives_count"]) <= 10
    assert longest == "5s"


async def test_work_that_nobody_waits_for_is_not_done_again(database_url: str) -> None:
    """A write that has to be run again is left out when its caller gave up meanwhile."""
    begun, release = threading.Event(), threading.Event()
    runs = []

    def work(unit: Unit, now_ms: int) -> str:
        runs.append(now_ms)
        added = add_member(unit, now_ms, 0)
        begun.set()
        release.wait()
        if len(runs) == 1:
            raise psycopg.errors.SerializationFailure
        return added

    async with demo_store(database_url) as store:
        task = asyncio.create_task(store.write(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        await enroll(store)
    assert len(runs) == 1
    assert count_rows(database_url, "member") == 1


async def test_catalogue_is_fresh_while_a_batch_is_run_in_parts(database_url: str) -> None:
    """What one of a batch's calls saw when it was committed alone lets callers in meanwhile."""
    begun, release = threading.Event(), threading.Event()

    def fail(_unit: Unit, _now_ms: int) -> None:
        raise RuntimeError("a fault")

    def wait(unit: Unit, now_ms: int) -> str:
        begun.set()
        release.wait()
        return add_member(unit, now_ms, 0)

    async with demo_store(database_url) as store:
        async with writers_busy(store):
            failing = asyncio.create_task(store.write(fail))
            others = [asyncio.create_task(enroll(store)), asyncio.create_task(store.write(wait))]
            await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait)
        store._catalog_read_ns = 0
        await asyncio.wait_for(store.require_fresh_catalog(), 1)
        release.set()
        with pytest.raises(RuntimeError, match="a fault"):
            await failing
        await asyncio.gather(*others)
