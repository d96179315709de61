"""How many points an order earns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain

from loyalty_service.domain.amounts import TAX_DIGITS
from loyalty_service.domain.basket import Basket, BasketLine, Payment
from loyalty_service.domain.earning_rules import EarningRules, PaymentRate, Promotion, Rounding
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.worth import GROUPS, count_once


@dataclass(frozen=True, slots=True)
class Won:
    """A promotion that an order has earned, and how often."""

    promotion: Promotion
    times: int = 1


@dataclass(frozen=True, slots=True)
class PromotionPoints:
    """What one promotion gave an order; below 0 where it made what was taken back cost more."""

    promotion_id: str
    name: str
    times: int
    points: int


@dataclass(frozen=True, slots=True)
class Earned:
    """
    What an order earns.

    Attributes:
        points: All of it, from 0 to `POINTS_MAX`.
        promotions: The part of it that each promotion gave, those that gave none left out; the
            rest is the rate's.
        rate: Points for one major unit that it was counted by; absent where the program's own was.
        won: What it was counted with, whether or not that gave any points.
    """

    points: int
    promotions: tuple[PromotionPoints, ...] = ()
    rate: Fraction | None = field(default=None, compare=False)
    won: tuple[Won, ...] = field(default=(), compare=False)

    def within(self, most: int) -> Earned:
        """Cut off what is beyond a number of points: of the last promotion first."""
        if self.points <= most:
            return self
        before = self.points - sum(one.points for one in self.promotions)
        parts = []
        for one in self.promotions:
            after = before + one.points
            parts.append(replace(one, points=min(after, most) - min(before, most)))
            before = after
        return replace(self, points=most, promotions=tuple(one for one in parts if one.points))


NOTHING_EARNED = Earned(0)


def points_earned(
    basket: Basket,
    rules: EarningRules,
    currency_digits: int,
    not_held: Collection[int] = frozenset(),
) -> int:
    """Count the points of an order by the rate that all orders have; see `earned`."""
    return earned(basket, rules, currency_digits, not_held).points


def earned(
    basket: Basket,
    rules: EarningRules,
    currency_digits: int,
    not_held: Collection[int] = frozenset(),
    *,
    rate: Fraction | None = None,
    won: Sequence[Won] = (),
    kept: Sequence[Fraction] | None = None,
) -> Earned:
    """
    Count the points of an order.

    Prices are net as reported, so that no discount is subtracted here. What is taken back lowers
    what the rest earns, by as much as it would have earned. The basket is that of `as_catalogued`:
    a till that calls a reward an offer does not make it earn. Lines *not_held*, by their places,
    earn nothing of their own, and make nothing else earn more.

    What counts is rounded once: rate x (money + what each multiplier adds). The bonuses come on
    top.

    Args:
        basket: The order.
        rules: The program's.
        currency_digits: Digits of the currency's minor unit.
        not_held: Lines that earn nothing, by their places.
        rate: Points for one major unit; the program's own unless given.
        won: Promotions that the order has earned.
        kept: The part of each line that did not come back, from 0 to 1; all of it unless given.
    """
    prices, amounts, unit = _amounts(basket, rules, currency_digits, not_held)
    if kept is not None:
        prices = [price * part for price, part in zip(prices, kept, strict=True)]
        amounts = [amount * part for amount, part in zip(amounts, kept, strict=True)]
    told_rate = rate
    rate, share = _rate(rules.points_per_unit if rate is None else rate, rules, basket.payments)
    step = None if rules.step is None else Fraction(rules.step, 10**currency_digits)

    def units(amounts: Sequence[int | Fraction]) -> Fraction:
        return _whole_steps(Fraction(sum(amounts), unit) * share, step)

    multipliers = [one for one in won if one.promotion.multiplier is not None]
    enough = rules.minimum_spend is None or sum(prices) >= rules.minimum_spend
    counting = units(amounts) if enough else Fraction(0)
    totals = [max(0, round_points(counting * rate, rules.rounding))]
    covered = _covered(basket.lines, multipliers, stack=rules.stack == "add")
    for one, lines in zip(multipliers, covered, strict=True):
        more = (one.promotion.multiplier or Fraction(1)) - 1
        counting += more * units([amounts[line] for line in lines]) if enough else 0
        totals.append(max(0, round_points(counting * rate, rules.rounding)))
    bonuses = [one for one in won if one.promotion.bonus is not None]
    for one in bonuses:
        totals.append(totals[-1] + (one.promotion.bonus or 0) * one.times)
    parts = chain(multipliers, bonuses)
    told = tuple(
        PromotionPoints(
            one.promotion.promotion_id, one.promotion.display_name, one.times, after - before
        )
        for one, before, after in zip(parts, totals, totals[1:], strict=False)
        if after != before
    )
    return Earned(totals[-1], told, told_rate, tuple(won)).within(POINTS_MAX)


def round_points(points: Fraction, rounding: Rounding) -> int:
    """Round to a whole number of points: the only place where a fraction of one is lost."""
    if rounding is Rounding.UP:
        return -(-points.numerator // points.denominator)
    if rounding is Rounding.NEAREST:  # A half is nearest to the next one up.
        return (2 * points.numerator + points.denominator) // (2 * points.denominator)
    return points.numerator // points.denominator


def _amounts(
    basket: Basket, rules: EarningRules, currency_digits: int, not_held: Collection[int]
) -> tuple[Sequence[int | Fraction], Sequence[int | Fraction], int]:
    """Give the prices that count, by line, what they are with tax, and how many are one unit."""
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
    unit = 10**currency_digits
    if not rules.include_tax:
        return prices.amounts, prices.amounts, unit
    finer = 10 ** max(0, TAX_DIGITS - currency_digits)
    taxes = count([int(line.taxed * finer) for line in lines], like=prices).amounts
    amounts = [amount * finer + tax for amount, tax in zip(prices.amounts, taxes, strict=True)]
    return prices.amounts, amounts, unit * finer


def _excluded(line: BasketLine, rules: EarningRules) -> bool:
    return line.product_type in rules.excluded_product_types or rules.excluded_products.has(
        line.plu, line.category
    )


def _whole_steps(units: Fraction, step: Fraction | None) -> Fraction:
    """Leave out what is not a whole step, alike on both sides of 0."""
    if step is None:
        return units
    steps = abs(units) // step
    return step * (-steps if units < 0 else steps)


def _covered(
    lines: Sequence[BasketLine], multipliers: Sequence[Won], *, stack: bool
) -> list[list[int]]:
    """Tell which lines each multiplier counts for, by their places: the best, or all that do."""
    covered: list[list[int]] = [[] for _ in multipliers]
    for index, line in enumerate(lines) if multipliers else ():
        found = [
            place
            for place, one in enumerate(multipliers)
            if one.promotion.on is None or one.promotion.on.has(line.plu, line.category)
        ]
        if found and not stack:
            # Of two that are equally good, the one that uses up nothing that a member was given.
            found = [max(found, key=lambda place: _goodness(multipliers[place].promotion))]
        for place in found:
            covered[place].append(index)
    return covered


def _goodness(promotion: Promotion) -> tuple[Fraction, bool]:
    return promotion.multiplier or Fraction(0), promotion.granted is None


def _rate(
    rate: Fraction, rules: EarningRules, payments: Sequence[Payment]
) -> tuple[Fraction, Fraction]:
    """
    Give the rate of the money that earns, on average, and which share of the money that is.

    An order that nothing is known to be paid with earns by its rate.
    """
    if not rules.payments:
        return rate, Fraction(1)
    paid = {kind: amount for kind, amount in _paid(payments).items() if amount > 0}
    total = sum(paid.values())
    earning, points = 0, Fraction(0)
    for kind, amount in paid.items():
        own = _rate_of(kind, rate, rules.payments)
        if own:
            earning += amount
            points += amount * own
    if not total:
        return rate, Fraction(1)
    return (points / earning if earning else Fraction(0)), Fraction(earning, total)


def _paid(payments: Sequence[Payment]) -> Counter[str]:
    """Sum payments by type; change is given back of what it was paid with."""
    sums: Counter[str] = Counter()
    for payment in payments:
        sums[payment.type] += payment.amount
    return sums


def _rate_of(kind: str, rate: Fraction, rows: Sequence[PaymentRate]) -> Fraction:
    row: PaymentRate | None = next(_rows_for(kind, rows), None)
    if row is None:
        return rate
    return (rate if row.points_per_unit is None else row.points_per_unit) + row.add


def _rows_for(kind: str, rows: Sequence[PaymentRate]) -> Iterator[PaymentRate]:
    return (row for row in rows if kind in row.types)
