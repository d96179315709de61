"""Reads what members have in buckets, and what would go by which terms."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, literal_column
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.reading import GoingMonth
from loyalty_service.domain.expiry import Expiry, Going, day_of
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.storage.tables import AccountTable, BucketTable, MemberTable

_FULL = col(BucketTable.points) > literal_column("0")
_OWNED = (AccountKind.AVAILABLE, AccountKind.HELD)


class BucketReads:
    """The part of a reader that reads buckets."""

    _session: AsyncSession

    async def past_points(self, member: Member, now_ms: int) -> int:
        """See `Reader.past_points`."""
        past = await self._session.exec(
            select(func.sum(BucketTable.points)).where(
                BucketTable.member_number == member.number,
                _FULL,
                col(BucketTable.gone_ms) <= now_ms,
            )
        )
        return int(past.one() or 0)

    async def points_going(self, member: Member, now_ms: int, limit: int) -> Sequence[Going]:
        """See `Reader.points_going`."""
        gone_ms = col(BucketTable.gone_ms)
        found = await self._session.exec(
            select(func.min(BucketTable.last_day), func.sum(BucketTable.points))
            .where(BucketTable.member_number == member.number, _FULL, gone_ms > now_ms)
            .group_by(gone_ms)
            .order_by(gone_ms)
            .limit(limit)
        )
        return [Going(str(last_day), int(points)) for last_day, points in found]

    async def would_go(self, old: Program, new: Program, now_ms: int) -> Sequence[GoingMonth]:
        """See `Reader.would_go`."""
        terms = new.expiry.follows(old.expiry)
        if not terms.ages:
            return ()
        last = terms.last_day_of_old(day_of(now_ms, new.time_zone)).isoformat()
        if not old.expiry.ages:
            return await self._all_in(new.program_id, last[:7])
        return await self._by_month(old.expiry, terms, new.program_id, last[:7], now_ms)

    async def _all_in(self, program_id: str, month: str) -> Sequence[GoingMonth]:
        kinds = [int(kind) for kind in _OWNED]
        found = await self._session.exec(
            select(
                func.sum(AccountTable.balance),
                func.count(col(AccountTable.member_number).distinct()),
            )
            .select_from(MemberTable)
            .join(AccountTable, col(AccountTable.member_number) == col(MemberTable.number))
            .where(
                MemberTable.program_id == program_id,
                col(AccountTable.kind).in_(kinds),
                col(AccountTable.balance) > 0,
            )
        )
        points, members = found.one()
        return (GoingMonth(month, int(points), members),) if points else ()

    async def _by_month(
        self, old: Expiry, terms: Expiry, program_id: str, carried_to: str, now_ms: int
    ) -> Sequence[GoingMonth]:
        month = func.substr(BucketTable.last_day, 1, 7)
        found = await self._session.exec(
            select(
                month,
                func.sum(BucketTable.points),
                func.count(col(BucketTable.member_number).distinct()),
            )
            .where(BucketTable.program_id == program_id, _FULL, col(BucketTable.gone_ms) > now_ms)
            .group_by(month)
            .order_by(month)
        )
        rows = [GoingMonth(str(name), int(points), members) for name, points, members in found]
        if terms.carried_over is None or terms.version == old.version or not rows:
            return rows
        members = await self._session.exec(
            select(func.count(col(BucketTable.member_number).distinct())).where(
                BucketTable.program_id == program_id, _FULL, col(BucketTable.gone_ms) > now_ms
            )
        )
        return (GoingMonth(carried_to, sum(row.points for row in rows), members.one()),)
