"""
Runs units of work: writes in groups that share one durable commit, reads beside them.

Calls queue on the event loop. Whenever a writer is free it gets everything that waits as one
batch, runs it in one transaction on its own thread, commits once, and only then are the callers
answered. While more calls are on their way, a batch waits a moment so that they can join it: one
hand-over and one sync then serve many. A single call never waits.

When more calls come than can be done, the queue must not grow: all callers would wait until their
deadline, and work for callers who gave up would delay the others. So new work is refused while the
oldest in the queue has waited too long, batches are no larger than what is done in a moment, and
work whose caller gave up before it began is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic_ns
from typing import Any, Self, TypeVar

import structlog

from loyalty_service.application.key_uses import KeyUses
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.under_way import ARRIVAL, Arrival, UnderWay, digests_of
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.access_tokens import AccessTokens
from loyalty_service.domain.clock import ClockCheck
from loyalty_service.domain.errors import (
    DeadlinePassedError,
    ServerBusyError,
)
from loyalty_service.domain.fairness import FairQueue
from loyalty_service.domain.peppers import Peppers
from loyalty_service.observability.trail import CHARGE, TRAIL
from loyalty_service.storage.batch import Flags, Item
from loyalty_service.storage.databases import Database
from loyalty_service.storage.emptied_log import EmptiedLog
from loyalty_service.storage.feed_tail import FeedTail
from loyalty_service.storage.fresh_catalog import FreshCatalog
from loyalty_service.storage.hanging import watch_commits
from loyalty_service.storage.presence import Presence
from loyalty_service.storage.readers import Readers
from loyalty_service.storage.reads import SqlReader
from loyalty_service.storage.repositories.statements import Statements, dialect_of
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.storage.stats import Histogram, StoreStats, TurnedAway
from loyalty_service.storage.writer import CLOSE_WAIT_S, Writer

OWN = ""
"""Whom the server's own work is done for: a key among the others, as it were."""

T = TypeVar("T")
Work = Callable[[Unit, int], Any]

QUEUE_MAX = 4096
BATCH_MAX = 256
BATCH_MIN = 16
BATCH_MAX_S = 0.1
CLOCK_STEP_S = 0.001
BUSY_MIN = 64
WAIT_MAX_S = 0.25
COMPANY_WAIT_S = 0.005
GAP_MAX_S = 0.05

log = structlog.get_logger(__name__)


