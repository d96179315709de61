"""Which rate and which promotions an order has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from fractions import Fraction

from loyalty_service.domain.basket import Cart
from loyalty_service.domain.earning_rules import EarnedAtMost, EarningRules, Promotion
from loyalty_service.domain.periods import EVER, limited_spans
from loyalty_service.domain.restrictions import CartRequirement, Rule
from loyalty_service.domain.rules import MEMBER_RULES, ORDER_RULES, demands_met, holds
from loyalty_service.domain.visit import Visit

COUNTED_AS = "earning/"
"""How names begin that what a member earned is counted by, beside the uses of incentives."""

POINTS_OF_DAYS = f"{COUNTED_AS}points"
"""What the points are counted by that a member earned with orders."""

RECEIPTS = f"{COUNTED_AS}receipts"
"""What the receipts are counted by that a member claimed."""


def counted_as(promotion: Promotion) -> str:
    """Give the name that a promotion is counted by."""
    return counted_by_id(promotion.promotion_id)


def counted_by_id(promotion_id: str) -> str:
    """Give the same by its ID."""
    return f"{COUNTED_AS}promotion/{promotion_id}"


def asks_about_member(rules: tuple[Rule, ...]) -> bool:
    """Tell whether rules can't be judged while nobody is known."""
    return any(isinstance(rule, MEMBER_RULES) for rule in rules)


def asks_about_past(rules: EarningRules, promotions: Iterable[Promotion]) -> bool:
    """Tell whether what an order earns may depend on what its member's others have earned."""
    return (
        rules.counts_orders
        or rules.caps.balance is not None
        or any(one.at_most.counts_member or of_earlier_orders(one) for one in promotions)
    )


def of_earlier_orders(promotion: Promotion) -> tuple[Rule, ...]:
    """Give the rules of a promotion that ask how many orders the member has claimed."""
    return tuple(rule for rule in promotion.rules if isinstance(rule, ORDER_RULES))


def of_the_order(promotion: Promotion) -> tuple[Rule, ...]:
    """Give the rules of a promotion that ask nothing about earlier orders."""
    return tuple(rule for rule in promotion.rules if not isinstance(rule, ORDER_RULES))


def of_members_alone(promotion: Promotion) -> bool:
    """Tell whether nobody earns a promotion without being known."""
    return (
        promotion.granted is not None
        or asks_about_member(promotion.rules)
        or promotion.at_most.counts_member
    )


def reaches(
    promotion: Promotion, products: Collection[tuple[str, str | None]], plus: Collection[str]
) -> bool:
    """
    Tell whether an order has anything at all of what a promotion is on and asks for.

    *products* are its PLUs with their categories, *plus* the PLUs alone.
    """
    asked = [] if promotion.on is None else [promotion.on]
    for rule in promotion.rules:
        if isinstance(rule, CartRequirement):
            asked += [demand.any_of for demand in rule.demands]
    return all(
        not some.listed.isdisjoint(plus)
        or (not some.only_listed and any(some.has(*product) for product in products))
        for some in asked
    )


def rate_of(rules: EarningRules, visit: Visit) -> Fraction:
    """Find the rate of an order: that of the first row which fits, or else the program's own."""
    for row in rules.rates:
        known = visit.member is not None or not asks_about_member(row.when)
        if known and holds(row.when, visit):
            return row.points_per_unit
    return rules.points_per_unit


def times_met(promotion: Promotion, cart: Cart) -> int:
    """
    Tell how often an order meets what a promotion asks for; a multiplier counts once.

    A bonus counts for each of the products that it is on, and for each time that the order has
    what it asks for, whichever is less often.
    """
    if promotion.bonus is None:
        return 1
    times = [] if promotion.on is None else [cart.quantity_of(promotion.on)]
    for rule in promotion.rules:
        if isinstance(rule, CartRequirement):
            times += demands_met(rule, cart)
    met = max(0, min(times, default=1))
    return met if promotion.at_most.per_order is None else min(met, promotion.at_most.per_order)


def periods(at_most: EarnedAtMost, day: date) -> Iterator[tuple[int, date, date]]:
    """Give each limit of a member's own with the days in which it counts, both ends included."""
    for _, limit, start, end in limited_spans(at_most, day):
        yield limit, start, end
    if at_most.per_member is not None:
        yield at_most.per_member, *EVER
