"""Promotions that a purchase nearly earns: what of them is missing, and what they would give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from loyalty_service.application.orders.earnings import PaidOrder, times_left, visit_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Cart
from loyalty_service.domain.earning import Earned, Won, earned
from loyalty_service.domain.earning_rules import Promotion
from loyalty_service.domain.promotions import of_earlier_orders, of_members_alone, of_the_order
from loyalty_service.domain.purchases import NEAR_MISSES_MAX, NearMiss
from loyalty_service.domain.records import Member
from loyalty_service.domain.restrictions import CartRequirement, MinimumSpend, Rule
from loyalty_service.domain.rules import holds, quantities_bought
from loyalty_service.domain.visit import Visit

Missing = tuple[int, int, Fraction]
"""What is to be spent, how many are to be bought, and the largest part of either."""


def near_misses(
    unit: Unit, order: PaidOrder, member: Member | None, worth: Earned
) -> tuple[NearMiss, ...]:
    """
    Find promotions of which only a little is missing, the nearest first.

    Without a *member* those are left out that only members earn. One that the purchase earns
    already is not near, and one that a member must have been given is left out.
    """
    program, visit = order.program, visit_of(order, member)
    earned_already = {one.promotion.promotion_id for one in worth.won}
    found = []
    for promotion in program.promotions.values():
        if promotion.promotion_id in earned_already or promotion.granted is not None:
            continue
        if member is None and of_members_alone(promotion):
            continue
        missing = _missing(promotion, visit, program.es.near_miss_within)
        if missing is None or not _would_hold(unit, order, member, promotion, visit):
            continue
        points = _points(order, promotion, worth)
        if points > 0:
            amount, quantity, share = missing
            name = promotion.display_name
            near = NearMiss(
                promotion.promotion_id, name, amount or None, quantity or None, points, share
            )
            found.append(near)
    found.sort(key=lambda one: (one.share, one.promotion_id))
    return tuple(found[:NEAR_MISSES_MAX])


def _missing(promotion: Promotion, visit: Visit, percent: int) -> Missing | None:
    """Tell what a promotion asks for and the purchase lacks; None where that is much or nothing."""
    if visit.cart is None:
        return None
    amount = quantity = 0
    most = Fraction(0)
    for rule in promotion.rules:
        for missing, asked, is_money in _lacks(rule, visit.cart):
            share = Fraction(missing, asked)
            one_more = not is_money and missing == 1 < asked
            if share * 100 > percent and not one_more:
                return None
            most = max(most, share)
            if is_money:
                amount = max(amount, missing)
            else:
                quantity += missing
    return (amount, quantity, most) if most else None


def _lacks(rule: Rule, cart: Cart) -> Iterator[tuple[int, int, bool]]:
    """Give what a rule asks for and is missing, with how much it asks, and whether it is money."""
    if isinstance(rule, MinimumSpend):
        if (missing := rule.amount - cart.spent_as(rule)) > 0:
            yield missing, rule.amount, True
    elif isinstance(rule, CartRequirement):
        for demand, bought in zip(rule.demands, quantities_bought(rule, cart), strict=True):
            if (missing := demand.quantity - bought) > 0:
                yield missing, demand.quantity, False
            if demand.amount is not None:
                missing = demand.amount - cart.spent_on(demand.any_of)
                if missing > 0:
                    yield missing, demand.amount, True


def _would_hold(
    unit: Unit, order: PaidOrder, member: Member | None, promotion: Promotion, visit: Visit
) -> bool:
    """Tell whether a promotion would be earned with what is missing."""
    others = tuple(
        rule
        for rule in of_the_order(promotion)
        if not isinstance(rule, MinimumSpend | CartRequirement)
    )
    if not holds(others, visit):
        return False
    if member is None:
        return True
    if earlier := of_earlier_orders(promotion):
        known = visit.member and replace(
            visit.member, claimed_orders=unit.claimed_orders(member, "")
        )
        if not holds(earlier, replace(visit, member=known)):
            return False
    return times_left(unit, order, member, promotion) > 0


def _points(order: PaidOrder, promotion: Promotion, worth: Earned) -> int:
    """Tell what a promotion gives once what is missing is bought, of what is bought already."""
    if promotion.bonus is not None:
        return promotion.bonus
    program = order.program
    plain, more = (
        earned(
            order.basket,
            program.earning,
            program.currency_digits,
            order.not_held,
            rate=worth.rate,
            won=won,
        )
        for won in (worth.won, (*worth.won, Won(promotion)))
    )
    return more.points - plain.points
