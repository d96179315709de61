"""
Finds members and orders for help desks.

Each search walks an index in its order, from where the page before it ended, and looks at no more
than `LOOKED_AT` rows of it: whoever looks for what is rare among many gets pages that are not full,
and no search reads on and on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, exists, or_, union
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.reading import (
    FoundMember,
    FoundOrder,
    MemberFilter,
    MemberPlace,
    OrderFilter,
    TransferEntry,
)
from loyalty_service.domain.ledger import AccountKind, OwnerKind
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.storage.member_reads import record_of
from loyalty_service.storage.tables import (
    AccountTable,
    ArchivedOwnerTable,
    MemberTable,
    MemberTermTable,
    TransactionTable,
    TransferTable,
)
from loyalty_service.storage.transfer_rows import ENTRY_COLUMNS, entry_of

LOOKED_AT = 5_000
"""Rows of an index that a page looks at."""

_LAST = "\U0010ffff"
"""Is behind all that a term goes on with."""


class SearchReads:
    """The part of a reader that finds members and orders by what people know of them."""

    _session: AsyncSession

    async def members_found(
        self, wanted: MemberFilter, after: MemberPlace | None, limit: int
    ) -> tuple[Sequence[FoundMember], MemberPlace | None]:
        """See `Reader.members_found`."""
        rows = (await self._session.exec(members_query(wanted, after, limit + 1))).all()
        found: dict[str, FoundMember] = {}
        for row in rows[:limit]:
            one = await self._told_as(row)
            found.setdefault(one.loyalty_id, one)
        if len(rows) > limit:
            last = rows[limit - 1]
        else:
            last = (await self._session.exec(_last_of(terms_query(wanted, after)))).first()
        place = None if last is None else MemberPlace(last.term, last.member_number)
        return [*found.values()], place

    async def _told_as(self, row: Any) -> FoundMember:
        """Tell of a member who was found, or of whom it was merged into."""
        told, balance = row, row.balance
        if row.merged_into is not None:
            into = await self._session.get_one(MemberTable, row.merged_into)
            points = select(AccountTable.balance).where(
                AccountTable.member_number == into.number,
                AccountTable.kind == int(AccountKind.AVAILABLE),
            )
            told, balance = into, (await self._session.exec(points)).one()
        return FoundMember(
            told.loyalty_id,
            told.name,
            told.email,
            told.phone,
            told.card,
            told.created_ms,
            balance,
        )

    async def orders_found(
        self, wanted: OrderFilter, before: str | None, limit: int
    ) -> tuple[Sequence[FoundOrder], str | None]:
        """See `Reader.orders_found`."""
        rows = (await self._session.exec(orders_query(wanted, before, limit + 1))).all()
        found = [
            FoundOrder(record_of(Transaction, row, status=TransactionStatus(row.status)), guest)
            for row, guest in rows[:limit]
        ]
        if len(rows) > limit:
            return found, found[-1].transaction.transaction_id
        if _is_way(wanted):
            return found, None
        last = (await self._session.exec(_last_of(walk_query(wanted, before)))).first()
        return found, last

    async def transfers_of_order(
        self, transaction: Transaction, limit: int
    ) -> Sequence[TransferEntry]:
        """See `Reader.transfers_of_order`."""
        if transaction.member_number is None:
            return ()
        rows = await self._session.exec(
            _transfers_of(transaction.member_number, transaction.transaction_id, limit)
        )
        return [entry_of(row) for row in rows]

    async def has_archived_transfers(self, transaction_id: str) -> bool:
        """See `Reader.has_archived_transfers`."""
        owner = ArchivedOwnerTable
        found = await self._session.exec(
            select(owner.owner_kind).where(
                owner.owner_kind == int(OwnerKind.TRANSACTION), owner.owner_id == transaction_id
            )
        )
        return found.first() is not None


def members_query(wanted: MemberFilter, after: MemberPlace | None, limit: int) -> Any:
    """Select members in whom the first of some words is found, and all others too."""
    term = terms_query(wanted, after).subquery("term")
    member, account = MemberTable, AccountTable
    query = (
        select(  # type: ignore[call-overload]
            member.loyalty_id,
            member.name,
            member.email,
            member.phone,
            member.card,
            member.created_ms,
            member.merged_into,
            account.balance,
            term.c.term,
            term.c.member_number,
        )
        .select_from(term)
        .join(member, col(member.number) == term.c.member_number)
        .join(
            account,
            and_(
                col(account.member_number) == term.c.member_number,
                col(account.kind) == int(AccountKind.AVAILABLE),
            ),
        )
        .where(~_has_earlier(wanted, term))
        .order_by(term.c.term, term.c.member_number, term.c.kind)
        .limit(limit)
    )
    for word in _by_length(wanted)[1:]:
        other = aliased(MemberTermTable)
        its = col(other.member_number) == term.c.member_number
        query = query.where(exists().where(its, *_matches(other, wanted, word)))
    return query


def terms_query(wanted: MemberFilter, after: MemberPlace | None) -> Any:
    """Select the terms that a page looks at: those of the longest word, of which are fewest."""
    term = MemberTermTable
    query = select(term.term, term.member_number, term.kind).where(
        term.program_id == wanted.program_id, *_matches(term, wanted, _by_length(wanted)[0])
    )
    if after is not None:
        # Both conditions, for SQLite goes to the first one and PostgreSQL to the second.
        query = query.where(
            col(term.term) >= after.term,
            or_(
                col(term.term) > after.term,
                and_(col(term.term) == after.term, col(term.member_number) > after.member_number),
            ),
        )
    return query.order_by(term.term, col(term.member_number), col(term.kind)).limit(LOOKED_AT)


def _last_of(walk: Any) -> Any:
    """Select the last row that a page looks at; absent where it comes to the end."""
    return walk.offset(LOOKED_AT - 1).limit(1)


def _has_earlier(wanted: MemberFilter, term: Any) -> Any:
    """Tell whether a member was found already, by another term that is ahead of this one."""
    other = aliased(MemberTermTable)
    ahead = or_(
        col(other.term) < term.c.term,
        and_(col(other.term) == term.c.term, col(other.kind) < term.c.kind),
    )
    its = col(other.member_number) == term.c.member_number
    return exists().where(its, ahead, *_matches(other, wanted, _by_length(wanted)[0]))


def _matches(term: Any, wanted: MemberFilter, word: str) -> list[Any]:
    kinds = sorted(int(kind) for kind in wanted.kinds)
    at = [col(term.kind).in_(kinds)]
    if wanted.exact:
        return [*at, col(term.term) == word]
    return [*at, col(term.term) >= word, col(term.term) < word + _LAST]


def _by_length(wanted: MemberFilter) -> list[str]:
    return sorted(wanted.words, key=len, reverse=True)


def orders_query(wanted: OrderFilter, before: str | None, limit: int) -> Any:
    """
    Select orders, of those that a page looks at.

    They are not joined to these: PostgreSQL might begin at the other end, with all there are.
    """
    walk = _walk(select(TransactionTable), wanted, before)
    if _is_way(wanted):
        walk = walk.limit(limit)
    order = aliased(TransactionTable, walk.subquery())
    query = (
        select(order, MemberTable.loyalty_id)
        .select_from(order)
        .outerjoin(MemberTable, col(MemberTable.number) == col(order.member_number))
        .where(*_order_matches(order, wanted))
    )
    return query.order_by(col(order.transaction_id).desc()).limit(limit)


def walk_query(wanted: OrderFilter, before: str | None) -> Any:
    """Select the IDs of the orders that a page looks at."""
    return _walk(select(TransactionTable.transaction_id), wanted, before)


def _walk(query: Any, wanted: OrderFilter, before: str | None) -> Any:
    """Go along the index that has the fewest orders in question, as far as a page does."""
    table = TransactionTable
    query = query.where(*_way(wanted))
    if wanted.from_ms is not None:
        query = query.where(table.transaction_id >= first_id(wanted.from_ms))
    if wanted.until_ms is not None:
        query = query.where(table.transaction_id < first_id(wanted.until_ms))
    if before is not None:
        query = query.where(table.transaction_id < before)
    return query.order_by(col(table.transaction_id).desc()).limit(LOOKED_AT)


def _way(wanted: OrderFilter) -> tuple[Any, ...]:
    """Choose the index to walk. Each of them has the orders in the order of their IDs."""
    table = TransactionTable
    if wanted.member_number is not None:
        return (col(table.member_number) == wanted.member_number,)
    its = (col(table.program_id) == wanted.program_id,)
    if wanted.pos_transaction_id is not None:
        return (*its, col(table.pos_transaction_id) == wanted.pos_transaction_id)
    if wanted.operator is not None:
        return (*its, col(table.operator) == wanted.operator)
    if wanted.store_id is not None:
        return (*its, col(table.store_id) == wanted.store_id)
    return ()


def _is_way(wanted: OrderFilter) -> bool:
    """Tell whether the index leads to nothing but what is wanted."""
    ways = ("member_number", "pos_transaction_id", "operator", "store_id")
    given = sum(getattr(wanted, name) is not None for name in ways)
    besides = wanted.partner is not None or wanted.statuses or wanted.stores
    return given == 1 and not besides


def _order_matches(table: Any, wanted: OrderFilter) -> list[Any]:
    exact = {
        table.program_id: wanted.program_id,
        table.member_number: wanted.member_number,
        table.store_id: wanted.store_id,
        table.pos_transaction_id: wanted.pos_transaction_id,
        table.operator: wanted.operator,
        table.partner: wanted.partner,
    }
    conditions = [col(column) == value for column, value in exact.items() if value is not None]
    if wanted.statuses:
        statuses = sorted(int(status) for status in wanted.statuses)
        conditions.append(col(table.status).in_(statuses))
    if wanted.stores:
        stores = sorted(wanted.stores)
        paid_in = col(table.paid_store_id)
        conditions += [col(table.store_id).in_(stores), or_(paid_in.is_(None), paid_in.in_(stores))]
    return conditions


def first_id(time_ms: int) -> str:
    """Give a text that is ahead of the IDs of all orders from a moment on, and of none before."""
    time = f"{time_ms:012x}"
    return f"{time[:8]}-{time[8:]}"


def _transfers_of(member_number: int, transaction_id: str, limit: int) -> Any:
    """Select an order's transfers among all of its member's: they have no index of their own."""
    its = select(col(AccountTable.account_id)).where(AccountTable.member_number == member_number)
    of_order = (
        TransferTable.owner_kind == int(OwnerKind.TRANSACTION),
        TransferTable.owner_id == transaction_id,
    )
    sides = [
        select(col(TransferTable.transfer_id)).where(column.in_(its), *of_order)
        for column in (col(TransferTable.source_id), col(TransferTable.destination_id))
    ]
    numbers = union(*sides).subquery()
    source, destination = aliased(AccountTable), aliased(AccountTable)
    return (
        select(*ENTRY_COLUMNS, source.kind, destination.kind)  # type: ignore[call-overload]
        .select_from(TransferTable)
        .join(source, col(source.account_id) == col(TransferTable.source_id))
        .join(destination, col(destination.account_id) == col(TransferTable.destination_id))
        .where(col(TransferTable.transfer_id).in_(select(numbers.c.transfer_id)))
        .order_by(col(TransferTable.transfer_id))
        .limit(limit)
    )