class Store(FreshCatalog, EmptiedLog):
    """
    The storage as the rest of the program sees it.

    Open it with `async with`. `catalog` is the newest catalogue seen, at most a second old.

    Args:
        database: Where the data is.
        pepper: Secret that codes are digested with, or several of which one is current.
        writers: Connections that write at once; an embedded database always has one.
        serves: Whether calls are served from it, rather than an operator's commands run: then
            other servers are told of it, its clock is compared, and statements are built ahead.

    Attributes:
        embedded: Whether the database is a file of this machine.
        key_uses: Which API keys were used and not yet written.
        under_way: The calls with a key that have arrived and may still take effect.
        clock: What the server's clock is good for.
        feed: Tells whoever waits for events that there are more.
    """

    def __init__(
        self,
        database: Database,
        pepper: bytes | Peppers,
        writers: int = 1,
        *,
        serves: bool = False,
    ) -> None:
        clock = ClockCheck()
        statements = Statements(dialect_of(database.url.drivername))
        if serves:
            UnitOfWork.build(statements)
        self.embedded = database.embedded
        count = 1 if database.embedded else writers
        super().__init__(
            database, [Writer(database, statements, pepper, clock) for _ in range(count)], clock
        )
        self.tokens = AccessTokens(Peppers.of(pepper))
        self.under_way = UnderWay()
        self.key_uses = KeyUses()
        self._presence = (
            Presence(database, self.under_way, self.clock, Peppers.of(pepper))
            if serves and not database.embedded
            else None
        )
        self._watches_clock = serves and database.embedded
        self._lost: list[tuple[Writer, int, Arrival]] = []
        self._idle = list(self._writers)
        self._waiting: FairQueue[Item] = FairQueue()
        self._arrivals: deque[Item] = deque()
        self._readers = Readers(database, pepper)
        self.feed = FeedTail(self._readers)
        self._company = 1
        self._running = 0
        self._gap_s = GAP_MAX_S
        self._arrived = 0.0
        self._settled = 0
        self._flags = Flags()
        self._batch_max = BATCH_MAX
        self._turned_away = TurnedAway()
        self._timer: asyncio.TimerHandle | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._loop: asyncio.AbstractEventLoop
        self._poll: asyncio.Task[None]
        self._watch: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._readers.open()
        for writer in self._writers:
            writer.start()
        await self.refresh_catalog()
        if self._presence is not None:
            await self._presence.__aenter__()
        elif self._watches_clock:
            async with self.read() as reader:
                self._compare_clock(await reader.newest_ms())
        self._poll = asyncio.create_task(self._keep_catalog_fresh())
        self._watch = asyncio.create_task(watch_commits(self._database, self._writers))
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Finish what was accepted, then let go of the database."""
        self._poll.cancel()
        self._watch.cancel()
        self.feed.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), CLOSE_WAIT_S)
        if self._presence is not None:
            await self._presence.__aexit__()
        for writer in self._writers:
            await self._loop.run_in_executor(None, writer.close)
        await self._readers.close()

    async def write(
        self,
        work: Callable[[Unit, int], T],
        timeout_s: float = 5.0,
        reads: Reads = NOTHING,
        caller: str = OWN,
    ) -> T:
        """
        Run a unit of work and answer once its commit is durable.

        Giving up, by deadline or cancellation, never stops work that has begun; work that still
        waits then is left out. *reads* tells what the work starts from, so that it is fetched
        together with that of its batch. What callers have waiting is taken from each in turn.

        Raises:
            LoyaltyError: The work refuses.
            ServerBusyError: More waits than can be done soon; nothing was done.
            DeadlinePassedError: The answer did not come in time; the outcome is unknown.
        """
        self.require_room(caller)
        self._turned_away.admitted += 1
        future: asyncio.Future[T] = self._loop.create_future()
        trail = TRAIL.get()
        if trail is not None and trail.span is not None:
            trail.queued_ns = monotonic_ns()
        # The work may go on when whoever made the call has long hung up.
        arrival = ARRIVAL.get() if reads.kept_answers else None
        if arrival is not None:
            arrival.hold()
        self._drained.clear()
        item = Item(work, reads, future, trail, self._loop.time(), arrival, charge=CHARGE.get())
        self._waiting.push(caller, item)
        self._arrivals.append(item)
        self._arrive()
        self._schedule()
        alarm = self._loop.call_later(timeout_s, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    def require_room(self, caller: str = OWN) -> None:
        """
        Refuse what would only wait, before anybody spends time on it.

        A caller who has nothing waiting is let in as long as there is room at all: it is next.

        Raises:
            ServerBusyError: What waits has waited too long already.
        """
        waiting = self._waiting.count
        if waiting < QUEUE_MAX:
            # A few that a slow disk or a lock holds up are better served late than not.
            if waiting < BUSY_MIN or self._waiting.of(caller) < BUSY_MIN // self._waiting.keys:
                return
            if self._oldest_waiting_s() <= WAIT_MAX_S:
                return
        raise ServerBusyError(self._turned_away.retry_after_ms(self._loop.time()))

    def read(self, caller: str = OWN) -> AbstractAsyncContextManager[SqlReader]:
        """
        Open a reader over one consistent state, when it is the *caller's* turn.

        Raises:
            StorageUnavailableError: The database does not answer.
        """
        return self._readers.one(caller)

    async def confirm(self, timeout_s: float = 5.0, caller: str = OWN) -> None:
        """
        Return once all that was read so far is where the database's synchronous standbys are.

        Elsewhere it returns at once: what can be read there is durable. It waits in the *caller's*
        turn, as what the caller writes.

        Raises:
            LoyaltyError: It can't be told in time; what was read must not be told.
        """
        if self.replicated:
            await self.write(lambda _unit, _now: None, timeout_s, caller=caller)

    async def is_under_way(self, scope: str, key: str, longest_s: float) -> bool:
        """
        Tell whether a call with this key is under way, here or on another server, or may be.

        Whoever is told no, and then finds no kept answer, knows that no such call which had
        arrived before the question will take effect.

        Args:
            scope: Whose key it is.
            key: The idempotency key.
            longest_s: How long to wait for other servers; what they do not tell by then is open.
        """
        digests = digests_of(scope, key)
        if self.under_way.has(digests):
            return True
        return self._presence is not None and await self._presence.is_under_way(digests, longest_s)

    def stats(self) -> StoreStats:
        """Count what was done so far; any thread may ask."""
        return StoreStats(
            writes=self._settled,
            commits=sum(writer.commits for writer in self._writers),
            retries=sum(writer.retries for writer in self._writers),
            waiting=self._waiting.count,
            oldest_waiting_s=self._oldest_waiting_s(),
            catalog_age_s=self._catalog_age_s(),
            batch_calls=Histogram.sum([writer.batch_calls for writer in self._writers]),
            commit_s=Histogram.sum([writer.commit_s for writer in self._writers]),
            flags=self._flags.counts,
        )

    def _oldest_waiting_s(self) -> float:
        """Tell for how long the first of what waits has waited; any thread may ask."""
        try:
            return max(0.0, self._loop.time() - self._arrivals[0].arrived_s)
        except IndexError:
            return 0.0

    async def refresh_catalog(self, timeout_s: float = 5.0) -> None:
        """Take up what operators changed."""
        self.catalog = await self.write(lambda unit, _now: unit.catalog, timeout_s)

    def _arrive(self) -> None:
        """Keep count of how many calls come, and how fast."""
        now = self._arrivals[-1].arrived_s
        self._gap_s += (min(now - self._arrived, GAP_MAX_S) - self._gap_s) / 8
        self._arrived = now
        self._company = max(self._company, self._waiting.count + self._running)

    def _schedule(self) -> None:
        """Hand over what waits: at once when no more is to be expected, else a moment later."""
        if not self._idle or not self._waiting.count:
            return
        if self._waiting.count >= self._company or 2 * self._gap_s > COMPANY_WAIT_S:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(COMPANY_WAIT_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        """Hand over the calls that came, and expect fewer next time."""
        self._company = max(1, (self._company + self._waiting.count) // 2)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._idle or not self._waiting.count:
            return
        batch: list[Item] = []
        while self._waiting.count and len(batch) < self._batch_max:
            item = self._waiting.pop()
            if item is None:
                break
            item.taken = True
            if not item.future.done():
                batch.append(item)
            elif item.arrival is not None:
                item.arrival.release()
        while self._arrivals and self._arrivals[0].taken:
            self._arrivals.popleft()
        if not batch:
            self._rest()
            return
        writer = self._idle.pop()
        self._running += len(batch)
        began = self._loop.time()
        writer.give(
            batch, lambda: self._loop.call_soon_threadsafe(self._finish, writer, batch, began)
        )

    def _rest(self) -> None:
        """Let who closes the store know when nothing is left to do."""
        if not self._waiting.count and len(self._idle) == len(self._writers):
            self._drained.set()

    def _finish(self, writer: Writer, batch: Sequence[Item], began: float) -> None:
        self._idle.append(writer)
        self._settled += len(batch)
        self._running -= len(batch)
        if len(batch) >= BATCH_MIN:
            # The loop's clock may stand still for a millisecond.
            each_s = max(self._loop.time() - began, CLOCK_STEP_S) / len(batch)
            fit = int(BATCH_MAX_S / each_s)
            self._batch_max = max(BATCH_MIN, min(BATCH_MAX, (self._batch_max + fit) // 2))
        self._take_up_catalog()
        self._let_go(writer, batch)
        outcomes = [(item, item.outcome) for item in batch]
        for item, outcome in outcomes:
            if item.charge is not None:
                item.charge(item.spent_s)
            if isinstance(outcome, Refused):
                item.fail(outcome.error)
            if item.future.done():
                continue
            if item.failed:
                item.future.set_exception(item.outcome)
            else:
                item.future.set_result(item.outcome)
        if self._waiting.count:
            self._schedule()
        else:
            self._rest()
        # Last: a log that can't be written to keeps nobody's answer back.
        self._flags.tell(outcomes, self.catalog.keys)

    def _let_go(self, writer: Writer, batch: Sequence[Item]) -> None:
        """Settle the calls of a batch that is done, but for those whose commit may yet come."""
        if self._lost and self._database.embedded:
            # Another commit has taken the place in the log where theirs may have been written.
            for lost in [lost for lost in self._lost if lost[0].written > lost[1]]:
                self._lost.remove(lost)
                lost[2].release()
        for item in batch:
            if item.arrival is None:
                continue
            if not item.unsettled:
                item.arrival.release()
            elif self._database.embedded:
                self._lost.append((writer, writer.written, item.arrival))
            else:
                self.under_way.unsettled.append(item.arrival)


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(DeadlinePassedError())
