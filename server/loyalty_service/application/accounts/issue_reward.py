"""Give a session's member points outside of any order, or take some, on the word of a partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.references import (
    REWARD,
    answer_to,
    reference_key,
    reference_place,
    require_business_unit,
)
from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.blocks import require_may
from loyalty_service.application.limits import count_points, count_taken, require_points
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import capture, earn, hold, points_that_fit
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import end_overdue, member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import AdhocRewardUnknownError
from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    FieldViolation,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import LIMITS, LimitName
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

_AT_ONCE = LIMITS[LimitName.POINTS_PER_ASSIGNMENT]


@dataclass(frozen=True, slots=True)
class IssueReward:
    """
    What is given, or below zero taken, and by whom.

    Attributes:
        reference: The partner's own name for it, under which it is done once.
    """

    key: ApiKey
    correlation_id: str
    issuer_id: str
    reward_id: str
    points: int
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
        return self.business_unit, self.channel, self.issuer_id, self.reward_id, self.points


def issue_reward(
    unit: Unit, command: IssueReward, now_ms: int
) -> Done[AdhocTransaction] | Repeated:
    """
    Move points to a session's member, or below zero from one who has them: never into a debt.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RequestInvalidError: The business unit is missing, or the member would have more points
            than one can.
        BusinessUnitUnknownError: The program has no such one.
        AdhocRewardUnknownError: The program lets other rewards alone be given.
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID.
        ReferenceReusedError: The partner has used the reference for something else.
        MemberBlockedError: The member may not earn.
        PointsInsufficientError: The member has fewer points than are taken.
        AmountBeyondLimitError: More points than may be moved at once.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    program, session = visit(unit, command.key, command.correlation_id, now_ms)
    business_unit = require_business_unit(program, command.business_unit)
    if program.es.adhoc_rewards and command.reward_id not in program.es.adhoc_rewards:
        raise AdhocRewardUnknownError(command.reward_id)
    member = member_of(unit, session)
    named = reference_key(command.key, command.reference, REWARD, member, *command.what)
    if earlier := answer_to(unit, named, command.reference):
        return earlier
    # What is past its time can be taken again: it goes first, and comes back if this is refused.
    ended = end_overdue(unit, member, now_ms)
    _require_movable(unit, program, command, member, now_ms)
    reward = AdhocTransaction(
        adhoc_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=member.number,
        kind=AdhocKind.REWARD,
        points=command.points,
        correlation_id=session.correlation_id,
        partner=command.key.partner,
        store_id=session.store_id,
        created_ms=now_ms,
        channel=command.channel,
        business_unit=business_unit,
        reference=command.reference,
        issuer_id=command.issuer_id,
        reward_id=command.reward_id,
    )
    unit.add(reward)
    _move(unit, command.key, member, reward, now_ms)
    event = Event(
        EventKind.ADHOC_REWARDED,
        program.program_id,
        member,
        subject=reward.adhoc_id,
        reason=command.reward_id,
    )
    stores = session.stores
    return Done(reward, kept_as=named, stores=stores, events=(*ended, event))


def _require_movable(
    unit: Unit, program: Program, command: IssueReward, member: Member, now_ms: int
) -> None:
    """Refuse points that can't be moved; see `issue_reward`."""
    points, allowed = command.points, program.limits[_AT_ONCE.name]
    require_may(member, Blocked.EARN)
    if abs(points) > allowed:
        raise AmountBeyondLimitError(_AT_ONCE.name.value, allowed)
    if points < 0 and member.spendable < -points:
        raise PointsInsufficientError(member.spendable, -points)
    if points_that_fit(unit.accounts(member), points, past=member.past_points) < points:
        message = f"must not raise the balance above {POINTS_MAX}"
        raise RequestInvalidError((FieldViolation("reward_amount", message),))
    # What is taken counts as what is given: a stolen key does no more harm by the one.
    require_points(unit, program, command.key, member, abs(points), now_ms)


def _move(unit: Unit, key: ApiKey, member: Member, reward: AdhocTransaction, now_ms: int) -> None:
    if reward.points > 0:
        earn(unit, member, reward.owner, reward.points, now_ms)
        count_points(unit, key, member, reward.points, now_ms)
        return
    hold(unit, member, reward.owner, -reward.points, now_ms, expires_ms=now_ms)
    capture(unit, member, reward.owner, now_ms)
    count_taken(unit, key, -reward.points, now_ms)
