"""Give a member points, or take some, on the word of an operator or of an admin."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from loyalty_service.application.adjusters import (
    Adjuster,
    count_adjusted,
    flag_adjusted,
    require_adjustable,
)
from loyalty_service.application.limits import count_points, flag_points, require_points
from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.perform import OPERATOR_SCOPE, Done, Keyed
from loyalty_service.application.points import adjust, owed_points, points_that_fit
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
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class AdjustPoints:
    """
    Points to give, or below zero to take, and why.

    Attributes:
        beyond_limits: Whether more may be moved than the program's limits allow.
        allow_debt: Whether more may be taken than the member has: the rest is owed.
        dry_run: Whether nothing is to be changed: the result tells what would be.
        by: Who asks for it, whose day has a limit; absent where the service itself does.
    """

    program_id: str
    loyalty_id: str
    points: int
    note: str
    beyond_limits: bool = False
    allow_debt: bool = False
    dry_run: bool = False
    by: Adjuster | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(
            members=((self.program_id, self.loyalty_id),), counted_alone=self.counted_alone
        )

    @property
    def counted_alone(self) -> tuple[str, ...]:
        """The key whose day must be counted exactly, where one moves points."""
        key = self.by.key if self.by else None
        return () if key is None or self.dry_run else (key.key_id,)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id, self.points, self.note, self.allow_debt

    def keyed(self, idempotency_key: str) -> Keyed:
        """Tell which adjustment an operator's idempotency key belongs to."""
        meaning = json.dumps((self.program_id, self.loyalty_id, self.points, self.note)).encode()
        fingerprint = hashlib.sha256(meaning).digest()
        return Keyed(OPERATOR_SCOPE, idempotency_key, "adjust", fingerprint)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a member has to spend, and what it owes."""

    available: int
    owed: int

    def moved(self, points: int) -> Standing:
        """Tell what it is once points came, which pay what is owed first, or below zero went."""
        total = self.available - self.owed + points
        return Standing(max(total, 0), max(-total, 0))


@dataclass(frozen=True, slots=True)
class Adjusted:
    """
    A member, and what it had before and has after an adjustment.

    Attributes:
        adjusted_ms: When the points moved; absent where nothing was to be changed.
    """

    member: Member
    points: int
    before: Standing
    after: Standing
    adjusted_ms: int | None = None


def adjust_points(unit: Unit, command: AdjustPoints, now_ms: int) -> Done[Adjusted]:
    """
    Move points between a member and the program's account of adjustments; a debt is paid first.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        MemberNotFoundError: No member has this loyalty ID.
        PointsInsufficientError: The member has fewer points than are taken, and may not owe.
        RequestInvalidError: The points are 0, or more than a member can have or owe.
        AmountBeyondLimitError: More points than an order may earn, or than may be moved at once.
        LimitExceededError: The member was given a day's worth of points, or who asks moved one.
    """
    program = program_of(unit, command.program_id)
    member = unit.member(command.program_id, command.loyalty_id)
    if member is None:
        raise MemberNotFoundError(command.loyalty_id)
    points = command.points
    before = _movable(unit, member, command)
    if command.beyond_limits:
        flags = (
            *flag_points(unit, program, None, member, points, now_ms),
            *flag_adjusted(unit, program, command.by, member, points, now_ms),
        )
    else:
        if command.counted_alone:
            # Servers that each count for themselves would give a key a day at each of them.
            unit.count_alone(*command.counted_alone)
        require_points(unit, program, None, member, points, now_ms)
        require_adjustable(unit, program, command.by, points, now_ms)
        flags = ()
    if command.dry_run:
        return Done(Adjusted(member, points, before, before.moved(points)))
    _count(unit, program, member, command, now_ms)
    adjust(unit, member, points, command.note, now_ms)
    after = _standing(unit, member)
    detail = {"points": points, "before": asdict(before), "after": asdict(after)}
    event = Event(
        EventKind.POINTS_ADJUSTED,
        command.program_id,
        member,
        reason=command.note,
        detail=json.dumps(detail, separators=(",", ":")),
    )
    adjusted = Adjusted(member, points, before, after, now_ms)
    return Done(adjusted, flags=flags, events=(event,))


def _movable(unit: Unit, member: Member, command: AdjustPoints) -> Standing:
    """Tell what the member has, if the points can be moved at all."""
    points = command.points
    accounts = unit.accounts(member)
    if points == 0 or points_that_fit(accounts, points, past=member.past_points) < points:
        message = f"must not be 0, and must not raise the balance above {POINTS_MAX}"
        raise RequestInvalidError((FieldViolation("points", message),))
    before = _standing(unit, member)
    if before.available + points < 0:
        if not command.allow_debt:
            raise PointsInsufficientError(before.available, -points)
        if before.moved(points).owed > POINTS_MAX:
            message = f"must not let the member owe more than {POINTS_MAX}"
            raise RequestInvalidError((FieldViolation("points", message),))
    return before


def _standing(unit: Unit, member: Member) -> Standing:
    return Standing(member.spendable, owed_points(unit.accounts(member)))


def _count(
    unit: Unit, program: Program, member: Member, command: AdjustPoints, now_ms: int
) -> None:
    """Count for the member and for who asks, once nothing can be refused any more."""
    if not command.beyond_limits:
        # What an operator gives on purpose keeps no receipt of the guest from them.
        count_points(unit, None, member, command.points, now_ms)
    count_adjusted(unit, program, command.by, command.points, now_ms)
