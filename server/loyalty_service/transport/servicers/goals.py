"""How far members have come with goals, and their tiers, as callers are told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from loyalty.v1 import goal_pb2
from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.application.members.get_member import ShownMember
from loyalty_service.application.orders.goals import NOTHING_REACHED, Reached
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.goal_cards import Progress
from loyalty_service.domain.goals import LAST_DAY, Count
from loyalty_service.domain.program import Program


def goals_told(
    progress: Iterable[Progress], gave: Reached = NOTHING_REACHED
) -> goal_pb2.Goals | None:
    """Tell of goals, with what each gave; of none, nothing."""
    told = [
        goal_pb2.GoalProgress(
            goal_id=one.goal.goal_id,
            name=one.goal.display_name,
            progress=one.counts,
            target=one.goal.target,
            until=_day(one.until),
            times_reached=one.rounds,
            points=gave.given.get(one.goal.goal_id) or None,
            tier_id=gave.tiers.get(one.goal.goal_id),
            incentive_id=gave.incentives.get(one.goal.goal_id),
        )
        for one in progress
    ]
    return goal_pb2.Goals(progress=told) if told else None


def reached_told(reached: Reached) -> goal_pb2.Goals | None:
    """Tell of the goals that an order counts for."""
    return goals_told(reached.progress, reached)


def member_tier(shown: ShownMember, program: Program) -> goal_pb2.MemberTier | None:
    """Tell of the tier that a member has today."""
    tier = shown.tier
    if tier is None:
        return None
    return goal_pb2.MemberTier(
        tier_id=tier.tier_id,
        name=program.tiers[tier.tier_id].display_name,
        start_date=_day(tier.first_day),
        end_date=_day(tier.last_day),
    )


def loyalty_tier(shown: ShownMember, program: Program) -> pb.LoyaltyTier | None:
    """Tell the same in RBI's words."""
    tier = shown.tier
    if tier is None:
        return None
    begins = None
    if tier.first_day:
        first = datetime.combine(
            date.fromordinal(tier.first_day), datetime.min.time(), ZoneInfo(program.time_zone)
        )
        begins = rfc3339(int(first.astimezone(UTC).timestamp() * 1000))
    counted = (
        one.counts for one in shown.goals if one.goal.tier and one.goal.count is Count.POINTS
    )
    return pb.LoyaltyTier(
        loyalty_tier_expiry_date=_day(tier.last_day),
        loyalty_tier_key=tier.tier_id,
        points_earned_in_time_constraint=max(counted, default=0),
        start_at=begins,
    )


def _day(day: int) -> str | None:
    """Give a day as callers are told it; absent where it is none."""
    return date.fromordinal(day).isoformat() if 0 < day < LAST_DAY else None
