"""How many points an order earns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from server.domain.basket import Basket, BasketLine
from server.domain.ledger import POINTS_MAX
from server.domain.program import EarningRules, Rounding, RoundPer


def points_earned(basket: Basket, rules: EarningRules, currency_digits: int) -> int:
    """
    Count the points of an order, at most `POINTS_MAX`.

    Prices are net as reported, so that no discount is subtracted here.
    """
    amounts: Iterator[int] = (
        _amount(line, rules) for line in basket.lines if not _excluded(line, rules)
    )
    if rules.round_per is RoundPer.ORDER:
        amounts = iter((sum(amounts),))
    rate = rules.points_per_unit / 10**currency_digits
    return min(sum(rounded(amount * rate, rules.rounding) for amount in amounts), POINTS_MAX)


def rounded(points: Fraction, rounding: Rounding) -> int:
    """Round to whole points; a half is nearest to the next one up."""
    if rounding is Rounding.UP:
        return math.ceil(points)
    if rounding is Rounding.NEAREST:
        return math.floor(points + Fraction(1, 2))
    return math.floor(points)


def _amount(line: BasketLine, rules: EarningRules) -> int:
    tax = line.tax if rules.include_tax else 0
    return (line.price or 0) * line.quantity + tax


def _excluded(line: BasketLine, rules: EarningRules) -> bool:
    return (
        line.product_type in rules.excluded_product_types
        or line.product_id in rules.excluded_products
    )
