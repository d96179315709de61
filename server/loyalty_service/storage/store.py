"""
Runs units of work: writes in groups that share one durable commit, reads beside them.

Calls queue on the event loop. Whenever a writer is free it gets everything that waits as one
batch, runs it in one transaction on its own thread, commits once, and only then are the callers
answered. While more calls are on their way a batch waits a moment for company, because one
hand-over and one sync then serve many; a call that is alone never waits.

When more comes than can be done, what waits must not grow: everybody would wait until their
deadline, and the work of callers who gave up would keep that of others from being done. So new
work is refused as long as the oldest that waits has waited too long, batches are no larger than
what is done in a moment, and work whose caller gave up before it began is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Self, TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.perform import Answer, Done
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.under_way import ARRIVAL, Arrival, UnderWay, digests_of
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.clock_check import ClockCheck, ClockState
from loyalty_service.domain.errors import (
    DeadlinePassedError,
    ServerBusyError,
    StorageUnavailableError,
)
from loyalty_service.domain.fairness import FairQueue
from loyalty_service.domain.flags import Flag, every_flag
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.observability.trail import CHARGE, TRAIL
from loyalty_service.storage.databases import READERS, Database
from loyalty_service.storage.hanging import watch_commits
from loyalty_service.storage.paced import Paced
from loyalty_service.storage.presence import Presence
from loyalty_service.storage.reads import SqlReader
from loyalty_service.storage.statements import Statements, dialect_of
from loyalty_service.storage.tally import Distribution, Tally
from loyalty_service.storage.writer import CLOSE_WAIT_S, Item, Writer, names_of

FLAG_LINES_MAX = 10
"""Lines about one reason of a flag in a second: a thief's orders must not be the log's load."""

OWN = ""
"""Whom the server's own work is done for: a key among the others, as it were."""

READERS_OF_ONE = READERS // 2
"""Readers that one caller may hold: another always finds one that will be free soon."""

T = TypeVar("T")
Work = Callable[[Unit, int], Any]

