"""
What keys, programs and members have done in a day or another period, for their limits.

What is counted is added up in the database, each writer in a shard of its own, so that nobody
waits for anybody, all servers count together and a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, select

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.limits import MEMBER_PREFIX, Limit
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.known_sums import Place, Sums
from loyalty_service.storage.repositories.records import Basis, Records, Step
from loyalty_service.storage.statements import Statements, table_of

KEPT_MS = 7 * DAY_MS
"""Time for which an operator can look up what was counted."""


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
    """What a unit of work knows and adds; a unit has few attributes of its own, to begin fast."""

    __slots__ = ("counted_here", "fresh", "sums", "unwritten")

    def __init__(self) -> None:
        self.sums: dict[Place, Sums] = {}
        self.fresh: set[Place] = set()
        self.unwritten: dict[tuple[str, int, str], int] = {}
        self.counted_here: dict[tuple[str, int, str], int] = {}


class LimitCounts(Records):
    """Counts of a unit of work, of which those of other writers may lack a moment."""

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._limits = _Limits()

    @property
    def _limits_by(self) -> LimitStatements:
        return self._statements.of(LimitStatements)

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """See `Unit.counted`."""
        place = scope, limit.since_ms(now_ms)
        if (
            place not in self._limits.sums
            and (known := self._basis.known_sums.get(place)) is not None
        ):
            self._begin(place, dict(known), self._limits.counted_here)
        if place not in self._limits.sums:
            rows = self._connection.execute(self._limits_by.sums.sql, place).fetchall()
            self.take_sums([place], [(*place, *row) for row in rows])
        return self._limits.sums[place].get(limit.name.value, 0)

    def count(self, limit: Limit, scope: str, amount: int, now_ms: int) -> None:
        """See `Unit.count`."""
        self.changes += 1
        name = limit.name.value
        place = scope, limit.since_ms(now_ms)
        for added in (self._limits.unwritten, self._limits.counted_here):
            added[(*place, name)] = added.get((*place, name), 0) + amount
        sums = self._limits.sums.get(place)
        if sums is not None:
            sums[name] = sums.get(name, 0) + amount

    def sums_ahead(self, places: Iterable[Place]) -> Step:
        """Read the sums of places, but for those that are known."""
        unknown = [place for place in places if self._basis.known_sums.get(place) is None]
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

    def _begin(self, place: Place, sums: Sums, missing: dict[tuple[str, int, str], int]) -> None:
        """Go on from sums that lack what this unit added."""
        for (scope, since_ms, name), amount in missing.items():
            if (scope, since_ms) == place:
                sums[name] = sums.get(name, 0) + amount
        self._limits.sums[place] = sums

    def _flush_limit_counts(self, cursor: Cursor) -> None:
        """Add up, in the order in which all writers lock the rows."""
        if self._limits.unwritten:
            rows = [
                LimitRow(*place, self._shard, amount)
                for place, amount in sorted(self._limits.unwritten.items())
            ]
            self._limits.unwritten.clear()
            self._write(cursor, self._limits_by.add_up, rows)

    def committed(self) -> None:
        """Let the writer's next units know what was read and added."""
        for place, sums in self._limits.sums.items():
            if not place[0].startswith(MEMBER_PREFIX):
                self._basis.known_sums.keep(place, sums, fresh=place in self._limits.fresh)

    def _forget_limits(self, now_ms: int, limit: int) -> int:
        """Delete counts of periods that have ended long ago, which matter no more."""
        values = (now_ms - KEPT_MS, limit)
        return len(self._connection.execute(self._limits_by.forget.sql, values).fetchall())
