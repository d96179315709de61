"""
Writes the events of a unit of work: one statement a batch, the last one before its commit.

Readers must miss none although commits overtake one another. So events stand in lanes, and within
a lane they are numbered in the order of the commits: whoever numbers events in a lane holds the
lane's row until the commit, which is all that is left to do by then. The lane is the shard that
the writer has for itself, so that writers do not wait for one another. Nothing here asks for
numbers of transactions, which not every database of this kind has.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from loyalty_service.domain.events import LANE_BITS, Actor, Event
from loyalty_service.domain.ledger import Account
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

_TYPES = {"INTEGER": "int", "BIGINT": "bigint", "TEXT": "text"}
_NAMES = ", ".join(COLUMNS)
_ARRAYS = ", ".join(
    f"%s::{_TYPES[str(EventTable.__table__.c[name].type)]}[]"  # type: ignore[attr-defined]
    for name in COLUMNS
)
_TAKE = """
INSERT INTO event_lane AS known (lane, newest) VALUES ({0}, {0})
ON CONFLICT (lane) DO UPDATE SET newest = known.newest + excluded.newest RETURNING newest
"""
_TAKE_ONE_BY_ONE = _TAKE.format("?")
_ADD_ONE_BY_ONE = f"INSERT INTO event (event_id, {_NAMES}) VALUES (?{', ?' * len(COLUMNS)})"  # noqa: S608
_ADD_ALL = f"""
WITH head AS ({_TAKE.format("%s")})
INSERT INTO event (event_id, {_NAMES})
SELECT %s + head.newest - %s + place, {", ".join(f"given.{name}" for name in COLUMNS)}
FROM head, unnest({_ARRAYS}) WITH ORDINALITY AS given({_NAMES}, place)
"""  # noqa: S608 - names of ours.
_PROOF = f"""
SELECT 1 FROM event WHERE event_id <= %s + (SELECT newest FROM event_lane WHERE lane = %s)
AND event_id > %s + (SELECT newest FROM event_lane WHERE lane = %s) - {SETTLED_WITHIN}
AND unit = %s LIMIT 1
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Proof:
    """A question for a row that is there only if one unit of work was committed."""

    sql: str
    values: tuple[Any, ...]


class EventLog:
    """Collects the events of a unit of work, and writes them when it ends."""

    def __init__(self, *, bulk: bool, lane: int) -> None:
        self._bulk = bulk
        self._lane = lane
        self._unit = secrets.randbits(63)
        self._rows: list[tuple[Any, ...]] = []
        self.proof: Proof | None = None
        """Tells whether the unit was committed; absent while it has written no event."""

    def append(self, event: Event, by: Actor, now_ms: int, debt: Account | None) -> None:
        """Take up an event, with the balances as they are now."""
        member = event.member
        number, available, held = event.member_number, None, None
        if member is not None:
            number, available, held = member.number, member.available, member.held
        self._rows.append(
            (
                self._unit,
                int(event.kind),
                now_ms if event.effective_ms is None else event.effective_ms,
                now_ms,
                int(by.kind),
                by.name or None,
                by.method or None,
                by.request_id or None,
                event.program_id,
                number,
                event.subject or None,
                event.before,
                event.after,
                *_balance(available),
                *_balance(held),
                *_balance(debt),
                event.reason or None,
                event.detail or None,
            )
        )

    def write(self, connection: Any) -> None:
        """Number the events and write them; nothing but the commit may come after it."""
        rows = self._rows
        if not rows:
            return
        count, base = len(rows), self._lane << LANE_BITS
        if self._bulk:
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.execute(_ADD_ALL, (self._lane, count, base, count, *columns))
            places = base, self._lane, base, self._lane
            self.proof = Proof(_PROOF, (*places, self._unit))
        else:
            taken = connection.execute(_TAKE_ONE_BY_ONE, (self._lane, count)).fetchone()
            first = base + taken[0] - count + 1
            connection.cursor().executemany(
                _ADD_ONE_BY_ONE, [(first + place, *row) for place, row in enumerate(rows)]
            )
        rows.clear()


def _balance(account: Account | None) -> tuple[int | None, int | None]:
    return (None, None) if account is None else (account.balance, account.sequence)
