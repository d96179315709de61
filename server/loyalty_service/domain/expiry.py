"""When points go: policies, their arithmetic of days, and the buckets that points wait in."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo


class ExpiryPolicy(StrEnum):
    """What decides on which day points go."""

    NONE = "none"
    INACTIVITY = "inactivity"
    ISSUE_DATE = "issue_date"


class PeriodEnd(StrEnum):
    """To the end of which period a last day is moved."""

    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"


class Activity(StrEnum):
    """What may keep a member's points alive under `ExpiryPolicy.INACTIVITY`."""

    ORDER = "order"
    EARN = "earn"
    REDEEM = "redeem"
    ADJUST = "adjust"


class NamedDay(StrEnum):
    """Which day tills and apps are told: the first without the points, or the last with them."""

    FIRST_GONE = "first_day_gone"
    LAST_GOOD = "last_good_day"


MONTHS_OF = {
    PeriodEnd.MONTH: 1,
    PeriodEnd.QUARTER: 3,
    PeriodEnd.HALF_YEAR: 6,
    PeriodEnd.YEAR: 12,
}
"""Months of each period."""

FOR_EVER = date.max
"""Last day of points that never go."""

FOR_EVER_MS = 253_402_300_800_000
"""When they would: as the year 10000 begins."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """For how long points are good; for ever with neither days nor months. See `Expiry`."""

    days: int | None = None
    months: int | None = None
    end_of: PeriodEnd | None = None
    until: str | None = None

    @property
    def ends(self) -> bool:
        """Whether points go at all."""
        return self.days is not None or self.months is not None

    def last_day(self, earned: date) -> date:
        """Tell the last day on which points can be spent that count as earned on a day."""
        return _last_day(self, earned)


@dataclass(frozen=True, slots=True)
class Expiry:
    """
    The terms on which points go.

    Attributes:
        days: Days until the last day; absent where *months* counts them.
        months: Calendar months until the last day.
        end_of: The period to whose end the last day is moved; absent where it stays.
        until: Day of the year, as MM-DD, to whose next one the last day is moved.
        activities: What moves the last day of all points under `INACTIVITY`.
        expiration_date: Which day is told.
        carried_over: Last day, as YYYY-MM-DD, of the points that members had when these terms
            began. Where absent, those of an earlier policy keep their days, and those without one
            count as earned on the day these terms began.
        by_tier: For how long points are good while their member has a tier; see `tier_expiry`.
        version: Counts the terms, from 0 where there never were any.
    """

    policy: ExpiryPolicy = ExpiryPolicy.NONE
    days: int | None = None
    months: int | None = None
    end_of: PeriodEnd | None = None
    until: str | None = None
    activities: frozenset[Activity] = frozenset({Activity.ORDER, Activity.ADJUST})
    expiration_date: NamedDay = NamedDay.FIRST_GONE
    carried_over: str | None = None
    by_tier: Mapping[str, Lifetime] = field(default_factory=dict)
    version: int = 0

    @property
    def ages(self) -> bool:
        """Whether points go at all."""
        return self.policy is not ExpiryPolicy.NONE

    @property
    def rolls(self) -> bool:
        """Whether all of a member's new points go on one day, which activities move."""
        return self.policy is ExpiryPolicy.INACTIVITY

    def last_day(self, earned: date) -> date:
        """Tell the last day on which points can be spent that are earned, or kept, on a day."""
        return _last_day(self, earned)

    def last_day_of_old(self, today: date) -> date:
        """Tell the last day of points that are older than these terms, or of unknown age."""
        if self.carried_over is not None:
            return date.fromisoformat(self.carried_over)
        return self.last_day(today)

    def told_day(self, last_day: str) -> str:
        """Give the day that tills and apps are told for a last day."""
        if self.expiration_date is NamedDay.LAST_GOOD:
            return last_day
        return (date.fromisoformat(last_day) + timedelta(1)).isoformat()

    def follows(self, old: Expiry | None) -> Expiry:
        """Number these terms as those that come after *old* ones, the same ones alike."""
        if old is None:
            return replace(self, version=int(self.ages))
        return replace(self, version=old.version + self.begins_anew(old))

    def begins_anew(self, old: Expiry) -> bool:
        """
        Tell whether points from before are others than those that come now.

        They are not where members' inactivity only counts for longer or shorter: then all of a
        member's points move to their new day with the next activity.
        """
        if (self.policy, self.carried_over) != (old.policy, old.carried_over):
            return True
        return self.policy is ExpiryPolicy.ISSUE_DATE and _count(self) != _count(old)


