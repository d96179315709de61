"""What is looked up in the store now and then, and what it counts by itself, on every storage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loyalty_service.application.reads import NOTHING
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.guessing import FIRST_WAIT_MS, FREE, ScopeKind
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.observability.metrics import VitalMetrics
from loyalty_service.observability.trail import Trail
from loyalty_service.storage.batch import Item, names_of
from loyalty_service.storage.stats import Histogram
from loyalty_service.sweeper import sweep_forever
from loyalty_service.vitals import watch_forever
from tests.support.commands import Commands
from tests.support.guessing import tills_of
from tests.support.ledger import execute
from tests.support.orders import COFFEE, DAY_MS, START_MS, Till
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store
from tests.support.vital_signs import Watch, until

HOUR_MS = 3_600_000
COFFEE_POINTS = 800


async def test_postgresql_is_looked_at(postgres: Postgres) -> None:
    """Connections, size and standbys of a PostgreSQL are shown; one without standbys has no lag."""
    url = postgres.new_database()
    async with demo_store(url) as store:
        watch = Watch()
        await until(lambda: watch.standing, watch_forever(store, watch))
    assert 0 < (watch.standing["connections"] or 0) < 1
    assert (watch.standing["size_bytes"] or 0) > 1_000_000
    assert (watch.standing["standbys"], watch.standing["lag_bytes"]) == (0, None)
    assert watch.standing["waits"] is False
    assert watch.standing["lossy"] is False


async def test_last_prune_is_shown(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ran it, on whatever machine; before the first one it is never."""
    loyalty = Commands(monkeypatch, database_url)
    async with demo_store(database_url) as store:
        watch = Watch()
        await until(lambda: watch.pruned_ms is not None, watch_forever(store, watch))
        assert watch.pruned_ms == 0
        before_ms = now_ms()
        assert await asyncio.to_thread(loyalty, "prune", "--before", "2020-01-01", "--yes") == 0
        watch = Watch()
        await until(lambda: watch.pruned_ms is not None, watch_forever(store, watch))
    assert watch.pruned_ms is not None
    assert before_ms <= watch.pruned_ms <= now_ms()


async def test_open_orders_are_counted_by_their_time(database_url: str) -> None:
    """All open ones, those that end within the hour, those that should have, and what they hold."""
    async with demo_store(database_url) as store:
        till = Till(store)
        guest = await enroll(store, 100_000)
        for age_ms in (0, DAY_MS - HOUR_MS, DAY_MS - 1, DAY_MS, DAY_MS + 1):
            till.now_ms = START_MS - age_ms
            opened = await till.identify(guest, COFFEE)
        till.now_ms = START_MS
        await till.void(await till.identify(guest, COFFEE))
        await till.identify(guest)
        async with store.read() as reader:
            seen = await reader.open_orders(START_MS, HOUR_MS)
    assert opened
    assert (seen.transactions, seen.expiring, seen.overdue) == (6, 4, 2)
    assert (seen.holds, seen.points) == (5, 5 * COFFEE_POINTS)


async def test_empty_store_has_nothing_open(database_url: str) -> None:
    """Sums over no rows are 0."""
    async with demo_store(database_url) as store, store.read() as reader:
        seen = await reader.open_orders(START_MS, HOUR_MS)
        assert await reader.imbalance() == 0
    assert (seen.transactions, seen.expiring, seen.overdue, seen.holds, seen.points) == (0,) * 5


async def test_ledger_out_of_balance_is_seen(database_url: str) -> None:
    """Points that somebody wrote by hand show at the next look."""
    async with demo_store(database_url) as store:
        await enroll(store, 1000)
        watch = Watch()
        await until(lambda: watch.open and watch.imbalance is not None, watch_forever(store, watch))
        assert watch.imbalance == 0
        await until(lambda: bool(watch.sums), watch_forever(store, watch))
        assert watch.sums[PROGRAM_ID, AccountKind.AVAILABLE] > 0
        assert sum(watch.sums.values()) == 0
        execute(database_url, "UPDATE account SET balance = balance + 7 WHERE kind = 1")
        watch = Watch()
        await until(lambda: watch.imbalance is not None, watch_forever(store, watch))
        assert watch.imbalance == 7


async def test_waits_are_counted_by_who_must_wait(database_url: str) -> None:
    """A terminal that guesses waits alone, then its store and key with it; what is over is not."""
    async with demo_store(database_url) as store:
        tills = await tills_of(store)
        await tills.guess(FREE[ScopeKind.TERMINAL] + 1, terminal="kiosk-1")
        async with store.read() as reader:
            alone = await reader.guessing(tills.now_ms)
        await tills.guess(FREE[ScopeKind.KEY] - FREE[ScopeKind.TERMINAL], first=100)
        async with store.read() as reader:
            together = await reader.guessing(tills.now_ms)
            over = await reader.guessing(tills.now_ms + FIRST_WAIT_MS)
    assert alone.waits == {ScopeKind.TERMINAL: 1}
    assert together.waits == dict.fromkeys((ScopeKind.TERMINAL, ScopeKind.STORE, ScopeKind.KEY), 1)
    assert over.waits == {}
    assert together.attacked == 0


