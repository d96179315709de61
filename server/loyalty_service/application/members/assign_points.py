"""Give a member points beside any order, or take some, on the word of a partner."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from loyalty_service.application.blocks import require_may
from loyalty_service.application.find_member import find_member
from loyalty_service.application.limits import count_points, count_taken, require_points
from loyalty_service.application.perform import Done
from loyalty_service.application.points import adjust, points_that_fit
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    FieldViolation,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import Going
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import LIMITS, LimitName
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

_AT_ONCE = LIMITS[LimitName.POINTS_PER_ASSIGNMENT]

SHORT_ID_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
SHORT_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class AssignPoints:
    """
    Whom to give how many points, or below zero to take, and why.

    Attributes:
        partner: As the caller names itself.
    """

    key: ApiKey
    loyalty_id: str
    points: int
    partner: str
    reference: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.key.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), self.points, self.partner.casefold(), self.reference


@dataclass(frozen=True, slots=True)
class Assigned:
    """
    What was given or taken, and the member it was.

    Attributes:
        goings: On which days the points go that came or, below zero, went.
    """

    assignment: PointsAssignment
    loyalty_id: str
    goings: tuple[Going, ...] = ()


def assign_points(unit: Unit, command: AssignPoints, now_ms: int) -> Done[Assigned]:
    """
    Give a member points, or take some.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The partner is not the key's, or the member would have more points
            than one can.
        PointsInsufficientError: The member has fewer points than are taken.
        AmountBeyondLimitError: More points than may be moved at once.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    key = command.key
    program = unit.catalog.programs[key.program_id]
    told = command.partner.strip()
    if key.role is not Role.ADMIN and told.casefold() != key.partner.casefold():
        raise RequestInvalidError(
            (FieldViolation("partner", "must be the partner of the API key"),)
        )
    loyalty_id = command.loyalty_id.lower()
    member = find_member(unit, program.program_id, loyalty_id)
    if command.points > 0 and key.role is not Role.ADMIN:
        require_may(member, Blocked.EARN)
    allowed = program.limits[_AT_ONCE.name]
    if abs(command.points) > allowed:
        raise AmountBeyondLimitError(_AT_ONCE.name.value, allowed)
    if member.spendable + command.points < 0:
        raise PointsInsufficientError(member.spendable, -command.points)
    assignment, goings, event = give(
        unit, program, key, member, command.points, told, command.reference, now_ms
    )
    return Done(Assigned(assignment, loyalty_id, goings), events=(event,))


def give(
    unit: Unit,
    program: Program,
    key: ApiKey,
    member: Member,
    points: int,
    partner: str,
    reference: str,
    now_ms: int,
) -> tuple[PointsAssignment, tuple[Going, ...], Event]:
    """
    Move points to a member, or below zero from one who has them, and keep who did it and why.

    Tells besides on which days these points go.

    Raises:
        RequestInvalidError: The member would have more points than one can.
        AmountBeyondLimitError: More points than an order may earn.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    if points_that_fit(unit.accounts(member), points, past=member.past_points) < points:
        message = f"must not raise the balance above {POINTS_MAX}"
        raise RequestInvalidError((FieldViolation("points", message),))
    # What is taken counts as what is given: a stolen key does no more harm by the one.
    require_points(unit, program, key, member, abs(points), now_ms)
    goings = adjust(unit, member, points, reference, now_ms)
    if points > 0:
        count_points(unit, key, member, points, now_ms)
    else:
        count_taken(unit, key, -points, now_ms)
    assignment = PointsAssignment(
        assignment_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=member.number,
        points=points,
        partner=partner,
        reference=reference,
        created_ms=now_ms,
    )
    unit.add(assignment)
    event = Event(
        EventKind.POINTS_ADJUSTED,
        program.program_id,
        member,
        subject=assignment.assignment_id,
        reason=reference,
    )
    return assignment, goings, event


def short_id(assignment_id: str) -> str:
    """Name an assignment for people: 16 letters and digits, always the same."""
    number = int.from_bytes(hashlib.sha256(assignment_id.encode()).digest(), "big")
    letters = []
    for _ in range(SHORT_ID_LENGTH):
        number, place = divmod(number, len(SHORT_ID_ALPHABET))
        letters.append(SHORT_ID_ALPHABET[place])
    return "".join(letters)
