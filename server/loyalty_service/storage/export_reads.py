"""Reads all rows that are kept about a member, table by table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    func,
    literal_column,
    or_,
    select,
    text,
    union,
)
from sqlalchemy.orm import aliased
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.limits import member_scope
from loyalty_service.application.members.export_member import Part
from loyalty_service.domain.records import Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables.records import OF_MEMBERS

Row = tuple[str, Mapping[str, Any]]
"""What a row is found by again, and its values by column."""

_BY_OFFSET = frozenset({Part.SESSIONS, Part.CODES, Part.PROMO_CODES, Part.COUNTS, Part.ACCOUNTS})
"""Parts of which a member has few rows, or whose keys are no text: they are counted through."""

_COUNTS_MAX = "0"
"""The character after the slash, with which scopes of one member end."""

_OF_ORDERS: Mapping[str, tuple[Any, str]] = {
    "holds": (t.HoldTable, "owner_id"),
    "reservations": (t.ReservationTable, "transaction_id"),
    "redemptions": (t.RedemptionTable, "transaction_id"),
    "points": (t.BucketPartTable, "owner_id"),
}
"""What is kept of an order in tables of its own, and the column that names the order."""


class ExportReads:
    """The part of a reader that tells everything about a member."""

    _session: AsyncSession

    async def kept_about(
        self, member: Member, part: str, after: str, limit: int, *, whole: bool = False
    ) -> Sequence[Row]:
        """See `Reader.kept_about`."""
        part = Part(part)
        if part is Part.TRANSFERS:
            query, key = _transfers(member, int(after or 0)), "transfer_id"
        else:
            model, key = _TABLES[part]
            table = table_of(model)
            query = (
                select(table)
                .where(_whose(member, part, table, whole=whole))
                .order_by(*_order(part, table))
            )
            if part in _BY_OFFSET:
                query = query.offset(int(after or 0))
            elif after:
                known = table.c[key]
                query = query.where(known > (after if _is_text(known) else int(after)))
        found = (await (await self._session.connection()).execute(query.limit(limit))).all()
        rows = [dict(row._mapping) for row in found]  # noqa: SLF001 - its public name.
        if part is Part.ACCOUNTS:
            await self._add_archived(rows)
        if part in _BY_OFFSET:
            return [(str(int(after or 0) + place), row) for place, row in enumerate(rows, 1)]
        if part is Part.ORDERS:
            await self._add_parts(rows)
        return [(str(row[key]), row) for row in rows]

    async def _add_archived(self, accounts: Sequence[dict[str, Any]]) -> None:
        """Put beside accounts how many of their transfers are in archives, and not told here."""
        transfer = table_of(t.TransferTable)
        connection = await self._session.connection()
        for account in accounts:
            ours = account["account_id"]
            kept = [
                (
                    await connection.execute(
                        select(func.count()).select_from(transfer).where(column == ours)
                    )
                ).scalar_one()
                for column in (transfer.c.source_id, transfer.c.destination_id)
            ]
            account["archived_transfers"] = account["sequence"] - sum(kept) or None

    async def _add_parts(self, orders: Sequence[dict[str, Any]]) -> None:
        """Put beside orders what is kept of them in other tables."""
        by_id = {order["transaction_id"]: order for order in orders}
        connection = await self._session.connection()
        for name, (model, owner) in _OF_ORDERS.items():
            table = table_of(model)
            query = select(table).where(table.c[owner].in_(list(by_id)))
            if name == "points":
                query = query.where(table.c.owner_kind == 1)
            for row in (await connection.execute(query.order_by(*table.primary_key))).all():
                values = dict(row._mapping)  # noqa: SLF001 - its public name.
                by_id[values.pop(table.c[owner].name)].setdefault(name, []).append(values)


_TABLES: Mapping[Part, tuple[Any, str]] = {
    Part.MEMBER: (t.MemberTable, "number"),
    Part.MERGED: (t.MemberTable, "number"),
    Part.MERGES: (t.MemberMergeTable, "merge_id"),
    Part.ACCOUNTS: (t.AccountTable, "account_id"),
    Part.ORDERS: (t.TransactionTable, "transaction_id"),
    Part.ASSIGNMENTS: (t.PointsAssignmentTable, "assignment_id"),
    Part.RESERVED: (t.PointsReservationTable, "reservation_token"),
    Part.ADHOC: (t.AdhocTransactionTable, "adhoc_id"),
    Part.GRANTS: (t.GrantTable, "grant_id"),
    Part.GOALS: (t.GoalCardTable, "member_number"),
    Part.AWARDS: (t.GoalAwardTable, "award_id"),
    Part.SESSIONS: (t.SessionTable, ""),
    Part.CODES: (t.CodeTable, ""),
    Part.PROMO_CODES: (t.PromoRedemptionTable, ""),
    Part.BUCKETS: (t.BucketTable, "bucket_id"),
    Part.COUNTS: (t.LimitTallyTable, ""),
    Part.EVENTS: (t.EventTable, "event_id"),
}


def exported_tables() -> frozenset[str]:
    """Name the tables whose rows are told."""
    models = [model for model, _ in (*_TABLES.values(), *_OF_ORDERS.values())]
    return frozenset(table_of(model).name for model in models) | {t.TransferTable.__tablename__}


def _whose(member: Member, part: Part, table: Any, *, whole: bool) -> ColumnElement[bool]:
    """Keep to the rows of a member, in the words of an index."""
    if part in {Part.MEMBER, Part.MERGED}:
        own = (member.number,) if part is Part.MEMBER else member.others
        return table.c.number.in_(own)  # type: ignore[no-any-return]
    numbers = (member.number, *member.others)
    if part is Part.MERGES:
        return table.c.into_number.in_(numbers) | table.c.merged_number.in_(numbers)  # type: ignore[no-any-return]
    if part is Part.COUNTS:
        return or_(*(_counts_of(table, member_scope(number)) for number in numbers))
    own = table.c.member_number.in_(numbers)
    if part is Part.BUCKETS:
        return and_(own, table.c.points > literal_column("0"))
    if part is Part.EVENTS:
        return own if whole else and_(own, text(f"({OF_MEMBERS})"))
    return own  # type: ignore[no-any-return]


def _counts_of(table: Any, scope: str) -> ColumnElement[bool]:
    within = and_(table.c.scope > f"{scope}/", table.c.scope < f"{scope}{_COUNTS_MAX}")
    return or_(table.c.scope == scope, within)


def _order(part: Part, table: Any) -> Sequence[Any]:
    if part is Part.CODES:
        return table.c.created_ms, table.c.digest
    if part is Part.SESSIONS:
        return table.c.created_ms, table.c.correlation_id
    _, key = _TABLES[part]
    return (table.c[key],) if key else tuple(table.primary_key)


def _is_text(column: Any) -> bool:
    return isinstance(column.type, String)


def _transfers(member: Member, after: int) -> Select[Any]:
    """Select a member's transfers after one, with the kinds of their accounts."""
    transfer = table_of(t.TransferTable)
    source, reached = (aliased(table_of(t.AccountTable)) for _ in range(2))
    account = table_of(t.AccountTable)
    own = select(account.c.account_id).where(
        account.c.member_number.in_((member.number, *member.others))
    )
    scans = (
        select(transfer.c.transfer_id).where(column.in_(own), transfer.c.transfer_id > after)
        for column in (transfer.c.source_id, transfer.c.destination_id)
    )
    return (
        select(transfer, source.c.kind.label("source"), reached.c.kind.label("destination"))
        .join(source, source.c.account_id == transfer.c.source_id)
        .join(reached, reached.c.account_id == transfer.c.destination_id)
        .where(transfer.c.transfer_id.in_(union(*scans)))
        .order_by(transfer.c.transfer_id)
    )
