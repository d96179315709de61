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
from functools import cached_property

from loyalty_service.application.limits import uncount_points
from loyalty_service.application.orders.earnings import PaidOrder, visit_of
from loyalty_service.application.points import earn, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Cart
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
from loyalty_service.domain.goals import Count, Goal
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import POINTS_MAX, Owner, OwnerKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.restrictions import (
    CartExclusion,
    CartRequirement,
    MinimumSpend,
    Rule,
)
from loyalty_service.domain.rules import demands_met, holds
from loyalty_service.domain.visit import Visit

COUNTED_DAYS_MAX = 400
"""Days in which what was counted may change: later voids are not counted any more."""

Amounts = Mapping[str, int]
"""What an order counts, by measure: see `Goal.measure`."""


@dataclass(frozen=True, slots=True)
class Reached:
    """
    How far goals have come with an order, and what they gave.

    Attributes:
        progress: How far each goal has come that the order counts for.
        given: Points that each gave, by its ID, or below 0 took back.
        tiers: Tiers that goals gave, by the goal's ID.
    """

    progress: tuple[Progress, ...] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)

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
    amounts = _amounts(goals, order, member, points, day)
    if not amounts:
        return NOTHING_REACHED
    counts = Counts(None if member.goal_card is None else member.goal_card.counts)
    if day <= counts.settled:
        return NOTHING_REACHED  # Too late to count.
    unit.change(transaction, counted=json.dumps([day, amounts], separators=(",", ":")))
    awards = []
    for due in counts.change(goals, day, amounts):
        missing = due.after - counts.given.get(due.goal.goal_id, {}).get(due.period, 0)
        if missing > 0:
            counts.give(due, missing)
            awards.append(_award(unit, member, transaction, due, missing, day, now_ms))
    counts.settle(goals, _kept_days(program))
    _keep(unit, program, member, counts, awards, day)
    return Reached(
        _progress(goals, counts, amounts),
        {award.goal_id: award.points for award in awards},
        {award.goal_id: award.tier for award in awards if award.tier is not None},
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
    if transaction.counted is None or member.goal_card is None:
        return done
    day, amounts = json.loads(transaction.counted)
    counts = Counts(member.goal_card.counts)
    left = left or {}
    off = {
        measure: left.get(measure, 0) - amount
        for measure, amount in amounts.items()
        if left.get(measure, 0) != amount
    }
    if day <= counts.settled:
        return done
    done.counts = counts
    kept = {measure: left[measure] for measure in amounts if left.get(measure)}
    done.counted = json.dumps([day, kept], separators=(",", ":")) if kept else None
    done.measures = tuple(off)
    losses: list[Loss] = []
    for due in counts.change(tuple(program.goals.values()), day, off):
        given = counts.given.get(due.goal.goal_id, {}).get(due.period, 0)
        lost = min(given, due.before - due.after)
        if lost > 0:
            counts.give(due, -lost)
            losses += _losses(unit, transaction, member, due, lost)
    done.losses = tuple(losses)
    return done


def take_back_given(unit: Unit, program: Program, done: Recount, now_ms: int) -> Reached:
    """
    Write a recount, and take back what goals lose; tells how far they have come then.

    What is spent becomes a debt: who may not owe is refused before.
    """
    if done.counts is None:
        return NOTHING_REACHED
    unit.change(done.transaction, counted=done.counted)
    _keep(unit, program, done.member, done.counts, (), done.counts.last)
    for loss in done.losses:
        award = loss.award
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
    return Reached(_progress(goals, done.counts, done.measures), taken)


def _progress(
    goals: Sequence[Goal], counts: Counts, measures: Collection[str]
) -> tuple[Progress, ...]:
    """Tell how far goals have come that something was counted for."""
    return tuple(
        counts.progress(goal, counts.last)
        for goal in goals
        if goal.measure in measures and goal.counts_on(counts.last)
    )


def amounts_left(program: Program, transaction: Transaction, cart: Cart, points: int) -> Amounts:
    """
    Tell what is left of what an order counts once some of it came back, and it earns *points*.

    What rules ask of anything else than the *cart* that is left held when it was claimed.
    """
    if transaction.counted is None:
        return {}
    counted: Amounts = json.loads(transaction.counted)[1]
    left: dict[str, int] = {}
    for goal in program.goals.values():
        if goal.measure in counted and goal.measure not in left:
            fits = all(_still_holds(rule, cart) for rule in goal.rules)
            amount = _amount_in(goal, cart, points) if fits else 0
            left[goal.measure] = min(counted[goal.measure], amount)
    return {measure: left.get(measure, amount) for measure, amount in counted.items()}


def _still_holds(rule: Rule, cart: Cart) -> bool:
    """Tell whether a rule holds for what is left of an order, as far as it asks for that."""
    if isinstance(rule, MinimumSpend):
        return cart.spent_as(rule) >= rule.amount
    if isinstance(rule, CartRequirement):
        return all(demands_met(rule, cart))
    return not isinstance(rule, CartExclusion) or cart.first_of(rule.products) is None


def _amounts(
    goals: Sequence[Goal], order: PaidOrder, member: Member, points: int, day: int
) -> Amounts:
    """Tell what an order counts; what is 0 is left out."""
    seen = _Seen(order, member)
    found: dict[str, int] = {}
    for goal in goals:
        if goal.measure not in found and goal.counts_on(day):
            found[goal.measure] = _amount(goal, seen, points)
    return {measure: amount for measure, amount in found.items() if amount}


class _Seen:
    """What is known of an order, looked at as late as can be."""

    def __init__(self, order: PaidOrder, member: Member) -> None:
        self._order, self._member = order, member

    @cached_property
    def outside(self) -> Visit:
        """All but what it buys."""
        return visit_of(self._order, self._member, basket=False)

    @cached_property
    def whole(self) -> Visit:
        """All of it."""
        return visit_of(self._order, self._member)

    def fits(self, goal: Goal) -> bool:
        """Tell whether the rules of a goal hold; most orders fail by what is known at once."""
        rules = goal.rules
        return not rules or (holds(rules, self.outside) and holds(rules, self.whole))


def _amount(goal: Goal, seen: _Seen, points: int) -> int:
    if not seen.fits(goal):
        return 0
    cart = seen.whole.cart if goal.count in {Count.SPEND, Count.ITEMS} else None
    return _amount_in(goal, cart, points)


def _amount_in(goal: Goal, cart: Cart | None, points: int) -> int:
    if goal.count is Count.VISITS:
        return 1
    if goal.count is Count.POINTS:
        return points
    if cart is None:
        return 0
    return cart.subtotal if goal.of is None else max(0, cart.quantity_of(goal.of))


def _award(
    unit: Unit,
    member: Member,
    transaction: Transaction,
    due: Due,
    rounds: int,
    day: int,
    now_ms: int,
) -> GoalAward:
    """Give what a goal gives so many times."""
    goal = due.goal
    award = GoalAward(
        award_id=new_id(now_ms),
        program_id=member.program_id,
        member_number=member.number,
        goal_id=goal.goal_id,
        period=due.period,
        transaction_id=transaction.transaction_id,
        day=day,
        rounds=rounds,
        points=0,
        tier=goal.tier,
        awarded_ms=now_ms,
    )
    if goal.points:
        owner = Owner(OwnerKind.GOAL, award.award_id)
        award.points = earn(unit, member, owner, min(POINTS_MAX, goal.points * rounds), now_ms)
    unit.add(award)
    return award


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


def _kept_days(program: Program) -> int:
    return min(COUNTED_DAYS_MAX, max(program.void_days, program.receipt_days))
