"""Give all points back that are set aside under a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import end, held_reservation, member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.points_reservations import PointsReservation, ReservationStatus

REPEATED_WITHIN_MS = 600_000
"""How long the same cancellation in the same session gets the same answer."""


@dataclass(frozen=True, slots=True)
class CancelReservation:
    """The reservation that is not needed any more."""

    key: ApiKey
    correlation_id: str
    reservation_token: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.correlation_id, self.reservation_token.lower()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The reservation, and the session in which it was cancelled."""

    reserved: PointsReservation
    correlation_id: str


def cancel_reservation(unit: Unit, command: CancelReservation, now_ms: int) -> Done[Cancelled]:
    """
    End a reservation of the session's member, in whichever session it was made.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID.
        ReservationInvalidError: The token is of no reservation of the member that holds points.
    """
    _, session = visit(unit, command.key, command.correlation_id, now_ms)
    member = member_of(unit, session)
    stores = session.stores
    known = unit.points_reservation(member, command.reservation_token.lower())
    if known is not None and _is_repeated(known, command, now_ms):
        return Done(Cancelled(known, session.correlation_id), stores=stores)
    reserved = held_reservation(unit, member, command.reservation_token, now_ms)
    event = end(unit, member, reserved, ReservationStatus.CANCELLED, now_ms)
    unit.change(reserved, ended_in=session.correlation_id)
    return Done(Cancelled(reserved, session.correlation_id), stores=stores, events=(event,))


def _is_repeated(known: PointsReservation, command: CancelReservation, now_ms: int) -> bool:
    """Tell whether this very session has cancelled it a moment ago."""
    return (
        known.status is ReservationStatus.CANCELLED
        and known.ended_in == command.correlation_id
        and now_ms - (known.ended_ms or 0) <= REPEATED_WITHIN_MS
    )
