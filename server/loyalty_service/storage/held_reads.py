"""Who holds what a program file may remove: open orders, grants and tiers, read for operators."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import func, literal_column, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.goal_cards import HeldTier
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.tables import GoalCardTable, GrantTable, TransactionTable


class HeldReads:
    """The part of a reader that counts who has something of a program."""

    _session: AsyncSession

    async def open_orders_at(
        self, program_id: str, store_ids: Collection[int]
    ) -> Mapping[int, int]:
        """Count the PENDING transactions that were opened at each of some stores, if there are."""
        found = await self._session.exec(
            select(TransactionTable.store_id, func.count())
            .where(
                col(TransactionTable.status) == literal_column(str(int(TransactionStatus.PENDING))),
                TransactionTable.program_id == program_id,
                col(TransactionTable.store_id).in_(store_ids),
            )
            .group_by(col(TransactionTable.store_id))
        )
        return {store_id: int(count) for store_id, count in found}

    async def members_given(
        self, program_id: str, incentive_ids: Collection[str], day: date
    ) -> Mapping[str, int]:
        """Count the members who have a grant of some incentives that they can use, by incentive."""
        grant = GrantTable
        found = await self._session.exec(
            select(grant.incentive_id, func.count(col(grant.member_number).distinct()))
            .where(
                grant.program_id == program_id,
                col(grant.incentive_id).in_(incentive_ids),
                col(grant.last_day) >= day.isoformat(),
                col(grant.used) < col(grant.uses),
                col(grant.withdrawn_ms).is_(None),
            )
            .group_by(col(grant.incentive_id))
        )
        return {incentive_id: int(count) for incentive_id, count in found}

    async def members_in(
        self, program_id: str, tier_ids: Collection[str], day: date
    ) -> Mapping[str, int]:
        """Count the members whom a goal gave some tiers that have not ended, by tier."""
        card = GoalCardTable
        named = [col(card.tiers).contains(json.dumps(name), autoescape=True) for name in tier_ids]
        found = await self._session.exec(
            select(card.tiers).where(card.program_id == program_id, or_(*named))
        )
        today = day.toordinal()
        members: Counter[str] = Counter()
        for told in found:
            for one in (HeldTier(*held) for held in json.loads(told or "[]")):
                if one.tier_id in tier_ids and one.first_day <= today <= one.last_day:
                    members[one.tier_id] += 1
        return members
