"""Show a member and the points they have."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.reading import Reader
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.expiry import Going, day_of
from loyalty_service.domain.goal_cards import HeldTier, Progress, progress_of, tier_on, tiers_of
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

DAYS_TOLD_MAX = 100
"""Days on which points go that are told of a member: the nearest."""


@dataclass(frozen=True, slots=True)
class ShownMember:
    """
    A member with the points of now.

    Attributes:
        goings: On which days how many of them go, the nearest first.
        goals: How far the member has come with each goal that counts today.
        tier: The best tier that the member has today; absent where there is none.
    """

    member: Member
    goings: tuple[Going, ...] = ()
    goals: tuple[Progress, ...] = ()
    tier: HeldTier | None = None


async def show_member(
    reader: Reader, program: Program, key: ApiKey, loyalty_id: str, now_ms: int
) -> ShownMember:
    """
    Find a member of the key's program, which points go when, and how far goals have come.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await get_member(reader, key, loyalty_id)
    goals, tier = await _goals(reader, program, member, now_ms)
    terms = program.expiry
    if not terms.ages:
        return ShownMember(member, (), goals, tier)
    member.past_points = await reader.past_points(member, now_ms)
    found = await reader.points_going(member, now_ms, DAYS_TOLD_MAX)
    goings = (Going(terms.told_day(going.expiration_date), going.points) for going in found)
    return ShownMember(member, tuple(goings), goals, tier)


async def _goals(
    reader: Reader, program: Program, member: Member, now_ms: int
) -> tuple[tuple[Progress, ...], HeldTier | None]:
    """Tell how far a member has come today, and which tier that brought."""
    if not program.has_goals:
        return (), None
    member.goal_card = await reader.goal_card(member)
    today = day_of(now_ms, program.time_zone).toordinal()
    held = tiers_of(member.goal_card, program.tiers, program.goals)
    return progress_of(program.goals.values(), member.goal_card, today), tier_on(held, today)


async def get_member(reader: Reader, key: ApiKey, loyalty_id: str) -> Member:
    """
    Find a member of the key's program.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    return await find_member(reader, key.program_id, loyalty_id)


async def find_member(reader: Reader, program_id: str, loyalty_id: str) -> Member:
    """
    Find a member of a program.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await reader.member(program_id, loyalty_id.lower())
    if member is None:
        raise MemberNotFoundError(loyalty_id.lower())
    return member
