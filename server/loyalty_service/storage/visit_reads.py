"""What members do in sessions besides orders, read beside the writer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.visit_reading import HistorySpan
from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.points_reservations import ReservationStatus
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.storage.member_reads import record_of
from loyalty_service.storage.tables import (
    AdhocTransactionTable,
    PointsAssignmentTable,
    PointsReservationTable,
    SessionTable,
    TransactionTable,
)


class VisitReads:
    """The part of a reader that tells of reservations and ad hoc transactions."""

    _session: AsyncSession

    async def overdue_reserved(self, member: Member, now_ms: int) -> int:
        """See `Reader.overdue_reserved`."""
        table = PointsReservationTable
        found = await self._session.exec(
            select(func.sum(table.points)).where(
                table.member_number == member.number,
                table.status == int(ReservationStatus.HELD),
                table.expires_ms <= now_ms,
            )
        )
        return int(found.one() or 0)

    async def history_of(
        self, member: Member, span: HistorySpan, limit: int
    ) -> Sequence[Transaction | AdhocTransaction | PointsAssignment]:
        """See `Reader.history_of`."""
        order, adhoc, given = TransactionTable, AdhocTransactionTable, PointsAssignmentTable
        paid = select(order).where(
            order.member_number == member.number, col(order.claimed_ms).is_not(None)
        )
        adhocs = select(adhoc).where(adhoc.member_number == member.number)
        # Orders and ad hoc transactions are handed over in a merge, what partners gave is not.
        gifts = select(given).where(col(given.member_number).in_((member.number, *member.others)))
        found: list[Transaction | AdhocTransaction | PointsAssignment] = []
        rows = await self._some(paid, order, order.transaction_id, span, limit)
        found += (record_of(Transaction, row, status=TransactionStatus(row.status)) for row in rows)
        rows = await self._some(adhocs, adhoc, adhoc.adhoc_id, span, limit)
        made = (record_of(AdhocTransaction, row) for row in rows)
        found += (replace(one, kind=AdhocKind(one.kind)) for one in made)
        rows = await self._some(gifts, given, given.assignment_id, span, limit)
        found += (record_of(PointsAssignment, row) for row in rows)
        found.sort(key=id_of, reverse=True)  # IDs of all begin with their time.
        return found[:limit]

    async def _some(
        self, query: Any, table: Any, key: Any, span: HistorySpan, limit: int
    ) -> Sequence[Any]:
        query = query.where(table.created_ms <= span.from_ms, table.created_ms >= span.to_ms)
        if span.before is not None:
            query = query.where(col(key) < span.before)
        rows = await self._session.exec(query.order_by(col(key).desc()).limit(limit))
        return list(rows)

    async def named_by_sessions(
        self, member: Member, transaction_ids: Collection[str]
    ) -> Mapping[str, str]:
        """See `Reader.named_by_sessions`."""
        table = SessionTable
        found = await self._session.exec(
            select(table.transaction_id, table.correlation_id)
            .where(
                col(table.member_number).in_((member.number, *member.others)),
                col(table.transaction_id).in_(transaction_ids),
            )
            .order_by(col(table.updated_ms).desc(), col(table.correlation_id))
        )
        # The first call that closed a session with an order made it.
        return {str(transaction_id): correlation_id for transaction_id, correlation_id in found}

    async def redeemed_by(self, transaction_ids: Collection[str]) -> Mapping[str, int]:
        """See `Reader.redeemed_by`."""
        table = PointsReservationTable
        found = await self._session.exec(
            select(table.used_by, func.sum(table.points))
            .where(col(table.used_by).in_(transaction_ids))
            .group_by(col(table.used_by))
        )
        return {str(used_by): int(points) for used_by, points in found}


def id_of(entry: Transaction | AdhocTransaction | PointsAssignment) -> str:
    """Give the ID of something in a history, which begins with its time."""
    if isinstance(entry, Transaction):
        return entry.transaction_id
    return entry.adhoc_id if isinstance(entry, AdhocTransaction) else entry.assignment_id
