"""Reads the newest orders, transfers and accounts of all programs, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.domain.records import HoldStatus, TransactionStatus
from loyalty_service.storage.tables import (
    AccountTable,
    HoldTable,
    MemberTable,
    TransactionTable,
    TransferTable,
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """
    A transaction, with what it holds.

    Attributes:
        member: Name of its guest; empty while there is none.
        points_left: What it earned, less what came back with its lines.
        holds: Incentive, points and state of each hold.
    """

    transaction_id: str
    status: TransactionStatus
    member: str
    store_id: int
    pos_transaction_id: str
    channel: str
    created_ms: int
    updated_ms: int
    expires_ms: int
    points_left: int
    points_returned: int
    points_redeemed: int
    holds: tuple[tuple[str, int, HoldStatus], ...]


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """A transfer between two accounts; the owner of one is a member's name, or empty."""

    transfer_id: int
    recorded_ms: int
    points: int
    cause: Cause
    transaction_id: str
    note: str
    source: tuple[str, AccountKind]
    destination: tuple[str, AccountKind]


@dataclass(frozen=True, slots=True)
class Newest:
    """
    What is newest.

    Attributes:
        accounts: Balances by kind of the members whose points moved last, by their names.
        program: Balances by kind of the programs' accounts.
    """

    orders: Sequence[NewOrder]
    transfers: Sequence[NewTransfer]
    accounts: Sequence[tuple[str, Mapping[AccountKind, int]]]
    program: Mapping[AccountKind, int]


async def newest(session: AsyncSession, limit: int) -> Newest:
    """Read at most *limit* of each; it reads all accounts, so a small database is meant."""
    return Newest(
        await _orders(session, limit),
        await _transfers(session, limit),
        await _accounts(session, limit),
        await _program(session),
    )


async def _orders(session: AsyncSession, limit: int) -> list[NewOrder]:
    found = await session.exec(
        select(TransactionTable, MemberTable.name)
        .join(
            MemberTable,
            col(MemberTable.number) == col(TransactionTable.member_number),
            isouter=True,
        )
        .where(TransactionTable.transaction_id != "")
        .order_by(col(TransactionTable.transaction_id).desc())
        .limit(limit)
    )
    rows: list[tuple[TransactionTable, str | None]] = list(found)
    holds = await _holds(session, [row.transaction_id for row, _ in rows])
    return [
        NewOrder(
            row.transaction_id,
            TransactionStatus(row.status),
            name or "",
            row.store_id,
            row.pos_transaction_id,
            row.channel or "",
            row.created_ms,
            row.updated_ms,
            row.expires_ms,
            row.points_earned - row.points_returned,
            row.points_returned,
            row.points_redeemed,
            tuple(holds.get(row.transaction_id, ())),
        )
        for row, name in rows
    ]


async def _holds(
    session: AsyncSession, orders: Sequence[str]
) -> Mapping[str, list[tuple[str, int, HoldStatus]]]:
    found = await session.exec(
        select(HoldTable)
        .where(
            HoldTable.owner_kind == int(OwnerKind.TRANSACTION),
            col(HoldTable.owner_id).in_(orders),
        )
        .order_by(col(HoldTable.hold_id))
    )
    holds: dict[str, list[tuple[str, int, HoldStatus]]] = {}
    for hold in found:
        kept = (hold.incentive_id or "", hold.points, HoldStatus(hold.status))
        holds.setdefault(hold.owner_id, []).append(kept)
    return holds


async def _transfers(session: AsyncSession, limit: int) -> list[NewTransfer]:
    source, destination = aliased(AccountTable), aliased(AccountTable)
    giver, taker = aliased(MemberTable), aliased(MemberTable)
    query: Any = (
        select(TransferTable, giver.name, source.kind, taker.name, destination.kind)  # type: ignore[call-overload]
        .join(source, col(source.account_id) == col(TransferTable.source_id))
        .join(destination, col(destination.account_id) == col(TransferTable.destination_id))
        .join(giver, col(giver.number) == col(source.member_number), isouter=True)
        .join(taker, col(taker.number) == col(destination.member_number), isouter=True)
        .order_by(col(TransferTable.transfer_id).desc())
        .limit(limit)
    )
    return [
        NewTransfer(
            row.transfer_id,
            row.recorded_ms,
            row.points,
            Cause(row.cause),
            row.owner_id,
            row.note,
            (giving or "", AccountKind(from_kind)),
            (taking or "", AccountKind(to_kind)),
        )
        for row, giving, from_kind, taking, to_kind in await session.exec(query)
    ]


async def _accounts(
    session: AsyncSession, limit: int
) -> list[tuple[str, Mapping[AccountKind, int]]]:
    last = (
        select(col(AccountTable.member_number), func.max(col(AccountTable.moved_ms)).label("moved"))
        .where(col(AccountTable.member_number).is_not(None))
        .group_by(col(AccountTable.member_number))
        .order_by(func.max(col(AccountTable.moved_ms)).desc())
        .limit(limit)
        .subquery()
    )
    query: Any = (
        select(MemberTable.number, MemberTable.name, AccountTable.kind, AccountTable.balance)
        .join(last, last.c.member_number == col(MemberTable.number))
        .join(AccountTable, col(AccountTable.member_number) == col(MemberTable.number))
        .order_by(last.c.moved.desc(), col(MemberTable.number), col(AccountTable.kind))
    )
    members: dict[int, tuple[str, dict[AccountKind, int]]] = {}
    for number, name, kind, balance in await session.exec(query):
        members.setdefault(number, (name, {}))[1][AccountKind(kind)] = balance
    return list(members.values())


async def _program(session: AsyncSession) -> Mapping[AccountKind, int]:
    found = await session.exec(
        select(AccountTable.kind, func.sum(AccountTable.balance))
        .where(col(AccountTable.member_number).is_(None))
        .group_by(col(AccountTable.kind))
        .order_by(col(AccountTable.kind))
    )
    return {AccountKind(kind): int(balance) for kind, balance in found}
