"""
Reports about money: how points came and went, what is owed to members, what looks like fraud.

Days and months are those of the program's place. A ledger is summed up by quarters of an hour, at
whose ends all places have their midnights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from loyalty_service.domain.ledger import AccountKind

QUARTER_MS = 900_000


class Period(StrEnum):
    """What the rows of a report are."""

    DAY = "day"
    MONTH = "month"

    def of(self, quarter: int, zone: ZoneInfo) -> str:
        """Name the day or month of a quarter of an hour, counted from 1970."""
        day = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, zone).date().isoformat()
        return day if self is Period.DAY else day[:7]


@dataclass(frozen=True, slots=True)
class Sum:
    """
    Points that moved within a quarter of an hour between members and an account of the program.

    Attributes:
        outward: Whether they came to members, rather than from them.
    """

    quarter: int
    kind: AccountKind
    outward: bool
    points: int
    transfers: int


MOVEMENTS: Mapping[tuple[AccountKind, bool], str] = {
    (AccountKind.ISSUED, True): "issued",
    (AccountKind.ISSUED, False): "taken_back",
    (AccountKind.REDEEMED, False): "redeemed",
    (AccountKind.REDEEMED, True): "given_back",
    (AccountKind.EXPIRED, False): "expired",
    (AccountKind.EXPIRED, True): "unexpired",
    (AccountKind.ADJUSTED, True): "adjusted_up",
    (AccountKind.ADJUSTED, False): "adjusted_down",
}
"""What points are called that moved between members and an account of the program."""

_COMING = frozenset({"issued", "given_back", "unexpired", "adjusted_up"})


@dataclass(slots=True)
class PointsRow:
    """
    How points moved in a day or a month.

    Attributes:
        issued: Earned by orders, receipts and goals.
        taken_back: Of those, taken back because an order was cancelled or came back.
        redeemed: Burned for rewards.
        given_back: Of those, given back because an order was cancelled.
        expired: Gone because their day was over.
        unexpired: Of those, given back; no version of this service does it.
        adjusted_up: Given beside orders.
        adjusted_down: Taken beside orders.
        outstanding: What members have at the end, less what they owe.
    """

    period: str
    issued: int = 0
    taken_back: int = 0
    redeemed: int = 0
    given_back: int = 0
    expired: int = 0
    unexpired: int = 0
    adjusted_up: int = 0
    adjusted_down: int = 0
    outstanding: int = 0

    @property
    def net(self) -> int:
        """By how much the outstanding points grew."""
        return sum(
            getattr(self, name) * (1 if name in _COMING else -1) for name in MOVEMENTS.values()
        )


def points_rows(
    sums: Iterable[Sum],
    outstanding: int,
    period: Period,
    time_zone: str,
    first: date,
    last: date,
) -> list[PointsRow]:
    """
    Put sums of all transfers since *first* into rows, each with what was outstanding at its end.

    The *sums* are those from the beginning of *first* until now, whatever the *last* day of the
    rows is, and so many points are *outstanding* now.
    """
    zone = ZoneInfo(time_zone)
    rows = {name: PointsRow(name) for name in _periods(period, first, last)}
    since = 0
    for one in sums:
        name = period.of(one.quarter, zone)
        sign = 1 if one.outward else -1
        since += sign * one.points
        if name in rows and Period.DAY.of(one.quarter, zone) <= last.isoformat():
            what = MOVEMENTS[one.kind, one.outward]
            setattr(rows[name], what, getattr(rows[name], what) + one.points)
    reached = outstanding - since
    for row in rows.values():
        reached += row.net
        row.outstanding = reached
    return list(rows.values())


def _periods(period: Period, first: date, last: date) -> Iterable[str]:
    names = ((first + timedelta(days=days)).isoformat() for days in range((last - first).days + 1))
    whole = names if period is Period.DAY else (name[:7] for name in names)
    return dict.fromkeys(whole)


def begins_ms(day: date, time_zone: str) -> int:
    """Tell when a day begins in a place, in milliseconds since 1970."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone))
    return int(midnight.astimezone(UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Liability:
    """
    What a program owes its members, as of a moment.

    Attributes:
        available: Points that members can spend, those included whose day is over and that are not
            booked as gone yet.
        held: Points that are set aside for open orders.
        unconfirmed: Points that wait to be confirmed.
        debt: Points that members owe the program.
        members: Members who have any points.
        months: The points of members by the month in which they came, the oldest first: of what a
            member has, what came last was not spent yet.
        unknown: Points of which the ledger does not show when they came, because those transfers
            are in an archive or came from another member.
        going: Points by the month in which they go, if nobody does anything.
    """

    program_id: str
    as_of_ms: int
    available: int
    held: int
    unconfirmed: int
    debt: int
    members: int
    months: tuple[tuple[str, int], ...]
    unknown: int
    going: tuple[tuple[str, int], ...] = ()

    @property
    def total(self) -> int:
        """What members have."""
        return self.available + self.held + self.unconfirmed

    @property
    def net(self) -> int:
        """What members have, less what they owe: what the ledger's program accounts sum to."""
        return self.total - self.debt


def by_month(quarters: Iterable[tuple[int, int]], time_zone: str) -> tuple[tuple[str, int], ...]:
    """Sum points by the month of their quarters of an hour."""
    zone = ZoneInfo(time_zone)
    months: Counter[str] = Counter()
    for quarter, points in quarters:
        months[Period.MONTH.of(quarter, zone)] += points
    return tuple(sorted(months.items()))


class Suspicion(StrEnum):
    """Kinds of what a fraud report names."""

    MANY_CLAIMS = "many_claims"
    """Many orders of one member in one day, at one terminal or by one operator of a till."""

    NOT_PAID = "not_paid"
    """Orders that earned and name no payment, or give back all that was paid."""

    NO_PAYMENTS_TOLD = "no_payments_told"
    """A store and partner whose orders never name a payment: nobody can tell which were paid."""

    VOID_OF_REDEMPTION = "void_of_redemption"
    """Paid orders that used an incentive, and were cancelled afterwards."""

    OPERATOR_DAY = "operator_day"
    """An operator of a till by whose orders members earned more than a day's worth."""

    LARGE_ADJUSTMENT = "large_adjustment"
    """Far more points given or taken at once than is usual."""

    ADJUSTED_OFTEN = "adjusted_often"
    """One person or key that adjusted one member again and again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that a person should look at.

    Attributes:
        day: The day, where it is about one.
        who: The store, terminal, operator, partner or person that it is about.
        loyalty_id: The member; absent where it is about several.
        count: How many orders or adjustments.
        points: What they moved.
        why: A sentence for whoever looks.
        orders: Some of the transactions, the largest or first ones.
    """

    kind: Suspicion
    day: str | None
    who: Mapping[str, str]
    loyalty_id: str | None
    count: int
    points: int
    why: str
    orders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An adjustment as a report judges it."""

    member_number: int
    loyalty_id: str
    points: int
    recorded_ms: int
    by: str
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """
    From where on something is named.

    Attributes:
        claims: Orders of one member in a day at one place.
        voids: Cancelled orders with an incentive of one place.
        times: How many times the median of all adjustments is large.
        often: Adjustments of one member by one person.
        at_once: Points of one adjustment that are large in any case.
        operator_day: Points that an operator of a till gives in a day.
    """

    claims: int = 4
    voids: int = 2
    times: int = 10
    often: int = 3
    at_once: int = 100_000
    operator_day: int = 500_000


ENOUGH = 10
"""Adjustments from which on a median says something."""


def judged(adjustments: Sequence[Adjustment], limits: Thresholds) -> list[Finding]:
    """Name the adjustments that are larger, or more often, than usual."""
    sizes = sorted(abs(one.points) for one in adjustments)
    median = sizes[len(sizes) // 2] if len(sizes) >= ENOUGH else None
    found = []
    for one in adjustments:
        size = abs(one.points)
        if size >= limits.at_once:
            why = f"{size:,} points at once: {limits.at_once:,} or more are told always"
        elif median is not None and size > limits.times * median:
            why = f"{size:,} points at once: the median of {len(sizes):,} adjustments is {median:,}"
        else:
            continue
        found.append(_of(Suspicion.LARGE_ADJUSTMENT, one, 1, one.points, f"{why} ({one.reason})"))
    together: dict[tuple[int, str], list[Adjustment]] = {}
    for one in adjustments:
        together.setdefault((one.member_number, one.by), []).append(one)
    for alike in together.values():
        if len(alike) >= limits.often:
            why = f"{len(alike):,} adjustments of one member by one person or key"
            points = sum(one.points for one in alike)
            found.append(_of(Suspicion.ADJUSTED_OFTEN, alike[0], len(alike), points, why))
    return found


def _of(kind: Suspicion, one: Adjustment, count: int, points: int, why: str) -> Finding:
    who = {"by": one.by, "method": one.method}
    return Finding(kind, None, who, one.loyalty_id, count, points, why)