async def test_program_under_attack_is_counted_for_a_day(database_url: str) -> None:
    """Many keys that each guess what is free are an attack, until their guesses are forgotten."""
    async with demo_store(database_url) as store:
        for number in range(6):
            thief = await tills_of(store, f"thief-{number}")
            await thief.guess(FREE[ScopeKind.KEY] - 1, first=1000 * number)
            async with store.read() as reader:
                seen = await reader.guessing(thief.now_ms)
            guesses = (number + 1) * (FREE[ScopeKind.KEY] - 1)
            assert seen.attacked == (guesses > FREE[ScopeKind.PROGRAM])
            assert seen.waits.get(ScopeKind.STORE, 0) == seen.attacked
        async with store.read() as reader:
            later = await reader.guessing(thief.now_ms + DAY_MS + HOUR_MS)
    assert seen.attacked == 1
    assert later.attacked == 0


async def test_wait_is_shown_at_the_next_look(database_url: str) -> None:
    """Somebody who waits is measured although no call of theirs is refused meanwhile."""
    async with demo_store(database_url) as store:
        watch = Watch()
        await until(lambda: watch.waits is not None, watch_forever(store, watch))
        assert (watch.waits, watch.attacked) == ({}, 0)
        await (await tills_of(store)).guess(FREE[ScopeKind.KEY] + 1)
        registry = CollectorRegistry()
        shown = VitalMetrics(registry)
        await until(
            lambda: registry.get_sample_value("loyalty_code_waits", {"scope": "key"}),
            watch_forever(store, shown),
        )
    assert registry.get_sample_value("loyalty_code_waits", {"scope": "terminal"}) == 0
    assert registry.get_sample_value("loyalty_programs_under_attack") == 0


async def test_sweeps_are_told_with_what_they_left(database_url: str) -> None:
    """What was voided is counted, and so is what could not be."""
    async with demo_store(database_url) as store:
        guest = await enroll(store, 100_000)
        opened = [await Till(store).identify(guest, COFFEE) for _ in range(3)]
        execute(
            database_url,
            "UPDATE hold SET points = points + 1000000 WHERE transaction_id = :transaction_id",
            transaction_id=opened[1],
        )
        watch = Watch()
        await until(lambda: watch.swept, sweep_forever(store, 60, watch))
    assert watch.swept == [(2, 0, 1)]
    assert watch.failures == 0


async def test_failed_sweep_is_told(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that fails as a whole counts as that, and as no success."""

    async def fail(_store: Any) -> None:
        raise StorageUnavailableError

    monkeypatch.setattr("loyalty_service.sweeper.sweep", fail)
    async with demo_store(database_url) as store:
        watch = Watch()
        await until(lambda: watch.failures > 1, sweep_forever(store, 0.001, watch))
    assert not watch.swept


async def test_commits_are_counted_with_their_calls(database_url: str) -> None:
    """Batches that changed something are counted by size and time; looking alone is not."""
    async with demo_store(database_url) as store:
        before = store.stats()
        await asyncio.gather(*(enroll(store, 10) for _ in range(20)))
        after = store.stats()
        await store.refresh_catalog()
        assert store.stats().batch_calls == after.batch_calls
        assert store.stats().oldest_waiting_s == 0
        assert 0 <= store.stats().catalog_age_s < 60
    calls = after.batch_calls.total - before.batch_calls.total
    commits = sum(after.batch_calls.counts) - sum(before.batch_calls.counts)
    assert calls >= 20
    assert 1 <= commits <= calls
    assert sum(after.commit_s.counts) == sum(after.batch_calls.counts)
    assert after.commit_s.total > before.commit_s.total


def test_histograms_of_several_writers_are_one() -> None:
    """Values go into the first bucket that is not too small, and the rest into the last."""
    one, other = Histogram((1, 2)), Histogram((1, 2))
    for value in (0.5, 1, 2):
        one.add(value)
    other.add(9)
    seen = Histogram.sum([one, other])

    assert (seen.bounds, seen.counts, seen.total) == ((1, 2), (2, 1, 1), 12.5)


async def test_lines_about_a_batch_name_its_calls() -> None:
    """One call is named in full, several by their request IDs, work of the server's own not."""

    def item(request_id: str | None) -> Item:
        trail = None if request_id is None else Trail({"x-request-id": request_id})
        future = asyncio.get_running_loop().create_future()
        return Item(lambda _unit, _now: None, NOTHING, future, trail, 0.0)

    alone = names_of([item("a"), item(None)])
    assert alone["request_id"] == "a"
    assert len(alone["trace_id"]) == 32
    assert names_of([item("a"), item("b")]) == {"calls": 2, "request_ids": ["a", "b"]}
    assert len(names_of([item("a")] * 100)["request_ids"]) == 20
    assert names_of([item(None)]) == {}
