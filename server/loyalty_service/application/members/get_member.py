"""Show a member and the points they have."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.reading import Reader
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.expiry import Going
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
    """

    member: Member
    goings: tuple[Going, ...] = ()


async def show_member(
    reader: Reader, program: Program, key: ApiKey, loyalty_id: str, now_ms: int
) -> ShownMember:
    """
    Find a member of the key's program, and which of their points go when.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await get_member(reader, key, loyalty_id)
    terms = program.expiry
    if not terms.ages:
        return ShownMember(member)
    member.past_points = await reader.past_points(member, now_ms)
    found = await reader.points_going(member, now_ms, DAYS_TOLD_MAX)
    goings = (Going(terms.told_day(going.expiration_date), going.points) for going in found)
    return ShownMember(member, tuple(goings))


async def get_member(reader: Reader, key: ApiKey, loyalty_id: str) -> Member:
    """
    Find a member of the key's program.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await reader.member(key.program_id, loyalty_id.lower())
    if member is None:
        raise MemberNotFoundError(loyalty_id.lower())
    return member
