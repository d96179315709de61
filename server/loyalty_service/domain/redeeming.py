"""What points are worth as money, and how many of them one redemption may take."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.domain.program import RedemptionRules


def worth(rules: RedemptionRules, points: int) -> int:
    """Tell what points are worth, in minor units of the currency, rounded down."""
    return points * rules.increment_amount // rules.increment_points


def most_redeemable(rules: RedemptionRules, available: int) -> int:
    """Tell the most points that one redemption may take of those available; 0 where none may."""
    step = rules.increment_points
    most = min(rules.max_points, available) // step * step
    return most if most >= rules.min_points else 0


def is_redeemable(rules: RedemptionRules, points: int, available: int) -> bool:
    """Tell whether one redemption may take so many of the points available."""
    within = rules.min_points <= points <= most_redeemable(rules, available)
    return points > 0 and within and points % rules.increment_points == 0


@dataclass(frozen=True, slots=True)
class Balance:
    """
    What a member has, and what one redemption may take.

    Attributes:
        points: All points, those that are held or wait to be confirmed included.
        available: Those that can be spent.
        least, most: Fewest and most points of one redemption; 0 where none is possible.
    """

    points: int
    available: int
    least: int = 0
    most: int = 0


NO_BALANCE = Balance(0, 0)
"""That of a shopper without a loyalty ID."""


def balance_of(
    rules: RedemptionRules | None, points: int, available: int, *, may_redeem: bool
) -> Balance:
    """Tell a member's balance by the rules of the program."""
    most = most_redeemable(rules, available) if rules is not None and may_redeem else 0
    least = rules.min_points if rules is not None and most else 0
    return Balance(points, available, least, most)
