"""
What becomes of points that a member has set aside under a token, for every call that touches them.

One that is past its time is ended by whoever looks at its member's, and by the sweeper.
"""

from __future__ import annotations

from loyalty_service.application.points import capture, release
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import RedemptionNotAllowedError, ReservationInvalidError
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.points_reservations import PointsReservation, ReservationStatus
from loyalty_service.domain.records import Member
from loyalty_service.domain.sessions import Session

_ENDED = {
    ReservationStatus.CANCELLED: EventKind.RESERVATION_CANCELLED,
    ReservationStatus.EXPIRED: EventKind.RESERVATION_EXPIRED,
}


def member_of(unit: Unit, session: Session) -> Member:
    """
    Find the member of a session who may have points.

    Raises:
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID.
    """
    if session.member_number is None:
        raise RedemptionNotAllowedError
    return unit.member_by_number(session.member_number)


def require_redeemer(session: Session, member: Member) -> None:
    """
    Refuse a member who may not redeem now.

    Raises:
        RedemptionNotAllowedError: The member is blocked or locked, or was named by what others may
            know.
    """
    if session.earn_only or Blocked.REDEEM in member.kept_from:
        raise RedemptionNotAllowedError


def end_overdue(unit: Unit, member: Member, now_ms: int) -> tuple[Event, ...]:
    """End the reservations of a locked member that are past their time."""
    return tuple(
        end(unit, member, one, ReservationStatus.EXPIRED, now_ms)
        for one in _overdue(unit, member, now_ms)
    )


def end_of_session(unit: Unit, session: Session, now_ms: int) -> tuple[Event, ...]:
    """End what was reserved in a session that has expired."""
    if session.member_number is None:
        return ()
    member = unit.member_by_number(session.member_number)
    return tuple(
        end(unit, member, one, ReservationStatus.EXPIRED, now_ms)
        for one in unit.held_reservations(member)
        if one.correlation_id == session.correlation_id
    )


def end(
    unit: Unit, member: Member, reserved: PointsReservation, to: ReservationStatus, now_ms: int
) -> Event:
    """Give the points of a reservation back, because it was cancelled or has expired."""
    release(unit, member, reserved.owner, now_ms)
    unit.change(reserved, status=to, ended_ms=now_ms)
    return Event(_ENDED[to], member.program_id, member, subject=reserved.reservation_token)


def held_reservation(unit: Unit, member: Member, token: str, now_ms: int) -> PointsReservation:
    """
    Find a reservation of a locked member that still holds points.

    Raises:
        ReservationInvalidError: There is none of this token: one error, whatever is wrong with it,
            so that nobody learns of others' tokens.
    """
    reserved = unit.points_reservation(member, token.lower())
    if reserved is None or not reserved.holds_at(now_ms):
        raise ReservationInvalidError
    return reserved


def use_reservation(
    unit: Unit,
    session: Session,
    member: Member,
    token: str,
    used_by: str,
    now_ms: int,
) -> tuple[PointsReservation, Event]:
    """Burn the points of a reservation for an ad hoc redemption; see `redeemable`."""
    reserved = redeemable(unit, session, member, token, now_ms)
    return reserved, spend_reserved(unit, member, reserved, used_by, now_ms)


def spend_reserved(
    unit: Unit, member: Member, reserved: PointsReservation, used_by: str, now_ms: int
) -> Event:
    """
    Burn what a reservation holds, for the order or the ad hoc redemption that it is *used_by*.

    It is moved in the name of the reservation. So what gives it back reverses what its owner
    burned.
    """
    capture(unit, member, reserved.owner, now_ms)
    unit.change(reserved, status=ReservationStatus.USED, used_by=used_by, ended_ms=now_ms)
    token = reserved.reservation_token
    return Event(EventKind.RESERVATION_USED, member.program_id, member, subject=token)


def redeemable(
    unit: Unit, session: Session, member: Member, token: str, now_ms: int
) -> PointsReservation:
    """
    Find a reservation that may be used now, and change nothing.

    Raises:
        RedemptionNotAllowedError: The member may not redeem now.
        ReservationInvalidError: The token is of no reservation that still holds points.
    """
    require_redeemer(session, member)
    return held_reservation(unit, member, token, now_ms)


def _overdue(unit: Unit, member: Member, now_ms: int) -> list[PointsReservation]:
    return [one for one in unit.held_reservations(member) if one.expires_ms <= now_ms]
