"""Reads how programs were, and how much there is of them, for operators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.reading import KeyEntry
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.repositories.catalogue import program_of_version
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import (
    ApiKeyTable,
    KeyUseTable,
    MemberTable,
    ProgramVersionTable,
    TransactionTable,
)

_VERSION = table_of(ProgramVersionTable)
_MEMBER = table_of(MemberTable)
_KEY = table_of(ApiKeyTable)
_USE = table_of(KeyUseTable)
_ORDER = table_of(TransactionTable)


class CatalogueReads:
    """The part of a reader that tells of programs."""

    _session: AsyncSession

    async def program_versions(self, program_id: str) -> Sequence[tuple[int, int]]:
        """List the versions of a program and when they were applied, the newest first."""
        rows = await (await self._session.connection()).execute(
            select(_VERSION.c.version, _VERSION.c.applied_ms)
            .where(_VERSION.c.program_id == program_id)
            .order_by(_VERSION.c.version.desc())
        )
        return [(int(version), int(applied_ms)) for version, applied_ms in rows]

    async def program_version(self, program_id: str, version: int) -> Program | None:
        """Find a version of a program; absent where none of the number is kept."""
        found = await (await self._session.connection()).execute(
            select(_VERSION.c.document).where(
                _VERSION.c.program_id == program_id, _VERSION.c.version == version
            )
        )
        document = found.scalar()
        return None if document is None else program_of_version(document)

    async def api_keys(self) -> Sequence[KeyEntry]:
        """See `Reader.api_keys`."""
        rows = await (await self._session.connection()).execute(
            select(_KEY, _USE.c.used_ms)
            .join(_USE, _USE.c.key_id == _KEY.c.key_id, isouter=True)
            .order_by(_KEY.c.created_ms)
        )
        return [
            KeyEntry(
                row.key_id,
                row.program_id,
                row.partner,
                row.role,
                tuple(json.loads(row.stores)),
                row.created_ms,
                row.revoked_ms,
                row.label or "",
                row.used_ms,
            )
            for row in rows
        ]

    async def members_and_orders(self, program_id: str) -> tuple[int, int]:
        """Count the members of a program, and its open orders."""
        connection = await self._session.connection()
        members = select(func.count()).where(_MEMBER.c.program_id == program_id)
        pending: ColumnElement[Any] = literal_column(str(int(TransactionStatus.PENDING)))
        orders = select(func.count()).where(
            _ORDER.c.status == pending, _ORDER.c.program_id == program_id
        )
        return (
            int((await connection.execute(members)).scalar() or 0),
            int((await connection.execute(orders)).scalar() or 0),
        )
