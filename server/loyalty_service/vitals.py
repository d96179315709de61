"""
Looks from time to time at what would cost too much to count in every call.

That is: open orders, who must wait because of wrong codes, whether the ledger balances, the state
of PostgreSQL, and whether the database was served with a code pepper that this server does not
know.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Protocol

import structlog

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.guessing import ScopeKind
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.storage.store import Store

OPEN_EVERY_S = 10.0
GUESSING_EVERY_S = 10.0
LEDGER_EVERY_S = 60.0
STANDING_EVERY_S = 30.0
PEPPERS_EVERY_S = 10.0
SOON_MS = 3_600_000
SHARE = 0.02
"""Part of the time that a look may take: it comes less often in a store where it takes longer."""

log = structlog.get_logger(__name__)


class VitalsWatch(Protocol):
    """Shows what was seen."""

    def show_open(
        self, *, transactions: int, expiring: int, overdue: int, holds: int, points: int
    ) -> None:
        """Show what is open."""

    def show_guessing(self, waits: Mapping[ScopeKind, int], attacked: int) -> None:
        """Show how many of each kind must wait, and how many programs are under attack."""

    def show_unknown_peppers(self, count: int) -> None:
        """Show how many of the store's code peppers this server does not know."""

    def show_imbalance(self, points: int) -> None:
        """Show by how much the ledger is out of balance."""

    def show_points(self, sums: Sequence[tuple[str, AccountKind, int]]) -> None:
        """Show what the accounts of each program and kind sum to."""

    def show_standing(
        self,
        *,
        connections: float,
        size_bytes: int,
        standbys: int,
        lag_bytes: int | None,
        waits: bool,
        lossy: bool,
    ) -> None:
        """Show how the PostgreSQL stands."""

    def show_pruned(self, pruned_ms: int) -> None:
        """Show when the store was last pruned."""


async def watch_forever(store: Store, watch: VitalsWatch) -> None:
    """Look at the store again and again; a look that fails is logged."""
    failover = _Failover()

    async def look_at_orders() -> None:
        async with store.read() as reader:
            seen = await reader.open_orders(store.clock.believed_ms(now_ms()), SOON_MS)
        watch.show_open(
            transactions=seen.transactions,
            expiring=seen.expiring,
            overdue=seen.overdue,
            holds=seen.holds,
            points=seen.points,
        )

    async def look_at_guessing() -> None:
        async with store.read() as reader:
            seen = await reader.guessing(store.clock.believed_ms(now_ms()))
        watch.show_guessing(seen.waits, seen.attacked)

    async def look_at_ledger() -> None:
        async with store.read() as reader:
            sums = await reader.balances()
        programs: Counter[str] = Counter()
        for program_id, _, points in sums:
            programs[program_id] += points
        imbalance = sum(map(abs, programs.values()))
        if imbalance:
            log.error("the ledger does not balance", points=imbalance)
        watch.show_imbalance(imbalance)
        watch.show_points(sums)

    async def look_at_database() -> None:
        async with store.read() as reader:
            seen = await reader.standing()
        watch.show_standing(
            connections=seen.connections,
            size_bytes=seen.size_bytes,
            standbys=seen.standbys,
            lag_bytes=seen.lag_bytes,
            waits=store.replicated,
            lossy=failover.look(seen.standbys, safe=store.survives_failover),
        )

    async def look_at_peppers() -> None:
        async with store.read() as reader:
            unknown = await reader.unknown_peppers()
        if unknown:
            log.error("code pepper unknown", peppers=unknown)
        watch.show_unknown_peppers(len(unknown))

    async with asyncio.TaskGroup() as group:
        group.create_task(_repeat(look_at_peppers, PEPPERS_EVERY_S))
        group.create_task(_repeat(look_at_orders, OPEN_EVERY_S))
        group.create_task(_repeat(look_at_guessing, GUESSING_EVERY_S))
        group.create_task(_repeat(look_at_ledger, LEDGER_EVERY_S))
        group.create_task(_repeat(partial(_look_at_retention, store, watch), LEDGER_EVERY_S))
        if not store.embedded:
            group.create_task(_repeat(look_at_database, STANDING_EVERY_S))


async def _look_at_retention(store: Store, watch: VitalsWatch) -> None:
    async with store.read() as reader:
        pruned_ms = await reader.pruned_ms()
    watch.show_pruned(pruned_ms)


class _Failover:
    """Warns once when there are standbys that acknowledged points may not be on."""

    def __init__(self) -> None:
        self._lossy = False

    def look(self, standbys: int, *, safe: bool) -> bool:
        """Tell whether a standby could lack points, and log where that has changed."""
        was, self._lossy = self._lossy, standbys > 0 and not safe
        if self._lossy and not was:
            log.warning("a failover could lose acknowledged points", standbys=standbys)
        elif was and not self._lossy:
            log.info("a failover loses no acknowledged points any more", standbys=standbys)
        return self._lossy


async def _repeat(look: Callable[[], Coroutine[Any, Any, None]], every_s: float) -> None:
    while True:
        started = perf_counter()
        try:
            await look()
        except Exception as problem:  # noqa: BLE001 - the next time tries again.
            log.warning("store not looked at", reason=f"{type(problem).__name__}: {problem}")
        await asyncio.sleep(max(every_s, (perf_counter() - started) / SHARE))
