"""How many points an order earns."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from loyalty_service.domain.amounts import TAX_DIGITS
from loyalty_service.domain.basket import Basket, BasketLine
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.program import EarningRules, Rounding, RoundPer
from loyalty_service.domain.worth import GROUPS, count_once


def points_earned(
    basket: Basket,
    rules: EarningRules,
    currency_digits: int,
    not_held: Collection[int] = frozenset(),
) -> int:
    """
    Count the points of an order, from 0 to `POINTS_MAX`.

    Prices are net as reported, so that no discount is subtracted here. What is taken back lowers
    what the rest earns, by as much as it would have earned. The basket is that of `as_catalogued`:
    a till that calls a reward an offer does not make it earn. Lines *not_held*, by their places,
    earn nothing of their own, and make nothing else earn more.
    """
    lines = basket.lines
    # A program whose combos earn nothing has them earn by their parts.
    groups = GROUPS - ({"combo"} & rules.excluded_product_types)
    count = partial(
        count_once,
        lines,
        excluded=[index in not_held or _excluded(line, rules) for index, line in enumerate(lines)],
        groups=[line.product_type in groups for line in lines],
    )
    prices = count([line.amount for line in lines])
    amounts = prices.amounts
    units = 10**currency_digits
    if rules.include_tax:
        finer = 10 ** max(0, TAX_DIGITS - currency_digits)
        taxes = count([int(line.taxed * finer) for line in lines], like=prices).amounts
        amounts = [amount * finer + tax for amount, tax in zip(amounts, taxes, strict=True)]
        units *= finer
    if rules.round_per is RoundPer.ORDER:
        amounts = [sum(amounts)]
    points, per_points = rules.points_per_unit.as_integer_ratio()
    units *= per_points
    # Rounded alike on both sides of 0: a line and the same one taken back earn nothing together.
    earned = sum(
        _divided(amount * points, units, rules.rounding)
        if amount >= 0
        else -_divided(-amount * points, units, rules.rounding)
        for amount in amounts
    )
    return min(max(0, earned), POINTS_MAX)


def _divided(dividend: int, divisor: int, rounding: Rounding) -> int:
    """Divide to a whole number; a half is nearest to the next one up."""
    if rounding is Rounding.UP:
        return -(-dividend // divisor)
    if rounding is Rounding.NEAREST:
        return (2 * dividend + divisor) // (2 * divisor)
    return dividend // divisor


def _excluded(line: BasketLine, rules: EarningRules) -> bool:
    return line.product_type in rules.excluded_product_types or line.plu in rules.excluded_products
