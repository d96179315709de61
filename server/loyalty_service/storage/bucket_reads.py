"""Reads what members have in buckets, and what would go by which terms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, func, literal_column, null
from sqlalchemy import select as select_rows
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.reading import GoingMonth
from loyalty_service.domain.expiry import FOR_EVER, FOR_EVER_MS, Expiry, Going, day_of
from loyalty_service.domain.goal_cards import tiers_told
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.domain.tier_expiry import last_good_day
from loyalty_service.storage.tables import AccountTable, BucketTable, GoalCardTable, MemberTable

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
            .where(
                BucketTable.member_number == member.number,
                _FULL,
                gone_ms > now_ms,
                gone_ms < FOR_EVER_MS,
            )
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
        if terms.by_tier:
            return await self._by_member(old.expiry, terms, new, now_ms)
        last = terms.last_day_of_old(day_of(now_ms, new.time_zone)).isoformat()
        if not old.expiry.ages:
            return await self._all_in(new.program_id, last[:7])
        return await self._by_month(old.expiry, terms, new.program_id, last[:7], now_ms)

    async def _by_member(
        self, old: Expiry, terms: Expiry, program: Program, now_ms: int
    ) -> Sequence[GoingMonth]:
        """Look at all buckets, or balances, of all members: tiers are each member's own."""
        today, kept = day_of(now_ms, program.time_zone), None
        if not old.ages:
            kept, statement = terms.last_day_of_old(today), _balances_of(program.program_id)
        else:
            statement = _buckets_of(program.program_id, now_ms)
            if terms.version != old.version and terms.carried_over is not None:
                kept = date.fromisoformat(terms.carried_over)
        months: dict[str, tuple[int, int, int]] = {}  # Points, members, and the last of these.
        async for number, earned_day, last_day, told, points in await self._session.stream(
            statement
        ):
            tiers = tiers_told(told, program.tiers, program.goals)
            earned = today if earned_day is None else date.fromisoformat(earned_day)
            last = date.fromisoformat(last_day) if kept is None else kept
            last = last_good_day(terms, tiers, earned, last)
            if last != FOR_EVER:
                month = last.isoformat()[:7]
                sum_, members, latest = months.get(month, (0, 0, 0))
                months[month] = sum_ + int(points), members + (latest != number), number
        return [GoingMonth(month, *months[month][:2]) for month in sorted(months)]

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
            # Points that a tier let never go stay so when the file names tiers no more.
            return [row for row in rows if row.month != FOR_EVER.isoformat()[:7]]
        members = await self._session.exec(
            select(func.count(col(BucketTable.member_number).distinct())).where(
                BucketTable.program_id == program_id, _FULL, col(BucketTable.gone_ms) > now_ms
            )
        )
        return (GoingMonth(carried_to, sum(row.points for row in rows), members.one()),)


def _balances_of(program_id: str) -> Select[*tuple[Any, ...]]:
    """Ask for what members have, with what is held, in the order of the members."""
    return (
        select_rows(
            col(MemberTable.number),
            null(),
            null(),
            col(GoalCardTable.tiers),
            func.sum(AccountTable.balance),
        )
        .select_from(MemberTable)
        .join(AccountTable, col(AccountTable.member_number) == col(MemberTable.number))
        .outerjoin(GoalCardTable, col(GoalCardTable.member_number) == col(MemberTable.number))
        .where(
            col(MemberTable.program_id) == program_id,
            col(AccountTable.kind).in_([int(kind) for kind in _OWNED]),
            col(AccountTable.balance) > 0,
        )
        .group_by(col(MemberTable.number), col(GoalCardTable.tiers))
        .order_by(col(MemberTable.number))
    )


def _buckets_of(program_id: str, now_ms: int) -> Select[*tuple[Any, ...]]:
    """Ask for what is in buckets whose day is not over, in the order of the members."""
    return (
        select_rows(
            col(BucketTable.member_number),
            col(BucketTable.earned_day),
            col(BucketTable.last_day),
            col(GoalCardTable.tiers),
            col(BucketTable.points),
        )
        .select_from(BucketTable)
        .outerjoin(
            GoalCardTable, col(GoalCardTable.member_number) == col(BucketTable.member_number)
        )
        .where(col(BucketTable.program_id) == program_id, _FULL, col(BucketTable.gone_ms) > now_ms)
        .order_by(col(BucketTable.member_number))
    )
