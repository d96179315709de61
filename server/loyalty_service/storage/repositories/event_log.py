"""
Writes the events of a unit of work: one statement a batch, the last one before its commit.

Readers must miss none although commits overtake one another. So events stand in lanes, and within
a lane they are numbered in the order of the commits. On PostgreSQL whoever numbers events in a
lane holds the lane's row until the commit, which is all that is left to do by then; the lane is
the shard that the writer has for itself, so that writers do not wait for one another. Nothing here
asks for numbers of transactions, which not every database of this kind has. SQLite has one writer
at a time, and numbers rows in their order by itself; its lane is only counted, for the audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from loyalty_service.domain.events import LANE_BITS, Actor, Event
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.storage.driver import Connection, Cursor
from loyalty_service.storage.repositories.statements import SparseInsert
from loyalty_service.storage.tables import EventTable

COLUMNS = (
    "unit",
    "kind",
    "effective_ms",
    "recorded_ms",
    "actor_kind",
    "actor",
    "method",
    "request_id",
    "program_id",
    "member_number",
    "subject",
    "before_state",
    "after_state",
    "available",
    "available_sequence",
    "held",
    "held_sequence",
    "debt",
    "debt_sequence",
    "reason",
    "detail",
)
"""All columns of an event but its ID, in the order in which rows are built."""

SETTLED_WITHIN = 100_000
"""
Events of a lane among which that of a commit of a few seconds ago is looked for.

No lane takes so many in the seconds that such a commit is asked about.
"""

EVENT_BYTES = 120
"""What the names in an event take: of its program, its key, its method and its subject."""

_UNIT_BITS = 63
_NO_BALANCES = (None,) * 6
_TYPES = {"INTEGER": "int", "BIGINT": "bigint", "TEXT": "text"}
_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(
    f"%s::{_TYPES[str(EventTable.__table__.c[name].type)]}[]"  # type: ignore[attr-defined]
    for name in COLUMNS
)
_DEBT, _AVAILABLE, _HELD = AccountKind.DEBT, AccountKind.AVAILABLE, AccountKind.HELD
_ADD_ALL = f"""
WITH head AS (
  INSERT INTO event_lane AS known (lane, newest) VALUES (%s, %s)
  ON CONFLICT (lane) DO UPDATE SET newest = known.newest + excluded.newest RETURNING newest
)
INSERT INTO event (event_id, {_NAMES})
SELECT %s + head.newest - %s + place, {", ".join(f"given.{name}" for name in COLUMNS)}
FROM head, unnest({_ARRAYS}) WITH ORDINALITY AS given({_NAMES}, place)
"""  # noqa: S608 - names of ours.
_COUNT = f"""
INSERT INTO event_lane AS known (lane, newest)
SELECT event_id >> {LANE_BITS}, event_id & {(1 << LANE_BITS) - 1} FROM event
WHERE true ORDER BY event_id DESC LIMIT 1
ON CONFLICT (lane) DO UPDATE SET newest = known.newest + ?
"""  # noqa: S608 - numbers of ours.
_PROOF = f"""
SELECT 1 FROM event WHERE event_id <= %s + (SELECT newest FROM event_lane WHERE lane = %s)
AND event_id > %s + (SELECT newest FROM event_lane WHERE lane = %s) - {SETTLED_WITHIN}
AND unit = %s LIMIT 1
"""  # noqa: S608


def new_units() -> Random:
    """Make what a writer draws the numbers of its units from: unlike any other, and fast."""
    return Random(secrets.token_bytes(16))  # noqa: S311 - they are no secrets.


def _adding(names: Sequence[str]) -> str:
    return f"INSERT INTO event ({', '.join(names)}) VALUES (?{', ?' * (len(names) - 1)})"  # noqa: S608


_ADD_SOME = SparseInsert(COLUMNS, _adding)


def _array(column: Sequence[Any]) -> str:
    """Write an array as PostgreSQL reads it: the driver takes five times as long for that."""
    return f"{{{','.join([_element(value) for value in column])}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Proof:
    """A question for a row that is there only if one unit of work was committed."""

    sql: str
    values: tuple[Any, ...]

    def holds(self, connection: Connection) -> bool:
        """Look for the row."""
        return connection.execute(self.sql, self.values).fetchone() is not None


class EventLog:
    """Collects the events of a unit of work, and writes them when it ends."""

    __slots__ = ("_bulk", "_lane", "_rows", "_unit", "proof")

    def __init__(self, *, bulk: bool, lane: int, units: Random | None = None) -> None:
        self._bulk = bulk
        self._lane = lane
        self._unit = (units or new_units()).getrandbits(_UNIT_BITS)
        self._rows: list[tuple[Any, ...]] = []
        self.proof: Proof | None = None
        """Tells whether the unit was committed; absent while it has written no event."""

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """Take up an event, with the balances as they are now."""
        kind, program_id, member, number, subject, before, after, reason, detail, at_ms = event
        actor_kind, actor, method, request_id = by
        balances: tuple[int | None, ...] = _NO_BALANCES
        if member is not None:
            number = member.number
            accounts = member.accounts
            available, held = accounts[_AVAILABLE], accounts[_HELD]
            # A debt that was not looked at was not touched either.
            debt = accounts.get(_DEBT)
            balances = (
                available.balance,
                available.sequence,
                held.balance,
                held.sequence,
                None if debt is None else debt.balance,
                None if debt is None else debt.sequence,
            )
        self._rows.append(
            (
                self._unit,
                int(kind),
                now_ms if at_ms is None else at_ms,
                now_ms,
                int(actor_kind),
                actor or None,
                method or None,
                request_id or None,
                program_id,
                number,
                subject or None,
                # Drivers take plain numbers much faster than those of an enumeration.
                None if before is None else int(before),
                None if after is None else int(after),
                *balances,
                reason or None,
                detail or None,
            )
        )

    def write(self, cursor: Cursor) -> None:
        """Number the events and write them; nothing but the commit may come after it."""
        rows = self._rows
        if not rows:
            return
        if self._bulk:
            count, base = len(rows), self._lane << LANE_BITS
            # Arrays that are shorter than others are filled up with nulls: a null array counts as
            # the shortest.
            columns = [
                None if column.count(None) == count else _array(column)
                for column in zip(*rows, strict=True)
            ]
            cursor.execute(_ADD_ALL, (self._lane, count, base, count, *columns))
            places = base, self._lane, base, self._lane
            self.proof = Proof(_PROOF, (*places, self._unit))
        else:
            _ADD_SOME.run(cursor, rows)
            cursor.execute(_COUNT, (len(rows),))
        rows.clear()
