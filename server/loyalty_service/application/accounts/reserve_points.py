"""Set points of a member aside under a token, to be paid with later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.perform import Done
from loyalty_service.application.points import hold
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import (
    end_overdue,
    member_of,
    require_redeemer,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import RedemptionNotAllowedError
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.points_reservations import PointsReservation, ReservationStatus
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.domain.redeeming import is_redeemable

TO_BE_MAILED = frozenset({"STATEMENT_CREDIT", "DIRECT_DEPOSIT"})
"""What is redeemed for by an e-mail, whose key the call must then carry."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something of a partner's catalogue that is to be paid for, and what one of it costs."""

    name: str
    quantity: int
    points: int


@dataclass(frozen=True, slots=True)
class ReservePoints:
    """
    What to set aside.

    Attributes:
        points: How many; absent where the items tell it.
        has_email_key: Whether the call says by which key the e-mail is found.
    """

    key: ApiKey
    correlation_id: str
    points: int | None
    items: tuple[Item, ...] = ()
    business_unit: str | None = None
    redeemer_id: str | None = None
    redemption_id: str | None = None
    has_email_key: bool = False

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        items = [[one.name, one.quantity, one.points] for one in self.items]
        what = self.business_unit, self.redeemer_id, self.redemption_id
        return self.correlation_id, self.points, items, *what

    @property
    def wanted(self) -> int | None:
        """Points to set aside; absent where nothing tells how many."""
        if self.points is not None or not self.items:
            return self.points
        return sum(one.quantity * one.points for one in self.items)


def reserve_points(unit: Unit, command: ReservePoints, now_ms: int) -> Done[PointsReservation]:
    """
    Hold points of a session's member under a new token, for as long as the program says.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RequestInvalidError: Nothing tells how many points, or how to send what is redeemed.
        RedemptionNotAllowedError: The member may not redeem, or not so many points.
    """
    program, session = visit(unit, command.key, command.correlation_id, now_ms)
    points = _require_told(command)
    member = member_of(unit, session)
    require_redeemer(session, member)
    # What is past its time is free for others: it goes first, and comes back if this is refused.
    ended = end_overdue(unit, member, now_ms)
    _require_redeemable(program, member, points)
    reserved = PointsReservation(
        reservation_token=new_id(now_ms),
        program_id=program.program_id,
        member_number=member.number,
        correlation_id=session.correlation_id,
        store_id=session.store_id,
        points=points,
        status=ReservationStatus.HELD,
        created_ms=now_ms,
        expires_ms=now_ms + program.es.reservation_lifetime_s * 1000,
        business_unit=command.business_unit,
        redeemer_id=command.redeemer_id,
        redemption_id=command.redemption_id,
        items=_items_to_json(command.items),
    )
    unit.add(reserved)
    hold(unit, member, reserved.owner, points, now_ms, expires_ms=reserved.expires_ms)
    event = Event(
        EventKind.POINTS_RESERVED,
        program.program_id,
        member,
        subject=reserved.reservation_token,
    )
    return Done(reserved, stores=session.stores, events=(*ended, event))


def _require_told(command: ReservePoints) -> int:
    if command.wanted is None:
        raise RequestInvalidError((FieldViolation("reservation_amount", "is required"),))
    if not 0 < command.wanted <= POINTS_MAX:
        message = f"must be from 1 to {POINTS_MAX}"
        raise RequestInvalidError((FieldViolation("reservation_amount", message),))
    if command.redemption_id in TO_BE_MAILED and not command.has_email_key:
        raise RequestInvalidError((FieldViolation("fulfillment_email_key", "is required"),))
    return command.wanted


def _require_redeemable(program: Program, member: Member, points: int) -> None:
    rules = program.redemption
    if rules is None or not is_redeemable(rules, points, member.spendable):
        raise RedemptionNotAllowedError


def _items_to_json(items: tuple[Item, ...]) -> str | None:
    if not items:
        return None
    return json.dumps([[one.name, one.quantity, one.points] for one in items])
