"""The read path: SQLModel over asyncio sessions, beside the writer and never behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Select, func, union
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from server.application.reading import KeyEntry, TransferEntry
from server.domain.codes import code_digest
from server.domain.ledger import Account, AccountKind, Cause
from server.domain.records import Code, CodeStatus, Member
from server.storage.tables import (
    AccountTable,
    ApiKeyTable,
    CodeTable,
    MemberTable,
    TransferTable,
)


class SqlReader:
    """Implements `application.reading.Reader`; see there for what each query promises."""

    def __init__(self, session: AsyncSession, pepper: bytes) -> None:
        self._session = session
        self._pepper = pepper

    async def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """See `Reader.member`."""
        available, held = aliased(AccountTable), aliased(AccountTable)
        row = (
            await self._session.exec(
                select(MemberTable, available, held)
                .join(available, col(available.member_number) == col(MemberTable.number))
                .join(held, col(held.member_number) == col(MemberTable.number))
                .where(
                    MemberTable.program_id == program_id,
                    MemberTable.loyalty_id == loyalty_id,
                    available.kind == int(AccountKind.AVAILABLE),
                    held.kind == int(AccountKind.HELD),
                )
            )
        ).one_or_none()
        if row is None:
            return None
        member, *accounts = row
        return Member(
            **member.model_dump(),
            available=_account(accounts[0]),
            held=_account(accounts[1]),
        )

    async def code(self, program_id: str, code: str) -> Code | None:
        """See `Reader.code`."""
        digest = code_digest(self._pepper, program_id, code)
        row = await self._session.get(CodeTable, (program_id, digest))
        if row is None:
            return None
        values = {field.name: getattr(row, field.name) for field in fields(Code)}
        return Code(**{**values, "status": CodeStatus(row.status)})

    async def transfers(
        self, accounts: Sequence[int], before: int | None, limit: int
    ) -> Sequence[TransferEntry]:
        """See `Reader.transfers`."""
        # One scan of an index for each account and side, each already in order and cut short.
        scans = [
            _newest(column == account, before, limit).subquery()
            for account in accounts
            for column in (col(TransferTable.source_id), col(TransferTable.destination_id))
        ]
        newest = union(*(select(scan.c.transfer_id) for scan in scans)).subquery()
        source, destination = aliased(AccountTable), aliased(AccountTable)
        rows = await self._session.exec(
            select(TransferTable, source.kind, destination.kind)
            .join(source, col(source.account_id) == col(TransferTable.source_id))
            .join(destination, col(destination.account_id) == col(TransferTable.destination_id))
            .where(col(TransferTable.transfer_id).in_(select(newest.c.transfer_id)))
            .order_by(col(TransferTable.transfer_id).desc())
            .limit(limit)
        )
        return [_entry(moved, left, reached) for moved, left, reached in rows]

    async def api_keys(self) -> Sequence[KeyEntry]:
        """See `Reader.api_keys`."""
        rows = await self._session.exec(select(ApiKeyTable).order_by(col(ApiKeyTable.created_ms)))
        return [
            KeyEntry(
                row.key_id,
                row.program_id,
                row.partner,
                row.role,
                tuple(json.loads(row.stores)),
                row.created_ms,
                row.revoked_ms,
            )
            for row in rows
        ]

    async def total(self, program_id: str) -> int:
        """Sum the balances of all accounts of a program; anything but 0 is a broken ledger."""
        statement = select(func.sum(AccountTable.balance)).where(
            AccountTable.program_id == program_id
        )
        return int((await self._session.exec(statement)).one() or 0)


def _newest(condition: Any, before: int | None, limit: int) -> Select[Any]:
    statement = select(col(TransferTable.transfer_id)).where(condition)
    if before is not None:
        statement = statement.where(col(TransferTable.transfer_id) < before)
    return statement.order_by(col(TransferTable.transfer_id).desc()).limit(limit)


def _account(row: AccountTable) -> Account:
    return Account(
        row.account_id or 0, AccountKind(row.kind), row.balance, row.sequence, bytes(row.head)
    )


def _entry(row: TransferTable, source: int, destination: int) -> TransferEntry:
    return TransferEntry(
        transfer_id=row.transfer_id or 0,
        source=AccountKind(source),
        destination=AccountKind(destination),
        points=row.points,
        cause=Cause(row.cause),
        transaction_id=row.transaction_id,
        note=row.note,
        effective_ms=row.effective_ms,
        recorded_ms=row.recorded_ms,
    )
