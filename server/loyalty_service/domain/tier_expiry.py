"""
For how long points are good where that depends on their member's tier.

A tier that a member has on a day on which points are still good may move their last day, and only
to a later one: whoever was told a day keeps it. Where a tier lets points never go, they do not go
while the member has it, and then count as earned on its last day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from loyalty_service.domain.expiry import FOR_EVER, Expiry
from loyalty_service.domain.goal_cards import HeldTier
from loyalty_service.domain.goals import LAST_DAY, base_tier
from loyalty_service.domain.program import Program


def last_good_day(
    terms: Expiry, tiers: Sequence[HeldTier], earned: date, last: date | None = None
) -> date:
    """
    Tell the last day on which points can be spent, as far as is known: `FOR_EVER` without one.

    Args:
        terms: Those of the program.
        tiers: Those of the member, the best first.
        earned: Day on which the points were earned or, where a member's points go together, on
            which an activity kept them.
        last: Their last day so far; absent for points that come now.
    """
    if not terms.by_tier:
        return terms.last_day(earned) if last is None else last
    day = counted_from = earned.toordinal()
    latest = 0 if last is None else last.toordinal()
    counts = last is None  # Whether what all members have counts, and not a tier's own alone.
    while True:
        tier_id, until = _tier_from(tiers, day)
        own = terms.by_tier.get(tier_id or "")
        if own is not None and not own.ends:
            if until == LAST_DAY:
                return FOR_EVER
            counted_from, counts = until, True
        else:
            if own is not None or counts:
                life = terms if own is None else own
                last_day = life.last_day(date.fromordinal(counted_from))
                latest, counts = max(latest, last_day.toordinal()), False
            if until >= latest:
                return date.fromordinal(latest)
        day = until + 1


def moves_days(old: Program, new: Program) -> bool:
    """Tell whether points that members have may go on another day once *new* follows *old*."""
    if old.expiry.version != new.expiry.version:
        return True
    return bool(new.expiry.by_tier) and _tiers_of(old) != _tiers_of(new)


def _tiers_of(program: Program) -> tuple[object, ...]:
    base = base_tier(program.tiers, program.goals)
    return program.expiry.by_tier, [*program.tiers], base


def _tier_from(tiers: Sequence[HeldTier], day: int) -> tuple[str | None, int]:
    """Give the best tier of a day, and the last day on which it is that."""
    until = LAST_DAY
    for tier in tiers:
        if tier.first_day > day:
            until = min(until, tier.first_day - 1)
        elif tier.last_day >= day:
            return tier.tier_id, min(until, tier.last_day)
    return None, until
