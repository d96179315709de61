"""
Which calls are let in: no more than are answered soon, and of each API key no more than its share.

A call is counted by its key before its message is waited for, and enters when that is there and
before it is parsed: who sends none takes no place. A key that has no call under way always
enters. Of a busy key as many are under way as take the server a moment, by what its calls cost
lately, which is measured: the time for which they kept the event loop or a writer, whichever is
more, for these two work side by side. What is more is refused at once, so that it holds no place
here or at Envoy while it waits.

Of those that are in only some are at work, since each step of a call waits for the steps of all
others: of a key that shares the loop with another, calls worth a few steps of an ordinary call.
The rest waits for its turn, which comes to each key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from time import perf_counter, thread_time
from typing import Any, TypeVar

from loyalty_service.domain.errors import LimitExceededError, ServerBusyError
from loyalty_service.domain.fairness import FairQueue
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.observability.trail import CHARGE

T = TypeVar("T")

LIMIT_MAX = 1024
LIMIT_MIN = 128
TARGET_S = 0.25
WINDOW_S = 0.1
GROWTH_MAX = 1.2
SHRINKAGE_MAX = 0.5
RETRY_AFTER_S = 1.0
RETRY_AFTER_MAX_S = 10.0

KEY_TARGET_S = 0.1
"""Time of the loop that the calls of one key may be worth: Envoy takes longer answers for late."""

KEY_MIN = 8
"""
Calls of one key that may be under way whatever they cost, while no other has any.

Dear ones keep the loop: with more of them under way the surplus is refused so late that it holds
Envoy's places, which are everybody's.
"""

SHARE_MIN = 4
"""Calls that every key may have under way however many others have."""

COST_FIRST_S = 0.0001
COST_WEIGHT = 1 / 16
"""Weight of the last call in the estimate of what the next one costs."""

WORK_S = 0.02
"""Time of the loop that the calls of one key may be worth which are at work while it is alone."""

SHARED_WORK_S = 0.01
"""The same while others call as well: each step of their calls waits behind that much."""

SHARED_FOR_S = 1.0
"""Time after which a key that makes no more calls is not counted among the others."""

BURST_S = 2.0
"""Seconds' worth of calls that a key may make at once after a rest."""

HOLD_BACK_S = 0.2
"""How long a refusal waits that goes straight to its caller, who may call again as it comes."""

HELD_BACK_MAX = 2048
"""Refusals that wait at once; more leave without waiting."""

RETRY_AFTER_MS = 1000
ADMIT = LimitName.CALLS_PER_KEY_SECOND


class _Account:
    """What is known of a key: calls under way, what one costs, and calls it may still make."""

    __slots__ = ("at_work", "cost_s", "filled_s", "key_id", "tokens", "under_way")

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self.under_way = 0
        self.at_work = 0
        self.cost_s = COST_FIRST_S
        self.tokens = 0.0
        self.filled_s = 0.0


class Place:
    """
    A call's place among those under way, which must be left in the end.

    Attributes:
        spent_s: For how long the call kept the event loop so far, in seconds of processor time.
        written_s: The same for the writers.
    """

    __slots__ = (
        "_account",
        "_admission",
        "_at_work",
        "_began_s",
        "_counted_s",
        "_entered_s",
        "spent_s",
        "written_s",
    )

    def __init__(self, admission: Admission, account: _Account, entered_s: float) -> None:
        self._admission = admission
        self._account = account
        self._entered_s = entered_s
        self._at_work = False
        self._began_s: float | None = None
        self._counted_s: float | None = None
        self.spent_s = 0.0
        self.written_s = 0.0

    async def turn(self) -> None:
        """Wait until the call may go to work; at once while its key has little at work."""
        await self._admission.turn(self._account)
        self._at_work = True

    def begin(self) -> None:
        """Count the time from here on, up to the first time that `watch` waits."""
        self._began_s = thread_time()

    def begun_s(self) -> float:
        """Give when the step that runs now began."""
        began_s, self._began_s = self._began_s, None
        return thread_time() if began_s is None else began_s

    def watch(self, work: Awaitable[T]) -> Awaitable[T]:
        """Do the rest of the call, and count the time in which it keeps the loop or a writer."""
        CHARGE.set(self.charge)
        return _Watched(work, self)

    def charge(self, seconds: float) -> None:
        """Count what a writer spent, also when whoever made the call has hung up meanwhile."""
        self.written_s += seconds
        if self._counted_s is not None and self.written_s > self._counted_s:
            self._admission.add_cost(self._account, self.written_s - self._counted_s)
            self._counted_s = self.written_s

    def leave(self) -> None:
        """Take note that the call is over."""
        if self._began_s is not None:
            # It was refused before there was anything to watch.
            self.spent_s += thread_time() - self._began_s
        self._counted_s = max(self.spent_s, self.written_s, COST_FIRST_S)
        if self._at_work:
            self._admission.rest(self._account)
        self._admission.leave(self._account, self._counted_s, perf_counter() - self._entered_s)


class _Watched:
    """A coroutine whose every step is timed."""

    __slots__ = ("_place", "_work")

    def __init__(self, work: Awaitable[Any], place: Place) -> None:
        self._work = work
        self._place = place

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        send, place = steps.send, self._place
        value: Any = None
        failure: BaseException | None = None
        began = place.begun_s()
        while True:
            try:
                awaited = send(value) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            finally:
                place.spent_s += thread_time() - began
            failure = None
            try:
                value = yield awaited
            except BaseException as problem:  # noqa: BLE001 - it is the coroutine's to handle.
                failure = problem
            began = thread_time()


