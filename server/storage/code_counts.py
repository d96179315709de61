"""
Counts of codes shown and the waits that follow, within one unit of work.

Right codes are only added up, in a shard of the writer's own, so that nobody waits for anybody.
Whoever counts a wrong one locks its API key first: see `prefetch.py` for the order of locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.domain.clock import DAY_MS
from server.domain.guessing import (
    HOURS_COUNTED,
    Refusal,
    Scope,
    ScopeKind,
    Tally,
    hour_of,
    scopes_of,
)
from server.storage.statements import SCOPES_MAX, Statements


@dataclass(slots=True)
class TallyRow:
    """What this unit adds to the count of a scope in an hour."""

    scope: str
    hour: int
    shard: int
    matched: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Shown:
    """Codes shown since the last flush where the scopes are these."""

    scopes: Sequence[Scope]
    matched: int = 0
    failed: int = 0


class CodeCounts:
    """The part of a unit of work that counts codes; see `application.unit.Unit`."""

    def __init__(self, connection: Any, statements: Statements, shard: int) -> None:
        self._connection = connection
        self._statements = statements
        self._shard = shard
        self._refusals: dict[str, dict[str, Refusal]] = {}
        self._locked: set[str] = set()
        self._shown: dict[tuple[str, int], _Shown] = {}

    def take_added(self) -> list[TallyRow]:
        """Give what is to be added, in the order in which all writers lock it."""
        rows: dict[tuple[str, int], TallyRow] = {}
        for (_, hour), shown in self._shown.items():
            for scope in shown.scopes:
                place = (scope.name, hour)
                row = rows.get(place)
                if row is None:
                    row = rows[place] = TallyRow(*place, self._shard)
                row.matched += shown.matched
                row.failed += shown.failed
        self._shown.clear()
        return [rows[place] for place in sorted(rows)]

    def take_refusals(self, programs: Iterable[tuple[str]], rows: Iterable[Sequence[Any]]) -> None:
        """Take all refusals of some programs that were read ahead."""
        for (program_id,) in programs:
            self._refusals[program_id] = {}
        for row in rows:
            self._keep(refusal(row))

    def take_locks(self, keys: Iterable[tuple[str]]) -> None:
        """Take it that these keys were locked ahead; what others kept before is read again."""
        self._locked.update(key_id for (key_id,) in keys)
        self._refusals.clear()

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

    def add(self, scopes: Sequence[Scope], now_ms: int, *, matched: bool) -> None:
        """See `Unit.tally_code`."""
        place = (scopes[-1].name, hour_of(now_ms))
        shown = self._shown.get(place)
        if shown is None:
            shown = self._shown[place] = _Shown(scopes)
        if matched:
            shown.matched += 1
        else:
            shown.failed += 1

    def tallies(self, scopes: Sequence[Scope], now_ms: int) -> dict[Scope, Tally]:
        """See `Unit.tallies`; what is to be added must have been written."""
        names = [scope.name for scope in scopes]
        names += names[:1] * (SCOPES_MAX - len(names))
        values = (*names, hour_of(now_ms) - HOURS_COUNTED)
        rows = self._connection.execute(self._statements.sum_tallies.sql, values).fetchall()
        found = {name: Tally(int(matched), int(failed)) for name, matched, failed in rows}
        return {scope: found.get(scope.name, Tally()) for scope in scopes}

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
        self._connection.execute(
            self._statements.forgive_tallies.sql, (scope.name, f"{scope.name}/%")
        )
        self._refusals.clear()
        return len(ended.fetchall())

    def forget(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_codes`."""
        oldest = (hour_of(now_ms) - HOURS_COUNTED, now_ms - DAY_MS, now_ms)
        return sum(
            len(self._connection.execute(statement.sql, (before, limit)).fetchall())
            for statement, before in zip(self._statements.forget_codes, oldest, strict=True)
        )

    def _keep(self, wait: Refusal) -> None:
        self._refusals.setdefault(wait.scope.program_id, {})[wait.scope.name] = wait


def refusal(row: Sequence[Any]) -> Refusal:
    """Turn a row of `REFUSAL_COLUMNS` into the value."""
    kind, *place, matched, failed, since_ms, until_ms = row
    return Refusal(Scope(ScopeKind(kind), *place), Tally(matched, failed), since_ms, until_ms)
