"""
Instants, which are milliseconds since 1970 in UTC, and how far this machine's clock is off.

The database's clock is the one that all servers share. Between two comparisons with it, the
machine's own monotonic clock, which nobody can set, shows whether the wall clock was set.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from loyalty_service.domain.errors import ServerClockWrongError

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
_ahead_ms = 0


def now_ms() -> int:
    """Read the wall clock; in a sandbox it may be ahead of the machine's."""
    return time.time_ns() // 1_000_000 + _ahead_ms


def wall_clock(local_time: datetime | None, zone: ZoneInfo, now_ms: int) -> datetime:
    """Take the till's own clock, which is of the store's place, else the server's there."""
    if local_time is not None:
        return local_time
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).replace(tzinfo=None)


def moment_ms(wall: datetime | None, time_zone: str, now_ms: int) -> int:
    """Give the moment of a till's date and time in a place; the server's own where it has none."""
    if wall is None:
        return now_ms
    return int(wall.replace(tzinfo=ZoneInfo(time_zone)).timestamp() * 1000)


def ahead_ms() -> int:
    """Tell how far a sandbox has moved its clock; 0 everywhere else."""
    return _ahead_ms


def set_ahead_ms(ms: int) -> None:
    """Move the clock of the whole process; only the sandbox does."""
    global _ahead_ms  # noqa: PLW0603 - a process has one clock, as a machine has.
    _ahead_ms = ms


def rfc3339(instant_ms: int) -> str:
    """Render an instant as RFC 3339 in UTC with milliseconds."""
    days, within_ms = divmod(instant_ms, DAY_MS)
    minutes, milliseconds = divmod(within_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{_day(days)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    """Render a day; there are few of them and every answer names one."""
    return (_EPOCH + timedelta(days)).isoformat()


def parse_rfc3339(text: str) -> int:
    """
    Read an RFC 3339 instant with an offset.

    Raises:
        ValueError: The text is no instant, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    return round(moment.timestamp() * 1000)


OFF_MS = 2_000
"""Beyond this nothing is ended because its time is over."""

WRONG_MS = 60_000
"""Beyond this no call is served."""


class ClockState(Enum):
    """What a clock is good for."""

    RIGHT = "right"
    OFF = "off"
    WRONG = "wrong"
    OTHERS_AGREE = "others agree"
    """The servers agree with one another, and not with the database."""


class ClockCheck:
    """
    Compares the wall clock with the database's, or with the machine's steady clock.

    Until it is compared for the first time it trusts the wall clock.

    Attributes:
        state: What the clock is good for.
        offset_ms: How far it is ahead of the database's; of an embedded database, how far it has
            moved against the steady clock.
        error_ms: How far that may be from the truth.
    """

    def __init__(self) -> None:
        self.state = ClockState.RIGHT
        self.offset_ms = 0
        self.error_ms = 0
        self._database_ms: int | None = None
        self._steady_ms = 0
        self._lead_ms: int | None = None
        """How far the wall clock is ahead of the steady one, when it was last compared."""
        self._recorded_ms: int | None = None

    @property
    def compared(self) -> bool:
        """Whether the database's clock is known."""
        return self._database_ms is not None

    @property
    def may_end(self) -> bool:
        """Whether what is overdue may be ended."""
        return self.state is ClockState.RIGHT

    def time_ms(self) -> int:
        """
        Give the time that overdue things are ended by: the database's, where that is known.

        Without one it is the wall clock's as the steady clock continues it, so that nothing ends
        because the wall clock is set.
        """
        if self._database_ms is not None:
            return self._database_ms + steady_ms() - self._steady_ms
        return now_ms() if self._lead_ms is None else self._lead_ms + steady_ms()

    def believed_ms(self, wall_ms: int) -> int:
        """
        Give the time that calls go by: the wall clock's, where it is not known to be ahead.

        Whoever is told a time that is still to come ends points, codes and offers for good, and a
        clock that is put right again brings none of them back. A clock that is behind ends nothing.

        Args:
            wall_ms: What the wall clock shows.
        """
        if self._lead_ms is None or self.state is ClockState.OTHERS_AGREE:
            return wall_ms
        return min(wall_ms, self.time_ms() + OFF_MS)

    def require_right(self) -> None:
        """
        Refuse to serve by a clock that is wrong, or was set by much since the last look at it.

        Raises:
            ServerClockWrongError: It is.
        """
        if self.state is ClockState.WRONG or (
            self._database_ms is not None
            and self._lead_ms is not None
            and abs(now_ms() - steady_ms() - self._lead_ms) > WRONG_MS
        ):
            raise ServerClockWrongError

    def compare(
        self, before_ms: int, database_ms: int, after_ms: int, others_ms: Iterable[int] = ()
    ) -> ClockState:
        """
        Take note of what the database's clock showed, and give what this one is good for.

        Args:
            before_ms: The wall clock before the database was asked.
            database_ms: What its clock showed then.
            after_ms: The wall clock when it had told.
            others_ms: How far the clocks of other machines are ahead of the database's.
        """
        self.error_ms = (abs(after_ms - before_ms) + 1) // 2
        self.offset_ms = (before_ms + after_ms) // 2 - database_ms
        self._database_ms = database_ms
        self._steady_ms = steady_ms()
        self._lead_ms = after_ms - self._steady_ms
        self.state = self._judged(tuple(others_ms))
        return self.state

    def watch(self) -> ClockState:
        """
        Compare with the steady clock alone, and give what the wall clock is good for.

        Which of the two is right nobody can tell, so calls are served on, by the earlier one; the
        wall clock is trusted again when it is back, or by another start.
        """
        wall_ms = now_ms()
        lead_ms = wall_ms - steady_ms()
        put_right = self._recorded_ms is not None and wall_ms >= self._recorded_ms - OFF_MS
        if self._lead_ms is None:
            self._lead_ms = lead_ms
        elif put_right:
            self._lead_ms, self._recorded_ms = lead_ms, None
        self.offset_ms = lead_ms - self._lead_ms
        if abs(self.offset_ms) > OFF_MS:
            self.state = ClockState.OFF
        else:
            # A clock that is kept right is moved a little all the time.
            self.state, self._lead_ms = ClockState.RIGHT, lead_ms
        return self.state

    def is_behind(self, recorded_ms: int) -> bool:
        """
        Tell whether the store has something recorded that is still to come by this clock.

        Such a clock is wrong, as one is without a battery: when it is put forward, that is right.
        """
        if recorded_ms - now_ms() <= OFF_MS:
            return False
        self._recorded_ms = recorded_ms
        return True

    def _judged(self, others_ms: tuple[int, ...]) -> ClockState:
        certain_ms = abs(self.offset_ms) - self.error_ms
        if certain_ms <= OFF_MS:
            return ClockState.RIGHT
        agreeing = 1 + sum(abs(other - self.offset_ms) <= OFF_MS for other in others_ms)
        # A clock alone can't outvote the database's.
        if agreeing > 1 and 2 * agreeing > 1 + len(others_ms):
            return ClockState.OTHERS_AGREE
        return ClockState.WRONG if certain_ms > WRONG_MS else ClockState.OFF


def steady_ms() -> int:
    """
    Read the clock that nobody sets; where the system has one, it goes on while it sleeps.

    In a sandbox it moves with the other: to a server there, the time has passed.
    """
    which = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(which) // 1_000_000 + ahead_ms()
