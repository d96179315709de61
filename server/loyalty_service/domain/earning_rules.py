"""What an operator describes of earning: rates, which money earns, caps and promotions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from loyalty_service.domain.products import NONE, Products
from loyalty_service.domain.restrictions import Rule

ProductType = Literal["combo", "item", "reward", "offer"]
Stack = Literal["best", "add"]


class Rounding(StrEnum):
    """How a fraction of a point is rounded."""

    DOWN = "down"
    NEAREST = "nearest"
    UP = "up"


@dataclass(frozen=True, slots=True)
class Rate:
    """
    A rate of some orders.

    Attributes:
        points_per_unit: Points for one major unit of the currency.
        when: What must hold of the order and its member, as rules of incentives say it.
    """

    points_per_unit: Fraction
    when: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class PaymentRate:
    """
    What money earns that is paid in some ways.

    Attributes:
        types: Types of payment, in upper case.
        points_per_unit: Points for one major unit; absent where the order's rate stays.
        add: Points for one major unit besides.
    """

    types: tuple[str, ...]
    points_per_unit: Fraction | None = None
    add: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Caps:
    """
    Most points that orders earn; None is no limit.

    Attributes:
        per_order: Of one order.
        per_day: Of a member's orders of one day in the store's place.
        balance: What a member may have, with what is held, once the order has earned.
    """

    per_order: int | None = None
    per_day: int | None = None
    balance: int | None = None


@dataclass(frozen=True, slots=True)
class EarningRules:
    """
    What an order earns.

    Attributes:
        points_per_unit: Points for one major unit of the currency, where no row of `rates` fits.
        include_tax: Whether tax earns as well.
        excluded_product_types: Types of line that earn nothing.
        excluded_products: Products that earn nothing, deposits for instance.
        rates: The first that fits is the rate of an order.
        step: Minor units of the currency of which only whole ones earn; absent where all do.
        payments: What the parts of an order earn that are paid in some ways; the first that has
            the type counts.
        minimum_spend: Minor units below which an order earns by no rate.
        stack: Whether each line takes the best multiplier, or all that cover it add up.
        initial_points: What a new member is given.
        cooldown_s: Seconds after an order that earned in which a member's orders earn nothing.
    """

    points_per_unit: Fraction = Fraction(10)
    rounding: Rounding = Rounding.DOWN
    include_tax: bool = False
    excluded_product_types: frozenset[ProductType] = frozenset({"reward"})
    excluded_products: Products = NONE
    rates: tuple[Rate, ...] = ()
    step: int | None = None
    payments: tuple[PaymentRate, ...] = ()
    minimum_spend: int | None = None
    stack: Stack = "best"
    caps: Caps = Caps()
    initial_points: int = 0
    cooldown_s: int | None = None

    @property
    def counts_orders(self) -> bool:
        """Whether it matters what a member's earlier orders earned."""
        return self.caps.per_day is not None or self.cooldown_s is not None


@dataclass(frozen=True, slots=True)
class EarnedAtMost:
    """How often a promotion is earned: in one order, and by one member; None is no limit."""

    per_order: int | None = None
    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    per_year: int | None = None
    per_member: int | None = None

    @property
    def counts_member(self) -> bool:
        """Whether what a member earned before matters."""
        periods = (self.per_day, self.per_week, self.per_month, self.per_year, self.per_member)
        return any(limit is not None for limit in periods)


@dataclass(frozen=True, slots=True)
class Promotion:
    """
    More points for some orders: either a multiplier or a bonus.

    Attributes:
        multiplier: What the rate of what it covers is multiplied by, at least 1.
        bonus: Points for each time that it is earned.
        on: Products that it covers; absent where it covers the whole order.
        rules: What must hold, as rules of incentives say it.
        granted: ID of the incentive of which the member must have a grant, a use of which the order
            takes; absent where it needs none.
        at_most: How often it is earned.
    """

    promotion_id: str
    display_name: str
    multiplier: Fraction | None = None
    bonus: int | None = None
    on: Products | None = None
    rules: tuple[Rule, ...] = ()
    at_most: EarnedAtMost = EarnedAtMost()
    granted: str | None = None


PLAIN_EARNING = EarningRules()
"""Ten points a unit, rounded down, and nothing else."""
