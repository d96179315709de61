"""
Goals: what an operator describes of them, and the arithmetic of what members have counted.

A goal adds up something of a member's orders by their days, and is reached when that comes to its
target within its window. What counts for several goals is added up once: see `Goal.measure`. Days
are ordinals, as `date.toordinal` gives them.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from loyalty_service.domain.expiry import MONTHS_OF, PeriodEnd, end_of_period, months_later
from loyalty_service.domain.products import Products
from loyalty_service.domain.restrictions import Rule

LAST_DAY = date.max.toordinal()


class Count(StrEnum):
    """What a goal adds up: orders, minor units of the currency, points, or products."""

    VISITS = "visits"
    SPEND = "spend"
    POINTS = "points"
    ITEMS = "items"


class Again(StrEnum):
    """How often a goal is reached: once by a member, once in each window, or again and again."""

    NEVER = "never"
    WINDOW = "window"
    ALWAYS = "always"


class Calendar(StrEnum):
    """Windows of the calendar. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS_IN = {Calendar.MONTH: 1, Calendar.QUARTER: 3, Calendar.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Window:
    """
    Days within which a goal must be reached: at most one is given, and all count without any.

    Attributes:
        days: So many days, the last one included.
        months: So many calendar months.
        calendar: A period of the calendar.
    """

    days: int | None = None
    months: int | None = None
    calendar: Calendar | None = None

    @property
    def rolling(self) -> bool:
        """Whether it ends with the order, and not with the calendar or never."""
        return self.days is not None or self.months is not None

    def first_day(self, day: int) -> int:
        """Tell the first day that counts together with a day."""
        if self.days is not None:
            return day - self.days + 1
        if self.months is not None:
            return _after_months(day, -self.months) + 1
        return 0 if self.calendar is None else _period_of(self.calendar, day)[0]

    def last_day(self, day: int) -> int:
        """Tell the last day that counts together with a day; `LAST_DAY` where all do."""
        if self.days is not None:
            return day + self.days - 1
        if self.months is not None:
            return _after_months(day, self.months) - 1
        return LAST_DAY if self.calendar is None else _period_of(self.calendar, day)[1]


@lru_cache(maxsize=4096)
def _after_months(day: int, months: int) -> int:
    return months_later(date.fromordinal(day), months).toordinal()


@lru_cache(maxsize=4096)
def _period_of(calendar: Calendar, ordinal: int) -> tuple[int, int]:
    """Give the first and the last day of a period of the calendar."""
    if calendar is Calendar.DAY:
        return ordinal, ordinal
    day = date.fromordinal(ordinal)
    if calendar is Calendar.WEEK:
        monday = ordinal - day.weekday()
        return monday, monday + 6
    months = _MONTHS_IN[calendar]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return first.toordinal(), end_of_period(day, months).toordinal()


@dataclass(frozen=True, slots=True)
class Tier:
    """
    A level of members, which a goal gives.

    Attributes:
        days: Days after which it ends; absent where *months* counts them.
        months: Calendar months after which it ends. With neither, and no *end_of*, it never does.
        end_of: The period to whose end its last day is moved.
    """

    tier_id: str
    display_name: str
    days: int | None = None
    months: int | None = None
    end_of: PeriodEnd | None = None

    def last_day(self, day: int) -> int:
        """Tell the last day of a tier that is reached on a day."""
        if self.days is None and self.months is None and self.end_of is None:
            return LAST_DAY
        last = date.fromordinal(day) + timedelta(self.days or 0)
        last = months_later(last, self.months or 0)
        if self.end_of is not None:
            last = end_of_period(last, MONTHS_OF[self.end_of])
        return last.toordinal()


class OnDay(NamedTuple):
    """
    What a day is to a goal.

    Attributes:
        counts: Whether orders of the day count.
        first_day: First day that counts together with it.
        period: The calendar's, in which it is told how often it was reached; 0 for none.
        last_day: Last day that counts together with it; `LAST_DAY` where all do.
    """

    counts: bool
    first_day: int
    period: int
    last_day: int


@dataclass(frozen=True, slots=True)
class Goal:
    """
    A counter over a member's orders, and what reaching a target gives.

    Attributes:
        of: Products that are counted, where products are.
        rules: What must hold of an order to count, as rules of incentives say it.
        target: So many of what is counted, at least 1.
        start: First day that counts; absent where it is open.
        end: Last day that counts; absent where it is open.
        points: Points that it gives each time, or 0.
        tier: The tier that it gives; absent where it gives none.
        grant: Name of the terms of what it gives a member to use; absent where it gives nothing.
        measure: Names what is added up. Goals that count the same have the same.
    """

    goal_id: str
    display_name: str
    count: Count
    target: int
    window: Window = Window()
    again: Again = Again.NEVER
    of: Products | None = None
    rules: tuple[Rule, ...] = ()
    start: date | None = None
    end: date | None = None
    points: int = 0
    tier: str | None = None
    grant: str | None = None
    measure: str = field(init=False, compare=False)
    _latest: tuple[int, OnDay] | None = field(init=False, compare=False, repr=False, default=None)

    def __post_init__(self) -> None:
        """Name what is added up: rules and lists of products are a goal's own."""
        measure = self.count.value
        if self.rules or (self.of is not None and self.of.group is None):
            measure = f"goal:{self.goal_id}"
        elif self.of is not None:
            measure = f"{measure}:{self.of.group}"
        object.__setattr__(self, "measure", measure)

    def on(self, day: int) -> OnDay:
        """Tell what a day is to the goal; most orders are of the same one."""
        latest = self._latest
        if latest is None or latest[0] != day:
            latest = day, self._on(day)
            object.__setattr__(self, "_latest", latest)
        return latest[1]

    def _on(self, day: int) -> OnDay:
        start = 0 if self.start is None else self.start.toordinal()
        end = LAST_DAY if self.end is None else self.end.toordinal()
        first = self.window.first_day(day)
        in_periods = self.window.calendar is not None and self.again is not Again.NEVER
        last = min(self.window.last_day(day), end)
        return OnDay(start <= day <= end, max(first, start), first if in_periods else 0, last)


def base_tier(tiers: Mapping[str, Tier], goals: Mapping[str, Goal]) -> str | None:
    """Tell which tier everybody has: the first one, where no goal gives it."""
    first = next(iter(tiers), None)
    return None if any(goal.tier == first for goal in goals.values()) else first


class State(NamedTuple):
    """
    How far a goal has come by the end of a day.

    Attributes:
        period: Period of the calendar that *rounds* are counted in: see `Goal.period`.
        rounds: How often it was reached in it.
        since: Day up to which everything is used up.
        carry: What is left over of that day.
        target: The target that it has to come to; 0 for that of the goal. Another one that an
            operator describes counts from the member's next day on, for what is not used up.
    """

    period: int = 0
    rounds: int = 0
    since: int = 0
    carry: int = 0
    target: int = 0


_OFFSETS, _SMALL_SUMS, _SUMS = "H", "I", "q"
_MOST = {_SMALL_SUMS: (1 << 32) - 1, _SUMS: (1 << 63) - 1}


class Days:
    """
    What was added up on each day, of one measure.

    Two arrays, days since the first one and sums up to each, are read and written at once.

    Args:
        told: As `told` gives it, or a list of days since the one before and amounts, in turns.
    """

    __slots__ = ("_first", "_offsets", "_sums")

    def __init__(self, told: str | Sequence[int] = ()) -> None:
        self._first, self._offsets, self._sums = 0, array(_OFFSETS), array(_SMALL_SUMS, (0,))
        if isinstance(told, str):
            self._read(told)
        else:
            self._fill(dict(zip(accumulate(told[::2]), told[1::2], strict=True)))

    @property
    def amounts(self) -> dict[int, int]:
        """What was added up by day, in the order of the days."""
        first, sums = self._first, self._sums
        days = (first + offset for offset in self._offsets)
        return dict(zip(days, map(sub, sums[1:], sums), strict=True))

    def told(self) -> str:
        """Write them down."""
        kept = _in_order(self._offsets).tobytes() + _in_order(self._sums).tobytes()
        return f"{self._sums.typecode}{self._first}:{kept.hex()}"

    def add(self, day: int, amount: int) -> None:
        """Add to what is counted on a day, or take off."""
        offsets, sums = self._offsets, self._sums
        offset, total = day - self._first, sums[-1] + amount
        fits = bool(offsets) and amount > 0 and total <= _MOST[sums.typecode]
        if fits and offset > offsets[-1]:
            offsets.append(offset)
            sums.append(total)
        elif fits and offset == offsets[-1] and total != sums[-2]:
            sums[-1] = total
        else:
            amounts = self.amounts
            amounts[day] = amounts.get(day, 0) + amount
            self._fill(dict(sorted(amounts.items())))

    def forget(self, before: int) -> None:
        """Leave out all days before one."""
        if self._offsets and self._first < before:
            self._fill({day: amount for day, amount in self.amounts.items() if day >= before})

    def first_from(self, first: int, last: int) -> int | None:
        """Give the first day from one to another, both included, on which something counts."""
        place = bisect_left(self._offsets, first - self._first)
        if place == len(self._offsets) or self._offsets[place] > last - self._first:
            return None
        return self._first + self._offsets[place]

    def between(self, first: int, last: int) -> int:
        """Sum what was counted from one day to another, both included."""
        if first > last:
            return 0
        after = bisect_right(self._offsets, last - self._first)
        before = bisect_left(self._offsets, first - self._first, 0, after)
        return self._sums[after] - self._sums[before]

    def _fill(self, amounts: Mapping[int, int]) -> None:
        """Take what was added up on days, in their order; what is 0 is left out."""
        days = [day for day, amount in amounts.items() if amount]
        sums = [0, *accumulate(amounts[day] for day in days)]
        self._first = days[0] if days else 0
        self._offsets = array(_OFFSETS, (day - self._first for day in days))
        small = min(sums) >= 0 and max(sums) <= _MOST[_SMALL_SUMS]
        self._sums = array(_SMALL_SUMS if small else _SUMS, sums)

    def _read(self, told: str) -> None:
        place = told.index(":")
        kept = bytes.fromhex(told[place + 1 :])
        sums = array(told[0])  # One more than there are days.
        count = (len(kept) - sums.itemsize) // (sums.itemsize + self._offsets.itemsize)
        offsets_end = count * self._offsets.itemsize
        self._first = int(told[1:place])
        self._offsets = _in_order(array(_OFFSETS, kept[:offsets_end]))
        sums.frombytes(kept[offsets_end:])
        self._sums = _in_order(sums)


def _in_order(values: array[int]) -> array[int]:
    """Give an array with the lowest byte first, whatever the machine has first."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values


def counted(on: OnDay, state: State, day: int, days: Days) -> int:
    """Tell what counts for a goal on a day that is not used up."""
    since, first = state.since, on.first_day
    if since >= first:
        return state.carry + days.between(since + 1, day)
    return days.between(first, day)


def advance(goal: Goal, state: State, day: int, days: Days) -> State:
    """
    Take up a day, once all that counts on it is known.

    Everything up to a day on which a goal is reached is used up, but for what is left over if it
    can be reached again and again.
    """
    on = goal.on(day)
    if not on.counts:
        return state
    if state.period != on.period:
        state = state._replace(period=on.period, rounds=0)
    if state.rounds and goal.again is not Again.ALWAYS:
        return state
    counts, target = counted(on, state, day, days), state.target or goal.target
    if counts < target:
        return state
    if goal.again is not Again.ALWAYS:
        return State(state.period, 1, day, 0, state.target)
    rounds, left = divmod(counts, target)
    return State(state.period, state.rounds + rounds, day, left, state.target)


def walk(
    goal: Goal, state: State, first: int, last: int, days: Days
) -> Iterator[tuple[int, State]]:
    """Take up all days from one to another, both included; give the state after each."""
    for day in days.amounts:
        if first <= day <= last:
            state = advance(goal, state, day, days)
            yield day, state


def until(goal: Goal, state: State, day: int, days: Days) -> int:
    """
    Tell the last day on which all that counts for a goal on a day still does.

    It is `LAST_DAY` where it always does.
    """
    on, window = goal.on(day), goal.window
    if not window.rolling:
        return on.last_day
    oldest: int | None = state.since
    if not (state.carry and state.since >= on.first_day):
        oldest = days.first_from(max(on.first_day, state.since + 1), day)
    last = LAST_DAY if oldest is None else window.last_day(oldest)
    return last if goal.end is None else min(last, goal.end.toordinal())
