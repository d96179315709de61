"""
What one reward or offer takes off: how many of which products, how much of each, and up to what.

Amounts are exact until the end: what one use takes off is rounded once, by `round_taken_off`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from loyalty_service.domain.products import Products


class Pick(StrEnum):
    """Which of the products it works on."""

    CHEAPEST = "cheapest"
    GUEST = "guest"
    """The one that the till names, or else the dearest: the guest may have chosen it."""


@dataclass(frozen=True, slots=True)
class MoneyOff:
    """
    What one use of an incentive takes off; all of a price unless a share or an amount is said.

    Attributes:
        on: The products that it works on; absent for the whole order.
        buy: How many of them the guest has to pay for besides.
        quantity: How many of them it works on.
        percentage: Percent of each price.
        amount: In minor units, of each product; of the whole order once.
        up_to: The most that one use takes off, in minor units.
    """

    on: Products | None = None
    pick: Pick = Pick.CHEAPEST
    buy: int = 0
    quantity: int = 1
    percentage: int | None = None
    amount: int | None = None
    up_to: int | None = None

    def off(self, price: Fraction) -> Fraction:
        """Tell what is taken off a price, exactly."""
        if self.percentage is not None:
            return price * self.percentage / 100
        return price if self.amount is None else min(price, Fraction(self.amount))

    def of_one_use(self, off: Fraction) -> int:
        """Tell what one use takes off, with its cap."""
        rounded = round_taken_off(off)
        return rounded if self.up_to is None else min(rounded, self.up_to)


@dataclass(frozen=True, slots=True)
class Priced:
    """So many products of one price, before anything is taken off; it may be no whole number."""

    reference_id: str
    price: Fraction
    count: int


def round_taken_off(off: Fraction) -> int:
    """Round to whole minor units, a half up, in the guest's favour."""
    return int((off * 2 + 1) // 2)


def taken_off_order(rule: MoneyOff, uses: int, total: Fraction) -> int:
    """Tell what so many uses take off a whole order, each as much as the first, and no more."""
    return min(int(total), uses * rule.of_one_use(rule.off(total)))


def taken_off_products(rule: MoneyOff, uses: int, products: Sequence[Priced]) -> int:
    """Tell what so many uses take off products, which are in the order in which they are picked."""
    left = products_taken(rule, uses, sum(one.count for one in products))
    taken = 0
    room, off = rule.quantity, Fraction(0)  # Of the use that is being filled.
    for one in products:
        count = min(one.count, left)
        left -= count
        of_one = rule.off(one.price)
        if room < rule.quantity and count:
            begun = min(room, count)
            room, off, count = room - begun, off + begun * of_one, count - begun
            if not room:
                taken, room, off = taken + rule.of_one_use(off), rule.quantity, Fraction(0)
        whole, rest = divmod(count, rule.quantity)
        taken += whole * rule.of_one_use(rule.quantity * of_one)
        if rest:
            room, off = rule.quantity - rest, rest * of_one
    return taken + rule.of_one_use(off)


def products_taken(rule: MoneyOff, uses: int, count: int) -> int:
    """Tell how many of *count* products so many uses work on; each has its own that are paid."""
    whole = min(uses, count // (rule.buy + rule.quantity))
    taken = whole * rule.quantity
    if whole < uses:
        taken += max(0, count - whole * (rule.buy + rule.quantity) - rule.buy)
    return taken
