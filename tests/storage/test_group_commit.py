"""Writes share commits, and a call that fails hurts nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from loyalty_service.application.reads import Reads
from loyalty_service.application.under_way import ARRIVAL
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import MemberNotFoundError, PointsInsufficientError
from loyalty_service.domain.ledger import GENESIS, NOBODY, Account, AccountKind, Cause, Origin
from loyalty_service.domain.records import KeptAnswer
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from tests.support.databases import Sqlite, fresh_database
from tests.support.ledger import audit, count_rows, rows
from tests.support.programs import PROGRAM_ID, add_member, enroll, put_program
from tests.support.stores import PEPPER, WatchedDatabase, demo_store, writers_busy

WRITES = 400


async def test_concurrent_writes_share_commits(database_url: str) -> None:
    """Hundreds of writes at once are all answered by far fewer commits."""
    database = WatchedDatabase(Database.from_text(database_url))
    async with Store(database, PEPPER) as store:  # type: ignore[arg-type]
        await put_program(store)
        before = database.commits
        members = await asyncio.gather(*(enroll(store, 10) for _ in range(WRITES)))
        commits = database.commits - before
    assert len(set(members)) == WRITES
    assert count_rows(database_url, "member") == WRITES
    assert commits <= WRITES // 10
    audit(database_url)


async def test_lone_write_commits_by_itself(database_url: str) -> None:
    """A write that is answered is committed: one after the other take one commit each."""
    database = WatchedDatabase(Database.from_text(database_url))
    async with Store(database, PEPPER) as store:  # type: ignore[arg-type]
        await put_program(store)
        before = database.commits
        for number in range(1, 6):
            await enroll(store)
            assert database.commits >= before + number
            assert count_rows(database_url, "member") == number


class _StillLoop:
    """An event loop whose clock has not moved since it was looked at, as uvloop's for a while."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._now = loop.time()

    def time(self) -> float:
        """Tell the same time as ever."""
        return self._now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_clock_that_stands_still_costs_no_answer(database_url: str) -> None:
    """A batch that takes no time by a coarse clock is answered like any."""
    async with demo_store(database_url) as store:
        store._loop = _StillLoop(store._loop)  # type: ignore[assignment]
        async with asyncio.timeout(10):
            for _ in range(3):
                async with writers_busy(store):
                    calls = [asyncio.create_task(enroll(store)) for _ in range(40)]
                    await asyncio.sleep(0)
                await asyncio.gather(*calls)


def _refused(_unit: Unit, _now_ms: int) -> None:
    raise MemberNotFoundError("nobody")


def _refused_after_writing(unit: Unit, now_ms: int) -> None:
    add_member(unit, now_ms, 70)
    raise PointsInsufficientError(1, 2)


def _writing(unit: Unit, now_ms: int) -> None:
    add_member(unit, now_ms)


def _exploding(_unit: Unit, _now_ms: int) -> None:
    raise ZeroDivisionError


def _exploding_after_writing(unit: Unit, now_ms: int) -> None:
    add_member(unit, now_ms, 70)
    raise ZeroDivisionError


def _breaking_a_constraint(unit: Unit, now_ms: int) -> None:
    add_member(unit, now_ms, 70)
    nobody = Account(10**9, AccountKind.ADJUSTED, 0, 0, GENESIS)
    nowhere = Account(10**9 + 1, AccountKind.ISSUED, 0, 0, GENESIS)
    unit.post(nobody, nowhere, 5, Origin(Cause.ADJUST, NOBODY, "", now_ms, now_ms))


class _FullDisk:
    """A connection whose commit fails once."""

    armed = False

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: Any, *values: Any) -> Any:
        """Run a statement, but not the commit."""
        if sql == "COMMIT" and _FullDisk.armed:
            _FullDisk.armed = False
            raise sqlite3.DatabaseError("disk is full")
        return self._connection.execute(sql, *values)


async def _try_with_a_key(store: Store, work: Callable[[Unit, int], None]) -> bool:
    """Make a call with a key that fails; return whether it is still under way then."""
    arrival = store.under_way.enter("demo/till", "key")
    token = ARRIVAL.set(arrival)
    try:
        call = store.write(work, reads=Reads(kept_answers=(("demo/till", "key"),)))
        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        assert isinstance(outcome, Exception)
    finally:
        ARRIVAL.reset(token)
        arrival.release()
    return await store.is_under_way("demo/till", "key", 0.0)