NEVER = Expiry()
"""Terms on which points never go."""


def _count(terms: Expiry) -> tuple[object, ...]:
    return terms.days, terms.months, terms.end_of, terms.until


def _last_day(life: Lifetime | Expiry, earned: date) -> date:
    last = months_later(earned, life.months) if life.months else earned
    last += timedelta(life.days or 0)
    if life.end_of is not None:
        last = end_of_period(last, MONTHS_OF[life.end_of])
    if life.until is not None:
        last = _next_such_day(last, life.until)
    return last


def months_later(day: date, months: int) -> date:
    """Go on by calendar months, to the last day of a month that is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def end_of_period(day: date, months: int) -> date:
    """Give the last day of the period of so many months, counted from January, that has a day."""
    month = (day.month - 1) // months * months + months
    return date(day.year, month, calendar.monthrange(day.year, month)[1])


def _next_such_day(day: date, month_and_day: str) -> date:
    """Give the next day of the year, from a day on; 29 February is the 28th in most years."""
    month, number = map(int, month_and_day.split("-"))
    for year in (day.year, day.year + 1):
        found = date(year, month, min(number, calendar.monthrange(year, month)[1]))
        if found >= day:
            return found
    raise AssertionError(day)


def day_of(instant_ms: int, time_zone: str) -> date:
    """Tell which day an instant is on in a place."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(ZoneInfo(time_zone)).date()


@lru_cache(maxsize=4096)
def gone_ms(last_day: date, time_zone: str) -> int:
    """Give the instant at which points go: when the day after their last one begins."""
    if last_day == FOR_EVER:
        return FOR_EVER_MS
    next_day = last_day + timedelta(1)
    began = datetime(next_day.year, next_day.month, next_day.day, tzinfo=ZoneInfo(time_zone))
    return round(began.timestamp() * 1000)


def bucket_suffix(terms: Expiry, earned: date, last: date, *, old: bool = False) -> str:
    """
    Give the name of a bucket after the number of its member.

    Points of one day under one version of the terms are in one bucket; where all of a member's
    points go on one day, which moves, they are in one whatever their day: all but *old* points,
    from before these terms, where these carry them over to a day that stays.
    """
    if terms.rolls and not (old and terms.carried_over is not None):
        return f".{terms.version}.rolling"
    return f".{terms.version}.{earned.isoformat()}.{last.isoformat()}"


def ending(merged_number: int) -> str:
    """Give what names of buckets end with whose points a merged member brought."""
    return f"/{merged_number}"


@dataclass(slots=True)
class Bucket:
    """
    A member's points that go on one day.

    Attributes:
        earned_day: Day on which they were earned, the first one of a bucket that rolls.
        last_day: Last day on which they can be spent.
        gone_ms: When that day is over, in the program's place.
        rolling: 1 where an activity of the member moves the last day, else 0.
        version: Version of the terms under which they were earned.
        points: Those that are free to spend, or were until that day.
        expired: Those whose going was booked.
    """

    bucket_id: str
    program_id: str
    member_number: int
    earned_day: str
    last_day: str
    gone_ms: int
    rolling: int
    version: int
    points: int
    expired: int = 0

    @property
    def place(self) -> tuple[int, str, str]:
        """What the order of spending goes by: what goes first, then what is older."""
        return self.gone_ms, self.earned_day, self.bucket_id


@dataclass(slots=True)
class BucketPart:
    """
    What an owner has brought into a bucket, and has out of it.

    Attributes:
        earned: Points that it brought, less those that it took back.
        held: Points that it holds.
        burned: Points that it has burned, less those that it gave back.
    """

    owner_kind: int
    owner_id: str
    bucket_id: str
    member_number: int
    earned: int = 0
    held: int = 0
    burned: int = 0


@dataclass(frozen=True, slots=True)
class Going:
    """Points that go on a day, as tills and apps are told."""

    expiration_date: str
    points: int
