"""
What is counted of a member for goals: by day, how far each goal has come, and what it has given.

A card takes up orders day by day, so that a claim costs a step for each goal. An order of a day
that is past, or one that is taken back, has the days since then taken up again, from the day up to
which a card is settled. What is older is never counted again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from loyalty_service.domain.goals import (
    LAST_DAY,
    Again,
    Days,
    Goal,
    State,
    Tier,
    advance,
    base_tier,
    counted,
    until,
    walk,
)

_json = json.JSONEncoder(separators=(",", ":")).encode

_NO_DAYS = Days()

SETTLED_DAYS = 31
"""Days that may be settled before a card is written without them."""


@dataclass(slots=True)
class GoalCard:
    """
    A member's card, as it is kept.

    Attributes:
        counts: As `Counts.text` writes it.
        tiers: JSON list of `[tier_id, first_day, last_day]`; absent where there are none.
    """

    member_number: int
    program_id: str
    counts: str
    tiers: str | None = None


@dataclass(slots=True)
class GoalAward:
    """
    What a goal gave when an order reached it.

    Attributes:
        period: Period that its rounds count in: see `Goal.period`.
        day: Day of the order, as an ordinal.
        rounds: How often the order reached the goal.
        points: Points that were given.
        tier: The tier that was given; absent where none was.
        incentive_id: The incentive that was given for each time; absent where none was.
        lost_rounds: Those that were taken back.
        lost_points: Points that were taken back.
    """

    award_id: str
    program_id: str
    member_number: int
    goal_id: str
    period: int
    transaction_id: str
    day: int
    rounds: int
    points: int
    tier: str | None
    awarded_ms: int
    lost_rounds: int = 0
    lost_points: int = 0
    incentive_id: str | None = None


class HeldTier(NamedTuple):
    """A tier that a member has from one day to another, both included, as ordinals."""

    tier_id: str
    first_day: int
    last_day: int


def tier_on(held: Iterable[HeldTier], day: int) -> HeldTier | None:
    """Give the best tier of a day; they come best first."""
    return next((one for one in held if one.first_day <= day <= one.last_day), None)


def tier_id_on(held: Iterable[HeldTier], day: date) -> str | None:
    """Name the best tier of a day; None for no tier."""
    tier = tier_on(held, day.toordinal())
    return None if tier is None else tier.tier_id


def tiers_of(
    card: GoalCard | None, tiers: Mapping[str, Tier], goals: Mapping[str, Goal]
) -> tuple[HeldTier, ...]:
    """Give the tiers of a member, the best first; without a card, nothing was counted yet."""
    return tiers_told(None if card is None else card.tiers, tiers, goals)


def tiers_told(
    told: str | None, tiers: Mapping[str, Tier], goals: Mapping[str, Goal]
) -> tuple[HeldTier, ...]:
    """Give the same by what is written on a card: see `GoalCard.tiers`."""
    if not tiers:
        return ()
    base, order = base_tier(tiers, goals), {tier_id: place for place, tier_id in enumerate(tiers)}
    known = json.loads(told) if told else ()
    held = [HeldTier(*one) for one in known if one[0] in order]
    held.sort(key=lambda one: order[one.tier_id], reverse=True)
    return tuple(held) if base is None else (*held, HeldTier(base, 0, LAST_DAY))


def with_tier(card: GoalCard, gained: HeldTier, over: int) -> str:
    """Add a tier to those of a card, one with the same if they meet; those that were *over* go."""
    apart = []
    for one in (HeldTier(*told) for told in json.loads(card.tiers or "[]")):
        meets = one.first_day <= gained.last_day + 1 and one.last_day >= gained.first_day - 1
        if one.tier_id == gained.tier_id and meets:
            first, last = min(one.first_day, gained.first_day), max(one.last_day, gained.last_day)
            gained = HeldTier(gained.tier_id, first, last)
        elif one.last_day >= over:
            apart.append(one)
    return _json([*apart, gained])


class Due(NamedTuple):
    """How often a goal was reached in a period, before something changed and after."""

    goal: Goal
    period: int
    before: int
    after: int


class Progress(NamedTuple):
    """
    How far a goal has come.

    Attributes:
        counts: What counts, at most the target: all of it where nothing more has to.
        until: The last day on which it does, as an ordinal; `LAST_DAY` where it always does.
        rounds: How often it has given something that was not taken back.
    """

    goal: Goal
    counts: int
    until: int
    rounds: int


class Counts:
    """
    What a card says.

    Attributes:
        days: What was added up, by measure.
        last: The latest day that has been taken up.
        settled: The day up to which nothing is counted again.
        states: How far each goal has come, by ID, before the day *last*.
        settled_states: The same at the end of the day *settled*.
        reached: Goals that were reached on the day *last*.
        given: How often each goal has given something, by its ID and period.
    """

    def __init__(self, text: str | None = None) -> None:
        head, *lines = text.split("\n") if text else ("{}",)
        document: dict[str, Any] = json.loads(head)
        # A card of an earlier version has its days in the document.
        self.days = {name: Days(told) for name, told in document.get("d", {}).items()}
        for line in lines:
            told, name = line.split(" ", 1)
            self.days[name] = Days(told)
        self.last: int = document.get("l", 0)
        self.settled: int = document.get("s", 0)
        self.states = {name: State(*told) for name, told in document.get("n", {}).items()}
        changed = {name: State(*told) for name, told in document.get("b", {}).items()}
        self.settled_states = self.states | changed
        self.reached: list[str] = document.get("r", [])
        self.given: dict[str, dict[int, int]] = {
            name: {period: rounds for period, rounds in told}  # noqa: C416 - pairs of JSON.
            for name, told in document.get("g", {}).items()
        }

    def text(self) -> str:
        """
        Write it down: a JSON document, and a line for each measure.

        In the document the long lines would be looked through character by character.
        """
        earlier = {
            name: state
            for name, state in self.settled_states.items()
            if state != self.states.get(name)
        }
        document = {
            "l": self.last,
            "s": self.settled,
            "n": self.states,
            "b": earlier,
            "r": self.reached,
            "g": {name: [*told.items()] for name, told in self.given.items()},
        }
        head = _json({key: value for key, value in document.items() if value})
        return "\n".join((head, *(f"{days.told()} {name}" for name, days in self.days.items())))

    def change(
        self, goals: Sequence[Goal], day: int, amounts: Mapping[str, int]
    ) -> tuple[Due, ...]:
        """
        Add to what is counted on a day, or take off; tell how often goals were and are reached.

        A day that is settled is not counted any more.
        """
        if day <= self.settled or not amounts:
            return ()
        touched = [goal for goal in goals if goal.measure in amounts]
        for goal in goals:
            if goal.goal_id not in self.states:
                self._begin_to_count(goal, day)
        if day > self.last:
            self._begin(goals, day)
        change = self._change_past if day < self.last else self._change_last
        found = change(touched, day, amounts)
        # What was given in periods that are over is forgotten: nothing is given for them again.
        return tuple(due for due in found if not _is_over(due.goal, due.period, self.settled))

    def _change_last(
        self, goals: Sequence[Goal], day: int, amounts: Mapping[str, int]
    ) -> Iterable[Due]:
        before = [self.now(goal) for goal in goals]
        self._add(day, amounts)
        reached = {*self.reached} - {goal.goal_id for goal in goals}
        found = []
        for goal, old in zip(goals, before, strict=True):
            earlier = self.states[goal.goal_id]
            new = advance(goal, earlier, day, self.days[goal.measure])
            if new != earlier:
                reached.add(goal.goal_id)
            rounds = old.rounds if old.period == new.period else 0
            if rounds or new.rounds:
                found.append(Due(goal, new.period, rounds, new.rounds))
        self.reached = sorted(reached)
        return found

    def now(self, goal: Goal) -> State:
        """Tell how far a goal has come by the end of the day *last*: few were reached on it."""
        state = self.states[goal.goal_id]
        if goal.goal_id not in self.reached:
            return state
        return advance(goal, state, self.last, self.days.get(goal.measure) or _NO_DAYS)

    def progress(self, goal: Goal, day: int) -> Progress:
        """Tell how far a goal has come on a day from the day *last* on."""
        on, days = goal.on(day), self.days.get(goal.measure) or _NO_DAYS
        state = self.now(goal) if goal.goal_id in self.states else State(since=day)
        given = self.given.get(goal.goal_id)
        counts = goal.target
        if goal.again is Again.ALWAYS or state.period != on.period or not state.rounds:
            counts = min(counts, max(0, counted(on, state, day, days)))
        rounds = sum(given.values()) if given else 0
        return Progress(goal, counts, until(goal, state, day, days), rounds)

    def give(self, due: Due, rounds: int) -> None:
        """Count that a goal has given something, or below zero that it was taken back."""
        told = self.given.setdefault(due.goal.goal_id, {})
        told[due.period] = told.get(due.period, 0) + rounds
        if not told[due.period]:
            del told[due.period]

    def settle(self, goals: Iterable[Goal], kept_days: int) -> None:
        """Forget the days that are older than *kept_days* and count for nothing any more."""
        settled = self.last - kept_days
        if settled - self.settled <= SETTLED_DAYS:
            return
        first_days: dict[str, int] = {}
        for goal in goals:
            if goal.goal_id not in self.settled_states:
                continue
            days = self.days.get(goal.measure) or _NO_DAYS
            state = self.settled_states[goal.goal_id]
            for _, after in walk(goal, state, self.settled + 1, settled, days):
                state = after
            first = goal.on(settled + 1).first_day
            if goal.window.first_day(settled + 1) == 0:
                state = _collapsed(goal, state, settled, days)
                self.states[goal.goal_id] = _collapsed(
                    goal, self.states[goal.goal_id], settled, days
                )
                first = settled + 1
            self.settled_states[goal.goal_id] = state
            first_days[goal.measure] = min(first, first_days.get(goal.measure, first))
            told = self.given.get(goal.goal_id, {})
            for period in [one for one in told if _is_over(goal, one, settled)]:
                del told[period]
        for measure, days in self.days.items():
            days.forget(first_days.get(measure, settled + 1))
        self.settled = settled

    def _begin_to_count(self, goal: Goal, day: int) -> None:
        """
        Begin to count for a goal that is new: what was counted before does not count.

        On a new card nothing was: what comes late counts there. Each order makes all goals known,
        whatever it counts for: one that is known later was described later.
        """
        rounds = self.given.get(goal.goal_id, {}).get(0, 0)
        since = day - 1 if self.last else 0
        self.states[goal.goal_id] = State(0, rounds, since, 0, goal.target)
        self.settled_states[goal.goal_id] = self.states[goal.goal_id]

    def _begin(self, goals: Iterable[Goal], day: int) -> None:
        """Take up the day *last* for good, and begin another one."""
        for goal in goals:
            state = self.states.get(goal.goal_id)
            if state is None:
                continue
            if goal.goal_id in self.reached:
                state = self.states[goal.goal_id] = self.now(goal)
            if state.target != goal.target:
                # What was used up by another target is not counted again by this one.
                state = state._replace(target=goal.target)
                self.states[goal.goal_id] = self.settled_states[goal.goal_id] = state
        self.reached = []
        self.last = day

    def _add(self, day: int, amounts: Mapping[str, int]) -> None:
        for measure, amount in amounts.items():
            self.days.setdefault(measure, Days()).add(day, amount)

    def _change_past(
        self, goals: Sequence[Goal], day: int, amounts: Mapping[str, int]
    ) -> Iterable[Due]:
        before = {goal.goal_id: self._again(goal)[0] for goal in goals}
        self._add(day, amounts)
        found = []
        for goal in goals:
            old, (new, state, reached) = before[goal.goal_id], self._again(goal)
            self.states[goal.goal_id] = state
            self.reached = sorted({*self.reached} - {goal.goal_id} | reached)
            found += [
                Due(goal, period, old.get(period, 0), new.get(period, 0))
                for period in sorted(old.keys() | new.keys())
            ]
        return found

    def _again(self, goal: Goal) -> tuple[dict[int, int], State, set[str]]:
        """Take up all days again: rounds by period, and the state before the day *last*."""
        days = self.days.get(goal.measure) or _NO_DAYS
        first = state = before_last = self.settled_states[goal.goal_id]
        rounds = {state.period: state.rounds}
        for day, after in walk(goal, first, self.settled + 1, self.last, days):
            state = after
            rounds[state.period] = state.rounds
            if day < self.last:
                before_last = state
        return rounds, before_last, {goal.goal_id} if state != before_last else set()


def _is_over(goal: Goal, period: int, settled: int) -> bool:
    """Tell whether a period of the calendar is settled as a whole."""
    return period > 0 and goal.window.last_day(period) <= settled


def _collapsed(goal: Goal, state: State, day: int, days: Days) -> State:
    """Have what counts for ever by a day in one sum, so that its days need not be kept."""
    if state.since >= day:
        return state
    return state._replace(since=day, carry=counted(goal.on(day), state, day, days))


def progress_of(goals: Iterable[Goal], card: GoalCard | None, today: int) -> tuple[Progress, ...]:
    """Tell how far a member has come with each of some goals that counts today."""
    counts = Counts(None if card is None else card.counts)
    day = max(today, counts.last)
    return tuple(counts.progress(goal, day) for goal in goals if goal.on(today).counts)
