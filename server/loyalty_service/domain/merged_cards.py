"""What is counted of two members for goals once they are one, and again once they are two."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from loyalty_service.domain.goal_cards import Counts, GoalCard, HeldTier, with_tier
from loyalty_service.domain.goals import Days, Goal, State, Tier, counted, walk


class Awarded(NamedTuple):
    """What a goal gave, less what was taken back: see `GoalAward`."""

    goal_id: str
    period: int
    rounds: int
    tier: str | None
    day: int
    awarded_ms: int


def merged_card(own: GoalCard, other: GoalCard, goals: Mapping[str, Goal]) -> GoalCard:
    """
    Count two members together.

    What counts for one of them counts for both, what was used up for a goal is used up, and both
    keep their tiers. What they reach only together is given with their next order.
    """
    one, two, both = Counts(own.counts), Counts(other.counts), Counts()
    both.last, both.settled = max(one.last, two.last), max(one.settled, two.settled)
    for measure in sorted(one.days.keys() | two.days.keys()):
        total = Counter(_amounts(one, measure))
        total.update(_amounts(two, measure))
        both.days[measure] = _days(total)
    for goal_id in sorted(one.states.keys() | two.states.keys()):
        if goal_id in goals:
            both.settled_states[goal_id] = _together(goals[goal_id], both.settled, one, two)
        else:  # Nothing is counted for it any more.
            known = one if goal_id in one.states else two
            both.states[goal_id] = known.states[goal_id]
            both.settled_states[goal_id] = known.settled_states[goal_id]
    for counts in (one, two):
        for goal_id, told in counts.given.items():
            for period, rounds in told.items():
                _give(both, goal_id, period, rounds)
    _take_up(both, goals)
    card = replace(own, counts=both.text())
    for held in json.loads(other.tiers or "[]"):
        card.tiers = with_tier(card, HeldTier(*held), 0)
    return card


def parted_card(
    before: GoalCard,
    orders: Iterable[str],
    awards: Iterable[Awarded],
    goals: Mapping[str, Goal],
    tiers: Mapping[str, Tier],
    since_ms: int,
) -> GoalCard:
    """
    Count a member alone again: as it stood *before* the merge, with what its *orders* count now.

    It keeps the tiers that it had, and those that *awards* gave it since it was merged.
    """
    counts = Counts(before.counts)
    amounts = {
        measure: Counter(
            {day: n for day, n in _amounts(counts, measure).items() if day <= counts.settled}
        )
        for measure in counts.days
    }
    for told in orders:
        day, of_order = json.loads(told)
        counts.last = max(counts.last, day)
        if day > counts.settled:
            for measure, amount in of_order.items():
                amounts.setdefault(measure, Counter())[day] += amount
    counts.days = {measure: _days(total) for measure, total in amounts.items()}
    counts.given = {}
    card = replace(before)
    for award in awards:
        _give(counts, award.goal_id, award.period, award.rounds)
        tier = tiers.get(award.tier or "")
        if tier is not None and award.awarded_ms >= since_ms:
            held = HeldTier(tier.tier_id, award.day, tier.last_day(award.day))
            card.tiers = with_tier(card, held, 0)
    _take_up(counts, goals)
    card.counts = counts.text()
    return card


def _amounts(counts: Counts, measure: str) -> dict[int, int]:
    days = counts.days.get(measure)
    return {} if days is None else days.amounts


def _days(total: Mapping[int, int]) -> Days:
    told, last = [], 0
    for day in sorted(day for day, amount in total.items() if amount):
        told += [day - last, total[day]]
        last = day
    return Days(told)


def _give(counts: Counts, goal_id: str, period: int, rounds: int) -> None:
    told = counts.given.setdefault(goal_id, {})
    told[period] = told.get(period, 0) + rounds


def _together(goal: Goal, settled: int, *cards: Counts) -> State:
    """Give how far two members have come together by the end of a day that is settled."""
    states = [_state_of(goal, settled, counts) for counts in cards]
    since = max(state.since for state in states)
    carry = sum(
        state.carry
        if state.since == since
        else counted(goal.on(since), state, since, counts.days.get(goal.measure) or Days())
        for state, counts in zip(states, cards, strict=True)
    )
    period = max(state.period for state in states)
    rounds = sum(state.rounds for state in states if state.period == period)
    return State(period, rounds, since, carry, states[0].target)


def _state_of(goal: Goal, settled: int, counts: Counts) -> State:
    """Give how far a member has come; what was ordered before a goal was known counts nothing."""
    state = counts.settled_states.get(goal.goal_id)
    if state is None:
        return State(since=counts.last, target=goal.target)
    days = counts.days.get(goal.measure) or Days()
    for _, after in walk(goal, state, counts.settled + 1, settled, days):
        state = after
    return state


def _take_up(counts: Counts, goals: Mapping[str, Goal]) -> None:
    """Take up all days that are not settled, and forget what was given in periods that are."""
    reached = []
    for goal_id in sorted(counts.settled_states.keys() & goals.keys()):
        goal = goals[goal_id]
        state = before_last = counts.settled_states[goal_id]
        days = counts.days.get(goal.measure) or Days()
        for day, after in walk(goal, state, counts.settled + 1, counts.last, days):
            state = after
            if day < counts.last:
                before_last = after
        counts.states[goal_id] = before_last
        if state != before_last:
            reached.append(goal_id)
        told = counts.given.get(goal_id, {})
        for period in [one for one in told if one > 0]:
            if goal.window.last_day(period) <= counts.settled:
                del told[period]
    counts.reached = reached
