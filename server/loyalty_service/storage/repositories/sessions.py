"""Sessions of shoppers."""

from __future__ import annotations

from typing import ClassVar

from loyalty_service.domain.records import Session, SessionStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Keys, Records, Step
from loyalty_service.storage.repositories.statements import Kept


class Sessions(Records):
    """The sessions of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (
        Kept(
            Session,
            t.SessionTable,
            ("program_id", "correlation_id"),
            Rank.SESSIONS,
            status=SessionStatus,
        ),
    )

    def session(self, program_id: str, correlation_id: str) -> Session | None:
        """See `Unit.session`."""
        return self._record(Session, (program_id, correlation_id))

    def sessions_ahead(self, keys: Keys) -> Step:
        """Read sessions and lock them."""
        return self._records_ahead(Session, keys)
