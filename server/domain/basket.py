"""The basket a till reports, in whole minor units, and the incentives that it uses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from server.domain.errors import incentive_not_found
from server.domain.program import Incentive, IncentiveKind, ProductType, Program

AMOUNT_MINOR_MAX = 1_000_000_000
"""Most minor units that one amount may have, be it a price, a tax or a payment."""


@dataclass(frozen=True, slots=True)
class BasketLine:
    """
    One line of an order.

    Attributes:
        reference_id: Name of the line within the order.
        product_id: PLU.
        price: Net price of one in minor units, discounts taken off; absent when not told.
        tax: Tax on the whole line in minor units.
        parent_reference_id: The line of the combo that this one is a part of.
        incentive_id: Incentive behind a reward or offer line.
        loyalty_engine_id: The same by its name in the loyalty engine.
    """

    reference_id: str
    product_id: str
    product_type: ProductType
    quantity: int
    price: int | None = None
    tax: int = 0
    parent_reference_id: str | None = None
    incentive_id: str | None = None
    loyalty_engine_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment. Its type is an open word in upper case; the amount is in minor units."""

    type: str
    amount: int


@dataclass(frozen=True, slots=True)
class AppliedDiscount:
    """A discount the till took off already. *kind* is the wire's `details.type`."""

    incentive_id: str | None
    engine_id: str | None
    product_id: str
    kind: IncentiveKind = "offer"


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
        reported: Every PLU of lines and discounts, in order of appearance.
        reported_set: The same as a set.
        paid: Types of its payments, in order of appearance.
        subtotal: Sum of all lines in minor units, without tax.
    """

    bought: Mapping[str, int]
    reported: tuple[str, ...]
    reported_set: frozenset[str]
    paid: tuple[str, ...]
    subtotal: int

    @classmethod
    def of(cls, basket: Basket) -> Cart:
        """Count a basket."""
        bought: Counter[str] = Counter()
        for line in basket.lines:
            if line.product_type in {"combo", "item"}:
                bought[line.product_id] += line.quantity
        plus = [line.product_id for line in basket.lines]
        plus += [discount.product_id for discount in basket.applied_discounts]
        reported = tuple(dict.fromkeys(plus))
        paid = tuple(dict.fromkeys(payment.type for payment in basket.payments))
        return cls(bought, reported, frozenset(reported), paid, subtotal(basket))


@dataclass(frozen=True, slots=True)
class IncentiveUse:
    """
    How many of an incentive an order uses, at least one.

    Attributes:
        accepted: How many of them the open order was accepted with before.
        accepted_points: Points that these cost, by the prices of then.
    """

    incentive: Incentive
    quantity: int
    accepted: int = 0
    accepted_points: int = 0

    @property
    def point_cost(self) -> int:
        """Points all of them cost."""
        return self.accepted_points + self.incentive.point_cost * (self.quantity - self.accepted)


def subtotal(basket: Basket) -> int:
    """Sum all lines in minor units, without tax."""
    return sum((line.price or 0) * line.quantity for line in basket.lines)


def exact_minor_units(value: float, digits: int) -> int:
    """
    Convert an amount in major units, as a JSON number arrives, to minor units of *digits* digits.

    The amount is the shortest decimal that the double stands for, which is what the till wrote.

    Raises:
        ValueError: It is negative, not finite, above `AMOUNT_MINOR_MAX` or has more digits than
            the currency.
    """
    if not math.isfinite(value) or value < 0:
        raise ValueError("must be a number from 0")
    minor = Decimal(repr(value)).scaleb(digits)
    if minor > AMOUNT_MINOR_MAX:
        raise ValueError(f"must be at most {AMOUNT_MINOR_MAX:,} minor units")
    if minor != minor.to_integral_value():
        raise ValueError(f"must have at most {digits} digits after the point")
    return int(minor)


def as_catalogued(basket: Basket, program: Program) -> Basket:
    """
    Take each reward and offer for what the catalogue says it is, whatever the till calls it.

    A line that sells a product stays one, whatever it names besides, and what the program does
    not have keeps the till's word.
    """
    return replace(
        basket,
        lines=tuple(_line_as_catalogued(line, program) for line in basket.lines),
        applied_discounts=tuple(
            replace(discount, kind=incentive.kind)
            if (incentive := program.find_incentive(discount.incentive_id, discount.engine_id))
            else discount
            for discount in basket.applied_discounts
        ),
    )


def _line_as_catalogued(line: BasketLine, program: Program) -> BasketLine:
    if line.product_type not in {"reward", "offer"}:
        return line
    incentive = program.find_incentive(line.incentive_id, line.loyalty_engine_id)
    if incentive is None or incentive.kind == line.product_type:
        return line
    return replace(line, product_type=incentive.kind)


def incentive_names(basket: Basket, program: Program) -> Mapping[str, IncentiveKind]:
    """
    Tell which incentives an order names, in order of appearance, and what the till calls them.

    One is named by its incentive ID where the program has it, retired or not, else as the till
    names it.
    """
    return {
        _name(mention, program): mention[0]
        for mention in (*(line for line, _ in _line_mentions(basket)), *_applied_mentions(basket))
    }


def without_incentives(basket: Basket, program: Program, names: Collection[str]) -> Basket:
    """Leave out the lines and discounts of incentives, by the names of `incentive_names`."""
    return replace(
        basket,
        lines=tuple(
            line
            for line in basket.lines
            if line.product_type not in {"reward", "offer"}
            or _name(_line_mention(line), program) not in names
        ),
        applied_discounts=tuple(
            discount
            for discount in basket.applied_discounts
            if _name(_applied_mention(discount), program) not in names
        ),
    )


def incentive_uses(
    basket: Basket, program: Program, held_incentives: frozenset[str] = frozenset()
) -> tuple[IncentiveUse, ...]:
    """
    Tell which incentives an order uses, and how many of each, in order of appearance.

    A discount may be reported as a line, in `applied_discounts` or in both: the larger count of
    the two is its quantity. A retired incentive counts as not found unless the transaction holds
    it, which *held_incentives* tells by incentive ID.

    Raises:
        RewardNotFoundError: A reward does not exist, or no longer does.
        OfferNotFoundError: An offer does not exist, or no longer does.
    """
    lines: Counter[str] = Counter()
    for mention, quantity in _line_mentions(basket):
        lines[_resolve(mention, program, held_incentives)] += quantity
    applied: Counter[str] = Counter(
        _resolve(mention, program, held_incentives) for mention in _applied_mentions(basket)
    )
    return tuple(
        IncentiveUse(program.incentives[incentive_id], quantity)
        for incentive_id, quantity in (lines | applied).items()
    )


_Mention = tuple[IncentiveKind, str | None, str | None]


def _line_mention(line: BasketLine) -> _Mention:
    kind: IncentiveKind = "reward" if line.product_type == "reward" else "offer"
    return kind, line.incentive_id, line.loyalty_engine_id


def _line_mentions(basket: Basket) -> Iterator[tuple[_Mention, int]]:
    for line in basket.lines:
        if line.product_type in {"reward", "offer"}:
            yield _line_mention(line), line.quantity


def _applied_mention(discount: AppliedDiscount) -> _Mention:
    return discount.kind, discount.incentive_id, discount.engine_id


def _applied_mentions(basket: Basket) -> Iterator[_Mention]:
    return map(_applied_mention, basket.applied_discounts)


def _name(mention: _Mention, program: Program) -> str:
    _, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    return incentive.incentive_id if incentive else incentive_id or engine_id or ""


def _resolve(mention: _Mention, program: Program, held_incentives: frozenset[str]) -> str:
    kind, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    if incentive and (not incentive.retired or incentive.incentive_id in held_incentives):
        return incentive.incentive_id
    raise incentive_not_found(kind, incentive_id or engine_id or "")
