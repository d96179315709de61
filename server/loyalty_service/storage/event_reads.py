"""Reads events in an order in which none is missed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Select, func, literal, text, union_all
from sqlalchemy import select as plain_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.events import (
    LANES,
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
from loyalty_service.domain.feed import EVERYTHING, LaneWindow, Wanted, merge
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.repositories.seal import PageSeal
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import EventLaneTable, EventTable, MemberTable
from loyalty_service.storage.tables.records import OF_MEMBERS

SCANNED = 1000
"""Events of a lane that are looked at for one page, wanted or not."""


class EventReads:
    """The part of a reader that reads events."""

    _session: AsyncSession
    _peppers: Peppers

    async def pruned_ms(self) -> int:
        """See `Reader.pruned_ms`."""
        event = table_of(EventTable)
        # In the words of the index, which has the few events that are about nobody together.
        pruned = plain_select(func.max(event.c.recorded_ms)).where(
            event.c.member_number.is_(None),
            text(f"({OF_MEMBERS})"),
            event.c.kind == int(EventKind.STORE_PRUNED),
        )
        return int((await (await self._session.connection()).execute(pruned)).scalar() or 0)

    async def events(
        self, after: FeedPosition, limit: int, wanted: Wanted = EVERYTHING
    ) -> EventPage:
        """See `Reader.events`."""
        # One statement, so that all lanes are seen in one state; what comes up to these bounds is
        # there for good, whenever it is read.
        scans = [_scan(last, lane).subquery() for lane, last in enumerate(after.last)]
        looked = await self._session.exec(
            union_all(*(_bounds(lane, scan) for lane, scan in enumerate(scans)))  # type: ignore[call-overload]
        )
        bounds = {row.lane: row for row in looked}
        lost = any(_has_gap(after.last[lane], row) for lane, row in bounds.items())
        parts = [
            _part(last, bounds[lane].newest or last, limit, wanted).subquery()
            for lane, last in enumerate(after.last)
        ]
        events = union_all(*(select(part) for part in parts)).subquery()
        rows = await self._session.exec(
            select(events, MemberTable.loyalty_id)  # type: ignore[call-overload]
            .select_from(events)
            .join(MemberTable, col(MemberTable.number) == events.c.member_number, isouter=True)
            .order_by(events.c.event_id)
        )
        found = {
            lane: list(of_lane)
            for lane, of_lane in groupby(map(_recorded, rows), lambda one: lane_of(one.event_id))
        }
        windows = [
            _window(last, bounds[lane], found.get(lane, ()), limit)
            for lane, last in enumerate(after.last)
        ]
        page = merge(windows, limit)
        return EventPage(page.events, page.position, page.more, lost=lost)

    async def events_of(self, event_ids: Collection[int]) -> Sequence[RecordedEvent]:
        """See `Reader.events_of`."""
        table = table_of(EventTable)
        rows = await self._session.exec(
            select(table, MemberTable.loyalty_id)  # type: ignore[call-overload]
            .select_from(table)
            .join(MemberTable, col(MemberTable.number) == table.c.member_number, isouter=True)
            .where(table.c.event_id.in_(sorted(event_ids)))
        )
        return [_recorded(row) for row in rows]

    async def newest_events(self) -> FeedPosition:
        """See `Reader.newest_events`."""
        rows = await self._session.exec(select(EventLaneTable.lane, EventLaneTable.newest))
        newest = dict(rows.all())
        return FeedPosition(tuple(event_id_of(lane, newest.get(lane, 0)) for lane in range(LANES)))

    def feed_token(self, program_id: str, position: FeedPosition) -> str:
        """See `Reader.feed_token`."""
        return PageSeal(self._peppers).close_bytes(_listing(program_id), position.to_bytes())

    def read_feed_token(self, token: str, program_id: str) -> FeedPosition | None:
        """See `Reader.read_feed_token`."""
        data = PageSeal(self._peppers).open_bytes(token, _listing(program_id))
        return None if data is None else FeedPosition.from_bytes(data)


def _listing(program_id: str) -> str:
    return f"events/{program_id}"


def _scan(last: int, lane: int) -> Select[Any]:
    """Select what comes next in a lane."""
    table = table_of(EventTable)
    following = plain_select(table.c.event_id, table.c.recorded_ms).where(
        table.c.event_id > last, table.c.event_id < event_id_of(lane + 1, 0)
    )
    return following.order_by(table.c.event_id).limit(SCANNED)


def _bounds(lane: int, scan: Any) -> Select[Any]:
    return plain_select(
        literal(lane).label("lane"),
        func.max(scan.c.event_id).label("newest"),
        func.count().label("count"),
        func.max(scan.c.recorded_ms).label("latest_ms"),
    ).select_from(scan)


def _has_gap(last: int, bounds: Any) -> bool:
    """Tell whether events of a part are gone: a lane is numbered without a gap."""
    return bool(bounds.count) and bounds.newest - last != bounds.count


def _part(last: int, bound: int, limit: int, wanted: Wanted) -> Select[Any]:
    """Select the wanted events of a part of a lane."""
    table = table_of(EventTable)
    part = plain_select(table).where(table.c.event_id > last, table.c.event_id <= bound)
    if wanted.program_id is not None:
        part = part.where(table.c.program_id == wanted.program_id)
    if wanted.kinds:
        part = part.where(table.c.kind.in_(sorted(int(kind) for kind in wanted.kinds)))
    if wanted.members:
        part = part.where(table.c.member_number.in_(wanted.members))
    return part.order_by(table.c.event_id).limit(limit)


def _window(last: int, bounds: Any, events: Sequence[RecordedEvent], limit: int) -> LaneWindow:
    if len(events) == limit:
        # There may be more of them before the bound.
        return LaneWindow(events[-1].event_id, max(one.recorded_ms for one in events), events)
    cut = bounds.count == SCANNED
    return LaneWindow(bounds.newest or last, bounds.latest_ms if cut else None, events)


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
