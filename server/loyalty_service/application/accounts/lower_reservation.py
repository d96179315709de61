"""Set fewer points aside than were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.perform import Done
from loyalty_service.application.points import hold_only
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import held_reservation, member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import RedemptionNotAllowedError, ReservationRaisedError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.program import Program


@dataclass(frozen=True, slots=True)
class LowerReservation:
    """The reservation, and how many points it is to hold."""

    key: ApiKey
    correlation_id: str
    reservation_token: str
    points: int

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.correlation_id, self.reservation_token.lower(), self.points


def lower_reservation(
    unit: Unit, command: LowerReservation, now_ms: int
) -> Done[PointsReservation]:
    """
    Give a part of what a reservation holds back; it expires when it would have.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RedemptionNotAllowedError: The program lets nobody redeem so many points.
        ReservationInvalidError: The token is of no reservation of the member that holds points.
        ReservationRaisedError: It holds fewer.
    """
    program, session = visit(unit, command.key, command.correlation_id, now_ms)
    member = member_of(unit, session)
    reserved = held_reservation(unit, member, command.reservation_token, now_ms)
    if command.points > reserved.points:
        raise ReservationRaisedError(reserved.points)
    if command.points == reserved.points:
        return Done(reserved, stores=session.stores)
    _require_redeemable(program, command.points)
    wanted: dict[str | None, int] = {None: command.points}
    hold_only(unit, member, reserved.owner, wanted, now_ms, expires_ms=reserved.expires_ms)
    unit.change(reserved, points=command.points)
    event = Event(
        EventKind.RESERVATION_LOWERED,
        program.program_id,
        member,
        subject=reserved.reservation_token,
    )
    return Done(reserved, stores=session.stores, events=(event,))


def _require_redeemable(program: Program, points: int) -> None:
    rules = program.redemption
    if rules is None or points < rules.min_points or points % rules.increment_points:
        raise RedemptionNotAllowedError
