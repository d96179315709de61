"""Calls are let in as long as those under way are answered in time, each key's by its share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from loyalty_service.domain.errors import LimitExceededError, ServerBusyError
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.limits import NO_OWN_LIMITS, LimitName, Limits
from loyalty_service.observability.trail import CHARGE
from loyalty_service.transport import admission as module
from loyalty_service.transport.admission import (
    COST_FIRST_S,
    KEY_MIN,
    KEY_TARGET_S,
    LIMIT_MAX,
    LIMIT_MIN,
    SHARE_MIN,
    Admission,
    Place,
)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Put a clock of the test's own in the place of both that admission reads."""
    chosen = Clock()
    monkeypatch.setattr(module, "perf_counter", chosen)
    monkeypatch.setattr(module, "thread_time", chosen)
    return chosen


def _key(name: str = "key") -> ApiKey:
    return ApiKey(name, "demo-ca", "CA", name, Role.ADMIN, frozenset())


def _serve(
    admission: Admission, clock: Clock, calls: int, took_s: float, cost_s: float = 0.0
) -> None:
    """Let calls come and go one after the other, each taking and costing so long."""
    for _ in range(calls):
        place = admission.enter(_key())
        place.spent_s = cost_s
        clock.now_s += took_s
        place.leave()
        clock.now_s += 1.0


def _enter_all(admission: Admission, name: str) -> list[Place]:
    """Let calls of a key in until one is refused."""
    places = []
    while True:
        try:
            places.append(admission.enter(_key(name)))
        except ServerBusyError:
            return places


def test_slow_calls_let_fewer_in_and_quick_ones_more(clock: Clock) -> None:
    """The limit falls while calls take too long, never to none, and rises again afterwards."""
    admission = Admission()
    _serve(admission, clock, 5, 0.01)
    assert admission.limit == LIMIT_MAX
    _serve(admission, clock, 2, 1.0)
    assert LIMIT_MIN < admission.limit < LIMIT_MAX / 2
    _serve(admission, clock, 50, 1.0)
    assert admission.limit == LIMIT_MIN
    _serve(admission, clock, 50, 0.01)
    assert admission.limit == LIMIT_MAX
    assert admission.under_way == 0


def test_call_too_many_is_told_to_come_back_later_and_later(clock: Clock) -> None:
    """Beyond the limit a busy key does not enter; the delay grows with the excess."""
    admission = Admission()
    admission.limit = 8.0
    _enter_all(admission, "key")
    waits = []
    for _ in range(60):
        for _ in range(9):
            with pytest.raises(ServerBusyError) as refused:
                admission.enter(_key())
        waits.append(refused.value.retry_after_ms)
        clock.now_s += 1.0
        admission.limit = 100.0
        place = admission.enter(_key())
        clock.now_s += 0.1
        place.leave()
        admission.limit = 8.0
    assert waits[0] == 1000
    assert waits == sorted(waits)
    assert 9000 <= waits[-1] <= 10_000


def test_key_at_rest_enters_however_full_it_is(clock: Clock) -> None:
    """Whatever one key has under way, one that has nothing is let in, and gets its share."""
    admission = Admission()
    greedy = _enter_all(admission, "greedy")
    assert len(greedy) == KEY_TARGET_S / COST_FIRST_S
    others = [_enter_all(admission, f"key {number}") for number in range(3)]
    assert all(len(places) >= SHARE_MIN for places in others)
    assert len(others[0]) == LIMIT_MAX // 2
    with pytest.raises(ServerBusyError):
        admission.enter(_key("greedy"))
    for place in (*greedy, *(place for places in others for place in places)):
        place.leave()
    assert admission.under_way == 0
    assert clock.now_s == 1000.0


def test_key_of_dear_calls_has_few_under_way(clock: Clock) -> None:
    """As many calls of a key are let in as are worth a moment of the loop, and a batch."""
    admission = Admission()
    _serve(admission, clock, 200, 0.05, cost_s=0.001)
    assert 95 <= len(_enter_all(admission, "key")) <= 105
    admission = Admission()
    _serve(admission, clock, 200, 0.05, cost_s=0.05)
    assert len(_enter_all(admission, "key")) == KEY_MIN
    admission.enter(_key("other"))
    with pytest.raises(ServerBusyError):
        admission.enter(_key())


