"""
Goals: what an operator describes of them, and the arithmetic of what members have counted.

A goal adds up something of a member's orders by their days, and is reached when that comes to its
target within its window. What counts for several goals is added up once: see `Goal.measure`. Days
are ordinals, as `date.toordinal` gives them.
"""

from __future__ import annotations

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
    """What a day is to a goal: see `Goal.counts_on`, `first_day` and `period`."""

    counts: bool
    first_day: int
    period: int


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
        return OnDay(start <= day <= end, max(first, start), first if in_periods else 0)

    def counts_on(self, day: int) -> bool:
        """Tell whether orders of a day count."""
        return self.on(day).counts

    def first_day(self, day: int) -> int:
        """Tell the first day that counts together with a day."""
        return self.on(day).first_day

    def period(self, day: int) -> int:
        """Tell by which period of the calendar it is told how often it was reached; 0 for none."""
        return self.on(day).period


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


class Days:
    """
    What was added up on each day, of one measure.

    Attributes:
        amounts: By day, in the order of the days.
    """

    def __init__(self, told: Sequence[int] = ()) -> None:
        self.amounts = dict(zip(accumulate(told[::2]), told[1::2], strict=True))
        self._sums: tuple[list[int], list[int]] | None = None

    def told(self) -> list[int]:
        """Write them down, as short as can be: days since the one before, amount, and so on."""
        days = [*self.amounts]
        flat = [0] * (2 * len(days))
        flat[::2] = map(sub, days, [0, *days[:-1]])
        flat[1::2] = self.amounts.values()
        return flat

    def add(self, day: int, amount: int) -> None:
        """Add to what is counted on a day, or take off."""
        late = day not in self.amounts and day < next(reversed(self.amounts), 0)
        self.amounts[day] = self.amounts.get(day, 0) + amount
        if not self.amounts[day]:
            del self.amounts[day]
        elif late:
            self.amounts = dict(sorted(self.amounts.items()))
        self._sums = None

    def forget(self, before: int) -> None:
        """Leave out all days before one."""
        self.amounts = {day: amount for day, amount in self.amounts.items() if day >= before}
        self._sums = None

    def first_from(self, first: int, last: int) -> int | None:
        """Give the first day from one to another, both included, on which something counts."""
        days, _ = self._summed()
        place = bisect_left(days, first)
        return days[place] if place < len(days) and days[place] <= last else None

    def between(self, first: int, last: int) -> int:
        """Sum what was counted from one day to another, both included."""
        if first > last:
            return 0
        days, sums = self._summed()
        return sums[bisect_right(days, last)] - sums[bisect_left(days, first)]

    def _summed(self) -> tuple[list[int], list[int]]:
        """Give the days, and the sums of all before each."""
        if self._sums is None:
            self._sums = [*self.amounts], [0, *accumulate(self.amounts.values())]
        return self._sums


def counted(goal: Goal, state: State, day: int, days: Days) -> int:
    """Tell what counts for a goal on a day that is not used up."""
    first = goal.on(day).first_day
    since = state.since
    if since >= first:
        return state.carry + days.between(since + 1, day)
    return days.between(first, day)


def advance(goal: Goal, state: State, day: int, days: Days) -> State:
    """
    Take up a day, once all that counts on it is known.

    Everything up to a day on which a goal is reached is used up, but for what is left over if it
    can be reached again and again.
    """
    counts, _, period = goal.on(day)
    if not counts:
        return state
    if state.period != period:
        state = state._replace(period=period, rounds=0)
    if state.rounds and goal.again is not Again.ALWAYS:
        return state
    rounds, left = divmod(counted(goal, state, day, days), state.target or goal.target)
    if rounds < 1:
        return state
    if goal.again is not Again.ALWAYS:
        return State(state.period, 1, day, 0, state.target)
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
    last = goal.window.last_day(day)
    if goal.window.calendar is None and last != LAST_DAY:
        first = max(goal.first_day(day), state.since + 1)
        oldest = days.first_from(first, day)
        if state.carry and state.since >= goal.first_day(day):
            oldest = state.since
        last = LAST_DAY if oldest is None else goal.window.last_day(oldest)
    return last if goal.end is None else min(last, goal.end.toordinal())
