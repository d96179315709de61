"""End reservations of points that are past their time, as `orders.expire_overdue` does others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import end
from loyalty_service.application.unit import Unit
from loyalty_service.domain.points_reservations import ReservationStatus


@dataclass(frozen=True, slots=True)
class OverdueReservation:
    """A reservation that was past its time when it was looked for."""

    expires_ms: int
    reservation_token: str
    program_id: str
    loyalty_id: str

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))


def find_overdue_reservations(
    unit: Unit, after: OverdueReservation | None, limit: int, now_ms: int
) -> Sequence[OverdueReservation]:
    """Find at most *limit* overdue reservations that come *after* another, the oldest first."""
    last = (0, "") if after is None else (after.expires_ms, after.reservation_token)
    return [OverdueReservation(*row) for row in unit.overdue_reservations(now_ms, last, limit)]


def expire_reservation(unit: Unit, overdue: OverdueReservation, now_ms: int) -> Done[bool]:
    """Give points back unless their reservation has ended meanwhile; tells whether it did."""
    member = unit.member(overdue.program_id, overdue.loyalty_id)
    reserved = (
        None if member is None else unit.points_reservation(member, overdue.reservation_token)
    )
    if (
        member is None
        or reserved is None
        or reserved.status is not ReservationStatus.HELD
        or reserved.expires_ms > now_ms
    ):
        return Done(False)  # noqa: FBT003 - the result is one word.
    event = end(unit, member, reserved, ReservationStatus.EXPIRED, now_ms)
    return Done(True, events=(event,))  # noqa: FBT003
