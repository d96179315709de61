"""How far a clock is off, and what it is good for then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loyalty_service.domain import clock
from loyalty_service.domain.clock import OFF_MS, WRONG_MS, ClockCheck, ClockState
from loyalty_service.domain.errors import ServerClockWrongError

START_MS = 1_900_000_000_000
DAY_MS = 86_400_000


class Clocks:
    """A wall clock and a steady one that a test moves."""

    def __init__(self) -> None:
        self.wall_ms = START_MS
        self.steady_ms = 5_000

    def go_on(self, ms: int) -> None:
        """Let time pass."""
        self.wall_ms += ms
        self.steady_ms += ms


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks in place of the machine's."""
    clocks = Clocks()
    monkeypatch.setattr(clock, "now_ms", lambda: clocks.wall_ms)
    monkeypatch.setattr(clock, "steady_ms", lambda: clocks.steady_ms)
    return clocks


def _compare(clocks: Clocks, ahead_ms: int, *others_ms: int, trip_ms: int = 0) -> ClockCheck:
    check = ClockCheck()
    now = clocks.wall_ms
    check.compare(now - trip_ms, now - trip_ms // 2 - ahead_ms, now, others_ms)
    return check


@pytest.mark.parametrize(
    ("ahead_ms", "state"),
    [
        (0, ClockState.RIGHT),
        (OFF_MS, ClockState.RIGHT),
        (-OFF_MS, ClockState.RIGHT),
        (OFF_MS + 1, ClockState.OFF),
        (-OFF_MS - 1, ClockState.OFF),
        (WRONG_MS, ClockState.OFF),
        (WRONG_MS + 1, ClockState.WRONG),
        (-WRONG_MS - 1, ClockState.WRONG),
        (2 * DAY_MS, ClockState.WRONG),
    ],
)
def test_clock_is_judged_by_the_databases(clocks: Clocks, ahead_ms: int, state: ClockState) -> None:
    """Beyond 2 s it is off, beyond 60 s wrong, either way."""
    check = _compare(clocks, ahead_ms)
    assert check.state is state
    assert check.offset_ms == ahead_ms
    assert check.may_end == (state is ClockState.RIGHT)


def test_slow_answer_proves_nothing(clocks: Clocks) -> None:
    """What half of the round trip may explain is no fault of the clock."""
    assert _compare(clocks, OFF_MS + 400, trip_ms=1000).state is ClockState.RIGHT
    assert _compare(clocks, OFF_MS + 600, trip_ms=1000).state is ClockState.OFF


@pytest.mark.parametrize(
    ("others_ms", "state"),
    [
        ((), ClockState.WRONG),
        ((2 * DAY_MS,), ClockState.OTHERS_AGREE),
        ((2 * DAY_MS + OFF_MS, 0), ClockState.OTHERS_AGREE),
        ((2 * DAY_MS + OFF_MS + 1,), ClockState.WRONG),
        ((0,), ClockState.WRONG),
        ((2 * DAY_MS, 0, 0), ClockState.WRONG),
    ],
)
def test_servers_that_agree_outvote_the_database(
    clocks: Clocks, others_ms: tuple[int, ...], state: ClockState
) -> None:
    """More than half of the clocks, two at least, must agree; then they serve and end nothing."""
    check = _compare(clocks, 2 * DAY_MS, *others_ms)
    assert check.state is state
    assert not check.may_end


def test_wrong_clock_serves_nobody(clocks: Clocks) -> None:
    """A server is refused to callers while its clock is wrong, and not when it is right again."""
    check = _compare(clocks, WRONG_MS + 1)
    with pytest.raises(ServerClockWrongError):
        check.require_right()
    clocks.wall_ms -= WRONG_MS + 1
    check.compare(clocks.wall_ms, clocks.wall_ms, clocks.wall_ms)
    check.require_right()


def test_clock_that_was_set_since_the_last_look_serves_nobody(clocks: Clocks) -> None:
    """A jump is seen before the database is asked again."""
    check = _compare(clocks, 0)
    clocks.go_on(DAY_MS)
    check.require_right()
    clocks.wall_ms += WRONG_MS + 1
    with pytest.raises(ServerClockWrongError):
        check.require_right()


def test_time_to_end_things_by_is_the_databases(clocks: Clocks) -> None:
    """Neither an offset nor a jump of the wall clock moves it."""
    check = _compare(clocks, 1500)
    clocks.go_on(10_000)
    clocks.wall_ms += DAY_MS
    assert check.time_ms() == START_MS - 1500 + 10_000


def _watched() -> ClockCheck:
    check = ClockCheck()
    check.watch()
    return check


@pytest.mark.parametrize("by_ms", [OFF_MS + 1, -OFF_MS - 1, 2 * DAY_MS, -2 * DAY_MS])
def test_clock_of_its_own_that_is_set_is_off_until_it_is_back(clocks: Clocks, by_ms: int) -> None:
    """Without a database's clock a jump stops the sweeper, whose time goes on, but no call."""
    check = _watched()
    clocks.go_on(1000)
    clocks.wall_ms += by_ms
    assert check.watch() is ClockState.OFF
    assert check.offset_ms == by_ms
    assert check.time_ms() == START_MS + 1000
    check.require_right()
    clocks.wall_ms -= by_ms
    assert check.watch() is ClockState.RIGHT


@pytest.mark.parametrize("by_ms", [WRONG_MS, DAY_MS, 400 * DAY_MS])
def test_calls_do_not_follow_a_clock_of_its_own_that_is_set_ahead(
    clocks: Clocks, by_ms: int
) -> None:
    """Points, codes and offers that go early never come back: not even before the next look."""
    check = _watched()
    clocks.go_on(1000)
    clocks.wall_ms += by_ms
    for _ in range(2):
        assert check.believed_ms(clocks.wall_ms) == START_MS + 1000 + OFF_MS
        assert check.watch() is ClockState.OFF
    clocks.wall_ms -= by_ms
    assert check.believed_ms(clocks.wall_ms) == clocks.wall_ms


def test_calls_follow_a_clock_that_is_set_back(clocks: Clocks) -> None:
    """That ends nothing early, and may be what puts it right."""
    check = _watched()
    clocks.wall_ms -= DAY_MS
    assert check.watch() is ClockState.OFF
    assert check.believed_ms(clocks.wall_ms) == START_MS - DAY_MS


def test_calls_are_at_most_two_seconds_ahead_of_the_database(clocks: Clocks) -> None:
    """A server 50 s ahead serves, and ends nothing 50 s early; one behind is followed."""
    assert _compare(clocks, 50_000).believed_ms(clocks.wall_ms) == START_MS - 50_000 + OFF_MS
    assert _compare(clocks, OFF_MS).believed_ms(clocks.wall_ms) == START_MS
    assert _compare(clocks, -50_000).believed_ms(clocks.wall_ms) == START_MS


def test_calls_go_by_the_clock_that_servers_agree_on(clocks: Clocks) -> None:
    """It is the database's that is wrong."""
    check = _compare(clocks, 2 * DAY_MS, 2 * DAY_MS)
    assert check.believed_ms(clocks.wall_ms) == START_MS


def test_clock_that_is_kept_right_may_drift(clocks: Clocks) -> None:
    """Small corrections add up to no jump."""
    check = _watched()
    for _ in range(10):
        clocks.wall_ms += OFF_MS
        assert check.watch() is ClockState.RIGHT
    assert check.time_ms() == clocks.wall_ms


def test_clock_without_a_battery_is_believed_once_it_is_put_forward(clocks: Clocks) -> None:
    """A clock behind what is recorded is wrong, so the jump past that is right."""
    check = _watched()
    assert check.is_behind(START_MS + DAY_MS)
    clocks.wall_ms += 10_000
    assert check.watch() is ClockState.OFF
    clocks.wall_ms = START_MS + 2 * DAY_MS
    assert check.watch() is ClockState.RIGHT
    assert check.time_ms() == clocks.wall_ms


def test_clock_that_is_behind_at_the_start_is_believed_later(clocks: Clocks) -> None:
    """What is recorded is looked at before the clock is watched for the first time."""
    check = ClockCheck()
    assert check.is_behind(START_MS + DAY_MS)
    for _ in range(2):
        assert check.watch() is ClockState.RIGHT
        clocks.wall_ms += 1000
        clocks.steady_ms += 1000
    clocks.wall_ms = START_MS + 2 * DAY_MS
    assert check.watch() is ClockState.RIGHT
    assert check.time_ms() == clocks.wall_ms


def test_clock_after_what_is_recorded_is_not_behind(clocks: Clocks) -> None:
    """What is recorded a moment ahead is no proof."""
    assert not _watched().is_behind(clocks.wall_ms + OFF_MS)


def test_clock_that_nothing_is_known_of_is_trusted(clocks: Clocks) -> None:
    """An operator's command goes by the wall clock."""
    check = ClockCheck()
    clocks.wall_ms += DAY_MS
    check.require_right()
    assert check.may_end
    assert check.time_ms() == check.believed_ms(clocks.wall_ms) == clocks.wall_ms


def test_steady_clock_goes_on() -> None:
    """The machine has one that nobody sets."""
    read: Callable[[], int] = clock.steady_ms
    first = read()
    assert 0 <= read() - first < 60_000
