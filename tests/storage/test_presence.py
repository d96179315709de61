"""Servers of one PostgreSQL database: how they know of each other, and of each other's clocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
import structlog

from loyalty_service.application.reads import Reads
from loyalty_service.application.under_way import ARRIVAL
from loyalty_service.application.unit import Unit
from loyalty_service.domain import clock
from loyalty_service.domain.clock import ClockState, now_ms
from loyalty_service.domain.errors import ServerClockWrongError, StorageUnavailableError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.observability import paced
from loyalty_service.storage import presence
from loyalty_service.storage.alone import OpenElsewhereError, only_server
from loyalty_service.storage.databases import Database
from loyalty_service.storage.peppers import PepperError, register, require_known
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.copy import copy_store
from tests.support.databases import Sqlite
from tests.support.ledger import execute, rows
from tests.support.postgres import Postgres
from tests.support.programs import put_program
from tests.support.stores import PEPPER

SCOPE = "demo-ca/till"
KEYED = Reads(kept_answers=((SCOPE, "claim"),))
DAY_MS = 86_400_000
HANG_S = 30.0


@pytest.fixture
def shared_url(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database, whose servers beat often."""
    monkeypatch.setattr(presence, "BEAT_S", 0.02)
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@asynccontextmanager
async def _serving(url: str) -> AsyncIterator[Store]:
    async with Store(Database.from_text(url), PEPPER, serves=True) as store:
        yield store


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(HANG_S):
        while not holds():  # noqa: ASYNC110 - beats come by themselves.
            await asyncio.sleep(0.005)


def _servers(url: str) -> list[str]:
    return [row.server_id for row in rows(url, "SELECT server_id FROM server")]


def _nothing(_unit: Unit, _now_ms: int) -> str:
    return "done"


async def _call(store: Store, work: Callable[[Unit, int], str] = _nothing) -> str:
    """Do the work of a call with a key, from its arrival on."""
    arrival = store.under_way.enter(SCOPE, "claim")
    token = ARRIVAL.set(arrival)
    try:
        return await store.write(work, reads=KEYED)
    finally:
        ARRIVAL.reset(token)
        arrival.release()


async def test_servers_are_known_while_they_run(shared_url: str) -> None:
    """Each has a row from before it serves until it has stopped; none is left."""
    async with _serving(shared_url) as first:
        assert len(_servers(shared_url)) == 1
        async with _serving(shared_url) as second:
            assert len(_servers(shared_url)) == 2
            assert first.under_way.registration != second.under_way.registration
        assert _servers(shared_url) == [first.under_way.registration]
    assert _servers(shared_url) == []


async def test_operators_commands_are_no_servers(shared_url: str) -> None:
    """A store that is opened for a command is not waited for."""
    async with Store(Database.from_text(shared_url), PEPPER):
        assert _servers(shared_url) == []


async def test_server_whose_row_is_gone_registers_again(shared_url: str) -> None:
    """After a crash of the database, which empties the table, calls go on under a new name."""
    async with _serving(shared_url) as store:
        first = store.under_way.registration
        execute(shared_url, "DELETE FROM server")
        await _until(lambda: store.under_way.registration not in {None, first})
        assert _servers(shared_url) == [store.under_way.registration]
        assert await _call(store) == "done"


async def test_call_that_arrived_before_its_row_was_taken_is_refused(shared_url: str) -> None:
    """Somebody may have been told that it was never seen; a later call is done."""
    async with _serving(shared_url) as store:
        assert store._presence is not None
        store._presence._task.cancel()
        execute(shared_url, "DELETE FROM server")
        with pytest.raises(StorageUnavailableError):
            await _call(store)
        assert await store.write(_nothing) == "done"
        assert not store.under_way.sample()


async def test_row_is_held_while_a_call_is_done(shared_url: str) -> None:
    """Nobody takes the row of a server away in the middle of a transaction of a call with a key."""
    dsn = Database.from_text(shared_url).url.render_as_string(hide_password=False)
    left = []

    async with _serving(shared_url) as store:
        assert store._presence is not None
        store._presence._task.cancel()
        (row,) = rows(shared_url, "SELECT server_id, beat FROM server")

        def forget(_unit: Unit, _now_ms: int) -> str:
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute(presence._FORGET, (row.server_id, row.beat))
            left.append(_servers(shared_url))
            return "done"

        assert await _call(store, forget) == "done"
        assert await store.write(forget) == "done"
    assert left == [[row.server_id], []]


