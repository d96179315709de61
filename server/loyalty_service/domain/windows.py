"""How long after an order a program may still ask for what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loyalty_service.domain.periods import PER_PERIOD, Period
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import NO_RECEIPT_LIMITS

LIMIT_DAYS = 7
"""Days for which an operator can look up what was counted for limits."""

COUNTED_DAYS_MAX = 400
"""Days in which what goals count may change: later voids are not counted any more."""

_DAYS_OF = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31, Period.YEAR: 366}
"""Most days that a period of the calendar has."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time for which a program needs what it keeps, by the name of what sets it."""

    name: str
    days: int

    def __str__(self) -> str:
        return f"{self.name} ({self.days} days)"


def windows(program: Program) -> Iterator[Window]:
    """Give every window of a program in which something may still be asked of an order."""
    yield Window("void_days", program.void_days)
    yield Window("returns.window_days", program.return_days)
    yield Window("receipt_days", program.receipt_days)
    yield Window("pending_days", program.pending_days)
    yield Window("es.saf_window_days", program.es.saf_window_days)
    yield Window("es.confirmation_window_days", program.es.confirmation_window_days)
    yield Window("limits", LIMIT_DAYS)
    if program.has_goals:
        yield Window("goals", counted_days(program))
    if program.receipt_limits != NO_RECEIPT_LIMITS:
        limited = [
            _DAYS_OF[period]
            for name, period in PER_PERIOD.items()
            if getattr(program.receipt_limits, name) is not None
        ]
        yield Window("receipts_per_member", max(limited))


def counted_days(program: Program) -> int:
    """Tell for how many days what goals count of an order may change."""
    return min(COUNTED_DAYS_MAX, max(program.void_days, program.receipt_days))


def longest_window(program: Program) -> Window:
    """Give the window that ends last: nothing younger than it may go."""
    return max(windows(program), key=lambda window: window.days)
