"""
Deletes old events, and counts how many, so that the audit still knows of each one.

The last of each lane stays, for events are numbered after it. So do those that say what a person
did, and how often promo codes were used by guests without a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

from loyalty_service.domain.events import LANES, ActorKind, EventKind, event_id_of
from loyalty_service.storage.tools.batches import Gentle

_ROWS = 2000
_LAST = text("SELECT max(event_id) FROM event WHERE event_id >= :first AND event_id < :end")
_END = text(
    "SELECT min(event_id) FROM (SELECT event_id FROM event WHERE event_id > :first "
    "AND event_id < :end AND recorded_ms >= :before ORDER BY event_id LIMIT 1) AS young"
)
_OLD = text(
    f"""
    SELECT event_id, program_id, recorded_ms,
      80 + coalesce(length(actor), 0) + coalesce(length(method), 0)
      + coalesce(length(request_id), 0) + coalesce(length(subject), 0)
      + coalesce(length(reason), 0) + coalesce(length(detail), 0)
    FROM event WHERE event_id > :after AND event_id < :end AND program_id IS NOT NULL
      AND kind <> {EventKind.PROMO_CODE_USED:d} AND actor_kind <> {ActorKind.OPERATOR:d}
    ORDER BY event_id LIMIT :rows
    """  # noqa: S608 - numbers of ours.
)
_DELETE = text("DELETE FROM event WHERE event_id = :event_id")
_COUNT = text(
    """
    INSERT INTO event_pruned (lane, pruned, until_ms) VALUES (:lane, :pruned, :until_ms)
    ON CONFLICT (lane) DO UPDATE SET pruned = event_pruned.pruned + excluded.pruned,
      until_ms = CASE WHEN excluded.until_ms > event_pruned.until_ms THEN excluded.until_ms
        ELSE event_pruned.until_ms END
    """
)


def prune_events(gentle: Gentle, before: Mapping[str, int], *, dry: bool) -> tuple[int, int]:
    """Delete the events of programs before their times; return how many, and their bytes."""
    count = size = 0
    for lane in range(LANES) if before else ():
        rows, length = _prune_lane(gentle, lane, before, dry=dry)
        count, size = count + rows, size + length
    return count, size


def _prune_lane(
    gentle: Gentle, lane: int, before: Mapping[str, int], *, dry: bool
) -> tuple[int, int]:
    first, end = event_id_of(lane, 0), event_id_of(lane + 1, 0)
    latest = max(before.values())
    values: dict[str, Any] = {"first": first, "end": end, "before": latest}
    last = gentle.read(lambda connection: connection.execute(_LAST, values).scalar())
    if last is None:
        return 0, 0
    young = gentle.read(lambda connection: connection.execute(_END, values).scalar())
    until = min(last, young or last)
    after, count, size = first, 0, 0
    while True:
        page = {"after": after, "end": until, "rows": _ROWS}
        rows = gentle.read(partial(_page, values=page))
        old = [row for row in rows if row.recorded_ms < before.get(row.program_id, 0)]
        size += sum(int(row[3]) for row in old)
        place = 0
        while place < len(old):
            some = old[place : place + gentle.pace.rows]
            place += len(some)
            count += len(some) if dry else gentle.write(partial(_delete, lane=lane, rows=some))
        if len(rows) < _ROWS:
            return count, size
        after = rows[-1].event_id


def _page(connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
    return connection.execute(_OLD, values).all()


def _delete(connection: Connection, lane: int, rows: Sequence[Any]) -> int:
    """Delete events of a lane, and count them in the same transaction."""
    gone = connection.execute(_DELETE, [{"event_id": row.event_id} for row in rows]).rowcount
    until_ms = max(row.recorded_ms for row in rows) + 1
    connection.execute(_COUNT, {"lane": lane, "pruned": gone, "until_ms": until_ms})
    return int(gone)