QUEUE_MAX = 4096
BATCH_MAX = 256
BATCH_MIN = 16
BATCH_MAX_S = 0.1
CLOCK_STEP_S = 0.001
BUSY_MIN = 64
WAIT_MAX_S = 0.25
RETRY_AFTER_S = 1.0
RETRY_AFTER_MAX_S = 10.0
COMPANY_WAIT_S = 0.005
GAP_MAX_S = 0.05
CATALOG_POLL_S = 1.0
CATALOG_WAIT_S = 2.0
CATALOG_AGE_MAX_S = 4.0
"""Older than this it is not trusted: a key may be revoked, which all must know within 5 s."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """
    What the store has done since it was opened.

    Attributes:
        writes: Units of work settled.
        commits: Transactions committed, each durable; fewer than writes, since calls share them.
        retries: Transactions that ran again after a conflict or a lost connection.
        waiting: Units of work that wait for a writer now.
        oldest_waiting_s: How long the first of them has waited.
        catalog_age_s: Seconds since the catalogue was last looked at.
        batch_calls: Calls that shared a commit, of the commits that changed anything.
        commit_s: Seconds such a commit took, until it was durable.
        flags: What was let through although it should not be, by kind and reason.
    """

    writes: int
    commits: int
    retries: int
    waiting: int
    oldest_waiting_s: float
    catalog_age_s: float
    batch_calls: Distribution
    commit_s: Distribution
    flags: Mapping[tuple[str, str], int]


class Store:
    """
    The storage as the rest of the program sees it.

    Open it with `async with`. `catalog` is the newest catalogue seen, at most a second old.

    Args:
        database: Where the data is.
        pepper: Secret that codes are digested with, or several of which one is current.
        writers: Connections that write at once; an embedded database always has one.
        serves: Whether calls are served from it, rather than an operator's commands run: then
            other servers are told of it, and its clock is compared.

    Attributes:
        under_way: The calls with a key that have arrived and may still take effect.
        clock: What the server's clock is good for.
    """

    def __init__(
        self,
        database: Database,
        pepper: bytes | Peppers,
        writers: int = 1,
        *,
        serves: bool = False,
    ) -> None:
        self.catalog = Catalog(revision=-1)
        self.under_way = UnderWay()
        self.clock = ClockCheck()
        self._database = database
        statements = Statements(dialect_of(database.url.drivername))
        count = 1 if database.embedded else writers
        self._writers = [Writer(database, statements, pepper, self.clock) for _ in range(count)]
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
        self._reading: Counter[str] = Counter()
        self._to_read: FairQueue[asyncio.Future[None]] = FairQueue()
        self._company = 1
        self._running = 0
        self._gap_s = GAP_MAX_S
        self._arrived = 0.0
        self._catalog_read_ns = 0
        self._freshening: asyncio.Task[bool] | None = None
        self._settled = 0
        self._flags = dict.fromkeys(every_flag(), 0)
        self._flagged: Counter[tuple[str, str]] = Counter()
        self._flagged_in = 0
        self._batch_max = BATCH_MAX
        self._refused = self._admitted = self._counted_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stale = Paced()
        self._too_old = Paced()
        self._drained = asyncio.Event()
        self._drained.set()
        self._pepper = pepper
        self._loop: asyncio.AbstractEventLoop
        self._readers: AsyncEngine
        self._poll: asyncio.Task[None]
        self._watch: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._readers = self._database.connect_readers()
        for writer in self._writers:
            writer.start()
        await self.refresh_catalog()
        if self._presence is not None:
            await self._presence.__aenter__()
        elif self._watches_clock:
            await self._look_at_clock()
        self._poll = asyncio.create_task(self._keep_catalog_fresh())
        self._watch = asyncio.create_task(watch_commits(self._database, self._writers))
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Finish what was accepted, then let go of the database."""
        self._poll.cancel()
        self._watch.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), CLOSE_WAIT_S)
        if self._presence is not None:
            await self._presence.__aexit__()
        for writer in self._writers:
            await self._loop.run_in_executor(None, writer.close)
        await self._readers.dispose()

    @property
    def replicated(self) -> bool:
        """Whether commits wait for a synchronous standby, as of the last of them."""
        return any(writer.replicated for writer in self._writers)

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of this machine."""
        return self._database.embedded

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
        self._admitted += 1
        future: asyncio.Future[T] = self._loop.create_future()
        trail = TRAIL.get()
        if trail is not None and trail.span is not None:
            trail.queued_ns = monotonic_ns()
        # The work may go on when whoever made the call has long hung up.
        arrival = ARRIVAL.get() if reads.remembered else None
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
        waiting = len(self._waiting)
        if waiting < QUEUE_MAX:
            # A few that a slow disk or a lock holds up are better served late than not.
            if waiting < BUSY_MIN or self._waiting.of(caller) < BUSY_MIN // self._waiting.keys:
                return
            if self._oldest_waiting_s() <= WAIT_MAX_S:
                return
        self._refused += 1
        raise ServerBusyError(self._retry_after_ms())

    def _retry_after_ms(self) -> int:
        """Send callers away for so long that those who come back are no more than can be served."""
        now = self._loop.time()
        times = self._refused / max(self._admitted, 1.0)
        if now - self._counted_since > 1.0:
            self._counted_since = now
            self._refused /= 2
            self._admitted /= 2
        wait_s = min(RETRY_AFTER_S * (1 + times), RETRY_AFTER_MAX_S)
        return round(wait_s) * 1000

    @contextlib.asynccontextmanager
    async def read(self, caller: str = OWN) -> AsyncIterator[SqlReader]:
        """
        Open a reader over one consistent state, when it is the *caller's* turn.

        Raises:
            StorageUnavailableError: The database does not answer.
        """
        await self._take_reader(caller)
        try:
            async with AsyncSession(self._readers) as session:
                yield SqlReader(session, self._pepper)
        except (OperationalError, InterfaceError, PoolTimeoutError) as problem:
            log.warning("database does not answer a reader", reason=str(problem))
            raise StorageUnavailableError from problem
        finally:
            self._give_reader_back(caller)

    async def _take_reader(self, caller: str) -> None:
        """Wait for one of the readers: callers take turns, and none has them all."""
        if not self._to_read and self._may_read(caller):
            self._reading[caller] += 1
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._to_read.push(caller, future)
        self._let_readers_in()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give_reader_back(caller)
            raise

    def _may_read(self, caller: str) -> bool:
        return self._reading.total() < READERS and self._reading[caller] < READERS_OF_ONE

    def _give_reader_back(self, caller: str) -> None:
        self._reading[caller] -= 1
        if not self._reading[caller]:
            del self._reading[caller]
        self._let_readers_in()

    def _let_readers_in(self) -> None:
        while self._to_read:
            found = self._to_read.pop_entry(self._may_read)
            if found is None:
                return
            caller, future = found
            if not future.done():
                self._reading[caller] += 1
                future.set_result(None)

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
            waiting=len(self._waiting),
            oldest_waiting_s=self._oldest_waiting_s(),
            catalog_age_s=self._catalog_age_s(),
            batch_calls=Tally.sum([writer.batch_calls for writer in self._writers]),
            commit_s=Tally.sum([writer.commit_s for writer in self._writers]),
            flags=self._flags,
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

    async def require_fresh_catalog(self) -> None:
        """
        Make sure that what operators changed a while ago is known, a revoked key above all.

        Every commit looks at the catalogue, so this waits only when none succeeded for seconds.

        Raises:
            ServerClockWrongError: The server's clock is too far off to serve anybody.
            StorageUnavailableError: The database can't be asked.
        """
        self.clock.require_right()
        if self._catalog_age_s() <= CATALOG_AGE_MAX_S:
            return
        # A batch that is run again in parts commits long before it ends.
        self._take_up_catalog()
        if self._catalog_age_s() <= CATALOG_AGE_MAX_S:
            return
        # One look serves all that wait; whoever gives up waiting must not end it for the others.
        if self._freshening is None or self._freshening.done():
            self._freshening = asyncio.create_task(self._freshen())
        if not await asyncio.shield(self._freshening):
            raise StorageUnavailableError

    async def _freshen(self) -> bool:
        try:
            await self.refresh_catalog(CATALOG_WAIT_S)
        except Exception as problem:  # noqa: BLE001 - whatever it is, nobody may be let in.
            if (told := self._too_old.due()) is not None:
                why = self._database.why(problem)
                log.warning("catalogue too old to let anyone in", reason=why, **told)
            return False
        return True

    def _catalog_age_s(self) -> float:
        return (monotonic_ns() - self._catalog_read_ns) / 1e9

    def _take_up_catalog(self) -> None:
        """Know what the writers saw when they last committed; they may be at work meanwhile."""
        for writer in self._writers:
            # The time is read before the catalogue, which may only be newer than it says.
            read_ns = writer.catalog_read_ns
            catalog = writer.catalog
            self._catalog_read_ns = max(self._catalog_read_ns, read_ns)
            if catalog.revision > self.catalog.revision:
                self.catalog = catalog

    def refuses(self) -> str | None:
        """Tell why no call would be let in now; nothing where their keys are known and the time."""
        self._take_up_catalog()
        if self._catalog_age_s() > CATALOG_AGE_MAX_S:
            return f"the catalogue is too old: {self._database.place} does not answer"
        if self.clock.state is ClockState.WRONG:
            return f"the clock is wrong by {self.clock.offset_ms / 1000} s"
        return None

    async def _look_at_clock(self) -> None:
        """Compare the clock of an embedded database's server with what it can be compared with."""
        async with self.read() as reader:
            newest_ms = await reader.newest_ms()
        if newest_ms is not None and self.clock.is_behind(newest_ms):
            log.warning("clock is behind what the store has recorded", recorded=rfc3339(newest_ms))
        self.clock.watch()

    async def _keep_catalog_fresh(self) -> None:
        while True:
            await asyncio.sleep(CATALOG_POLL_S)
            if self._watches_clock:
                self._watch_clock()
            try:
                await self.refresh_catalog()
            except Exception as problem:  # noqa: BLE001 - tried again in a second.
                if (told := self._stale.due()) is not None:
                    why = self._database.why(problem)
                    log.warning("catalogue not refreshed", reason=why, **told)

    def _watch_clock(self) -> None:
        before = self.clock.state
        state = self.clock.watch()
        if state is not before:
            log.error("clock was set", state=state.value, moved_s=self.clock.offset_ms / 1000)

    def _arrive(self) -> None:
        """Keep count of how many calls come, and how fast."""
        now = self._arrivals[-1].arrived_s
        self._gap_s += (min(now - self._arrived, GAP_MAX_S) - self._gap_s) / 8
        self._arrived = now
        self._company = max(self._company, len(self._waiting) + self._running)

    def _schedule(self) -> None:
        """Hand over what waits: at once when no more is to be expected, else a moment later."""
        if not self._idle or not self._waiting:
            return
        if len(self._waiting) >= self._company or 2 * self._gap_s > COMPANY_WAIT_S:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(COMPANY_WAIT_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        """Hand over what came, and expect less next time."""
        self._company = max(1, (self._company + len(self._waiting)) // 2)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._idle or not self._waiting:
            return
        batch: list[Item] = []
        while self._waiting and len(batch) < self._batch_max:
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
        if not self._waiting and len(self._idle) == len(self._writers):
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
        for item in batch:
            if item.charge is not None:
                item.charge(item.spent_s)
            outcome = item.outcome
            if isinstance(outcome, Refused):
                self._tell(outcome, item)
                item.fail(outcome.error)
            elif isinstance(outcome, Answer | Done):
                self._flag(outcome.flags, item)
            if item.future.done():
                continue
            if item.failed:
                item.future.set_exception(item.outcome)
            else:
                item.future.set_result(item.outcome)
        if self._waiting:
            self._schedule()
        else:
            self._rest()

    def _flag(self, flags: Sequence[Flag], item: Item) -> None:
        """
        Count and log what was let through, whether or not its caller still waits.

        Of one kind and reason a few lines a second are written: all are counted.
        """
        for flag in flags:
            place = flag.kind.value, flag.reason
            self._flags[place] += 1
            second = int(self._loop.time())
            if second != self._flagged_in:
                self._flagged_in = second
                self._flagged.clear()
            self._flagged[place] += 1
            if self._flagged[place] <= FLAG_LINES_MAX:
                named = {"flag": flag.kind.value, "reason": flag.reason, **flag.about}
                log.warning("flagged", **named, **names_of([item]))

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

    def _tell(self, refused: Refused, item: Item) -> None:
        """Log who must wait, without any digits."""
        for refusal in refused.begun:
            scope, tally = refusal.scope, refusal.tally
            keys = self.catalog.keys.values()
            log.warning(
                "code guessing refused",
                scope=scope.kind.value,
                program_id=scope.program_id,
                key_id=scope.key_id,
                partner=next((key.partner for key in keys if key.key_id == scope.key_id), None),
                store_id=scope.store_id,
                terminal=scope.terminal,
                wrong=tally.failed,
                right=tally.matched,
                regulars=tally.regulars,
                seconds=(refusal.until_ms - refusal.since_ms) // 1000,
                **names_of([item]),
            )


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(DeadlinePassedError())