class Admission:
    """
    Lets calls in as long as those under way are answered in time, each key's by its share.

    By Little's law what is under way is what is answered in a second, times how long it takes: so
    whenever calls took longer than they should, fewer are let in, and more again when they did
    not. Those turned away are told to come back the later, the more they were.

    Attributes:
        limit: Calls that may be under way.
        under_way: Calls that are.
    """

    def __init__(self) -> None:
        self.limit = float(LIMIT_MAX)
        self.under_way = 0
        self._accounts: dict[str, _Account] = {}
        self._active = 0
        self._window_began = 0.0
        self._served = 0
        self._took_s = 0.0
        self._refused = 0
        self._excess = 0.0
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue()
        self._shared_until_s = 0.0
        self._held_back = 0

    async def hold_back(self) -> None:
        """
        Let a refusal wait, while there is room.

        To refuse costs a transport some 0.3 ms, so hundreds of connections that call again as soon
        as they are refused would keep the loop from everybody else.
        """
        if self._held_back < HELD_BACK_MAX:
            self._held_back += 1
            try:
                await asyncio.sleep(HOLD_BACK_S)
            finally:
                self._held_back -= 1

    def count(self, key: ApiKey, limits: Limits) -> None:
        """
        Count a call of a key, before its message is waited for.

        Raises:
            LimitExceededError: The key makes more calls a second than its program allows.
        """
        _take_token(self._account(key), limits.figures[ADMIT], perf_counter())

    def enter(self, key: ApiKey) -> Place:
        """
        Let a call of a key in whose message is there, and which must leave in the end.

        Raises:
            ServerBusyError: Too many are under way.
        """
        now_s = perf_counter()
        account = self._account(key)
        own = account.under_way
        if own:
            active = self._active
            share = max(KEY_MIN / active, SHARE_MIN)
            worth = KEY_TARGET_S / account.cost_s
            if own >= max(share, worth) or (
                self.under_way >= self.limit and own >= max(self.limit / active, SHARE_MIN)
            ):
                self._refused += 1
                wait_s = min(RETRY_AFTER_S * (1 + self._excess), RETRY_AFTER_MAX_S)
                raise ServerBusyError(round(wait_s) * 1000)
        else:
            self._active += 1
        if self._active > 1:
            self._shared_until_s = now_s + SHARED_FOR_S
        account.under_way += 1
        self.under_way += 1
        return Place(self, account, now_s)

    def _account(self, key: ApiKey) -> _Account:
        account = self._accounts.get(key.key_id)
        if account is None:
            account = self._accounts[key.key_id] = _Account(key.key_id)
        return account

    def leave(self, account: _Account, spent_s: float, took_s: float) -> None:
        """Take note of a call that is over, and of what it cost."""
        self.under_way -= 1
        account.under_way -= 1
        if not account.under_way:
            self._active -= 1
        account.cost_s += (spent_s - account.cost_s) * COST_WEIGHT
        self._served += 1
        self._took_s += took_s
        now = perf_counter()
        if now - self._window_began < WINDOW_S:
            return
        pace = TARGET_S / max(self._took_s / self._served, 1e-6)
        change = min(max(pace, SHRINKAGE_MAX), GROWTH_MAX)
        self.limit = min(max(self.limit * change, LIMIT_MIN), LIMIT_MAX)
        self._excess += (self._refused / self._served - self._excess) / 8
        self._window_began = now
        self._served = self._refused = 0
        self._took_s = 0.0

    def add_cost(self, account: _Account, seconds: float) -> None:
        """Take note that a call which is over has cost more."""
        account.cost_s += seconds * COST_WEIGHT

    # Who is at work.

    async def turn(self, account: _Account) -> None:
        """Wait until a call may go to work, which must `rest` in the end."""
        if not self._queue.of(account.key_id) and self._may_work(account):
            account.at_work += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.push(account.key_id, future, account.cost_s)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.rest(account)
            raise

    def _may_work(self, account: _Account) -> bool:
        shared = self._active > 1 or perf_counter() < self._shared_until_s
        worth_s = SHARED_WORK_S if shared else WORK_S
        return account.at_work * account.cost_s < worth_s

    def rest(self, account: _Account) -> None:
        """Take note that a call works no more, and let those in whose turn it is."""
        account.at_work -= 1
        while self._queue.count:
            found = self._queue.pop_entry(lambda key_id: self._may_work(self._accounts[key_id]))
            if found is None:
                return
            key_id, future = found
            if not future.done():
                self._accounts[key_id].at_work += 1
                future.set_result(None)


def _take_token(account: _Account, rate: int, now_s: float) -> None:
    """Take one of the calls a second that a key may make; what it left out it may make later."""
    saved = account.tokens + max(now_s - account.filled_s, 0.0) * rate
    account.tokens = min(saved, rate * BURST_S)
    account.filled_s = now_s
    if account.tokens < 1:
        raise LimitExceededError(ADMIT.value, rate, RETRY_AFTER_MS)
    account.tokens -= 1
