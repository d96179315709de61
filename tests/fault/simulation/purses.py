"""
A guest's points by their last day, where points go: in plain days, without the server's arithmetic.

It says which points are where. How many there are in all is for the other rules to say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta

Days = Counter[date]


@dataclass
class Brought:
    """What an order has in a purse, by last day: what it brought, holds and has burned."""

    earned: Days = field(default_factory=Counter)
    held: Days = field(default_factory=Counter)
    burned: Days = field(default_factory=Counter)


@dataclass
class Purse:
    """
    Points that can be spent, by the last day on which they can.

    Attributes:
        good_days: Days that points are good for after the one on which they come.
    """

    good_days: int
    today: date
    days: Days = field(default_factory=Counter)

    def turn(self, today: date) -> int:
        """Let the day come; return how many points are gone."""
        self.today = today
        over = [day for day in self.days if day < today]
        return sum(self.days.pop(day) for day in over)

    def bring(self, points: int, brought: Brought | None = None) -> None:
        """Put in points of today."""
        last = self.today + timedelta(self.good_days)
        self.days[last] += points
        if brought is not None:
            brought.earned[last] += points

    def take(self, points: int, *, last_first: bool = False) -> Days:
        """Take points out, what goes first ahead unless the other way round is asked for."""
        return _out_of(self.days, points, last_first=last_first)

    def hold(self, points: int, brought: Brought) -> None:
        """Set points aside for an order."""
        brought.held += self.take(points)

    def let_go(self, had: Days, points: int, paid: int) -> None:
        """Put back what an order had, what goes last ahead; what goes first has *paid* a debt."""
        back = _out_of(had, points, last_first=True)
        _out_of(back, paid)
        self.days += back

    def give_up(self, points: int, brought: Brought) -> None:
        """Take what an order earned: from its own days first, then from what goes last."""
        for day, earned in sorted(brought.earned.items()):
            own = min(earned, points, self.days[day])
            self.days[day] -= own
            brought.earned[day] -= own
            points -= own
        # What others gave for it is no more the order's either.
        _out_of(brought.earned, points)
        self.take(points, last_first=True)


def _out_of(days: Days, points: int, *, last_first: bool = False) -> Days:
    taken: Days = Counter()
    for day in sorted(days, reverse=last_first):
        taken[day] = min(days[day], points)
        days[day] -= taken[day]
        points -= taken[day]
    return +taken
