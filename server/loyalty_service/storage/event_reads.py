"""Reads events in an order in which none is missed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Select, union_all
from sqlalchemy import select as plain_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.events import (
    Actor,
    ActorKind,
    Balance,
    EventKind,
    EventPage,
    FeedPosition,
    RecordedEvent,
    event_id_of,
    lane_of,
)
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import EventTable, MemberTable


class EventReads:
    """The part of a reader that reads events."""

    _session: AsyncSession

    async def events(self, after: FeedPosition, limit: int) -> EventPage:
        """See `Reader.events`."""
        # One statement, so that all lanes are seen in one state; a lane is cut short by itself.
        lanes = [_lane(last, limit).subquery() for last in after.last]
        events = union_all(*(select(lane) for lane in lanes)).subquery()
        found = await self._session.exec(
            select(events, MemberTable.loyalty_id)  # type: ignore[call-overload]
            .select_from(events)
            .join(MemberTable, col(MemberTable.number) == events.c.member_number, isouter=True)
            .order_by(events.c.event_id)
        )
        page = tuple(_merged([_recorded(row) for row in found])[:limit])
        position = after
        for event in page:
            position = position.after(event.event_id)
        return EventPage(page, position)


def _lane(last: int, limit: int) -> Select[Any]:
    """Select the next events of a lane."""
    table = table_of(EventTable)
    end = event_id_of(lane_of(last) + 1, 0)
    following = plain_select(table).where(table.c.event_id > last, table.c.event_id < end)
    return following.order_by(table.c.event_id).limit(limit)


def _merged(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """Merge lanes by time; each stays in its own order, whatever the clocks of servers say."""
    placed = []
    for lane, of_lane in groupby(events, lambda one: lane_of(one.event_id)):
        latest = 0
        for event in of_lane:
            latest = max(latest, event.recorded_ms)
            placed.append(((latest, lane, event.event_id), event))
    return [event for _, event in sorted(placed, key=itemgetter(0))]


def _recorded(row: Any) -> RecordedEvent:
    return RecordedEvent(
        event_id=row.event_id,
        unit=row.unit,
        kind=EventKind(row.kind),
        effective_ms=row.effective_ms,
        recorded_ms=row.recorded_ms,
        by=Actor(
            ActorKind(row.actor_kind), row.actor or "", row.method or "", row.request_id or ""
        ),
        program_id=row.program_id,
        member_number=row.member_number,
        loyalty_id=row.loyalty_id,
        subject=row.subject or "",
        before=row.before_state,
        after=row.after_state,
        available=_balance(row.available, row.available_sequence),
        held=_balance(row.held, row.held_sequence),
        debt=_balance(row.debt, row.debt_sequence),
        reason=row.reason or "",
        detail=row.detail or "",
    )


def _balance(points: int | None, sequence: int | None) -> Balance | None:
    return None if points is None or sequence is None else Balance(points, sequence)
