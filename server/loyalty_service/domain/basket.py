"""The basket a till reports, in whole minor units, and the incentives that it uses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from loyalty_service.domain.errors import incentive_not_found
from loyalty_service.domain.program import Incentive, IncentiveKind, ProductType, Program
from loyalty_service.domain.worth import GROUPS, count_once, tree_of

AMOUNT_MINOR_MAX = 1_000_000_000
"""Most minor units that one amount may have, be it a price, a tax or a payment."""

TAX_DIGITS = 6
"""Digits after the point that a tax may have, in major units: it is a share of a price."""

INCENTIVE_TYPES = frozenset({"reward", "offer"})
"""Types of line that use an incentive; others sell a product."""

_NOISE = Decimal("0.000001")
"""What adding up doubles makes of an amount, at most, in major units."""

_SINGLE_LACKS = 29
"""Binary digits that a number of single precision has less than a double."""


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


def exact_minor_units(value: float, digits: int) -> int:
    """
    Convert an amount in major units, as a JSON number arrives, to minor units of *digits* digits.

    What adding up doubles leaves behind is no part of it: 22.689999999999998 is 22.69. Nor is what
    a number of single precision can't tell: 32.9900016784668 is 32.99.

    Raises:
        ValueError: It is not finite, further from 0 than `AMOUNT_MINOR_MAX` or has more digits
            than the currency.
    """
    minor = _whole(value, digits)
    if minor is not None:
        return minor
    amount = _amount(value, digits)
    minor = round_minor_units(value, digits)
    if abs(amount - Decimal(minor).scaleb(-digits)) > max(_NOISE, _single_step(value)):
        raise ValueError(f"must have at most {digits} digits after the point")
    return minor


def _single_step(value: float) -> Decimal:
    """Give the distance between numbers of single precision near a value."""
    return Decimal(math.ulp(value) * 2**_SINGLE_LACKS)


def round_minor_units(value: float, digits: int) -> int:
    """
    Convert an amount as `exact_minor_units` does, rounded where it has more digits.

    A half goes away from 0, as tills round.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX`.
    """
    return int(_amount(value, digits).scaleb(digits).to_integral_value(ROUND_HALF_UP))


def tax_minor_units(value: float, digits: int) -> int | Decimal:
    """
    Convert a tax in major units to minor units, to `TAX_DIGITS` digits of the major unit.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX`.
    """
    minor = _whole(value, digits)
    if minor is not None:
        return minor
    tax = _amount(value, digits).quantize(_NOISE, ROUND_HALF_UP).scaleb(digits)
    return int(tax) if tax == tax.to_integral_value() else tax.normalize()


def _whole(value: float, digits: int) -> int | None:
    """Give the minor units that a double is the nearest one to, if it is; as most are, and soon."""
    if not abs(value) < AMOUNT_MINOR_MAX / 10**digits:
        return None
    minor = round(value * 10**digits)
    return minor if minor / 10**digits == value else None


def _amount(value: float, digits: int) -> Decimal:
    """
    Read an amount in major units: the shortest decimal of the double, which the till wrote.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX` minor units.
    """
    if not math.isfinite(value):
        raise ValueError("must be a number")
    amount = Decimal(repr(value))
    if abs(amount.scaleb(digits)) > AMOUNT_MINOR_MAX:
        raise ValueError(f"must be at most {AMOUNT_MINOR_MAX:,} minor units")
    return amount


def as_catalogued(basket: Basket, program: Program) -> Basket:
    """
    Take each reward and offer for what the catalogue says it is, whatever the till calls it.

    A combo or an item that names one is that as well, unless it is what the guest gets for it: a
    part of a line that names the same, or a product beside a reward or offer line that does. What
    the program does not have keeps the till's word.
    """
    lines = basket.lines
    named = [_named_by(line, program) for line in lines]
    return replace(
        basket,
        lines=tuple(
            replace(line, product_type=incentive.kind)
            if incentive and incentive.kind != line.product_type
            else line
            for line, incentive in zip(lines, _without_products(lines, named), strict=True)
        ),
        applied_discounts=tuple(
            replace(discount, kind=incentive.kind)
            if (incentive := program.find_incentive(discount.incentive_id, discount.engine_id))
            else discount
            for discount in basket.applied_discounts
        ),
    )


def _named_by(line: BasketLine, program: Program) -> Incentive | None:
    if line.incentive_id is None and line.loyalty_engine_id is None:
        return None
    return program.find_incentive(line.incentive_id, line.loyalty_engine_id)


def _without_products(
    lines: Sequence[BasketLine], named: Sequence[Incentive | None]
) -> Sequence[Incentive | None]:
    """Leave the incentive out of lines that are what the guest gets for it."""
    used: Counter[str] = Counter()
    sold = []
    for index, (line, incentive) in enumerate(zip(lines, named, strict=True)):
        if incentive is None:
            continue
        if line.product_type in INCENTIVE_TYPES:
            used[incentive.incentive_id] += line.quantity
        else:
            sold.append((index, incentive))
    if not sold:
        return named
    parents = tree_of(lines).parents
    left = list(named)
    for index, incentive in sold:
        parent = parents[index]
        while parent is not None and named[parent] != incentive:
            parent = parents[parent]
        if parent is not None or used[incentive.incentive_id] > 0:
            left[index] = None
    return left


def named_incentives(basket: Basket) -> set[tuple[str | None, str | None]]:
    """Give what an order's lines and discounts name, known or not: incentive ID and engine ID."""
    names = {(line.incentive_id, line.loyalty_engine_id) for line in basket.lines}
    names |= {(discount.incentive_id, discount.engine_id) for discount in basket.applied_discounts}
    return names - {(None, None)}


def incentive_names(basket: Basket, program: Program) -> Mapping[str, IncentiveKind]:
    """
    Tell which incentives an order uses, in order of appearance, and what the till calls them.

    One is named by its incentive ID where the program has it, retired or not, else as the till
    names it.
    """
    return {name: mention[0] for name, (mention, _) in _used(basket, program).items()}


def unknown_offers(basket: Basket, program: Program, *, paid: bool) -> frozenset[str]:
    """
    Tell which offers the program has never had that refuse nothing, by their names.

    While an order is open these are the till's own discounts: a line that sells an offer is held
    against the catalogue. Once it is *paid* these are all. What somebody calls a reward is none.
    """
    if incentive_names(basket, program).keys() <= program.incentives.keys():
        return frozenset()
    sold = incentive_names(replace(basket, applied_discounts=()), program)
    taken_off = incentive_names(replace(basket, lines=()), program)
    rewards = {name for told in (sold, taken_off) for name in told if told[name] == "reward"}
    names = sold.keys() | taken_off.keys() if paid else taken_off.keys() - sold.keys()
    return frozenset(names - rewards - program.incentives.keys())


def without_incentives(basket: Basket, program: Program, names: Collection[str]) -> Basket:
    """
    Leave out the lines and discounts of incentives, by the names of `incentive_names`.

    What a line is made of goes with it. What such a line takes off stays taken off.
    """
    lines = basket.lines
    tree = tree_of(lines)
    counted = count_once(
        lines,
        [line.amount for line in lines],
        excluded=[False] * len(lines),
        groups=[line.product_type in GROUPS for line in lines],
        tree=tree,
    )
    kept: dict[int, BasketLine] = {}
    gone_whole: set[int] = set()
    for index in tree.top_down:
        line = lines[index]
        named = line.product_type in INCENTIVE_TYPES and (
            _name(_line_mention(line), program) in names
        )
        parent = tree.parents[index]
        if parent in gone_whole:
            gone_whole.add(index)
        elif not named:
            # It is no part of another line that has the name of the one that is gone.
            orphan = parent is not None and parent not in kept
            kept[index] = replace(line, parent_reference_id=None) if orphan else line
        elif line.taken_back:
            kept[index] = replace(
                line, product_type="item", incentive_id=None, loyalty_engine_id=None
            )
        elif index in counted.whole:
            gone_whole.add(index)
    return replace(
        basket,
        lines=tuple(kept[index] for index in sorted(kept)),
        applied_discounts=tuple(
            discount
            for discount in basket.applied_discounts
            if _name(_applied_mention(discount), program) not in names
        ),
    )


def lines_sold_as(basket: Basket, program: Program, names: Collection[str]) -> frozenset[int]:
    """
    Tell which lines sell incentives, by the names of `incentive_names`; each by its place.

    What takes off is none of them: it stays taken off.
    """
    return frozenset(
        index
        for index, line in enumerate(basket.lines)
        if line.product_type in INCENTIVE_TYPES
        and not line.taken_back
        and _name(_line_mention(line), program) in names
    )


def incentive_uses(
    basket: Basket, program: Program, held_incentives: frozenset[str] = frozenset()
) -> tuple[IncentiveUse, ...]:
    """
    Tell which incentives an order uses, and how many of each, in order of appearance.

    A discount may be reported as a line, in `applied_discounts` or in both: the larger count of
    the two is its quantity. One whose lines come to less than 1 was removed again. A retired
    incentive counts as not found unless the transaction holds it, which *held_incentives* tells
    by incentive ID.

    Raises:
        RewardNotFoundError: A reward does not exist, or no longer does.
        OfferNotFoundError: An offer does not exist, or no longer does.
    """
    return tuple(
        IncentiveUse(_resolve(mention, program, held_incentives), quantity)
        for mention, quantity in _used(basket, program).values()
    )


_Mention = tuple[IncentiveKind, str | None, str | None]


def _line_mention(line: BasketLine) -> _Mention:
    kind: IncentiveKind = "reward" if line.product_type == "reward" else "offer"
    return kind, line.incentive_id, line.loyalty_engine_id


def _line_mentions(basket: Basket) -> Iterator[tuple[_Mention, int]]:
    for line in basket.lines:
        if line.product_type in INCENTIVE_TYPES:
            yield _line_mention(line), line.quantity


def _applied_mention(discount: AppliedDiscount) -> _Mention:
    return discount.kind, discount.incentive_id, discount.engine_id


def _applied_mentions(basket: Basket) -> Iterator[_Mention]:
    return map(_applied_mention, basket.applied_discounts)


def _used(basket: Basket, program: Program) -> Mapping[str, tuple[_Mention, int]]:
    """Give the incentives that an order uses by name: how they are told of, and how many."""
    mentions: dict[str, _Mention] = {}
    lines: Counter[str] = Counter()
    for mention, quantity in _line_mentions(basket):
        name = _name(mention, program)
        mentions[name] = mention
        lines[name] += quantity
    applied: Counter[str] = Counter()
    for mention in _applied_mentions(basket):
        name = _name(mention, program)
        mentions[name] = mention
        applied[name] += 1
    return {name: (mentions[name], quantity) for name, quantity in (lines | applied).items()}


def _name(mention: _Mention, program: Program) -> str:
    _, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    return incentive.incentive_id if incentive else incentive_id or engine_id or ""


def _resolve(mention: _Mention, program: Program, held_incentives: frozenset[str]) -> Incentive:
    kind, incentive_id, engine_id = mention
    incentive = program.find_incentive(incentive_id, engine_id)
    if incentive and (not incentive.retired or incentive.incentive_id in held_incentives):
        return incentive
    raise incentive_not_found(kind, incentive_id or engine_id or "")