async def test_lone_server_is_not_waited_for(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question takes one look, however seldom servers beat."""
    async with _serving(shared_url) as store:
        monkeypatch.setattr(presence, "BEAT_S", 60.0)
        async with asyncio.timeout(5.0):
            assert not await store.is_under_way(SCOPE, "claim", 60.0)


async def test_pepper_is_first_used_when_all_servers_know_it(shared_url: str) -> None:
    """A server that runs without it would know no code of who uses it; one long gone does not."""
    new = b"n" * 32
    database = Database.from_text(shared_url)
    replaced = Peppers(new, (PEPPER,))
    await asyncio.to_thread(register, database, Peppers(PEPPER))
    async with _serving(shared_url):
        await asyncio.to_thread(register, database, Peppers(PEPPER, (new,)))
        for use in (register, require_known):
            with pytest.raises(PepperError, match="1 of the servers that run does not know"):
                await asyncio.to_thread(use, database, replaced)
    execute(
        shared_url,
        "INSERT INTO server (server_id, clock, beat, heard_ms, under_way, peppers) "
        "VALUES ('killed', 'its own', 7, 0, '', '')",
    )
    async with Store(database, Peppers(PEPPER, (new,)), serves=True):
        await asyncio.to_thread(require_known, database, replaced)
        await asyncio.to_thread(register, database, replaced)
    # In use, it is for those who do not know it to wait.
    async with _serving(shared_url):
        await asyncio.to_thread(register, database, replaced)


async def test_silent_server_leaves_the_question_open(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another server does not tell in time may be under way there."""
    monkeypatch.setattr(presence, "ASK_MAX_S", 0.2)
    async with _serving(shared_url) as asked:
        execute(
            shared_url,
            "INSERT INTO server (server_id, clock, beat, heard_ms, under_way, peppers) "
            "VALUES ('silent', 'its own', 7, 0, '', '')",
        )
        assert await asked.is_under_way(SCOPE, "claim", 5.0)


async def test_one_beat_is_no_answer(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next beat's sample may be from before the question; the one after that is not."""
    monkeypatch.setattr(presence, "ASK_MAX_S", 0.5)
    put = (
        "INSERT INTO server (server_id, clock, beat, heard_ms, under_way, peppers) "
        "VALUES ('other', 'its own', 7, 0, '', '')"
    )
    async with _serving(shared_url) as asked:
        execute(shared_url, put)
        question = asyncio.create_task(asked.is_under_way(SCOPE, "claim", 5.0))
        await asyncio.sleep(0)
        await _until(lambda: asked._presence is not None and not asked._presence._asked.is_set())
        execute(shared_url, "UPDATE server SET beat = 8 WHERE server_id = 'other'")
        assert await question
        question = asyncio.create_task(asked.is_under_way(SCOPE, "claim", 5.0))
        while not question.done():
            execute(shared_url, "UPDATE server SET beat = beat + 1 WHERE server_id = 'other'")
            await asyncio.sleep(0.01)
        assert not await question


async def test_question_is_open_while_the_database_does_not_answer(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In doubt a call is under way."""
    async with _serving(shared_url) as store:
        monkeypatch.setattr(presence, "_LOOK", "SELECT * FROM nowhere")
        assert await store.is_under_way(SCOPE, "claim", 5.0)


async def test_beats_that_fail_are_told_of_once_a_minute(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four failures a second make one line, which names the address and the cause."""
    async with _serving(shared_url) as store:
        monkeypatch.setattr(presence, "_LOOK", "SELECT * FROM nowhere")
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert await store.is_under_way(SCOPE, "claim", 5.0)
            monkeypatch.setattr(paced, "LINE_EVERY_S", 0.0)
            assert await store.is_under_way(SCOPE, "claim", 5.0)
    first, second = [one for one in logs if one["event"] == "database does not answer a beat"][:2]
    assert "nowhere" in first["reason"]
    assert first["reason"].startswith(Database.from_text(shared_url).place)
    assert "left_out" not in first
    assert second["left_out"] >= 2


async def test_servers_that_agree_serve_and_end_nothing(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines against the database's clock: it is the database's that is wrong."""
    monkeypatch.setattr(presence, "now_ms", lambda: now_ms() + 2 * DAY_MS)
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms() + 2 * DAY_MS)
    names = iter(["one machine", "another"])
    monkeypatch.setattr(presence, "_clock_name", lambda: next(names))
    async with _serving(shared_url) as first:
        assert first.clock.state is ClockState.WRONG
        with pytest.raises(ServerClockWrongError):
            await first.require_fresh_catalog()
        assert "the clock is wrong by" in (first.refuses() or "")
        async with _serving(shared_url) as second:
            for store in (first, second):
                await _until(lambda store=store: store.clock.state is ClockState.OTHERS_AGREE)
                await store.require_fresh_catalog()
                assert store.refuses() is None
                assert not store.clock.may_end
                assert abs(store.clock.time_ms() - now_ms()) < 60_000


async def test_servers_of_one_machine_have_one_clock(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many processes go by one wrong clock, it is one clock."""
    monkeypatch.setattr(presence, "now_ms", lambda: now_ms() - 2 * DAY_MS)
    async with _serving(shared_url) as first, _serving(shared_url) as second:
        assert second._presence is not None
        before = second._presence._beat
        await _until(lambda: second._presence and second._presence._beat > before + 3)
        assert first.clock.state is second.clock.state is ClockState.WRONG


async def test_rows_of_servers_are_not_copied(
    shared_url: str, sqlite: Sqlite, postgres: Postgres
) -> None:
    """A copy of a store has no servers, and servers of the target are no reason to refuse it."""
    async with _serving(shared_url) as store:
        await put_program(store)
        for backend in (sqlite, postgres):
            target = backend.empty_database()
            assert copy_store(Database.from_text(shared_url), Database.from_text(target)).all_hold
            assert rows(target, "SELECT * FROM server") == []
            backend.drop(target)


def test_embedded_database_has_one_server(sqlite: Sqlite) -> None:
    """A second one is refused, and may begin when the first has ended."""
    database = Database.from_text(sqlite.new_database())
    with only_server(database), pytest.raises(OpenElsewhereError), only_server(database):
        pass
    with only_server(database):
        pass
