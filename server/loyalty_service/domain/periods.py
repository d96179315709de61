"""Periods of the calendar, in which things are counted or given."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum


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