async def test_call_that_failed_before_its_commit_is_under_way_no_more(database_url: str) -> None:
    """Its caller need not wait for the next write to hear that it was never seen."""
    async with demo_store(database_url) as store:
        assert not await _try_with_a_key(store, _breaking_a_constraint)
        assert not await _try_with_a_key(store, _exploding_after_writing)


async def test_call_whose_commit_failed_is_under_way_until_another_took_its_place(
    sqlite: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite what is in the log may be found by the next start, until it is written over."""
    connect = Database.connect_writer
    monkeypatch.setattr(Database, "connect_writer", lambda self: _FullDisk(connect(self)))
    with fresh_database(sqlite) as url:
        async with demo_store(url) as store:
            _FullDisk.armed = True
            assert await _try_with_a_key(store, _writing)
            assert not _FullDisk.armed
            await enroll(store)
            assert not await store.is_under_way("demo/till", "key", 0.0)


@pytest.mark.parametrize(
    ("guilty", "expected"),
    [
        (_refused, MemberNotFoundError),
        (_refused_after_writing, PointsInsufficientError),
        (_exploding, ZeroDivisionError),
        (_exploding_after_writing, ZeroDivisionError),
        (_breaking_a_constraint, Exception),
    ],
)
async def test_failing_call_leaves_its_batch_alone(
    database_url: str, guilty: object, expected: type[Exception]
) -> None:
    """A call that fails in a batch fails alone, and nothing of it remains."""
    async with demo_store(database_url) as store:
        await enroll(store)
        async with writers_busy(store):
            before = [asyncio.create_task(enroll(store, 10)) for _ in range(5)]
            failing = asyncio.create_task(store.write(guilty))  # type: ignore[arg-type]
            after = [asyncio.create_task(enroll(store, 10)) for _ in range(5)]
            await asyncio.sleep(0)
        members = await asyncio.gather(*before, *after)
        with pytest.raises(expected):
            await failing
    found = {row.loyalty_id for row in rows(database_url, "SELECT loyalty_id FROM member")}
    assert len(found) == 11
    assert found.issuperset(members)
    assert count_rows(database_url, "transfer") == 10
    audit(database_url)


async def test_calls_of_one_batch_see_each_other(database_url: str) -> None:
    """A call sees what an earlier call of its batch wrote, before either is committed."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 10)

        def take_all(unit: Unit, now_ms: int) -> int:
            member = unit.member(PROGRAM_ID, loyalty_id)
            assert member is not None
            taken = member.available.balance
            if taken:
                account = unit.program_account(PROGRAM_ID, AccountKind.ADJUSTED)
                origin = Origin(Cause.ADJUST, NOBODY, "taken", now_ms, now_ms)
                unit.post(member.available, account, taken, origin)
            return taken

        async with writers_busy(store):
            tasks = [asyncio.create_task(store.write(take_all)) for _ in range(10)]
            await asyncio.sleep(0)
        assert sorted(await asyncio.gather(*tasks)) == [0] * 9 + [10]
    audit(database_url)


async def test_batch_that_fails_at_its_end_keeps_each_innocent_effect_once(
    database_url: str,
) -> None:
    """When the bulk write of a batch fails, every innocent call takes effect exactly once."""
    async with demo_store(database_url) as store:
        answer = KeptAnswer("scope", "taken", "Adjust", bytes(32), b"first", 0)
        await store.write(lambda unit, _now: unit.add(answer))
        again = KeptAnswer("scope", "taken", "Adjust", bytes(32), b"second", 0)
        async with writers_busy(store):
            good = [asyncio.create_task(enroll(store, 10)) for _ in range(5)]
            bad = asyncio.create_task(store.write(lambda unit, _now: unit.add(again)))
            await asyncio.sleep(0)
        await asyncio.gather(*good)
        with pytest.raises(Exception, match=r"(?i)unique"):
            await bad
        async with store.read() as reader:
            kept = await reader.kept_answer("scope", "taken")
    assert kept is not None
    assert kept.answer == b"first"
    assert count_rows(database_url, "transfer") == 5
    audit(database_url)
