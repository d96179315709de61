"""Periods of the calendar, in which things are counted or given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo


class Period(StrEnum):
    """A part of the calendar; a week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


EVER = (date(1970, 1, 2), date(9000, 1, 1))
"""All days, as far as anything is counted."""


def span_of(period: Period, day: date) -> tuple[date, date]:
    """Give the first and the last day of the period that a day is in."""
    if period is Period.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if period is Period.MONTH:
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if period is Period.YEAR:
        return date(day.year, 1, 1), date(day.year, 12, 31)
    return day, day


PER_PERIOD: Mapping[str, Period] = {f"per_{period}": period for period in Period}
"""Names of limits for one member, with the period in which each counts."""


def limited_spans(limits: Any, day: date) -> Iterator[tuple[str, int, date, date]]:
    """
    Give each limit per period that is set, with the days in which it counts, both included.

    *limits* has an attribute for each name of `PER_PERIOD`, which is none where there is no limit.
    """
    for name, period in PER_PERIOD.items():
        limit = getattr(limits, name)
        if limit is not None:
            yield name, limit, *span_of(period, day)


def span_ms(time_zone: str, start: date, end: date) -> tuple[int, int]:
    """Give the moments from which and before which days of a place are."""
    zone = ZoneInfo(time_zone)
    first = datetime.combine(start, time(), zone)
    after = datetime.combine(end + timedelta(days=1), time(), zone)
    return int(first.timestamp() * 1000), int(after.timestamp() * 1000)