def test_calls_a_second_are_limited_and_a_rest_is_made_good(clock: Clock) -> None:
    """A key makes twice a second's calls at once after a rest, then as many as its limit allows."""
    limits = Limits.of({LimitName.CALLS_PER_KEY_SECOND: 10})
    admission = Admission()
    refusals = []

    def make(seconds: float) -> int:
        clock.now_s += seconds
        for made in count():
            try:
                admission.count(_key(), limits)
            except LimitExceededError as problem:
                refusals.append(problem)
                return made
        raise AssertionError

    assert make(100.0) == 20
    assert make(0.0) == 0
    assert make(0.5) == 5
    assert make(1.0) == 10
    assert make(100.0) == 20
    assert {(one.limit, one.allowed) for one in refusals} == {("calls_per_key_second", 10)}
    assert all(one.retry_after_ms >= 1000 for one in refusals)
    assert NO_OWN_LIMITS[LimitName.CALLS_PER_KEY_SECOND] == 500


async def test_work_of_a_dear_key_leaves_others_their_turn(clock: Clock) -> None:
    """While others call, calls of a dear key go to work one at a time, and another's at once."""
    admission = Admission()
    _serve(admission, clock, 200, 0.05, cost_s=0.05)
    places = [admission.enter(_key()) for _ in range(4)]
    other = admission.enter(_key("other"))
    turns = [asyncio.create_task(place.turn()) for place in places]
    await asyncio.sleep(0)
    assert [turn.done() for turn in turns] == [True, False, False, False]
    await other.turn()
    # Whoever gives up waiting takes no turn from the next.
    turns[1].cancel()
    await asyncio.sleep(0)
    places[0].leave()
    await asyncio.sleep(0)
    assert [turn.done() for turn in turns] == [True, True, True, False]
    for place in (places[1], places[2], other):
        place.leave()
    await turns[3]
    places[3].leave()
    assert admission.under_way == 0


async def test_time_on_the_loop_is_counted_and_waiting_is_not(clock: Clock) -> None:
    """Every step of a call is timed, also one that is thrown an error, and its result kept."""
    admission = Admission()
    place = admission.enter(_key())
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(seconds: float) -> None:
        clock.now_s += seconds

    async def work() -> str:
        take(1.0)
        try:
            await gate
        except ValueError:
            take(2.0)
        return "worked"

    place.begin()
    take(0.5)
    task = asyncio.ensure_future(place.watch(work()))
    await asyncio.sleep(0)
    clock.now_s += 100.0
    gate.set_exception(ValueError())
    assert await task == "worked"
    assert place.spent_s == 3.5
    place.leave()
    assert place.spent_s == 3.5


async def test_time_of_a_call_that_is_refused_early_is_counted(clock: Clock) -> None:
    """A key pays for parsing a request also where there is nothing more to do for it."""
    admission = Admission()
    place = admission.enter(_key())
    place.begin()
    clock.now_s += 1.6
    place.leave()

    assert place.spent_s == pytest.approx(1.6)
    assert admission._account(_key()).cost_s == pytest.approx(0.1, rel=0.01)


@pytest.mark.usefixtures("clock")
async def test_time_in_a_writer_is_counted_while_the_call_runs_and_after() -> None:
    """A key whose calls keep a writer pays for it, also when it hangs up before they are done."""
    admission = Admission()

    async def work(seconds: float) -> None:
        charge = CHARGE.get()
        assert charge is not None
        charge(seconds)

    waited, gone = admission.enter(_key()), admission.enter(_key("gone"))
    await waited.watch(work(1.6))
    waited.leave()
    gone.leave()
    gone.charge(1.6)

    for name in ("key", "gone"):
        assert admission._account(_key(name)).cost_s == pytest.approx(0.1, rel=0.01)
    # What costs that much is at work one by one.
    first, second = (admission.enter(_key()) for _ in range(2))
    await first.turn()
    turn = asyncio.create_task(second.turn())
    await asyncio.sleep(0)
    assert not turn.done()
    first.leave()
    await turn
    second.leave()
