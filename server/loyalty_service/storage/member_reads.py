"""What a member has ordered and been given, read beside the writer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.goal_cards import GoalCard
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.ledger import Account, AccountKind
from loyalty_service.domain.records import KeptAnswer, Member, Transaction, TransactionStatus
from loyalty_service.domain.sessions import Session
from loyalty_service.domain.webhooks import Delivery, Webhook
from loyalty_service.storage.tables import (
    AccountTable,
    GoalCardTable,
    GrantTable,
    MemberTable,
    PointsAssignmentTable,
    TransactionTable,
)

K = TypeVar(
    "K",
    AdhocTransaction,
    Delivery,
    GoalCard,
    Grant,
    KeptAnswer,
    PointsAssignment,
    Session,
    Transaction,
    Webhook,
)


class MemberReads:
    """The part of a reader that tells of a member's past."""

    _session: AsyncSession

    async def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """See `Reader.member`."""
        return await self._led_to(
            col(MemberTable.program_id) == program_id, col(MemberTable.loyalty_id) == loyalty_id
        )

    async def member_by_number(self, number: int) -> Member | None:
        """See `Reader.member_by_number`."""
        return await self._led_to(col(MemberTable.number) == number)

    async def _led_to(self, *named: ColumnElement[bool]) -> Member | None:
        """Find a member, or whom they were merged into."""
        member = await self._member(*named)
        if member is None or member.merged_into is None:
            return member
        return await self._member(col(MemberTable.number) == member.merged_into)

    async def _member(self, *named: ColumnElement[bool]) -> Member | None:
        rows = (
            await self._session.exec(
                select(MemberTable, AccountTable)
                .join(AccountTable, col(AccountTable.member_number) == col(MemberTable.number))
                .where(*named)
                .order_by(col(AccountTable.kind))
            )
        ).all()
        if not rows:
            return None
        accounts = (_account(account) for _, account in rows)
        return Member(**rows[0][0].model_dump(), accounts={one.kind: one for one in accounts})

    async def transactions_of(
        self,
        member: Member,
        statuses: Collection[TransactionStatus],
        excluded_channels: Collection[str],
        before: str | None,
        limit: int,
    ) -> Sequence[Transaction]:
        """See `Reader.transactions_of`."""
        table = TransactionTable
        query = select(table).where(table.member_number == member.number)
        if statuses:
            query = query.where(col(table.status).in_([int(status) for status in statuses]))
        if excluded_channels:
            channel = func.coalesce(table.channel, "RESTAURANT")
            query = query.where(channel.not_in(sorted(excluded_channels)))
        rows = await self._session.exec(_older(query, col(table.transaction_id), before, limit))
        return [record_of(Transaction, row, status=TransactionStatus(row.status)) for row in rows]

    async def goal_card(self, member: Member) -> GoalCard | None:
        """See `Reader.goal_card`."""
        row = await self._session.get(GoalCardTable, member.number)
        return None if row is None else record_of(GoalCard, row)

    async def assignments_of(
        self, member: Member, before: str | None, limit: int
    ) -> Sequence[PointsAssignment]:
        """See `Reader.assignments_of`."""
        table = PointsAssignmentTable
        query = select(table).where(col(table.member_number).in_((member.number, *member.others)))
        rows = await self._session.exec(_older(query, col(table.assignment_id), before, limit))
        return [record_of(PointsAssignment, row) for row in rows]

    async def grants_of(self, member: Member, limit: int) -> Sequence[Grant]:
        """See `Reader.grants_of`."""
        table = GrantTable
        rows = await self._session.exec(
            select(table)
            .where(table.member_number == member.number)
            .order_by(col(table.last_day).desc(), col(table.grant_id))
            .limit(limit)
        )
        return [record_of(Grant, row) for row in rows]


def _older(query: Any, column: Any, before: str | None, limit: int) -> Any:
    if before is not None:
        query = query.where(column < before)
    return query.order_by(column.desc()).limit(limit)


def record_of(kind: type[K], row: SQLModel, **values: Any) -> K:
    """Turn a row into the record of the same columns."""
    columns = {field.name: getattr(row, field.name) for field in fields(kind)}
    return kind(**(columns | values))


def _account(row: AccountTable) -> Account:
    return Account(
        row.account_id or 0,
        AccountKind(row.kind),
        row.balance,
        row.sequence,
        bytes(row.head),
        row.moved_ms,
    )
