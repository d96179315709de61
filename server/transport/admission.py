"""
Which calls are let in: no more than are answered soon, and of each API key no more than its share.

A call enters by its key, before its body is looked at. A key that has no call under way always
enters. Of a busy key as many are under way as take the server a moment, by what its calls cost
lately: the time for which they kept the event loop, which is measured. What is more is refused at
once, so that it holds no place here or at Envoy while it waits.

Those that are in take turns on the event loop, since one long check of one key would keep the
calls of all others waiting, and many of them one behind the other would do so for seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from time import perf_counter
from typing import Any, TypeVar

from server.domain.errors import LimitExceededError, ServerBusyError
from server.domain.fairness import FairQueue
from server.domain.keys import ApiKey
from server.domain.limits import LimitName, Limits, Overrun

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

KEY_MIN = 40
"""Calls of one key that may be under way whatever they cost, while no other has any: a batch."""

SHARE_MIN = 4
"""Calls that every key may have under way however many others have."""

COST_FIRST_S = 0.0001
COST_WEIGHT = 1 / 16
"""How much the last call tells of what the next will cost."""

TICK_S = 0.005
"""Time of the loop that calls take at once before others get their turn."""

BURST_S = 2.0
"""Seconds' worth of calls that a key may make at once after a rest."""

RETRY_AFTER_MS = 1000
ADMIT = LimitName.CALLS_PER_KEY_SECOND


class _Account:
    """What is known of a key: calls under way, what one costs, and calls it may still make."""

    __slots__ = ("cost_s", "filled_s", "key_id", "tokens", "under_way")

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self.under_way = 0
        self.cost_s = COST_FIRST_S
        self.tokens = 0.0
        self.filled_s = 0.0


class Place:
    """
    A call's place among those under way, which must be left in the end.

    Attributes:
        spent_s: For how long the call kept the event loop so far.
    """

    __slots__ = ("_account", "_admission", "_entered_s", "spent_s")

    def __init__(self, admission: Admission, account: _Account, entered_s: float) -> None:
        self._admission = admission
        self._account = account
        self._entered_s = entered_s
        self.spent_s = 0.0

    async def turn(self) -> None:
        """Wait until it is the call's turn on the event loop; at once while it is not busy."""
        await self._admission.turn(self._account)

    def do(self, work: Callable[..., T], *args: Any) -> T:
        """Do a part of the call that does not wait, and count its time."""
        began = perf_counter()
        try:
            return work(*args)
        finally:
            self._spend(perf_counter() - began)

    def _spend(self, seconds: float) -> None:
        self.spent_s += seconds
        self._admission.spend(seconds)

    def watch(self, work: Awaitable[T]) -> Awaitable[T]:
        """Do the rest of the call, and count the time in which it keeps the event loop."""
        return _Watched(work, self._spend)

    def leave(self) -> None:
        """Take note that the call is over."""
        self._admission.leave(self._account, self.spent_s, perf_counter() - self._entered_s)


class _Watched:
    """A coroutine whose every step is timed."""

    __slots__ = ("_spend", "_work")

    def __init__(self, work: Awaitable[Any], spend: Callable[[float], None]) -> None:
        self._work = work
        self._spend = spend

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        send, spend = steps.send, self._spend
        value: Any = None
        failure: BaseException | None = None
        while True:
            began = perf_counter()
            try:
                awaited = send(value) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            finally:
                spend(perf_counter() - began)
            failure = None
            try:
                value = yield awaited
            except BaseException as problem:  # noqa: BLE001 - it is the coroutine's to handle.
                failure = problem


class Admission:
    """
    Lets calls in as long as those under way are answered in time, each key's by its share.

    By Little's law what is under way is what is answered in a second, times how long it takes: so
    whenever calls took longer than they should, fewer are let in, and more again when they did
    not. Those turned away are told to come back the later, the more they were.

    Args:
        note: Told of each call beyond a key's calls a second.

    Attributes:
        limit: Calls that may be under way.
        under_way: Calls that are.
    """

    def __init__(self, note: Callable[[Overrun], None] = lambda _overrun: None) -> None:
        self.limit = float(LIMIT_MAX)
        self.under_way = 0
        self._note = note
        self._accounts: dict[str, _Account] = {}
        self._active = 0
        self._window_began = 0.0
        self._served = 0
        self._took_s = 0.0
        self._refused = 0
        self._excess = 0.0
        self._queue: FairQueue[tuple[asyncio.Future[None], _Account]] = FairQueue()
        self._tick_s = 0.0
        self._ticking = False

    def enter(self, key: ApiKey, limits: Limits) -> Place:
        """
        Let a call of a key in, which must leave in the end.

        Raises:
            LimitExceededError: The key makes more calls a second than its program allows.
            ServerBusyError: Too many are under way.
        """
        now_s = perf_counter()
        account = self._accounts.get(key.key_id)
        if account is None:
            account = self._accounts[key.key_id] = _Account(key.key_id)
        self._take_token(key, account, limits[ADMIT], now_s)
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
        account.under_way += 1
        self.under_way += 1
        return Place(self, account, now_s)

    def _take_token(self, key: ApiKey, account: _Account, rate: int, now_s: float) -> None:
        burst = rate * BURST_S
        account.tokens = min(account.tokens + (now_s - account.filled_s) * rate, burst)
        account.filled_s = now_s
        if account.tokens < 1:
            self._note(
                Overrun(
                    limit=ADMIT,
                    flagged=False,
                    value=rate + 1,
                    allowed=rate,
                    program_id=key.program_id,
                    key_id=key.key_id,
                    partner=key.partner,
                )
            )
            raise LimitExceededError(ADMIT.value, rate, RETRY_AFTER_MS)
        account.tokens -= 1

    def leave(self, account: _Account, spent_s: float, took_s: float) -> None:
        """Take note of a call that is over, and of what it cost."""
        self.under_way -= 1
        account.under_way -= 1
        if not account.under_way:
            self._active -= 1
        account.cost_s += (max(spent_s, COST_FIRST_S) - account.cost_s) * COST_WEIGHT
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

    # Turns on the event loop.

    async def turn(self, account: _Account) -> None:
        """Wait while others have their turn; at once while the loop is not busy."""
        if self._tick_s < TICK_S and not self._queue:
            return
        future = asyncio.get_running_loop().create_future()
        self._queue.push(account.key_id, (future, account), account.cost_s)
        self._next_tick()
        await future

    def spend(self, seconds: float) -> None:
        """Count time that a call kept the loop, of what all may take before others get a turn."""
        self._tick_s += seconds
        self._next_tick()

    def _next_tick(self) -> None:
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        """Begin anew when all that was ready has run, and let those in whose turn it is."""
        self._ticking = False
        self._tick_s = 0.0
        given_s = 0.0
        while self._queue and given_s < TICK_S:
            found = self._queue.pop()
            if found is None:
                break
            future, account = found
            if not future.done():
                future.set_result(None)
                given_s += account.cost_s
        if self._queue:
            self._next_tick()
