"""Give a member points, or take some, on an operator's word."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from loyalty_service.application.limits import count_points, flag_points, require_points
from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.perform import OPERATOR_SCOPE, Done, Keyed
from loyalty_service.application.points import adjust, points_that_fit
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    FieldViolation,
    MemberNotFoundError,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class AdjustPoints:
    """
    Points to give, or below zero to take, and why.

    Attributes:
        beyond_limits: Whether more may be given than the program's limits allow.
    """

    program_id: str
    loyalty_id: str
    points: int
    note: str
    beyond_limits: bool = False

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))

    def keyed(self, idempotency_key: str) -> Keyed:
        """Tell which adjustment an operator's idempotency key belongs to."""
        meaning = json.dumps((self.program_id, self.loyalty_id, self.points, self.note)).encode()
        fingerprint = hashlib.sha256(meaning).digest()
        return Keyed(OPERATOR_SCOPE, idempotency_key, "adjust", fingerprint)


def adjust_points(unit: Unit, command: AdjustPoints, now_ms: int) -> Done[Member]:
    """
    Move points between a member and the program's account of adjustments; a debt is paid first.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        MemberNotFoundError: No member has this loyalty ID.
        PointsInsufficientError: The member has fewer points than are taken.
        RequestInvalidError: The points are 0, or more than a member can have.
        AmountBeyondLimitError: More points than an order may earn are given.
        LimitExceededError: The member was given a day's worth of points.
    """
    program = program_of(unit, command.program_id)
    member = unit.member(command.program_id, command.loyalty_id)
    if member is None:
        raise MemberNotFoundError(command.loyalty_id)
    points = command.points
    most = points_that_fit(unit.accounts(member), points, past=member.past_points)
    if points == 0 or most < points:
        message = f"must not be 0, and must not raise the balance above {POINTS_MAX}"
        raise RequestInvalidError((FieldViolation("points", message),))
    if member.spendable + points < 0:
        raise PointsInsufficientError(member.spendable, -points)
    if command.beyond_limits:
        # Not counted: what an operator gives on purpose keeps no receipt of the guest from them.
        flags = flag_points(unit, program, None, member, points, now_ms)
    else:
        require_points(unit, program, None, member, points, now_ms)
        flags = ()
        count_points(unit, None, member, points, now_ms)
    adjust(unit, member, points, command.note, now_ms)
    event = Event(EventKind.POINTS_ADJUSTED, command.program_id, member, reason=command.note)
    return Done(member, flags=flags, events=(event,))
