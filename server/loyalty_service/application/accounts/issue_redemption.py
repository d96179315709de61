"""Burn what a session's member has reserved, outside of any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.references import (
    REDEMPTION,
    answer_to,
    reference_key,
    reference_place,
    require_business_unit,
)
from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import member_of, use_reservation
from loyalty_service.application.unit import Unit
from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read


@dataclass(frozen=True, slots=True)
class IssueRedemption:
    """
    The reservation whose points are spent.

    Attributes:
        reference: The partner's own name for it, under which it is done once.
    """

    key: ApiKey
    correlation_id: str
    reservation_token: str
    business_unit: str | None = None
    channel: str | None = None
    reference: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        kept = () if self.reference is None else (reference_place(self.key, self.reference),)
        return Reads(sessions=((self.key.program_id, self.correlation_id),), kept_answers=kept)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return (self.correlation_id, self.reference, *self.what)

    @property
    def what(self) -> tuple[Any, ...]:
        """Give what is to be done, wherever."""
        return self.business_unit, self.channel, self.reservation_token.lower()


def issue_redemption(
    unit: Unit, command: IssueRedemption, now_ms: int
) -> Done[AdhocTransaction] | Repeated:
    """
    Take the points of a reservation for good.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RequestInvalidError: The business unit is missing.
        BusinessUnitUnknownError: The program has no such one.
        RedemptionNotAllowedError: The member may not redeem now, or there is none.
        ReferenceReusedError: The partner has used the reference for something else.
        ReservationInvalidError: The token is of no reservation of the member that holds points.
    """
    program, session = visit(unit, command.key, command.correlation_id, now_ms)
    business_unit = require_business_unit(program, command.business_unit)
    member = member_of(unit, session)
    named = reference_key(command.key, command.reference, REDEMPTION, member, *command.what)
    if earlier := answer_to(unit, named, command.reference):
        return earlier
    adhoc_id = new_id(now_ms)
    token = command.reservation_token
    reserved, used = use_reservation(unit, session, member, token, adhoc_id, now_ms)
    redemption = AdhocTransaction(
        adhoc_id=adhoc_id,
        program_id=program.program_id,
        member_number=member.number,
        kind=AdhocKind.REDEEM,
        points=-reserved.points,
        correlation_id=session.correlation_id,
        partner=command.key.partner,
        store_id=session.store_id,
        created_ms=now_ms,
        channel=command.channel,
        business_unit=business_unit,
        reference=command.reference,
        reservation_token=reserved.reservation_token,
    )
    unit.add(redemption)
    event = Event(EventKind.ADHOC_REDEEMED, program.program_id, member, subject=redemption.adhoc_id)
    stores = session.stores
    return Done(redemption, kept_as=named, stores=stores, events=(used, event))
