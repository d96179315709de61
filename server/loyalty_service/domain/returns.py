"""
What came back of an order, and what the rest of it earns.

The rest earns by what the order earned by: its rate, its promotions as often as they were earned,
its lines as they counted. A promotion whose condition the rest no longer meets gives nothing. So a
return takes what the whole order earned less what is kept, and nothing is rounded twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from loyalty_service.domain.basket import Basket, BasketLine, Cart, subtotal
from loyalty_service.domain.earning import Earned, Won, earned
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.program import Program
from loyalty_service.domain.promotions import times_met
from loyalty_service.domain.restrictions import CartRequirement, MinimumSpend
from loyalty_service.domain.rules import demands_met
from loyalty_service.domain.worth import tree_of

Returned = Mapping[int, int]
"""How many came back of each line, by its place in the order."""


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """
    A line of which something came back.

    Attributes:
        quantity: How many; absent where it is all that is left.
    """

    reference_id: str
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """
    An order of which something came back.

    Attributes:
        shares: The part of each line that is kept, from 0 to 1; of a line whose combo came back,
            no more than of the combo.
    """

    basket: Basket
    shares: tuple[Fraction, ...]

    @classmethod
    def of(cls, basket: Basket, returned: Returned) -> Kept:
        """Tell what is left of an order."""
        tree = tree_of(basket.lines)
        shares = [
            Fraction(line.quantity - returned.get(place, 0), line.quantity)
            if _sells(line)
            else Fraction(1)
            for place, line in enumerate(basket.lines)
        ]
        for place in tree.top_down:
            parent = tree.parents[place]
            if parent is not None and _sells(basket.lines[place]):
                shares[place] = min(shares[place], shares[parent])
        return cls(basket, tuple(shares))

    @property
    def nothing(self) -> bool:
        """Whether all that the order sold came back."""
        lines = zip(self.basket.lines, self.shares, strict=True)
        return all(not share for line, share in lines if _sells(line))

    def left(self, place: int) -> int:
        """Tell how many are left of a line; of parts that can't be divided, one more."""
        line = self.basket.lines[place]
        return -(-line.quantity * self.shares[place] // 1) if _sells(line) else 0

    def lines_left(self) -> Basket:
        """Give the order with what is left of each line, which may be none."""
        lines = [
            replace(line, quantity=self.left(place)) if _sells(line) else line
            for place, line in enumerate(self.basket.lines)
        ]
        return replace(self.basket, lines=tuple(lines))

    def cart(self, program: Program) -> Cart:
        """Give what rules look at."""
        excluded = program.earning.excluded_products
        cart = Cart.of(self.lines_left(), excluded)
        return replace(cart, subtotal=subtotal(self.basket, excluded, self.shares))


def take_back(basket: Basket, before: Returned, asked: Sequence[ReturnedLine]) -> dict[int, int]:
    """
    Tell how many have come back of each line, those of *before* and what is *asked* for.

    Of lines with one name the first are meant first.

    Raises:
        RequestInvalidError: It names lines that the order does not have, or more than is left.
    """
    returned = dict(before)
    wrong = []
    for number, one in enumerate(asked):
        places = [
            place
            for place, line in enumerate(basket.lines)
            if line.reference_id == one.reference_id and _sells(line)
        ]
        kept = Kept.of(basket, returned)
        left = sum(map(kept.left, places))
        if not places:
            text = "must name a line of the order that sold something"
            wrong.append(FieldViolation(f"lines[{number}].reference_id", text))
        elif not left or (one.quantity or 0) > left:
            text = f"must be at most {left}: no more is left of the line"
            wrong.append(FieldViolation(f"lines[{number}].quantity", text))
        else:
            _take(kept, returned, places, left if one.quantity is None else one.quantity)
    if wrong:
        raise RequestInvalidError(tuple(wrong))
    return returned


def worth_of(kept: Kept, program: Program, by: Earned, not_held: Collection[int]) -> Earned:
    """
    Tell what is kept of an order earns.

    Args:
        kept: What is left of it.
        program: The program as it was when the order earned.
        by: What it earned by.
        not_held: Lines that earn nothing, by their places.
    """
    cart = kept.cart(program)
    won = [Won(one.promotion, times) for one in by.won if (times := _times(one, cart)) > 0]
    digits = program.currency_digits
    return earned(
        kept.basket, program.earning, digits, not_held, rate=by.rate, won=won, kept=kept.shares
    )


def returned_to_json(basket: Basket, returned: Returned) -> str:
    """Write what came back as the text to keep with the order."""
    told = [
        [place, basket.lines[place].reference_id, returned[place]] for place in sorted(returned)
    ]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def returned_from_json(text: str | None) -> dict[int, int]:
    """Read how many came back of each line."""
    return {place: quantity for place, _, quantity in json.loads(text or "[]")}


def returned_lines(text: str | None) -> tuple[ReturnedLine, ...]:
    """Read what came back, by the names of the lines."""
    return tuple(ReturnedLine(name, quantity) for _, name, quantity in json.loads(text or "[]"))


def _sells(line: BasketLine) -> bool:
    """Tell whether something of a line can come back."""
    return line.quantity > 0 and not line.taken_back


def _take(kept: Kept, returned: dict[int, int], places: Sequence[int], quantity: int) -> None:
    """Take so many of lines, each no more than it has left."""
    left = quantity
    for place in places:
        number = min(left, kept.left(place))
        if number:
            line = kept.basket.lines[place]
            returned[place] = line.quantity - kept.left(place) + number
            left -= number


def _times(won: Won, cart: Cart) -> int:
    """Tell how often a promotion is still earned; what it asks of other things has been met."""
    for rule in won.promotion.rules:
        if isinstance(rule, MinimumSpend) and cart.spent_as(rule) < rule.amount:
            return 0
        if isinstance(rule, CartRequirement) and not all(demands_met(rule, cart)):
            return 0
    return min(won.times, times_met(won.promotion, cart))
