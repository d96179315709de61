"""Grants: incentives that are given to one member, with uses and days."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from loyalty_service.domain.expiry import MONTHS_OF, PeriodEnd, end_of_period, months_later
from loyalty_service.domain.ledger import Owner, OwnerKind
from loyalty_service.domain.periods import Period, span_of
from loyalty_service.domain.yearly import day_in

_NAMES = uuid.UUID("0f6e4f3c-5f0b-4e0c-9d3a-2f3a7b1c8d4e")
"""What the IDs of grants are made in; it is never changed."""


FOR_GOOD = "9999-12-31"
"""Last day of what has none."""


class GrantState(StrEnum):
    """What becomes of a grant; which it is follows from its numbers and the day."""

    OFFERED = "offered"
    ACTIVATED = "activated"
    USED = "used"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True)
class Grant:
    """
    An incentive that was given to a member.

    Attributes:
        origin: What it was given for: a member gets it for this once.
        uses: How often it may be used.
        used: How often claimed orders have used it that are not void.
        first_day: First day on which it can be used, as YYYY-MM-DD, in the store's place.
        last_day: Last such day; `FOR_GOOD` where it has none.
        activated_ms: Since when it can be used; absent while the member has to activate it.
        withdrawn_ms: Since when what was left of it is taken back.
    """

    grant_id: str
    program_id: str
    member_number: int
    incentive_id: str
    origin: str
    uses: int
    used: int
    first_day: str
    last_day: str
    given_ms: int
    activated_ms: int | None
    withdrawn_ms: int | None = None

    @property
    def owner(self) -> Owner:
        """What the points are burned for that bought it."""
        return Owner(OwnerKind.GRANT, self.grant_id)

    @property
    def left(self) -> int:
        """How often it may still be used, whatever the day."""
        return 0 if self.withdrawn_ms is not None else self.uses - self.used

    def covers(self, day: date) -> bool:
        """Tell whether a day is one of its days."""
        return self.first_day <= day.isoformat() <= self.last_day

    def state(self, day: date) -> GrantState:
        """Tell what has become of it by a day."""
        if self.uses <= self.used:
            return GrantState.USED
        if self.withdrawn_ms is not None:
            return GrantState.WITHDRAWN
        if self.last_day < day.isoformat():
            return GrantState.LAPSED
        return GrantState.OFFERED if self.activated_ms is None else GrantState.ACTIVATED


def grant_id_of(program_id: str, loyalty_id: str, incentive_id: str, origin: str) -> str:
    """
    Name the grant of an incentive that a member has for something.

    The name follows from these, so that nobody is given one twice for the same.
    """
    name = f"{program_id}\n{loyalty_id}\n{incentive_id}\n{origin}"
    return str(uuid.uuid5(_NAMES, name))


def in_order_of_use(grants: Iterable[Grant], named: frozenset[str] = frozenset()) -> list[Grant]:
    """Sort grants as an order uses them: those that it *named*, then what ends first."""
    return sorted(
        grants,
        key=lambda one: (one.grant_id not in named, one.last_day, one.first_day, one.grant_id),
    )


def origin_of_terms(terms_id: str, occasion: str = "") -> str:
    """Name what the program gives something for, by the name of its terms."""
    return f"program/{terms_id}{'/' if occasion else ''}{occasion}"


class GivenOn(StrEnum):
    """What the program gives an incentive for by itself."""

    ENROLMENT = "enrolment"
    FIRST_ORDER = "first_order"
    BIRTHDAY = "birthday"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    GOAL = "goal"


_PERIODS = {
    GivenOn.WEEK: Period.WEEK,
    GivenOn.MONTH: Period.MONTH,
    GivenOn.YEAR: Period.YEAR,
}


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """
    What the program gives, for what, and for how long.

    Attributes:
        terms_id: Its name in the program file.
        given_on: What for; absent where members buy it.
        points: Points for which a member buys one; absent where it costs none.
        by_itself: Whether it is bought by itself as soon as a member has so many points.
        days: For how many days it is good, its first day included; absent where *months* or
            *end_of* alone say so. Without all of them it is good for good.
        months: For how many calendar months: to the same day of a later month.
        end_of: The period to whose end its last day is moved.
        uses: How often it may be used.
        activate: Whether the member has to activate it before.
    """

    terms_id: str
    incentive_id: str
    given_on: GivenOn | None = None
    points: int | None = None
    by_itself: bool = False
    days: int | None = None
    months: int | None = None
    end_of: PeriodEnd | None = None
    uses: int = 1
    activate: bool = False

    @property
    def by_calendar(self) -> bool:
        """Whether who has one follows from the calendar, so that nobody need give it."""
        return self.given_on is GivenOn.BIRTHDAY or self.given_on in _PERIODS

    def origin(self, occasion: str = "") -> str:
        """Name what it is given for: a member gets it for this once."""
        return origin_of_terms(self.terms_id, occasion)

    def last_day(self, first: date) -> date | None:
        """Tell the last day of one whose first day is given; none where it is good for good."""
        if self.days is None and self.months is None and self.end_of is None:
            return None
        last = months_later(first, self.months) if self.months else first
        last += timedelta(days=(self.days or 1) - 1)
        return last if self.end_of is None else end_of_period(last, MONTHS_OF[self.end_of])

    def due(self, day: date, birth_date: date | None, enrolled: date) -> Due | None:
        """
        Tell what a member has by the calendar on a day; nothing where that is over or to come.

        A birthday counts from the day of the enrolment on, and until the next one.
        """
        if self.given_on in _PERIODS:
            first, last = span_of(_PERIODS[GivenOn(self.given_on)], day)
            return Due(first.isoformat(), first, last)
        if self.given_on is not GivenOn.BIRTHDAY or birth_date is None:
            return None
        first = day_in(day.year, birth_date)
        if first > day:
            first = day_in(day.year - 1, birth_date)
        if first < enrolled or first.year <= birth_date.year:
            return None
        before_next = day_in(first.year + 1, birth_date) - timedelta(days=1)
        last = min(self.last_day(first) or before_next, before_next)
        return Due(str(first.year), first, last) if day <= last else None


@dataclass(frozen=True, slots=True)
class Due:
    """What a member has by the calendar: for which occasion, and from when until when."""

    occasion: str
    first_day: date
    last_day: date
