"""Points that a shopper has set aside to pay with, under a token, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from loyalty_service.domain.ledger import Owner, OwnerKind


class ReservationStatus(IntEnum):
    """Life of a reservation of points: it ends exactly once, and only while HELD holds any."""

    HELD = 1
    USED = 2
    CANCELLED = 3
    EXPIRED = 4


@dataclass(slots=True)
class PointsReservation:
    """
    Points of a member that are set aside under a token.

    Attributes:
        correlation_id: The session in which they were reserved.
        points: How many are held, or were at last.
        used_by: The order, or the ad hoc redemption, that took them; absent where none did.
        ended_in: The session in which it was cancelled; absent where it was not.
        redeemer_id, redemption_id, items: What the caller said besides, as it said it; the items
            as JSON.
    """

    reservation_token: str
    program_id: str
    member_number: int
    correlation_id: str
    store_id: int | None
    points: int
    status: ReservationStatus
    created_ms: int
    expires_ms: int
    ended_ms: int | None = None
    used_by: str | None = None
    business_unit: str | None = None
    redeemer_id: str | None = None
    redemption_id: str | None = None
    items: str | None = None
    ended_in: str | None = None

    @property
    def owner(self) -> Owner:
        """Give what its hold and transfers name."""
        return Owner(OwnerKind.RESERVATION, self.reservation_token)

    def holds_at(self, now_ms: int) -> bool:
        """Tell whether its points can be used at a moment."""
        return self.status is ReservationStatus.HELD and self.expires_ms > now_ms
