"""
What keys, programs and members have done in a day or another period, for their limits.

What is counted is added up in the database, each writer in a shard of its own, so that nobody
waits for anybody, all servers count together and a restart forgets nothing. A sum of a key or a
program that was read is believed for a moment: what other writers added since is missing from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.limits import MEMBER_PREFIX, Limit
from loyalty_service.storage.statements import Statements

BELIEVED_S = 1.0
"""Time for which a sum is taken to lack nothing but what this writer added itself."""

REMEMBERED_MAX = 10_000
"""Sums that are remembered; a busy server has a few hundred keys."""

Place = tuple[str, int]
"""A scope, and the moment in which a period began."""


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


Sums = dict[str, int]
"""What is counted, by the name of the limit."""


class KnownSums:
    """Sums that a writer has read of late, with what it has added since."""

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


class LimitCounts:
    """The part of a unit of work that counts for limits; see `application.unit.Unit`."""

    def __init__(
        self, connection: Any, statements: Statements, shard: int, known: KnownSums
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._shard = shard
        self._known = known
        self._sums: dict[Place, Sums] = {}
        self._fresh: set[Place] = set()
        self._pending: dict[tuple[str, int, str], int] = {}
        self._added: dict[tuple[str, int, str], int] = {}

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """See `Unit.counted`."""
        place = scope, limit.since_ms(now_ms)
        if place not in self._sums and (known := self._known.get(place)) is not None:
            self._begin(place, dict(known), self._added)
        if place not in self._sums:
            rows = self._connection.execute(self._statements.sum_limits.sql, place).fetchall()
            self.take([place], [(*place, *row) for row in rows])
        return self._sums[place].get(limit.name.value, 0)

    def unknown(self, places: Iterable[Place]) -> list[Place]:
        """Choose the places whose sums would have to be read."""
        return [place for place in places if self._known.get(place) is None]

    def take(self, places: Sequence[Place], rows: Iterable[Sequence[Any]]) -> None:
        """Take sums that were read: all there are of these places."""
        read: dict[Place, Sums] = {place: {} for place in places}
        for scope, since_ms, name, amount in rows:
            read[scope, since_ms][name] = int(amount)
        for place, sums in read.items():
            self._begin(place, sums, self._pending)
        self._fresh.update(places)

    def _begin(self, place: Place, sums: Sums, missing: dict[tuple[str, int, str], int]) -> None:
        """Go on from sums that lack what this unit added."""
        for (scope, since_ms, name), amount in missing.items():
            if (scope, since_ms) == place:
                sums[name] = sums.get(name, 0) + amount
        self._sums[place] = sums

    def add(self, limit: Limit, scope: str, amount: int, now_ms: int) -> None:
        """See `Unit.count`."""
        name = limit.name.value
        place = scope, limit.since_ms(now_ms)
        for added in (self._pending, self._added):
            added[(*place, name)] = added.get((*place, name), 0) + amount
        sums = self._sums.get(place)
        if sums is not None:
            sums[name] = sums.get(name, 0) + amount

    def take_pending(self) -> list[LimitRow]:
        """Give what is to be added, in the order in which all writers lock it."""
        rows = [LimitRow(*self._pending_key(key), amount) for key, amount in self._pending.items()]
        self._pending.clear()
        return sorted(rows, key=lambda row: (row.scope, row.since_ms, row.name))

    def _pending_key(self, key: tuple[str, int, str]) -> tuple[str, int, str, int]:
        return (*key, self._shard)

    def committed(self) -> None:
        """Let the writer's next units know what was read and added."""
        for place, sums in self._sums.items():
            if not place[0].startswith(MEMBER_PREFIX):
                self._known.keep(place, sums, fresh=place in self._fresh)

    def forget(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_counts`: counts of periods that have ended long ago matter no more."""
        values = (now_ms - KEPT_MS, limit)
        return len(self._connection.execute(self._statements.forget_limits.sql, values).fetchall())
