"""
What goals count of a guest, and what a guest was given: in plain days, order by order.

All of it is counted again each time, from the orders that there are. The days of the calendar are
not the server's arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from typing import Any

from tests.fault.simulation.market import Words
from tests.fault.simulation.purses import Brought

DAY = timedelta(1)
FOR_GOOD = date(9999, 12, 31)


@dataclass
class Given:
    """
    An incentive that a guest was given.

    Attributes:
        price: Points that it was bought for.
        brought: What these points were, by day.
    """

    name: str
    origin: str
    uses: int
    first: date
    last: date
    active: bool
    used: int = 0
    withdrawn: bool = False
    price: int = 0
    brought: Brought = field(default_factory=Brought)

    @property
    def left(self) -> int:
        """How often it may still be used."""
        return 0 if self.withdrawn else self.uses - self.used

    def covers(self, day: date) -> bool:
        """Tell whether a day is one of its days."""
        return self.first <= day <= self.last


@dataclass
class Award:
    """What a goal gave with an order, and what of it is taken back."""

    goal: str
    period: date | None
    order: str
    at_ms: int
    rounds: int
    points: int
    lost_rounds: int = 0
    lost_points: int = 0
    brought: Brought = field(default_factory=Brought)


@dataclass
class Card:
    """
    What is known of a guest besides points.

    Attributes:
        counted: Day and amount that each order counts for a goal: by goal and order.
        given: How often goals have given something, by goal and period.
        last: The latest day of which anything was counted.
        settled: The day up to which nothing is counted again.
        tiers: Tier, first and last day, each time that one was reached.
        grants: What the guest was given, by what it is for.
        paid: Points that grants have cost and that did not come back.
    """

    enrolled: date | None = None
    born: date | None = None
    counted: dict[str, dict[str, tuple[date, int]]] = field(default_factory=dict)
    given: Counter[tuple[str, date | None]] = field(default_factory=Counter)
    awards: list[Award] = field(default_factory=list)
    last: date = date.min
    settled: date = date.min
    tiers: list[tuple[str, date, date]] = field(default_factory=list)
    grants: dict[str, Given] = field(default_factory=dict)
    paid: int = 0

    def rounds(self, goal: Words, without: str = "", left: int = 0) -> Counter[date | None]:
        """Tell how often a goal is reached by period; one order may count for what is *left*."""
        told = dict(self.counted.get(goal["id"], {}))
        if without in told:
            told[without] = (told[without][0], left)
        return count(goal, told.values())[0]


def count(
    goal: Words, told: Iterable[tuple[date, int]]
) -> tuple[Counter[date | None], list[tuple[date, int]]]:
    """
    Go through all days; tell how often a goal is reached by period, and what is not used up.

    What reaches a goal is used up, but for what is left over where it is reached always.
    """
    days: Counter[date] = Counter()
    for day, amount in told:
        days[day] += amount
    reached: Counter[date | None] = Counter()
    live: list[tuple[date, int]] = []
    again = goal["again"]
    for day in sorted(days):
        if not days[day] or not counts_on(goal, day):
            continue
        live.append((day, days[day]))
        first = first_day(goal["window"], day)
        live = [one for one in live if one[0] >= first]
        period = period_of(goal, day)
        if reached[period] and again != "always":
            continue
        times, over = divmod(sum(amount for _, amount in live), goal["target"])
        if times:
            reached[period] += times if again == "always" else 1
            live = [(day, over)] if again == "always" and over else []
    return +reached, live


def counts_on(goal: Words, day: date) -> bool:
    """Tell whether a goal counts orders of a day."""
    window = goal["window"]
    first, last = window.get("from", "0001-01-01"), window.get("until", "9999-12-31")
    return bool(first <= day.isoformat() <= last)


def period_of(goal: Words, day: date) -> date | None:
    """Name the period of the calendar by which it is told how often a goal was reached."""
    calendar = goal["window"].get("calendar")
    return None if calendar is None or goal["again"] == "never" else span(calendar, day)[0]


def first_day(window: Words, day: date) -> date:
    """Tell the first day that counts together with a day."""
    if "days" in window:
        return day - (window["days"] - 1) * DAY
    if "months" in window:
        return months_on(day, -window["months"]) + DAY
    return span(window["calendar"], day)[0] if "calendar" in window else date.min


def last_day(window: Words, day: date) -> date | None:
    """Tell the last day that counts together with a day; None where all do."""
    if "days" in window:
        return day + (window["days"] - 1) * DAY
    if "months" in window:
        return months_on(day, window["months"]) - DAY
    return span(window["calendar"], day)[1] if "calendar" in window else None


@cache
def span(period: str, day: date) -> tuple[date, date]:
    """Give the first and the last day of a period, a week from Monday."""
    same: Mapping[str, Any] = {
        "day": lambda one: one,
        "week": lambda one: one.isocalendar()[:2],
        "month": lambda one: (one.year, one.month),
        "year": lambda one: one.year,
    }
    alike = same[period]
    first = last = day
    while alike(first - DAY) == alike(day):
        first -= DAY
    while alike(last + DAY) == alike(day):
        last += DAY
    return first, last


def months_on(day: date, months: int) -> date:
    """Go on by months, or back: to the same day of the month, or the last that it has."""
    year, month = day.year, day.month + months
    while month > 12:
        year, month = year + 1, month - 12
    while month < 1:
        year, month = year - 1, month + 12
    for number in range(day.day, 0, -1):
        try:
            return date(year, month, number)
        except ValueError:
            continue
    raise ValueError(day)


def good_until(terms: Words, first: date) -> date:
    """Tell the last day of what is given on a day, by the words of its terms."""
    if not {"days", "months", "end_of"} & terms.keys():
        return FOR_GOOD
    last = months_on(first, terms.get("months", 0)) + (terms.get("days", 1) - 1) * DAY
    return span(terms["end_of"], last)[1] if "end_of" in terms else last


def kept_until(tier: Words, day: date) -> date:
    """Tell the last day of a tier that is reached on a day."""
    kept = tier.get("kept", {})
    if not kept:
        return FOR_GOOD
    last = months_on(day + kept.get("days", 0) * DAY, kept.get("months", 0))
    return span(kept["end_of"], last)[1] if "end_of" in kept else last


def birthday_in(year: int, born: date) -> date:
    """Tell the birthday of a year; 29 February is the 28th in most."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
