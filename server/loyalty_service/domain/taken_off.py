"""What the incentives of an order may take off it, and what its till says that they did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from loyalty_service.domain.basket import (
    INCENTIVE_TYPES,
    AppliedDiscount,
    Basket,
    BasketLine,
    subtotal,
)
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.money_off import (
    MoneyOff,
    Pick,
    Priced,
    taken_off_order,
    taken_off_products,
)
from loyalty_service.domain.program import Program


@dataclass(frozen=True, slots=True)
class TakenOff:
    """
    What an incentive takes off an order, in minor units.

    Attributes:
        quantity: How many of it the order uses.
        allowed: The most, as the program says; absent where the till's prices do not show it.
        told: What the till says that it took off; absent where it says nothing.
        applies_to: The line that it works on, as the till names it.
    """

    incentive_id: str
    quantity: int
    allowed: int | None
    told: int | None
    applies_to: str | None


def taken_off(
    basket: Basket, program: Program, uses: Iterable[IncentiveUse]
) -> tuple[TakenOff, ...]:
    """Tell it of each incentive of which the program says what it takes off."""
    return tuple(
        _of_one(basket, program, use, use.incentive.takes_off)
        for use in uses
        if use.incentive.takes_off is not None
    )


def given_away(basket: Basket) -> dict[str, int]:
    """Sum what the till says that was taken off, by the names that it has for incentives."""
    given: dict[str, int] = {}
    for told in ([*_lines_told(basket)], [*_discounts_told(basket)]):
        sums: dict[str, int] = {}
        for name, amount in told:
            sums[name] = sums.get(name, 0) + amount
        # Told as a line and as a discount, it is one.
        given |= {name: max(amount, given.get(name, 0)) for name, amount in sums.items()}
    return given


def told_of_money(basket: Basket) -> str:
    """Give what an order's event keeps of it, as JSON; empty where the till says nothing."""
    given = given_away(basket)
    return json.dumps({"taken_off": given}, separators=(",", ":")) if given else ""


def _lines_told(basket: Basket) -> Iterator[tuple[str, int]]:
    for line in basket.lines:
        amount = _told(line) if line.product_type in INCENTIVE_TYPES else None
        if amount is not None:
            yield line.incentive_id or line.loyalty_engine_id or "", amount


def _discounts_told(basket: Basket) -> Iterator[tuple[str, int]]:
    for discount in basket.applied_discounts:
        if discount.amount_off is not None:
            yield discount.incentive_id or discount.engine_id or "", discount.amount_off


def as_money(basket: Basket, program: Program) -> Basket:
    """
    Let a reward's price below 0 lower what the order earns, where the program says what it takes.

    Elsewhere it may stand for a product that the guest gets, which earns; see `docs/orders.md`.
    """
    return replace(
        basket,
        lines=tuple(
            replace(line, product_type="offer")
            if line.product_type == "reward" and line.taken_back and _takes_off(line, program)
            else line
            for line in basket.lines
        ),
    )


def _takes_off(line: BasketLine, program: Program) -> bool:
    found = program.find_incentive(line.incentive_id, line.loyalty_engine_id)
    return found is not None and found.takes_off is not None


def _of_one(basket: Basket, program: Program, use: IncentiveUse, rule: MoneyOff) -> TakenOff:
    incentive_id = use.incentive.incentive_id

    def is_its(one: BasketLine | AppliedDiscount) -> bool:
        engine = one.loyalty_engine_id if isinstance(one, BasketLine) else one.engine_id
        found = program.find_incentive(one.incentive_id, engine)
        return found is not None and found.incentive_id == incentive_id

    lines = [line for line in basket.lines if line.product_type in INCENTIVE_TYPES and is_its(line)]
    discounts = [one for one in basket.applied_discounts if is_its(one)]
    parts: list[BasketLine | AppliedDiscount] = [*lines, *discounts]
    by_line = [amount for line in lines if (amount := _told(line)) is not None]
    by_discount = [one.amount_off for one in discounts if one.amount_off is not None]
    told = max(sum(by_line), sum(by_discount)) if by_line or by_discount else None
    named = [one.applies_to for one in parts if one.applies_to is not None]
    return TakenOff(
        incentive_id,
        use.quantity,
        _allowed(basket, rule, use.quantity, parts, named),
        told,
        named[0] if named else None,
    )


def _told(line: BasketLine) -> int | None:
    if line.amount_off is not None:
        return line.amount_off
    return -line.amount if line.taken_back and line.amount < 0 else None


def _allowed(
    basket: Basket,
    rule: MoneyOff,
    uses: int,
    parts: Sequence[BasketLine | AppliedDiscount],
    named: Sequence[str],
) -> int | None:
    """
    Tell the most that uses may take off, by the prices of before; absent if they do not show.

    A line with a price below 0 stands beside products with their full prices; any other amount has
    left them already.
    """
    gone = [
        (one, one.amount_off)
        for one in parts
        if one.amount_off and not (isinstance(one, BasketLine) and one.taken_back)
    ]
    if rule.on is None:
        sold = tuple(line for line in basket.lines if not _lowers(line))
        total = subtotal(replace(basket, lines=sold)) + sum(amount for _, amount in gone)
        return taken_off_order(rule, uses, Fraction(total))
    back: dict[str, int] = {}
    for one, amount in gone:
        own = one.reference_id if isinstance(one, BasketLine) else None
        at = own if one.applies_to is None else one.applies_to
        if at is None:
            return None
        back[at] = back.get(at, 0) + amount
    products = list(
        _priced(basket, rule, [one for one in parts if isinstance(one, BasketLine)], back)
    )
    if rule.pick is Pick.GUEST:
        products.sort(key=lambda one: (one.reference_id not in named, -one.price))
    else:
        products.sort(key=lambda one: one.price)
    return taken_off_products(rule, uses, products)


def _lowers(line: BasketLine) -> bool:
    return line.product_type in INCENTIVE_TYPES and line.taken_back


def _priced(
    basket: Basket, rule: MoneyOff, own: Sequence[BasketLine], back: dict[str, int]
) -> Iterator[Priced]:
    """Give the products that a rule works on, with what was taken off them put *back*."""
    for line in basket.lines:
        others = line.product_type in INCENTIVE_TYPES and line not in own
        if others or line.taken_back or line.count < 1:
            continue
        if rule.on is None or not rule.on.has(line.plu, line.category):
            continue
        before = line.amount + back.pop(line.reference_id, 0)
        if before > 0:
            yield Priced(line.reference_id, Fraction(before, line.count), line.count)
