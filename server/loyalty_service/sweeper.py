"""Ends what is overdue, in small batches, beside the calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from loyalty_service.application.accounts.expire_reservations import (
    OverdueReservation,
    expire_reservation,
    find_overdue_reservations,
)
from loyalty_service.application.members.erase_member import take_names_out
from loyalty_service.application.orders.expire_overdue import (
    OverdueBucket,
    OverdueCode,
    OverdueTransaction,
    expire_bucket,
    expire_code,
    find_overdue_buckets,
    find_overdue_codes,
    find_overdue_transactions,
    void_overdue,
)
from loyalty_service.application.perform import Run, UseCase, perform
from loyalty_service.application.purchases.lapse_purchases import (
    OverduePurchase,
    find_overdue_purchases,
    lapse_purchase,
)
from loyalty_service.application.sessions.expire_sessions import (
    OverdueSession,
    expire_session,
    find_overdue_sessions,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    DeadlinePassedError,
    ServerBusyError,
    StorageUnavailableError,
)
from loyalty_service.domain.events import SWEEPER
from loyalty_service.storage.store import Store
from loyalty_service.transport.persons import nameless

BATCH_MAX = 100
FORGET_INTERVAL_S = 600.0
"""Seconds between looks for counts that are too old to matter."""

T = TypeVar(
    "T",
    OverdueTransaction,
    OverdueCode,
    OverdueBucket,
    OverdueSession,
    OverdueReservation,
    OverduePurchase,
)

_NOT_THE_ROWS_FAULT = (DeadlinePassedError, ServerBusyError, StorageUnavailableError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """
    What a sweep did.

    Attributes:
        transactions: Abandoned ones that were voided.
        codes: Unused ones that expired.
        left: Overdue rows that could not be ended.
        buckets: Buckets whose points went.
        sessions: Sessions of members that nobody used any more.
        reservations: Those of points that expired.
        purchases: Those that nobody confirmed, whose points were taken back.
    """

    transactions: int
    codes: int
    left: int
    buckets: int = 0
    sessions: int = 0
    reservations: int = 0
    purchases: int = 0

    @property
    def count(self) -> int:
        """All that was ended."""
        others = self.buckets + self.sessions + self.reservations + self.purchases
        return self.transactions + self.codes + others


class SweepWatch(Protocol):
    """Hears how sweeps end."""

    def succeeded(self, transactions: int, codes: int, left: int) -> None:
        """Take note of a sweep that came to its end."""

    def failed(self) -> None:
        """Take note of a sweep that failed."""


class Clock(Protocol):
    """Tells whether it is known how late it is."""

    @property
    def may_end(self) -> bool:
        """Whether what is overdue may be ended."""

    def time_ms(self) -> int:
        """Give the time that overdue things are ended by."""


async def sweep_forever(store: Store, interval_s: float, watch: SweepWatch | None) -> None:
    """
    Sweep every so often; a failed sweep is logged, and the next one tries again.

    While the clock is off nothing is ended: one server would end what is open at all of them.
    """
    forgotten = time.monotonic()
    names_left = True
    while True:
        if not store.clock.may_end:
            log.warning("no sweep while the clock is off")
            await asyncio.sleep(interval_s)
            continue
        try:
            swept = await sweep(store, store.clock)
            if names_left:
                names_left = await take_out_names(store)
            await note_keys_used(store)
            if store.rewrite_due:
                await store.rewrite()
            if time.monotonic() - forgotten > FORGET_INTERVAL_S:
                await forget(store)
                forgotten = time.monotonic()
        except Exception as problem:  # noqa: BLE001 - the next round tries again.
            log.warning("sweep failed", reason=f"{type(problem).__name__}: {problem}")
            if watch is not None:
                watch.failed()
        else:
            if watch is not None:
                watch.succeeded(swept.transactions, swept.codes, swept.left)
        await asyncio.sleep(interval_s)


async def sweep(store: Store, clock: Clock | None = None) -> Swept:
    """
    End everything overdue, a batch at a time.

    A row that can't be ended is logged with its ID and passed over: the rest goes on.

    Args:
        store: Where it is.
        clock: Tells the time; the writer's own does without it.

    Raises:
        LoyaltyError: The storage does not serve; the next sweep goes on from there.
    """
    voided, kept = await _end_all(store, clock, find_overdue_transactions, void_overdue)
    for overdue in voided:
        log.info("abandoned transaction voided", transaction_id=overdue.transaction_id)
    expired, unexpired = await _end_all(store, clock, find_overdue_codes, expire_code)
    if expired:
        log.info("codes expired", count=len(expired))
    freed, kept_back = await _end_all(store, clock, find_overdue_reservations, expire_reservation)
    if freed:
        log.info("reservations expired", count=len(freed))
    emptied, full = await _end_all(store, clock, find_overdue_buckets, expire_bucket)
    if emptied:
        log.info("points expired", buckets=len(emptied))
    ended, open_still = await _end_all(store, clock, find_overdue_sessions, expire_session)
    if ended:
        log.info("sessions expired", count=len(ended))
    lapsed, waiting = await _end_all(store, clock, find_overdue_purchases, lapse_purchase)
    if lapsed:
        log.info("points of unconfirmed purchases taken back", purchases=len(lapsed))
    return Swept(
        transactions=len(voided),
        codes=len(expired),
        left=kept + unexpired + kept_back + full + open_still + waiting,
        buckets=len(emptied),
        sessions=len(ended),
        reservations=len(freed),
        purchases=len(lapsed),
    )


async def forget(store: Store) -> None:
    """Delete what was counted about codes and for limits and matters no more, in batches."""
    while await store.write(lambda unit, now_ms: unit.forget_counts(now_ms, BATCH_MAX)):
        pass


async def note_keys_used(store: Store) -> None:
    """Keep in which hour keys were last used, of those that this hour was not kept of yet."""
    hour_ms, key_ids = store.key_uses.due(store.clock.time_ms())
    if key_ids:
        await store.write(lambda unit, _now_ms: unit.note_keys_used(key_ids, hour_ms))
        store.key_uses.written(key_ids)


async def take_out_names(store: Store) -> bool:
    """
    Take members' names out of what an older version kept, in batches; return whether any are left.

    It is done once after an upgrade: answers are kept without names now.
    """
    count = 0
    while found := await store.write(
        lambda unit, _now_ms: take_names_out(unit, nameless, BATCH_MAX)
    ):
        count += found
    if count:
        log.info("names taken out of kept answers", count=count)
        await store.empty_log()
    return False


async def _end_all(
    store: Store,
    clock: Clock | None,
    find: Callable[[Unit, T | None, int, int], Sequence[T]],
    end: UseCase[bool],
) -> tuple[list[T], int]:
    """
    End all that is found, each in a unit of work of its own.

    Answers what was ended, and how many could not be.
    """
    ended: list[T] = []
    left = 0
    last: T | None = None
    while True:
        found = await _look(store, clock, find, last)
        done, failed = await _end(store, clock, found, end)
        ended += done
        left += failed
        if len(found) < BATCH_MAX:
            return ended, left
        # What could not be ended is still overdue, so that the search goes on behind it.
        last = found[-1]


async def _look(
    store: Store,
    clock: Clock | None,
    find: Callable[[Unit, T | None, int, int], Sequence[T]],
    last: T | None,
) -> Sequence[T]:
    return await store.write(
        lambda unit, now_ms: find(unit, last, BATCH_MAX, _time_ms(clock, now_ms))
    )


def _time_ms(clock: Clock | None, now_ms: int) -> int:
    return now_ms if clock is None else clock.time_ms()


async def _end(
    store: Store, clock: Clock | None, found: Sequence[T], end: UseCase[bool]
) -> tuple[list[T], int]:
    def work(overdue: T) -> Callable[[Unit, int], bool]:
        run = Run(end, overdue, by=SWEEPER)
        return lambda unit, now_ms: perform(unit, _time_ms(clock, now_ms), run).result is True

    # The store runs them as one batch with one commit, and one by one when one of them fails.
    outcomes = await asyncio.gather(
        *(store.write(work(overdue), reads=overdue.reads()) for overdue in found),
        return_exceptions=True,
    )
    for overdue, outcome in zip(found, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            log.error("not ended, though overdue", row=repr(overdue), reason=repr(outcome))
    if found and all(isinstance(outcome, _NOT_THE_ROWS_FAULT) for outcome in outcomes):
        raise StorageUnavailableError
    ended = [overdue for overdue, outcome in zip(found, outcomes, strict=True) if outcome is True]
    return ended, sum(isinstance(outcome, BaseException) for outcome in outcomes)
