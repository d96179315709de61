"""Activate what a member was offered, or let them buy what the program gives for points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.blocks import require_may
from loyalty_service.application.find_member import find_member
from loyalty_service.application.grants import activate, buy, known_grants
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import (
    FieldViolation,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.grants import Grant, GrantState, in_order_of_use
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class TakeGrant:
    """
    The member, and what they take.

    Attributes:
        grant: ID of what they were given, or its name in the program file.
    """

    key: ApiKey
    loyalty_id: str
    grant: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.key.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), self.grant.strip().lower()


@dataclass(frozen=True, slots=True)
class TakenGrant:
    """What the member has, what it cost, and the points that they have left."""

    loyalty_id: str
    grant: Grant
    state: GrantState
    points_used: int
    available_points: int


def take_grant(unit: Unit, command: TakeGrant, now_ms: int) -> Done[TakenGrant]:
    """
    Activate a grant, which a second time changes nothing, or sell one.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The member has no such grant that can still be used, and none of this
            name is sold.
        PointsInsufficientError: It costs more points than the member has.
    """
    program = unit.catalog.programs[command.key.program_id]
    loyalty_id = command.loyalty_id.lower()
    member = find_member(unit, program.program_id, loyalty_id)
    require_may(member, Blocked.REDEEM)
    name = command.grant.strip().lower()
    terms = program.grants.get(name)
    used = 0
    events: tuple[Event, ...]
    if terms is not None and terms.points is not None:
        if _is_gone(program, terms.incentive_id):
            raise _unknown()
        if member.spendable < terms.points:
            raise PointsInsufficientError(member.spendable, terms.points)
        used = terms.points
        origin = terms.origin(new_id(now_ms))
        grant, events = buy(unit, program, member, terms, origin, now_ms)
    else:
        grant = _found(unit, program, member, name, now_ms)
        grant, events = activate(unit, member, grant, now_ms)
    state = grant.state(day_of(now_ms, program.time_zone))
    return Done(TakenGrant(loyalty_id, grant, state, used, member.spendable), events=events)


def _found(unit: Unit, program: Program, member: Member, name: str, now_ms: int) -> Grant:
    """Find what a member was given by its ID, or by the name in the program file."""
    today = day_of(now_ms, program.time_zone)
    terms = program.grants.get(name)
    asked = program.granted if terms is None else {terms.incentive_id}
    origin = None if terms is None else terms.origin()
    for grant in in_order_of_use(known_grants(unit, member, asked, today)):
        of_terms = origin is not None and f"{grant.origin}/".startswith(f"{origin}/")
        over = grant.last_day < today.isoformat()
        if (of_terms or grant.grant_id == name) and not over:
            if _is_gone(program, grant.incentive_id):
                break
            return grant
    raise _unknown()


def _is_gone(program: Program, incentive_id: str) -> bool:
    incentive = program.incentives.get(incentive_id)
    return incentive is None or incentive.retired


def _unknown() -> RequestInvalidError:
    message = "must be what the member was given and can still use, or what the program sells"
    return RequestInvalidError((FieldViolation("grant", message),))
