"""Tell which tier a session's member has, and what the next one takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.accounts.visits import read_visit
from loyalty_service.application.reading import Reader
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.goal_cards import Progress, progress_of, tier_on, tiers_of
from loyalty_service.domain.goals import Tier
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program


@dataclass(frozen=True, slots=True)
class Membership:
    """
    A member's place among the tiers of a program.

    Attributes:
        tier: That of today; absent where the member has none.
        rank: Its place, the lowest being 1; 0 without a tier.
        next_tier: The one above; absent at the top.
        next_rank: Its place.
        towards: How far goals have come that give the next tier.
    """

    program: Program
    tier: Tier | None
    rank: int
    next_tier: Tier | None
    next_rank: int
    towards: Sequence[Progress]


async def get_membership(
    reader: Reader, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> Membership | None:
    """
    Read the tier of a session's member; there is none where the program has no tiers.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
    """
    _, member = await read_visit(reader, program, key, correlation_id, now_ms)
    if member is None or not program.tiers:
        return None
    card = await reader.goal_card(member)
    today = day_of(now_ms, program.time_zone).toordinal()
    held = tier_on(tiers_of(card, program.tiers, program.goals), today)
    ladder = list(program.tiers)
    place = -1 if held is None else ladder.index(held.tier_id)
    above = place + 1 if place + 1 < len(ladder) else None
    next_tier = None if above is None else program.tiers[ladder[above]]
    progress = progress_of(program.goals.values(), card, today)
    return Membership(
        program=program,
        tier=None if held is None else program.tiers[held.tier_id],
        rank=place + 1,
        next_tier=next_tier,
        next_rank=0 if above is None else above + 1,
        towards=[one for one in progress if next_tier and one.goal.tier == next_tier.tier_id],
    )
