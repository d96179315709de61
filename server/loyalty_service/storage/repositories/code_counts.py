"""
Counts of codes shown and the waits that follow, within one unit of work.

Right codes are only added up, in a shard of the writer's own, so that no writer waits for another.
To count a wrong code, its API key is locked first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.guessing import (
    HOURS_COUNTED,
    MONTH_DAYS,
    MONTH_MS,
    Scope,
    ScopeKind,
    Tally,
    Wait,
    day_of,
    days_counted,
    hour_of,
    hours_counted,
    scopes_of,
)
from loyalty_service.domain.records import Member
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.code_count_statements import (
    SCOPES_MAX,
    CodeCountStatements,
)
from loyalty_service.storage.repositories.records import Build, Keys, Records, Step
from loyalty_service.storage.repositories.statements import Statement

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


class _Shown:
    """What a unit of work knows and adds; a unit has few attributes of its own, to begin fast."""

    __slots__ = (
        "days",
        "hours",
        "locked_keys",
        "months",
        "new_regulars",
        "regulars",
        "waits",
        "with_regulars",
    )

    def __init__(self) -> None:
        self.waits: dict[str, dict[str, Wait]] = {}
        self.locked_keys: set[str] = set()
        self.hours: dict[tuple[str, int], TallyRow] = {}
        self.days: dict[tuple[str, int], MonthRow] = {}
        self.with_regulars: dict[str, bool] = {}
        self.months: dict[str, tuple[int, int]] = {}
        self.regulars: dict[tuple[str, int], int | None] = {}
        self.new_regulars: dict[tuple[str, int], RegularRow] = {}


class CodeCounts(Records):
    """Counts of codes and the waits of those who showed too many wrong ones."""

    BUILT: ClassVar[tuple[Build, ...]] = (CodeCountStatements,)

    _shown_here: _Shown | None = None
    """Absent until it is asked for: most units look at no code, and begin the faster."""

    @property
    def _shown(self) -> _Shown:
        shown = self._shown_here
        if shown is None:
            shown = self._shown_here = _Shown()
        return shown

    @property
    def _codes_counted_by(self) -> CodeCountStatements:
        return self._statements.of(CodeCountStatements)

    def _flush_code_counts(self, cursor: Cursor) -> None:
        """Add up, in the order in which all writers lock the rows."""
        by, shown = self._codes_counted_by, self._shown
        self._write(cursor, by.tallies, _taken(shown.hours))
        self._write(cursor, by.months, _taken(shown.days))
        self._write(cursor, by.regulars, _taken(shown.new_regulars))

    def waits_ahead(self, programs: Keys) -> Step:
        """Read who of some programs must or had to wait."""
        by = self._codes_counted_by.waits_of_programs
        return Step(Rank.KEYS, by, programs, self._take_waits, locks=False)

    def regulars_ahead(self, shown: Keys) -> Step:
        """Read when the guests of codes were counted as regulars of the keys that show them."""
        by = self._codes_counted_by.regulars_of_codes
        return Step(Rank.CODES, by, shown, self._take_regulars, locks=False)

    def keys_ahead(self, keys: Keys) -> Step:
        """Lock API keys."""
        return Step(Rank.KEYS, self._codes_counted_by.lock_keys, keys, self._take_locks)

    def _take_waits(self, programs: Keys, rows: Iterable[Sequence[Any]]) -> None:
        for (program_id,) in programs:
            self._shown.waits[program_id] = {}
        for row in rows:
            self._keep_wait(wait_of(row))

    def _take_regulars(self, _shown: Keys, rows: Iterable[Sequence[Any]]) -> None:
        for key_id, member_number, counted_ms in rows:
            self._shown.regulars[key_id, member_number] = counted_ms

    def know_regular(self, key_id: str, member_number: int) -> None:
        """Take it that a member was never a regular of a key, unless it was read ahead."""
        self._shown.regulars.setdefault((key_id, member_number), None)

    def _take_locks(self, keys: Keys, _rows: object) -> None:
        """Take it that these keys are locked; what others kept before is read again."""
        self._shown.locked_keys.update(key_id for (key_id,) in keys)
        self._shown.waits.clear()
        self._shown.months.clear()

    def code_waits(self, program_id: str) -> Mapping[str, Wait]:
        """See `Unit.code_waits`."""
        if program_id not in self._shown.waits:
            rows = self._connection.execute(self._codes_counted_by.waits.sql, (program_id,))
            self._take_waits([(program_id,)], rows.fetchall())
        return self._shown.waits[program_id]

    def has_waited(self, program_id: str, key_id: str) -> bool:
        """Tell whether a key as a whole must wait, or had to within a day."""
        _, scope = scopes_of(program_id, key_id)
        return scope.name in self.code_waits(program_id)

    def lock_key(self, key_id: str) -> None:
        """See `Unit.lock_key`; an embedded database has one writer, who needs no lock."""
        if self._bulk and key_id not in self._shown.locked_keys:
            self._lock(Rank.KEYS)
            self._connection.execute(self._codes_counted_by.lock_key.sql, (key_id,))
            self._take_locks([(key_id,)], ())

    def note_wrong_code(self, scope: Scope, digest: bytes, now_ms: int, repeat_ms: int) -> bool:
        """See `Unit.note_wrong_code`."""
        by, place = self._codes_counted_by, (scope.name, digest)
        found = self._connection.execute(by.wrong_code.sql, place).fetchone()
        if found is not None and now_ms - repeat_ms < found[0] <= now_ms:
            return False
        self._connection.execute(by.put_wrong_code.sql, (*place, now_ms))
        self.changes += 1
        self.rows += 1
        return True

    def tally_right(self, scopes: Sequence[Scope], now_ms: int) -> None:
        """See `Unit.tally_right`."""
        self.changes += 1
        for scope in scopes:
            self._hour(scope, now_ms).matched += 1

    def tally_wrong(self, scopes: Sequence[Scope], spender: Scope | None, now_ms: int) -> None:
        """See `Unit.tally_wrong`."""
        self.changes += 1
        for scope in scopes:
            self._hour(scope, now_ms).failed += 1
        if spender is not None:
            self._count_in_month(spender, now_ms, spent=1)

    def _hour(self, scope: Scope, now_ms: int) -> TallyRow:
        place = (scope.name, hour_of(now_ms))
        row = self._shown.hours.get(place)
        if row is None:
            row = self._shown.hours[place] = TallyRow(*place, self._shard)
        return row

    def has_regulars(self, key_id: str) -> bool:
        """See `Unit.has_regulars`."""
        if key_id not in self._shown.with_regulars:
            by = self._codes_counted_by
            row = self._connection.execute(by.has_regulars.sql, (key_id,)).fetchone()
            new = any(key_id == place[0] for place in self._shown.new_regulars)
            self._shown.with_regulars[key_id] = row is not None or new
        return self._shown.with_regulars[key_id]

    def regular_since(self, key_id: str, member: Member) -> int | None:
        """See `Unit.regular_since`."""
        place = (key_id, member.number)
        if place not in self._shown.regulars:
            row = self._connection.execute(self._codes_counted_by.regular.sql, place).fetchone()
            self._shown.regulars[place] = None if row is None else row[0]
        return self._shown.regulars[place]

    def count_regular(self, earner: Scope, member: Member, now_ms: int) -> None:
        """See `Unit.count_regular`."""
        self.changes += 1
        self.rows += 1
        place = (earner.key_id, member.number)
        self._shown.regulars[place] = now_ms
        self._shown.new_regulars[place] = RegularRow(*place, now_ms)
        self._shown.with_regulars[earner.key_id] = True
        self._count_in_month(earner, now_ms, regulars=1)

    def _count_in_month(
        self, scope: Scope, now_ms: int, *, regulars: int = 0, spent: int = 0
    ) -> None:
        place = (scope.name, day_of(now_ms))
        row = self._shown.days.get(place)
        if row is None:
            row = self._shown.days[place] = MonthRow(*place, self._shard)
        row.regulars += regulars
        row.spent += spent
        if scope.name in self._shown.months:
            before = self._shown.months[scope.name]
            self._shown.months[scope.name] = before[0] + regulars, before[1] + spent

    def code_month(self, scope: Scope, now_ms: int) -> Tally:
        """See `Unit.code_month`; kept, for a wait refuses many calls of a batch."""
        found = self._shown.months.get(scope.name)
        if found is None:
            rows = self._all(
                self._codes_counted_by.sum_months,
                (*[scope.name] * SCOPES_MAX, *days_counted(now_ms)),
            )
            kept = [row[1:] for row in rows]
            new = (
                (row.regulars, row.spent)
                for (name, _), row in self._shown.days.items()
                if name == scope.name
            )
            regulars, spent = zip(_NONE, *kept, *new, strict=True)
            found = self._shown.months[scope.name] = int(sum(regulars)), int(sum(spent))
        return Tally(0, 0, *found)

    def tallies(self, scopes: Sequence[Scope], now_ms: int) -> dict[Scope, Tally]:
        """See `Unit.tallies`."""
        self.flush()
        names = [scope.name for scope in scopes]
        names += names[:1] * (SCOPES_MAX - len(names))
        by = self._codes_counted_by
        days = (*names, *hours_counted(now_ms))
        months = (*names, *days_counted(now_ms))
        shown = {name: found for name, *found in self._all(by.sum_tallies, days)}
        earned = {name: found for name, *found in self._all(by.sum_months, months)}
        return {
            scope: Tally(*map(int, (*shown.get(scope.name, _NONE), *earned.get(scope.name, _NONE))))
            for scope in scopes
        }

    def _all(self, statement: Statement, values: Sequence[Any]) -> list[Any]:
        rows: list[Any] = self._connection.execute(statement.sql, values).fetchall()
        return rows

    def begin_wait(self, wait: Wait) -> None:
        """See `Unit.begin_wait`."""
        self.changes += 1
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
        self._connection.execute(self._codes_counted_by.put_wait.sql, values)
        self._keep_wait(wait)

    def forgive_codes(self, key_id: str) -> int:
        """See `Unit.forgive_codes`."""
        self.changes += 1
        by = self._codes_counted_by
        _, scope = scopes_of("", key_id)
        ended = self._connection.execute(by.forgive_waits.sql, (key_id,))
        for statement in by.forgive_tallies:
            self._connection.execute(statement.sql, (scope.name, f"{scope.name}/%"))
        self._shown.waits.clear()
        return len(ended.fetchall())

    def _forget_codes(self, now_ms: int, limit: int) -> int:
        """Delete counts, wrong codes and waits that matter no more."""
        oldest = (
            hour_of(now_ms) - HOURS_COUNTED,
            now_ms - DAY_MS,
            now_ms,
            day_of(now_ms) - MONTH_DAYS,
            now_ms - MONTH_MS,
        )
        return sum(
            len(self._connection.execute(statement.sql, (before, limit)).fetchall())
            for statement, before in zip(self._codes_counted_by.forget, oldest, strict=True)
        )

    def _keep_wait(self, wait: Wait) -> None:
        self._shown.waits.setdefault(wait.scope.program_id, {})[wait.scope.name] = wait


def _taken(rows: dict[tuple[str, int], Row]) -> list[Row]:
    taken = [rows[place] for place in sorted(rows)]
    rows.clear()
    return taken


def wait_of(row: Sequence[Any]) -> Wait:
    """Turn a row of `REFUSAL_COLUMNS` into the value."""
    kind, *place, matched, failed, since_ms, until_ms = row
    return Wait(Scope(ScopeKind(kind), *place), Tally(matched, failed), since_ms, until_ms)
