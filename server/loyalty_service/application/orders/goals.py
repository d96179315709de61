"""
What orders count for goals, and what goals give when they are reached and lose when they are not.

An order keeps what it counts for, so that a void takes off as much. A goal gives once for each time
that it is reached, with the order that reaches it. When an order is taken back and a goal was
reached less often without it, what the goal gave last goes as a whole; a tier stays until its end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from loyalty_service.application.aging import follow_tiers
from loyalty_service.application.grants import give_by_terms, take_back
from loyalty_service.application.limits import uncount_points
from loyalty_service.application.orders.earnings import PaidOrder
from loyalty_service.application.orders.goal_amounts import Amounts, amounts_of
from loyalty_service.application.points import earn, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.goal_cards import (
    Counts,
    Due,
    GoalAward,
    GoalCard,
    HeldTier,
    Progress,
    with_tier,
)
from loyalty_service.domain.goals import Goal
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import POINTS_MAX, Owner, OwnerKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.windows import COUNTED_DAYS_MAX, counted_days

GRANTS_MAX = 100
"""Times that one order reaches a goal for which something to use is given."""


@dataclass(frozen=True, slots=True)
class Reached:
    """
    How far goals have come with an order, and what they gave.

    Attributes:
        progress: How far each goal has come that the order counts for.
        given: Points that each gave, by its ID, or below 0 took back.
        tiers: Tiers that goals gave, by the goal's ID.
        incentives: Incentives that goals gave to use, by the goal's ID.
        events: What happened to grants.
    """

    progress: tuple[Progress, ...] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)
    incentives: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def points(self) -> int:
        """Points that all of them gave."""
        return sum(self.given.values())


NOTHING_REACHED = Reached()


def count_order(
    unit: Unit,
    order: PaidOrder,
    transaction: Transaction,
    member: Member,
    points: int,
    now_ms: int,
) -> Reached:
    """Count a claimed order that earned some *points*, and give what goals give for it."""
    program = order.program
    goals = tuple(program.goals.values())
    if not goals or not order.store.loyalty_enabled:
        return NOTHING_REACHED
    day = day_of(order.paid_ms, program.time_zone).toordinal()
    amounts = amounts_of(goals, order, member, points, day)
    if not amounts:
        return NOTHING_REACHED
    counts = Counts(None if member.goal_card is None else member.goal_card.counts)
    if day <= counts.settled:
        return NOTHING_REACHED  # Too late to count.
    unit.change(transaction, counted=json.dumps([day, amounts], separators=(",", ":")))
    awards: list[GoalAward] = []
    events: tuple[Event, ...] = ()
    for due in counts.change(goals, day, amounts):
        missing = due.after - counts.given.get(due.goal.goal_id, {}).get(due.period, 0)
        if missing > 0:
            counts.give(due, missing)
            award, before = _award(unit, order, member, transaction, due, missing, day, now_ms)
            events += _grant(unit, program, member, due.goal, award, before, now_ms)
            awards.append(award)
    counts.settle(goals, counted_days(program))
    _keep(unit, program, member, counts, awards, day)
    return Reached(
        _progress(goals, counts, amounts),
        {award.goal_id: award.points - award.lost_points for award in awards},
        {award.goal_id: award.tier for award in awards if award.tier is not None},
        {award.goal_id: award.incentive_id for award in awards if award.incentive_id is not None},
        events,
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """What a goal gave and is to lose."""

    award: GoalAward
    rounds: int
    points: int


@dataclass(slots=True)
class Recount:
    """
    What is counted without an order, or without a part of it, before anything is written.

    Attributes:
        counts: What is counted then; absent where the order counts for nothing.
        counted: What the order counts for then, to be kept with it.
        measures: What changes.
        losses: What goals gave that goes, the newest first.
    """

    member: Member
    transaction: Transaction
    counts: Counts | None = None
    counted: str | None = None
    measures: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def points(self) -> int:
        """Points that are to be taken back."""
        return sum(loss.points for loss in self.losses)


def recount(
    unit: Unit,
    program: Program,
    transaction: Transaction,
    member: Member,
    left: Amounts | None = None,
) -> Recount:
    """
    Tell what goals lose if an order counts only for what is *left* of it: nothing unless given.

    Nothing is written: see `take_back_given`.
    """
    done = Recount(member, transaction)
    card = None if transaction.counted is None else unit.goal_card(member)
    if transaction.counted is None or card is None:
        return done
    day, amounts = json.loads(transaction.counted)
    counts = Counts(card.counts)
    left = left or {}
    off = {
        measure: left.get(measure, 0) - amount
        for measure, amount in amounts.items()
        if left.get(measure, 0) != amount
    }
    kept = {measure: left[measure] for measure in amounts if left.get(measure)}
    done.counted = json.dumps([day, kept], separators=(",", ":")) if kept else None
    if day <= counts.settled:
        return done
    done.counts = counts
    done.measures = tuple(off)
    losses: list[Loss] = []
    for due in counts.change(_goals_of_then(unit, program, transaction, counts), day, off):
        given = counts.given.get(due.goal.goal_id, {}).get(due.period, 0)
        lost = min(given, due.before - due.after)
        if lost > 0:
            counts.give(due, -lost)
            losses += _losses(unit, transaction, member, due, lost)
    done.losses = tuple(losses)
    return done


def _goals_of_then(
    unit: Unit, program: Program, transaction: Transaction, counts: Counts
) -> tuple[Goal, ...]:
    """Give the goals of now, and those that gave something when an order was paid and are gone."""
    goals = dict(program.goals)
    gone = {name for name, told in counts.given.items() if told and name not in goals}
    version = transaction.program_version
    if gone and version is not None:
        then = unit.program_of(program.program_id, version)
        goals |= {} if then is None else {name: then.goals[name] for name in gone & {*then.goals}}
    return tuple(goals.values())


def take_back_given(unit: Unit, program: Program, done: Recount, now_ms: int) -> Reached:
    """
    Write a recount, and take back what goals lose; tells how far they have come then.

    What is spent becomes a debt: who may not owe is refused before.
    """
    if done.transaction.counted != done.counted:
        unit.change(done.transaction, counted=done.counted)
    if done.counts is None:
        return NOTHING_REACHED
    _keep(unit, program, done.member, done.counts, (), done.counts.last)
    events: tuple[Event, ...] = ()
    for loss in done.losses:
        award = loss.award
        events += _ungrant(unit, done.member, loss, now_ms)
        if loss.points:
            owner = Owner(OwnerKind.GOAL, award.award_id)
            reverse(unit, done.member, owner, now_ms, earned=loss.points, burned=0, may_owe=True)
            uncount_points(unit, done.member, loss.points, award.awarded_ms, now_ms)
        unit.change(
            award,
            lost_rounds=award.lost_rounds + loss.rounds,
            lost_points=award.lost_points + loss.points,
        )
    taken: Counter[str] = Counter()
    for loss in done.losses:
        taken[loss.award.goal_id] -= loss.points
    goals = tuple(program.goals.values())
    return Reached(_progress(goals, done.counts, done.measures), taken, events=events)


def _progress(
    goals: Sequence[Goal], counts: Counts, measures: Collection[str]
) -> tuple[Progress, ...]:
    """Tell how far goals have come that something was counted for."""
    return tuple(
        counts.progress(goal, counts.last)
        for goal in goals
        if goal.measure in measures and goal.on(counts.last).counts
    )


def _award(
    unit: Unit,
    order: PaidOrder,
    member: Member,
    transaction: Transaction,
    due: Due,
    rounds: int,
    day: int,
    now_ms: int,
) -> tuple[GoalAward, int]:
    """
    Give what a goal gives so many times; tell how often the order has reached it before.

    An order reaches one again when it was taken out of what is counted, as `judge_again` does.
    """
    goal = due.goal
    award = unit.award_of(transaction, goal.goal_id) if order.told_late else None
    if award is None:
        award = GoalAward(
            award_id=new_id(now_ms),
            program_id=member.program_id,
            member_number=member.number,
            goal_id=goal.goal_id,
            period=due.period,
            transaction_id=transaction.transaction_id,
            day=day,
            rounds=0,
            points=0,
            tier=goal.tier,
            awarded_ms=now_ms,
        )
        unit.add(award)
    before = award.rounds - award.lost_rounds
    points = 0
    if goal.points:
        owner = Owner(OwnerKind.GOAL, award.award_id)
        most = min(POINTS_MAX, goal.points * rounds)
        points = earn(unit, member, owner, most, now_ms, effective_ms=order.since_ms)
    unit.change(award, rounds=award.rounds + rounds, points=award.points + points)
    return award, before


def _grant(
    unit: Unit,
    program: Program,
    member: Member,
    goal: Goal,
    award: GoalAward,
    before: int,
    now_ms: int,
) -> tuple[Event, ...]:
    """Give what a goal gives a member to use, once for each time that it was reached."""
    terms = program.grants.get(goal.grant or "")
    events: tuple[Event, ...] = ()
    if terms is None:
        return events
    unit.change(award, incentive_id=terms.incentive_id)
    for number in range(before + 1, min(award.rounds - award.lost_rounds, GRANTS_MAX) + 1):
        events += give_by_terms(unit, program, member, terms, _origin(award, number), now_ms)[1]
    return events


def _ungrant(unit: Unit, member: Member, loss: Loss, now_ms: int) -> tuple[Event, ...]:
    """Take back what is not used of what a goal gave the last times."""
    award, events = loss.award, tuple[Event, ...]()
    if award.incentive_id is None:
        return events
    left = award.rounds - award.lost_rounds
    for number in range(min(left, GRANTS_MAX), left - loss.rounds, -1):
        events += take_back(unit, member, award.incentive_id, _origin(award, number), now_ms)
    return events


def _origin(award: GoalAward, number: int) -> str:
    return f"goal/{award.goal_id}/{award.award_id}/{number}"


def _losses(
    unit: Unit, transaction: Transaction, member: Member, due: Due, rounds: int
) -> list[Loss]:
    """Choose what goes of what a goal gave in a period: by this order first, then the newest."""
    awards = [one for one in unit.awards(member, due.goal.goal_id) if one.period == due.period]
    awards.sort(
        key=lambda one: (one.transaction_id == transaction.transaction_id, one.award_id),
        reverse=True,
    )
    losses = []
    for award in awards:
        left = award.rounds - award.lost_rounds
        number = min(rounds, left)
        if number:
            points = (award.points - award.lost_points) * number // left
            losses.append(Loss(award, number, points))
            rounds -= number
    return losses


def _keep(
    unit: Unit,
    program: Program,
    member: Member,
    counts: Counts,
    awards: Sequence[GoalAward],
    day: int,
) -> None:
    """Write a member's card, with the tiers that were given."""
    card = member.goal_card
    if card is None:
        card = GoalCard(member.number, member.program_id, counts.text())
        unit.add(card)
    else:
        unit.change(card, counts=counts.text())
    for award in awards:
        tier = program.tiers.get(award.tier or "")
        if tier is not None:
            last = tier.last_day(day)
            gained = HeldTier(tier.tier_id, day, last)
            unit.change(card, tiers=with_tier(card, gained, counts.last - COUNTED_DAYS_MAX))
    unit.hold_card(member, card)
    if any(award.tier for award in awards):
        follow_tiers(unit, member)
