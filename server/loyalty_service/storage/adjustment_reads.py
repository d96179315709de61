"""Reads what people and partners gave members and took beside orders, and who it was."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from loyalty_service.domain.events import LANES, ActorKind, EventKind, event_id_of
from loyalty_service.domain.ledger import AccountKind, Cause
from loyalty_service.domain.reports import Adjustment
from loyalty_service.storage.money_reads import CLOCKS_DIFFER_MS, MoneyReads
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import (
    AccountTable,
    ApiKeyTable,
    EventTable,
    MemberTable,
    TransferTable,
)

_MEMBER = table_of(MemberTable)
_EVENT = table_of(EventTable)
_TRANSFER = table_of(TransferTable)
_ACCOUNT = table_of(AccountTable)
_KEY = table_of(ApiKeyTable)


class AdjustmentReads(MoneyReads):
    """The part of a reader that finds adjustments."""

    async def adjustments(self, program_id: str, from_ms: int, until_ms: int) -> list[Adjustment]:
        """List what people and partners gave and took beside orders, with who it was."""
        moved = await self._adjusted(program_id, from_ms, until_ms)
        partners = dict(await self._all(select(_KEY.c.key_id, _KEY.c.partner)))
        found = []
        for row in await self._events(EventKind.POINTS_ADJUSTED, program_id, from_ms, until_ms):
            place = row.member_number, row.recorded_ms
            points = json.loads(row.detail)["points"] if row.detail else moved.get(place)
            if points:
                found.append(
                    Adjustment(
                        row.member_number,
                        row.loyalty_id,
                        int(points),
                        row.recorded_ms,
                        _by(row.actor_kind, row.actor or "", partners),
                        row.method or "",
                        row.reason or "",
                    )
                )
        return sorted(found, key=lambda one: one.recorded_ms)

    async def _adjusted(
        self, program_id: str, from_ms: int, until_ms: int
    ) -> dict[tuple[int, int], int]:
        """Sum up adjustments by member and moment."""
        first = await self.first_transfer(from_ms)
        other = _ACCOUNT.alias("other")
        sums: dict[tuple[int, int], int] = defaultdict(int)
        ends = (_TRANSFER.c.source_id, _TRANSFER.c.destination_id)
        for sign, (own, others) in ((1, ends), (-1, ends[::-1])):
            rows = await self._all(
                select(other.c.member_number, _TRANSFER.c.recorded_ms, _TRANSFER.c.points)
                .select_from(
                    _TRANSFER.join(_ACCOUNT, _ACCOUNT.c.account_id == own).join(
                        other, other.c.account_id == others
                    )
                )
                .where(
                    _ACCOUNT.c.program_id == program_id,
                    _ACCOUNT.c.member_number.is_(None),
                    _ACCOUNT.c.kind == int(AccountKind.ADJUSTED),
                    _TRANSFER.c.cause == int(Cause.ADJUST),
                    _TRANSFER.c.transfer_id >= first,
                    _TRANSFER.c.recorded_ms >= from_ms,
                    _TRANSFER.c.recorded_ms < until_ms,
                )
            )
            for number, recorded_ms, points in rows:
                sums[number, recorded_ms] += sign * int(points)
        return sums

    async def applied_by(self, program_id: str, applied_ms: int) -> tuple[str, str]:
        """Tell who applied a program at a moment, and why; empty where no event tells."""
        rows = await self._events(EventKind.PROGRAM_APPLIED, program_id, applied_ms, applied_ms + 1)
        for row in rows:
            return _by(row.actor_kind, row.actor or "", {}), row.reason or ""
        return "", ""

    async def _events(
        self, kind: EventKind, program_id: str, from_ms: int, until_ms: int
    ) -> Sequence[Any]:
        """List the events of a kind of some time, with the loyalty ID of their member."""
        found: list[Any] = []
        for lane in range(LANES):
            first = await self._first_event(lane, from_ms)
            found += await self._all(
                select(_EVENT, _MEMBER.c.loyalty_id)
                .select_from(_EVENT.outerjoin(_MEMBER, _MEMBER.c.number == _EVENT.c.member_number))
                .where(
                    _EVENT.c.event_id >= first,
                    _EVENT.c.event_id < event_id_of(lane + 1, 0),
                    _EVENT.c.kind == int(kind),
                    _EVENT.c.recorded_ms >= from_ms,
                    _EVENT.c.recorded_ms < until_ms,
                    _EVENT.c.program_id == program_id,
                )
            )
        return found

    async def _first_event(self, lane: int, from_ms: int) -> int:
        """Find an event of a lane before which none was recorded from a moment on."""
        low, high = event_id_of(lane, 0), event_id_of(lane + 1, 0)
        newest = select(func.max(_EVENT.c.event_id)).where(
            _EVENT.c.event_id >= low, _EVENT.c.event_id < high
        )
        ((last,),) = await self._all(newest)
        high = low if last is None else int(last) + 1
        while low < high:
            middle = (low + high) // 2
            rows = await self._all(
                select(_EVENT.c.event_id, _EVENT.c.recorded_ms)
                .where(_EVENT.c.event_id >= middle)
                .order_by(_EVENT.c.event_id)
                .limit(1)
            )
            if rows[0].recorded_ms >= from_ms - CLOCKS_DIFFER_MS:
                high = middle
            else:
                low = int(rows[0].event_id) + 1
        return low


def _by(kind: int, name: str, partners: Mapping[str, str]) -> str:
    if kind == ActorKind.KEY:
        return f"{partners.get(name, '?')} (key {name})"
    return name or "the service"
