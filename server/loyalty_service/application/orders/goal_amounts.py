"""What an order counts for goals, and what is left of that once some of it came back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property

from loyalty_service.application.orders.earnings import PaidOrder, visit_of
from loyalty_service.domain.basket import Cart
from loyalty_service.domain.goals import Count, Goal
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

Amounts = Mapping[str, int]
"""What an order counts, by measure: see `Goal.measure`."""


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


def amounts_of(
    goals: Sequence[Goal], order: PaidOrder, member: Member, points: int, day: int
) -> Amounts:
    """Tell what an order counts; what is 0 is left out."""
    seen = _Seen(order, member)
    found: dict[str, int] = {}
    for goal in goals:
        if goal.measure not in found and goal.on(day).counts:
            found[goal.measure] = _amount(goal, seen, points)
    return {measure: amount for measure, amount in found.items() if amount}


class _Seen:
    """What is known of an order, looked at as late as can be."""

    def __init__(self, order: PaidOrder, member: Member) -> None:
        self._order, self._member = order, member
        self.cart = order.basket.cart(order.program.earning.excluded_products)

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
    return _amount_in(goal, seen.cart, points)


def _amount_in(goal: Goal, cart: Cart, points: int) -> int:
    if goal.count is Count.VISITS:
        return 1
    if goal.count is Count.POINTS:
        return points
    return cart.subtotal if goal.of is None else max(0, cart.quantity_of(goal.of))
