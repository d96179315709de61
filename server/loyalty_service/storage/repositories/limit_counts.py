"""
What keys, programs and members have done in a day or another period, for their limits.

Counts are added up in the database, each writer in a shard of its own. So no writer waits for
another, all servers count together, and a restart forgets nothing.

A sum is used again for a moment; what other writers have added since then is missing from it. That
of a key which is locked is read again, so where all who count lock the key, it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar

from sqlalchemy import bindparam, func, select

from loyalty_service.application.limits import MEMBER_PREFIX, key_scope
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.limits import Limit, LimitName
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Records, Step
from loyalty_service.storage.repositories.statements import Statements, table_of

KEPT_MS = 7 * DAY_MS
"""Time for which an operator can look up what was counted."""

BELIEVED_S = 1.0
"""Time for which a sum counts as right, apart from what this writer has added itself."""

REMEMBERED_MAX = 10_000
"""Sums that are remembered; a busy server has a few hundred keys."""

_NAMES = {name: name.value for name in LimitName}
"""Plain texts of the names, which take an enumeration several times as long to give."""

Place = tuple[str, int]
"""A scope, and the moment in which a period began."""

Sums = dict[str, int]
"""What is counted, by the name of the limit."""


def _add(sums: Sums, name: str, amount: int) -> None:
    sums[name] = sums.get(name, 0) + amount


class KnownSums:
    """
    Sums that a writer has read a short time ago, with what it has added since.

    They are for the limits of keys and programs.
    """

    def __init__(self) -> None:
        self._sums: dict[Place, tuple[float, Sums]] = {}

    def get(self, place: Place) -> Sums | None:
        """Give the sums of a place, unless they are too old."""
        read_s, sums = self._sums.get(place, (0.0, None))
        return None if monotonic() - read_s > BELIEVED_S else sums

    def keep(self, place: Place, sums: Sums, *, fresh: bool) -> None:
        """Remember the sums of a place as of now; *fresh* ones were just read."""
        if len(self._sums) >= REMEMBERED_MAX:
            self._sums.clear()
        read_s = monotonic() if fresh else self._sums.get(place, (0.0, None))[0]
        self._sums[place] = read_s, sums

    def add(self, place: Place, added: Sums) -> None:
        """Add to sums that are remembered; of others it is told when they are read."""
        if place in self._sums:
            sums = self._sums[place][1]
            for name, amount in added.items():
                _add(sums, name, amount)


@dataclass(slots=True)
class LimitRow:
    """What a unit adds to the count of a scope in a period."""

    scope: str
    since_ms: int
    name: str
    shard: int
    amount: int


class LimitStatements:
    """The statements that count for limits."""

    def __init__(self, by: Statements) -> None:
        tally = table_of(t.LimitTallyTable)
        self.add_up = by.adding_up(tally, ("scope", "since_ms", "name", "shard"), ("amount",))
        self.sums = by.compile(
            select(tally.c.name, func.sum(tally.c.amount))
            .where(tally.c.scope == bindparam("scope"), tally.c.since_ms == bindparam("since_ms"))
            .group_by(tally.c.name)
        )
        self.forget = by.forgetting(tally, tally.c.since_ms)
        if by.bulk:
            by_place = tally.c.scope, tally.c.since_ms, tally.c.name
            self.sums_of_many = by.among(
                select(*by_place, func.sum(tally.c.amount)).group_by(*by_place),
                tally,
                ("scope", "since_ms"),
            )


class _Limits:
    """
    What a unit of work knows and adds; a unit has few attributes of its own, to begin fast.

    Attributes:
        known: What its writer has read and added of late, which a unit is given as it begins.
        unwritten: What this unit has added and not yet written; what it wrote is in `written`.
        exact: Keys whose sums are of after their lock.
    """

    __slots__ = ("exact", "fresh", "known", "sums", "unwritten", "written")

    known: KnownSums

    def __init__(self) -> None:
        self.sums: dict[Place, Sums] = {}
        self.exact: set[str] = set()
        self.fresh: set[Place] = set()
        self.unwritten: dict[Place, Sums] = {}
        self.written: dict[Place, Sums] = {}


class LimitCounts(Records):
    """Counts of a unit of work; those of other writers may be a moment old."""

    BUILT: ClassVar[tuple[Build, ...]] = (LimitStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._limits = _Limits()

    @property
    def _limits_by(self) -> LimitStatements:
        return self._statements.of(LimitStatements)

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """See `Unit.counted`."""
        return self.counts(scope, limit.since_ms(now_ms)).get(_NAMES[limit.name], 0)

    def counts(self, scope: str, since_ms: int) -> Sums:
        """See `Unit.counts`."""
        place = scope, since_ms
        limits = self._limits
        sums = limits.sums.get(place)
        if sums is None:
            if (known := self._known(place)) is not None:
                self._begin(place, dict(known), limits.written, limits.unwritten)
            else:
                rows = self._connection.execute(self._limits_by.sums.sql, place).fetchall()
                self.take_sums([place], [(*place, *row) for row in rows])
            sums = limits.sums[place]
        return sums

    def _known(self, place: Place) -> Sums | None:
        exact = self._limits.exact
        # Nearly no unit has any.
        if exact and place[0] in map(key_scope, exact):
            return None
        return self._limits.known.get(place)

    def read_again(self, keys: Iterable[str]) -> None:
        """Read the sums of keys again from here on, which are locked."""
        limits = self._limits
        limits.exact.update(keys)
        scopes = set(map(key_scope, limits.exact))
        for place in [place for place in limits.sums if place[0] in scopes]:
            del limits.sums[place]

    def count(self, limit: Limit, scope: str, amount: int, now_ms: int) -> None:
        """See `Unit.count`."""
        self.count_all(scope, limit.since_ms(now_ms), {_NAMES[limit.name]: amount})

    def count_all(self, scope: str, since_ms: int, amounts: Mapping[str, int]) -> None:
        """See `Unit.count_all`."""
        self.changes += 1
        limits = self._limits
        place = scope, since_ms
        sums = limits.sums.get(place)
        added = limits.unwritten.get(place)
        if added is None:
            added = limits.unwritten[place] = {}
        for name, amount in amounts.items():
            added[name] = added.get(name, 0) + amount
            if sums is not None:
                sums[name] = sums.get(name, 0) + amount

    def sums_ahead(self, places: Iterable[Place]) -> Step:
        """Read the sums of places, but for those that are known."""
        unknown = [place for place in places if self._known(place) is None]
        return Step(
            Rank.LIMIT_COUNTS, self._limits_by.sums_of_many, unknown, self.take_sums, locks=False
        )

    def take_sums(self, places: Sequence[Any], rows: Iterable[Sequence[Any]]) -> None:
        """Take sums that were read: all there are of these places."""
        read: dict[Place, Sums] = {place: {} for place in places}
        for scope, since_ms, name, amount in rows:
            read[scope, since_ms][name] = int(amount)
        for place, sums in read.items():
            self._begin(place, sums, self._limits.unwritten)
        self._limits.fresh.update(places)

    def _begin(self, place: Place, sums: Sums, *missing: dict[Place, Sums]) -> None:
        """Go on from sums that lack what this unit added."""
        for added in missing:
            for name, amount in added.get(place, {}).items():
                _add(sums, name, amount)
        self._limits.sums[place] = sums

    def _flush_limit_counts(self, cursor: Cursor) -> None:
        """Add up, in the order in which all writers lock the rows."""
        if self._limits.unwritten:
            rows = [
                LimitRow(*place, name, self._shard, amount)
                for place, added in sorted(self._limits.unwritten.items())
                for name, amount in sorted(added.items())
            ]
            for place, added in self._limits.unwritten.items():
                written = self._limits.written.setdefault(place, {})
                for name, amount in added.items():
                    _add(written, name, amount)
            self._limits.unwritten.clear()
            self._write(cursor, self._limits_by.add_up, rows)

    def committed(self) -> None:
        """Let the writer's next units know what was read and added."""
        for place, sums in self._limits.sums.items():
            if not place[0].startswith(MEMBER_PREFIX):
                self._limits.known.keep(place, sums, fresh=place in self._limits.fresh)
        for place, added in self._limits.written.items():
            if place not in self._limits.sums:
                self._limits.known.add(place, added)

    def _forget_limits(self, now_ms: int, limit: int) -> int:
        """Delete counts of periods that have ended long ago, which matter no more."""
        values = (now_ms - KEPT_MS, limit)
        return len(self._connection.execute(self._limits_by.forget.sql, values).fetchall())
