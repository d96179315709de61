"""The basket a till reports, in whole minor units: what rules count of it, and its kept text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from operator import mul
from typing import Any, TypeVar

from loyalty_service.domain.earning_rules import ProductType
from loyalty_service.domain.products import NONE, Products
from loyalty_service.domain.program import IncentiveKind
from loyalty_service.domain.restrictions import MinimumSpend
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
        category: What kind of product it is to the till; absent when not told.
        applies_to: Of a reward or offer, the line that it works on; absent when not told.
        amount_off: What it took off, in minor units; absent when not told.
        total: Net price of all in minor units, where the till tells that and it is not so many
            times the price of one; otherwise absent.
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
    category: str | None = None
    applies_to: str | None = None
    amount_off: int | None = None
    total: int | None = None

    @property
    def plu(self) -> str:
        """The PLU as PLUs are compared: tills with fields of a fixed width fill it up."""
        return self.product_id.strip()

    @property
    def taken_back(self) -> bool:
        """Whether the line gives back rather than sells: one of its numbers is below 0."""
        return self.quantity < 0 or (self.price or 0) < 0 or (self.total or 0) < 0

    @property
    def count(self) -> int:
        """How many are sold; below 0 where they are taken back."""
        return -abs(self.quantity) if self.taken_back else self.quantity

    @property
    def amount(self) -> int:
        """Price of all in minor units; below 0 where they are taken back."""
        told = (self.price or 0) * self.quantity if self.total is None else self.total
        amount = abs(told)
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
    """
    A discount the till took off already.

    Attributes:
        kind: The wire's `details.type`.
        applies_to: The line that it works on; absent when not told.
        amount_off: What it took off, in minor units; absent when not told.
    """

    incentive_id: str | None
    engine_id: str | None
    product_id: str
    kind: IncentiveKind = "offer"
    applies_to: str | None = None
    amount_off: int | None = None

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
    _latest: tuple[Products, Cart] | None = field(
        init=False, repr=False, compare=False, default=None
    )

    def cart(self, excluded_products: Products = NONE) -> Cart:
        """Count it, once however many ask; what is spent on *excluded_products* does not count."""
        latest = self._latest
        if latest is None or latest[0] is not excluded_products:
            latest = excluded_products, Cart.of(self, excluded_products)
            object.__setattr__(self, "_latest", latest)
        return latest[1]


@dataclass(frozen=True, slots=True)
class Cart:
    """
    A basket as rules look at it, counted once however many rules there are.

    Attributes:
        bought: How many of each PLU the order buys, rewards and offers left out.
        bought_in: The same of each PLU and category, of lines that have one.
        reported: Every PLU of lines and discounts, in order of appearance; what was taken back
            as often as it was sold is not in the order.
        reported_set: The same as a set.
        reported_in: The same with their categories, of lines that have one.
        paid: Types of its payments, in order; without those of which all was given back.
        subtotal: Sum of all lines in minor units, without tax and products that do not count.
        lines: Its lines.
        amounts: What counts as spent by each of them.
    """

    bought: Mapping[str, int]
    bought_in: Mapping[tuple[str, str], int]
    reported: tuple[str, ...]
    reported_set: frozenset[str]
    reported_in: tuple[tuple[str, str], ...]
    paid: tuple[str, ...]
    subtotal: int
    lines: tuple[BasketLine, ...] = field(default=(), repr=False, compare=False)
    amounts: Sequence[int] = field(default=(), repr=False, compare=False)

    @classmethod
    def of(cls, basket: Basket, excluded_products: Products = NONE) -> Cart:
        """Count a basket; what is spent on *excluded_products* does not count."""
        bought: Counter[str] = Counter()
        bought_in: Counter[tuple[str, str]] = Counter()
        sold: Counter[str] = Counter()
        sold_in: Counter[tuple[str, str]] = Counter()
        for line in basket.lines:
            plu, count = line.plu, line.quantity
            if line.product_type not in INCENTIVE_TYPES:
                count = line.count
                bought[plu] += count
            sold[plu] += count  # Of incentives: what one takes off is its price, and no return.
            if line.category is not None:
                sold_in[plu, line.category] += count
                if line.product_type not in INCENTIVE_TYPES:
                    bought_in[plu, line.category] += count
        plus = [plu for plu, quantity in sold.items() if quantity > 0]
        plus += [discount.plu for discount in basket.applied_discounts]
        reported = tuple(dict.fromkeys(plus))
        amounts = _amounts(basket, excluded_products)
        return cls(
            bought,
            bought_in,
            reported,
            frozenset(reported),
            tuple(place for place, quantity in sold_in.items() if quantity > 0),
            paid_types(basket),
            max(0, sum(amounts)),
            basket.lines,
            amounts,
        )

    def spent_on(self, products: Products) -> int:
        """Tell what is spent on some products, in minor units, but by rewards and offers."""
        return sum(
            amount
            for line, amount in zip(self.lines, self.amounts, strict=True)
            if line.product_type not in INCENTIVE_TYPES and products.has(line.plu, line.category)
        )

    def quantity_of(self, products: Products) -> int:
        """Tell how many of some products the order buys."""
        if products.only_listed:
            return sum(self.bought.get(plu, 0) for plu in products.listed & self.bought.keys())
        return sum(quantity for plu, quantity in self.bought.items() if products.has(plu)) + sum(
            quantity
            for (plu, category), quantity in self.bought_in.items()
            if not products.has(plu) and products.has(plu, category)
        )

    def spent_as(self, rule: MinimumSpend) -> int:
        """Tell what the order spends as far as a rule looks at it, in minor units."""
        return self.subtotal if rule.of is None else self.spent_on(rule.of)

    def first_of(self, products: Products) -> str | None:
        """Find the first of some products that the order has, by its PLU."""
        if not products.listed.isdisjoint(self.reported_set):
            return next(plu for plu in self.reported if plu in products.listed)
        if products.only_listed:
            return None
        found = (plu for plu in self.reported if products.has(plu))
        named = (plu for plu, category in self.reported_in if products.has(plu, category))
        return next(found, None) or next(named, None)


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


def subtotal(
    basket: Basket,
    excluded_products: Products = NONE,
    kept: Sequence[Fraction] | None = None,
) -> int:
    """
    Sum all lines in minor units, each amount once, without tax; never below 0.

    What is spent on *excluded_products* does not count, nor what is not *kept* of each line.
    """
    amounts = _amounts(basket, excluded_products)
    if kept is None:
        return max(0, sum(amounts))
    return max(0, sum(map(mul, amounts, kept), Fraction(0)) // 1)


def _amounts(basket: Basket, excluded_products: Products) -> Sequence[int]:
    """Give what counts of each line, in minor units."""
    lines = basket.lines
    counted = count_once(
        lines,
        [line.amount for line in lines],
        excluded=[excluded_products.has(line.plu, line.category) for line in lines],
        groups=[line.product_type in GROUPS for line in lines],
    )
    return counted.amounts


T = TypeVar("T")

NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(part.name for part in fields(kind) if part.init)
    for kind in (Basket, BasketLine, Payment, AppliedDiscount)
}
"""Fields of each part of a basket."""


_RARE = ("category", "applies_to", "amount_off", "total")
"""Fields that few tills tell: absent ones take no bytes of each line."""


def basket_to_json(basket: Basket) -> str:
    """Write an order as the text to keep with its transaction."""
    return json.dumps(basket, default=_document, ensure_ascii=False, separators=(",", ":"))


def _document(part: Any) -> dict[str, Any] | str:
    """Give the fields of a part; `asdict` copies all that is in them, ten times as slowly."""
    if isinstance(part, Decimal):  # A tax that is no whole number.
        return str(part)
    told = {name: getattr(part, name) for name in NAMES[type(part)]}
    for name in _RARE:
        if told.get(name, "") is None:
            del told[name]
    return told


def basket_from_json(text: str) -> Basket:
    """Read a kept order; what a later version wrote besides is left out."""
    document = json.loads(text)
    return Basket(
        lines=_all(BasketLine, map(_with_tax, document.get("lines", ()))),
        payments=_all(Payment, document.get("payments", ())),
        applied_discounts=_all(AppliedDiscount, document.get("applied_discounts", ())),
        currency=document.get("currency", ""),
    )


def _with_tax(line: dict[str, Any]) -> dict[str, Any]:
    tax = line.get("tax", 0)
    return line | {"tax": Decimal(tax)} if isinstance(tax, str) else line


def _all(kind: type[T], documents: Any) -> tuple[T, ...]:
    known = NAMES[kind]
    return tuple(
        kind(**{name: document[name] for name in known if name in document})
        for document in documents
    )
