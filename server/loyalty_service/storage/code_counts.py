"""
Counts of codes shown and the waits that follow, within one unit of work.

Right codes are only added up, in a shard of the writer's own, so that nobody waits for anybody.
Whoever counts a wrong one locks its API key first: see `prefetch.py` for the order of locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.guessing import (
    HOURS_COUNTED,
    MONTH_DAYS,
    MONTH_MS,
    Refusal,
    Scope,
    ScopeKind,
    Tally,
    day_of,
    hour_of,
    scopes_of,
)
from loyalty_service.storage.statements import SCOPES_MAX, Statement, Statements

_NONE = (0, 0)

Row = TypeVar("Row")


@dataclass(slots=True)
class TallyRow:
    """What this unit adds to the count of a scope in an hour."""

    scope: str
    hour: int
    shard: int
    matched: int = 0
    failed: int = 0


@dataclass(slots=True)
class MonthRow:
    """What this unit adds to the count of a scope in a day."""

    scope: str
    day: int
    shard: int
    regulars: int = 0
    spent: int = 0


@dataclass(slots=True)
class RegularRow:
    """When a member was counted as a regular of a key."""

    key_id: str
    member_number: int
    counted_ms: int


class CodeCounts:
    """The part of a unit of work that counts codes; see `application.unit.Unit`."""

    def __init__(self, connection: Any, statements: Statements, shard: int) -> None:
        self._connection = connection
        self._statements = statements
        self._shard = shard
        self._refusals: dict[str, dict[str, Refusal]] = {}
        self._locked: set[str] = set()
        self._added: dict[tuple[str, int], TallyRow] = {}
        self._added_in_month: dict[tuple[str, int], MonthRow] = {}
        self._with_regulars: dict[str, bool] = {}
        self._months: dict[str, tuple[int, int]] = {}
        self._counted: dict[tuple[str, int], int | None] = {}
        self._new_regulars: dict[tuple[str, int], RegularRow] = {}

    def take_added(self) -> list[TallyRow]:
        """Give what is to be added, in the order in which all writers lock it."""
        return _taken(self._added)

    def take_added_in_month(self) -> list[MonthRow]:
        """Give what is to be added to the counts of days, in the order of all writers."""
        return _taken(self._added_in_month)

    def take_new_regulars(self) -> list[RegularRow]:
        """Give the regulars to be kept."""
        return _taken(self._new_regulars)

    def take_refusals(self, programs: Iterable[tuple[str]], rows: Iterable[Sequence[Any]]) -> None:
        """Take all refusals of some programs that were read ahead."""
        for (program_id,) in programs:
            self._refusals[program_id] = {}
        for row in rows:
            self._keep(refusal(row))

    def take_regulars(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Take when members were counted as regulars of keys, as it was read ahead."""
        for key_id, member_number, counted_ms in rows:
            self._counted[key_id, member_number] = counted_ms

    def know_regular(self, key_id: str, member_number: int) -> None:
        """Take it that a member was never a regular of a key, unless it was read ahead."""
        self._counted.setdefault((key_id, member_number), None)

    def take_locks(self, keys: Iterable[tuple[str]]) -> None:
        """Take it that these keys were locked ahead; what others kept before is read again."""
        self._locked.update(key_id for (key_id,) in keys)
        self._refusals.clear()
        self._months.clear()

    def refusals(self, program_id: str) -> Mapping[str, Refusal]:
        """See `Unit.code_refusals`."""
        if program_id not in self._refusals:
            rows = self._connection.execute(self._statements.code_refusals.sql, (program_id,))
            self.take_refusals([(program_id,)], rows.fetchall())
        return self._refusals[program_id]

    def has_waited(self, program_id: str, key_id: str) -> bool:
        """Tell whether a key as a whole must wait, or had to within a day."""
        _, scope = scopes_of(program_id, key_id)
        return scope.name in self.refusals(program_id)

    def lock(self, key_id: str) -> None:
        """See `Unit.lock_key`; an embedded database has one writer, who needs no lock."""
        if self._statements.bulk and key_id not in self._locked:
            self._connection.execute(self._statements.lock_key.sql, (key_id,))
            self.take_locks([(key_id,)])

    def note(self, scope: Scope, digest: bytes, now_ms: int, repeat_ms: int) -> bool:
        """See `Unit.note_wrong_code`."""
        place = (scope.name, digest)
        found = self._connection.execute(self._statements.wrong_code.sql, place).fetchone()
        if found is not None and now_ms - repeat_ms < found[0] <= now_ms:
            return False
        self._connection.execute(self._statements.put_wrong_code.sql, (*place, now_ms))
        return True

    def add_right(self, scopes: Sequence[Scope], now_ms: int) -> None:
        """See `Unit.tally_right`."""
        for scope in scopes:
            self._hour(scope, now_ms).matched += 1

    def add_wrong(self, scopes: Sequence[Scope], spender: Scope | None, now_ms: int) -> None:
        """See `Unit.tally_wrong`."""
        for scope in scopes:
            self._hour(scope, now_ms).failed += 1
        if spender is not None:
            self._count_in_month(spender, now_ms, spent=1)

    def _hour(self, scope: Scope, now_ms: int) -> TallyRow:
        place = (scope.name, hour_of(now_ms))
        row = self._added.get(place)
        if row is None:
            row = self._added[place] = TallyRow(*place, self._shard)
        return row

    def has_regulars(self, key_id: str) -> bool:
        """See `Unit.has_regulars`."""
        if key_id not in self._with_regulars:
            row = self._connection.execute(self._statements.has_regulars.sql, (key_id,)).fetchone()
            new = any(key_id == place[0] for place in self._new_regulars)
            self._with_regulars[key_id] = row is not None or new
        return self._with_regulars[key_id]

    def regular_since(self, key_id: str, member_number: int) -> int | None:
        """See `Unit.regular_since`."""
        place = (key_id, member_number)
        if place not in self._counted:
            row = self._connection.execute(self._statements.regular.sql, place).fetchone()
            self._counted[place] = None if row is None else row[0]
        return self._counted[place]

    def count_regular(self, earner: Scope, member_number: int, now_ms: int) -> None:
        """See `Unit.count_regular`."""
        place = (earner.key_id, member_number)
        self._counted[place] = now_ms
        self._new_regulars[place] = RegularRow(*place, now_ms)
        self._with_regulars[earner.key_id] = True
        self._count_in_month(earner, now_ms, regulars=1)

    def _count_in_month(
        self, scope: Scope, now_ms: int, *, regulars: int = 0, spent: int = 0
    ) -> None:
        place = (scope.name, day_of(now_ms))
        row = self._added_in_month.get(place)
        if row is None:
            row = self._added_in_month[place] = MonthRow(*place, self._shard)
        row.regulars += regulars
        row.spent += spent
        if scope.name in self._months:
            before = self._months[scope.name]
            self._months[scope.name] = before[0] + regulars, before[1] + spent

    def month(self, scope: Scope, now_ms: int) -> Tally:
        """See `Unit.code_month`; kept, for a wait refuses many calls of a batch."""
        found = self._months.get(scope.name)
        if found is None:
            rows = self._all(
                self._statements.sum_months,
                (*[scope.name] * SCOPES_MAX, day_of(now_ms) - MONTH_DAYS),
            )
            kept = [row[1:] for row in rows]
            new = (
                (row.regulars, row.spent)
                for (name, _), row in self._added_in_month.items()
                if name == scope.name
            )
            regulars, spent = zip(_NONE, *kept, *new, strict=True)
            found = self._months[scope.name] = int(sum(regulars)), int(sum(spent))
        return Tally(0, 0, *found)

    def tallies(self, scopes: Sequence[Scope], now_ms: int) -> dict[Scope, Tally]:
        """See `Unit.tallies`; what is to be added must have been written."""
        names = [scope.name for scope in scopes]
        names += names[:1] * (SCOPES_MAX - len(names))
        by = self._statements
        days = (*names, hour_of(now_ms) - HOURS_COUNTED)
        months = (*names, day_of(now_ms) - MONTH_DAYS)
        shown = {name: found for name, *found in self._all(by.sum_tallies, days)}
        earned = {name: found for name, *found in self._all(by.sum_months, months)}
        return {
            scope: Tally(*map(int, (*shown.get(scope.name, _NONE), *earned.get(scope.name, _NONE))))
            for scope in scopes
        }

    def _all(self, statement: Statement, values: Sequence[Any]) -> list[Any]:
        rows: list[Any] = self._connection.execute(statement.sql, values).fetchall()
        return rows

    def refuse(self, wait: Refusal) -> None:
        """See `Unit.refuse_codes`."""
        scope, tally = wait.scope, wait.tally
        values = (
            scope.name,
            scope.kind.value,
            scope.program_id,
            scope.key_id,
            scope.store_id,
            scope.terminal,
            tally.failed,
            tally.matched,
            wait.since_ms,
            wait.until_ms,
        )
        self._connection.execute(self._statements.put_code_refusal.sql, values)
        self._keep(wait)

    def forgive(self, key_id: str) -> int:
        """See `Unit.forgive_codes`."""
        _, scope = scopes_of("", key_id)
        ended = self._connection.execute(self._statements.forgive_refusals.sql, (key_id,))
        for statement in self._statements.forgive_tallies:
            self._connection.execute(statement.sql, (scope.name, f"{scope.name}/%"))
        self._refusals.clear()
        return len(ended.fetchall())

    def forget(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_counts`."""
        oldest = (
            hour_of(now_ms) - HOURS_COUNTED,
            now_ms - DAY_MS,
            now_ms,
            day_of(now_ms) - MONTH_DAYS,
            now_ms - MONTH_MS,
        )
        return sum(
            len(self._connection.execute(statement.sql, (before, limit)).fetchall())
            for statement, before in zip(self._statements.forget_codes, oldest, strict=True)
        )

    def _keep(self, wait: Refusal) -> None:
        self._refusals.setdefault(wait.scope.program_id, {})[wait.scope.name] = wait


def _taken(rows: dict[tuple[str, int], Row]) -> list[Row]:
    taken = [rows[place] for place in sorted(rows)]
    rows.clear()
    return taken


def refusal(row: Sequence[Any]) -> Refusal:
    """Turn a row of `REFUSAL_COLUMNS` into the value."""
    kind, *place, matched, failed, since_ms, until_ms = row
    return Refusal(Scope(ScopeKind(kind), *place), Tally(matched, failed), since_ms, until_ms)
