"""Sessions of shoppers: what is kept of a visit under its correlation ID, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

DEFAULT_CHANNEL = "STORE"


class SessionStatus(IntEnum):
    """Life of a session."""

    OPEN = 1
    CLOSED = 2
    EXPIRED = 3


@dataclass(slots=True)
class Session:
    """
    One shopper's visit under one correlation ID.

    Attributes:
        status: As it is written; one that is idle for too long counts as expired before that, see
            `status_at`.
        member_number: Whose visit it is; absent for a shopper without a loyalty ID.
        anonymous_flag: What asks for the prompts of a shopper without a card, as it was sent.
        updated_ms: When it was last used, to the minute.
        earn_only: 1 where the member was named by what others may know, such as a phone number,
            and may only earn; otherwise absent.
        store_id: The store of its orders; absent where an older version opened it.
        transaction_id: The order that closed it; absent where none has.
    """

    program_id: str
    correlation_id: str
    status: SessionStatus
    member_number: int | None
    external_identifier: str | None
    channel: str
    locale: str
    anonymous_flag: str | None
    created_ms: int
    updated_ms: int
    earn_only: int | None = None
    store_id: int | None = None
    transaction_id: str | None = None

    @property
    def stores(self) -> frozenset[int]:
        """The store that it is in, if that is known."""
        return frozenset() if self.store_id is None else frozenset({self.store_id})

    def status_at(self, now_ms: int, lifetime_s: int) -> SessionStatus:
        """Tell its status at a moment, whether its end is written already or not."""
        idle = self.status is SessionStatus.OPEN and now_ms - self.updated_ms > lifetime_s * 1000
        return SessionStatus.EXPIRED if idle else self.status
