"""How many points an order earns."""

from __future__ import annotations

from server.domain.basket import Basket, BasketLine
from server.domain.ledger import POINTS_MAX
from server.domain.program import EarningRules, Rounding, RoundPer


def points_earned(basket: Basket, rules: EarningRules, currency_digits: int) -> int:
    """
    Count the points of an order, at most `POINTS_MAX`.

    Prices are net as reported, so that no discount is subtracted here. The basket is that of
    `as_catalogued`: a till that calls a reward an offer does not make it earn.
    """
    amounts = [_amount(line, rules) for line in basket.lines if not _excluded(line, rules)]
    if rules.round_per is RoundPer.ORDER:
        amounts = [sum(amounts)]
    points, units = rules.points_per_unit.as_integer_ratio()
    units *= 10**currency_digits
    return min(
        sum(_divided(amount * points, units, rules.rounding) for amount in amounts), POINTS_MAX
    )


def _divided(dividend: int, divisor: int, rounding: Rounding) -> int:
    """Divide to a whole number; a half is nearest to the next one up."""
    if rounding is Rounding.UP:
        return -(-dividend // divisor)
    if rounding is Rounding.NEAREST:
        return (2 * dividend + divisor) // (2 * divisor)
    return dividend // divisor


def _amount(line: BasketLine, rules: EarningRules) -> int:
    tax = line.tax if rules.include_tax else 0
    return (line.price or 0) * line.quantity + tax


def _excluded(line: BasketLine, rules: EarningRules) -> bool:
    return (
        line.product_type in rules.excluded_product_types
        or line.product_id in rules.excluded_products
    )
