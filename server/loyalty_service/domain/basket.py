"""The basket a till reports, in whole minor units, and what rules count of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from loyalty_service.domain.program import IncentiveKind, ProductType
from loyalty_service.domain.worth import GROUPS, count_once

INCENTIVE_TYPES = frozenset({"reward", "offer"})
"""Types of line that use an incentive; others sell a product."""


@dataclass(frozen=True, slots=True)
class BasketLine:
    """
    One line of an order.

    Attributes:
        reference_id: Name of the line within the order.
        product_id: PLU.
        quantity: How many; below 1 where nothing is sold or something is taken back.
        price: Net price of one in minor units, discounts taken off; absent when not told.
        tax: Tax on the whole line in minor units, to `TAX_DIGITS` digits of the major unit.
        parent_reference_id: The line of the combo that this one is a part of.
        incentive_id: Incentive behind a reward or offer line.
        loyalty_engine_id: The same by its name in the loyalty engine.
    """

    reference_id: str
    product_id: str
    product_type: ProductType
    quantity: int
    price: int | None = None
    tax: int | Decimal = 0
    parent_reference_id: str | None = None
    incentive_id: str | None = None
    loyalty_engine_id: str | None = None
    name: str | None = None

    @property
    def plu(self) -> str:
        """The PLU as PLUs are compared: tills with fields of a fixed width fill it up."""
        return self.product_id.strip()

    @property
    def taken_back(self) -> bool:
        """Whether the line gives back rather than sells: one of its numbers is below 0."""
        return self.quantity < 0 or (self.price or 0) < 0

    @property
    def count(self) -> int:
        """How many are sold; below 0 where they are taken back."""
        return -abs(self.quantity) if self.taken_back else self.quantity

    @property
    def amount(self) -> int:
        """Price of all in minor units; below 0 where they are taken back."""
        amount = abs((self.price or 0) * self.quantity)
        return -amount if self.taken_back else amount

    @property
    def taxed(self) -> Decimal:
        """Tax on what is sold, in minor units; below 0 where it is taken back."""
        tax = Decimal(self.tax if self.quantity else 0)
        return -abs(tax) if self.taken_back else tax


@dataclass(frozen=True, slots=True)
class Payment:
    """
    A payment.

    Attributes:
        type: An open word in upper case.
        amount: In minor units; below 0 where money is given back, as change is.
    """

    type: str
    amount: int


@dataclass(frozen=True, slots=True)
class AppliedDiscount:
    """A discount the till took off already. *kind* is the wire's `details.type`."""

    incentive_id: str | None
    engine_id: str | None
    product_id: str
    kind: IncentiveKind = "offer"

    @property
    def plu(self) -> str:
        """The PLU as PLUs are compared."""
        return self.product_id.strip()


@dataclass(frozen=True, slots=True)
class Basket:
    """The whole order: every report replaces the one before."""

    lines: tuple[BasketLine, ...]
    payments: tuple[Payment, ...]
    applied_discounts: tuple[AppliedDiscount, ...]
    currency: str


@dataclass(frozen=True, slots=True)
class Cart:
    """
    A basket as rules look at it, counted once however many rules there are.

    Attributes:
        bought: How many of each PLU the order buys, rewards and offers left out.
        reported: Every PLU of lines and discounts, in order of appearance; what was taken back
            as often as it was sold is not in the order.
        reported_set: The same as a set.
        paid: Types of its payments, in order of appearance; what is only given back is none.
        subtotal: Sum of all lines in minor units, without tax and products that do not count.
    """

    bought: Mapping[str, int]
    reported: tuple[str, ...]
    reported_set: frozenset[str]
    paid: tuple[str, ...]
    subtotal: int

    @classmethod
    def of(cls, basket: Basket, excluded_products: Collection[str] = ()) -> Cart:
        """Count a basket; what is spent on *excluded_products* does not count."""
        bought: Counter[str] = Counter()
        sold: Counter[str] = Counter()
        for line in basket.lines:
            if line.product_type not in INCENTIVE_TYPES:
                bought[line.plu] += line.count
                sold[line.plu] += line.count
            else:  # As its uses are counted: what it takes off is its price, and no return.
                sold[line.plu] += line.quantity
        plus = [plu for plu, quantity in sold.items() if quantity > 0]
        plus += [discount.plu for discount in basket.applied_discounts]
        reported = tuple(dict.fromkeys(plus))
        return cls(
            bought,
            reported,
            frozenset(reported),
            paid_types(basket),
            subtotal(basket, excluded_products),
        )


def paid_types(basket: Basket) -> tuple[str, ...]:
    """
    Give the types of payment, each once, in order of appearance.

    One of which as much was given back as was paid is left out.
    """
    sums: Counter[str] = Counter()
    given_back = set()
    for payment in basket.payments:
        sums[payment.type] += payment.amount
        if payment.amount < 0:
            given_back.add(payment.type)
    return tuple(kind for kind, amount in sums.items() if amount > 0 or kind not in given_back)


def subtotal(basket: Basket, excluded_products: Collection[str] = ()) -> int:
    """
    Sum all lines in minor units, each amount once, without tax; never below 0.

    What is spent on *excluded_products*, by PLU, does not count.
    """
    lines = basket.lines
    counted = count_once(
        lines,
        [line.amount for line in lines],
        excluded=[line.plu in excluded_products for line in lines],
        groups=[line.product_type in GROUPS for line in lines],
    )
    return max(0, sum(counted.amounts))
