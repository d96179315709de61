"""Giving up never stops work that has begun, and a store that is too busy says so at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import DeadlinePassedError, ServerBusyError
from loyalty_service.storage.store import BUSY_MIN, Store
from tests.support.databases import Backend
from tests.support.doing import adjust_points
from tests.support.ledger import count_rows
from tests.support.programs import add_member, enroll
from tests.support.stores import demo_store, open_store, writers_busy


async def _flush(store: Store) -> None:
    """Wait until everything asked for before is done."""
    async with writers_busy(store):
        pass


async def test_cancelled_call_that_still_waited_is_left_out(database_url: str) -> None:
    """A caller that hangs up while its write waits has spared the store its work."""
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            task = asyncio.create_task(enroll(store))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await _flush(store)
        assert count_rows(database_url, "member") == 0


async def test_late_call_that_still_waited_is_left_out(database_url: str) -> None:
    """A write that waits past its deadline is reported so, and is not done any more."""
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            with pytest.raises(DeadlinePassedError):
                await store.write(add_member, timeout_s=0.01)
        await _flush(store)
        assert count_rows(database_url, "member") == 0


@pytest.mark.parametrize("late", [True, False])
async def test_giving_up_does_not_stop_work_that_has_begun(
    database_url: str, *, late: bool
) -> None:
    """A caller that gives up once a writer has its write finds it done later."""
    begun, release = threading.Event(), threading.Event()

    def work(unit: Unit, now_ms: int) -> str:
        begun.set()
        release.wait()
        return add_member(unit, now_ms, 0)

    async with demo_store(database_url) as store:
        task = asyncio.create_task(store.write(work, timeout_s=0.2 if late else 60))
        await asyncio.to_thread(begun.wait)
        if not late:
            task.cancel()
        with pytest.raises((asyncio.CancelledError, DeadlinePassedError)):
            await task
        release.set()
        await _flush(store)
        assert count_rows(database_url, "member") == 1


async def test_work_that_would_wait_too_long_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the oldest waits too long nobody joins it, and is told to come back ever later."""
    async with demo_store(database_url) as store:
        async with writers_busy(store):
            monkeypatch.setattr("loyalty_service.storage.store.WAIT_MAX_S", 0)
            oldest = [asyncio.create_task(enroll(store)) for _ in range(BUSY_MIN)]
            store.require_room()
            await asyncio.sleep(0)
            waits = []
            for _ in range(1000):
                with pytest.raises(ServerBusyError) as refused:
                    await enroll(store)
                waits.append(refused.value.retry_after_ms)
        await asyncio.gather(*oldest)
        await _flush(store)
        store.require_room()
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1000, 10_000)
    assert count_rows(database_url, "member") == BUSY_MIN


async def test_full_queue_refuses_at_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that finds the queue full is refused at once, and those in it are answered."""
    monkeypatch.setattr("loyalty_service.storage.store.QUEUE_MAX", 5)
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
        assert await reader.imbalance() == 0


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
    return adjust_points(unit, command, now_ms).result.after.available


async def test_unmigrated_database_is_not_opened(backend: Backend) -> None:
    """A store does not open on a database without tables, and leaves nothing behind."""
    url = backend.empty_database()
    with pytest.raises(Exception, match="catalog_revision"):
        async with open_store(url):
            pass
    backend.drop(url)
