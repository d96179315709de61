"""Find the points that were reserved for a purchase."""

from __future__ import annotations

from loyalty_service.application.reserved_points import held_reservation
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import RedemptionNotAllowedError
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.records import Member
from loyalty_service.domain.sessions import Session


def reserved_for(
    unit: Unit, session: Session, member: Member | None, token: str, now_ms: int
) -> PointsReservation:
    """
    Find the reservation with which a purchase is paid, and change nothing.

    A member who was blocked by an operator after the points were reserved may still spend them: the
    goods are paid with them. One who has locked redemptions may not.

    Raises:
        RedemptionNotAllowedError: The member may not redeem now, or there is none.
        ReservationInvalidError: The token is of no reservation that still holds points.
    """
    if member is None:
        raise RedemptionNotAllowedError
    locked = member.locked_ms is not None or member.erased_ms is not None
    if session.earn_only or locked:
        raise RedemptionNotAllowedError
    reserved = held_reservation(unit, member, token, now_ms)
    since_ms = member.blocked_ms or 0
    blocked = Blocked.REDEEM in Blocked(member.blocked or 0)
    if blocked and since_ms <= reserved.created_ms:
        raise RedemptionNotAllowedError
    return reserved
