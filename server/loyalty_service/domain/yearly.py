"""Whether a day is around a day of each year, such as a birthday."""

from __future__ import annotations

from datetime import date, timedelta

from loyalty_service.domain.periods import Period, span_of
from loyalty_service.domain.restrictions import YearlySpan


def celebrates(span: YearlySpan, day: date, today: date, first_year: int = date.min.year) -> bool:
    """Tell whether today is around a day of the year, in one of the years from the first."""
    # What is near New Year may belong to the year before or after.
    years = range(max(today.year - 1, first_year), min(today.year + 1, date.max.year) + 1)
    return any(_is_around(span, day_in(year, day), today) for year in years)


def occasion(
    span: YearlySpan, day: date, today: date, first_year: int = date.min.year
) -> tuple[date, date] | None:
    """Give the first and the last day around a day of the year that today is around, if it is."""
    for year in range(max(today.year - 1, first_year), min(today.year + 1, date.max.year) + 1):
        that_day = day_in(year, day)
        if _is_around(span, that_day, today):
            if span == "month":
                return span_of(Period.MONTH, that_day)
            if span == "week":
                sunday = that_day - timedelta(days=that_day.toordinal() % 7)
                return sunday, sunday + timedelta(days=6)
            return (
                that_day + timedelta(days=span.start or 0),
                that_day + timedelta(days=span.end or 0),
            )
    return None


def _is_around(span: YearlySpan, day: date, today: date) -> bool:
    if span == "month":
        return (day.year, day.month) == (today.year, today.month)
    if span == "week":
        return _sunday(day) == _sunday(today)
    return span.holds((today - day).days)


def _sunday(day: date) -> int:
    """Number the week of a day, which begins on Sunday."""
    return day.toordinal() // 7


def day_in(year: int, day: date) -> date:
    """Find a day in another year; 29 February is the 28th of common years."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
