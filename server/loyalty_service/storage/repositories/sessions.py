"""Sessions of shoppers."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import select

from loyalty_service.domain.sessions import Session, SessionStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build, Keys, Records, Step
from loyalty_service.storage.repositories.statements import Kept, Statements

SESSION = Kept(
    Session,
    t.SessionTable,
    ("program_id", "correlation_id"),
    Rank.SESSIONS,
    status=SessionStatus,
)


class SessionStatements:
    """The statements about sessions."""

    def __init__(self, by: Statements) -> None:
        session = SESSION.table
        if by.bulk:
            self.member_numbers = by.among(select(session.c.member_number), session, SESSION.key)
            self.orders = by.among(
                select(session.c.transaction_id).where(session.c.transaction_id.is_not(None)),
                session,
                SESSION.key,
            )


class Sessions(Records):
    """The sessions of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (SESSION,)
    BUILT: ClassVar[tuple[Build, ...]] = (SessionStatements,)

    def session(self, program_id: str, correlation_id: str) -> Session | None:
        """See `Unit.session`."""
        return self._record(Session, (program_id, correlation_id))

    def sessions_ahead(self, keys: Keys) -> Step:
        """Read sessions and lock them."""
        return self._records_ahead(Session, keys)
