"""Sessions of shoppers, read beside the writer."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.sessions import Session, SessionStatus
from loyalty_service.storage.member_reads import record_of
from loyalty_service.storage.tables import SessionTable


class SessionReads:
    """The part of a reader that tells of sessions."""

    _session: AsyncSession

    async def session_named(self, program_id: str, correlation_id: str) -> Session | None:
        """See `Reader.session_named`."""
        row = await self._session.get(SessionTable, (program_id, correlation_id))
        return None if row is None else record_of(Session, row, status=SessionStatus(row.status))
