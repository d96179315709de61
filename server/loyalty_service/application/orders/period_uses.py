"""How often a member has used incentives in the periods of their limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from loyalty_service.application.unit import Unit
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.periods import span_ms
from loyalty_service.domain.records import Member
from loyalty_service.domain.uses_before import counted_spans
from loyalty_service.domain.visit import History, HistoryNeeds, MemberFacts


def used_in_periods(
    unit: Unit,
    member: Member | None,
    facts: MemberFacts | None,
    uses: Sequence[IncentiveUse],
    needs: HistoryNeeds,
    histories: Mapping[str, History],
    day: date,
    time_zone: str,
) -> Mapping[str, Mapping[str, int]]:
    """
    Count a member's uses of the incentives that are limited so, by the days of a store's place.

    What other open orders have reserved counts in every period: it is used when they are claimed.
    """
    used: dict[str, dict[str, int]] = {}
    if member is None or facts is None or not needs.periods:
        return used
    for use in uses:
        name = use.incentive.incentive_id
        if name in needs.periods:
            counted = used[name] = {}
            for limit, start, end in counted_spans(use.incentive, facts, day):
                span = span_ms(time_zone, start, end)
                number = histories[name].member_reserved + unit.redeemed_between(
                    member, name, *span
                )
                # A birthday and an anniversary are an occasion each: the fuller one decides.
                counted[limit] = max(number, counted.get(limit, 0))
    return used
