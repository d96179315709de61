"""Giving up never stops the work, and a full store says so at once."""

from __future__ import annotations

import asyncio

import pytest

from server.application.adjust_points import AdjustPoints, adjust_points
from server.application.unit import Unit
from server.domain.errors import DeadlinePassedError, ServerBusyError
from server.storage.store import Store
from tests.support.databases import Backend
from tests.support.ledger import count_rows
from tests.support.programs import add_member, enroll
from tests.support.stores import demo_store, open_store, writers_busy


async def _flush(store: Store) -> None:
    """Wait until everything asked for before is done."""
    async with writers_busy(store):
        pass


async def test_cancelled_wait_does_not_stop_the_work(database_url: str) -> None:
    """A caller that hangs up while its write waits finds it done later."""
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            task = asyncio.create_task(enroll(store))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await _flush(store)
        assert count_rows(database_url, "member") == 1


async def test_passed_deadline_does_not_stop_the_work(database_url: str) -> None:
    """A write that takes longer than its deadline is reported so, and happens all the same."""
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            with pytest.raises(DeadlinePassedError):
                await store.write(add_member, timeout_s=0.01)
            assert count_rows(database_url, "member") == 0
        await _flush(store)
        assert count_rows(database_url, "member") == 1


async def test_full_queue_refuses_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that finds the queue full is refused at once, and those in it are answered."""
    monkeypatch.setattr("server.storage.store.QUEUE_MAX", 5)
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            waiting = [asyncio.create_task(enroll(store)) for _ in range(5)]
            await asyncio.sleep(0)
            with pytest.raises(ServerBusyError):
                await enroll(store)
        await asyncio.gather(*waiting)
        await enroll(store)
    assert count_rows(database_url, "member") == 6


async def test_closing_store_finishes_what_it_accepted(database_url: str) -> None:
    """A store that is closed first finishes every write it took on."""
    async with demo_store(database_url) as store:
        writes = [asyncio.create_task(enroll(store)) for _ in range(300)]
        await asyncio.sleep(0)
    assert count_rows(database_url, "member") == 300
    await asyncio.gather(*writes)


async def test_reading_does_not_wait_for_the_writers(database_url: str) -> None:
    """A read is answered while every writer is held up."""
    async with demo_store(database_url) as store, writers_busy(store), store.read() as reader:
        assert await reader.total("demo-ca") == 0


async def test_reader_sees_one_state(database_url: str) -> None:
    """Two queries of one reader see the same state, whatever is committed in between."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 10)
        async with store.read() as reader:
            before = await reader.member("demo-ca", loyalty_id)
            assert before is not None
            await enroll(store, 10)
            accounts = [before.available.account_id]
            later = await store.write(lambda unit, now: _adjust(unit, loyalty_id, now))
            assert later == 15
            assert len(await reader.transfers(accounts, None, 10)) == 1


def _adjust(unit: Unit, loyalty_id: str, now_ms: int) -> int:
    command = AdjustPoints("demo-ca", loyalty_id, 5, "more")
    return adjust_points(unit, command, now_ms).result.available.balance


async def test_unmigrated_database_is_not_opened(backend: Backend) -> None:
    """A store does not open on a database without tables, and leaves nothing behind."""
    url = backend.empty_database()
    with pytest.raises(Exception, match="catalog_revision"):
        async with open_store(url):
            pass
    backend.drop(url)
