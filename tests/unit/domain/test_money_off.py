"""What one reward or offer takes off: the examples of the page, and any other against units."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import pytest

from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.money_off import MoneyOff, Pick, Priced, taken_off_products
from loyalty_service.domain.products import listed
from loyalty_service.domain.program import Incentive
from loyalty_service.domain.taken_off import given_away, taken_off
from tests.support.programs import demo_program

FOOD = listed(["a", "b", "c", "r"])


def line(name: str, price: int, quantity: int = 1) -> BasketLine:
    """Sell a product whose PLU is its line's name."""
    return BasketLine(name, name, "item", quantity, price)


def used(price: int | None = None, **told: object) -> BasketLine:
    """Use the reward by a line of its own."""
    return BasketLine("r", "9", "reward", 1, price, incentive_id="r", **told)  # type: ignore[arg-type]


def off(rule: MoneyOff, *lines: BasketLine, uses: int = 1, **other: object) -> list[int | None]:
    """Give what is allowed and what is told."""
    reward = Incentive("r", None, "reward", "R", 100, None, None, {"default": "9"}, takes_off=rule)
    program = replace(demo_program(), incentives={"r": reward})
    basket = Basket(lines, (), other.get("applied", ()), "CAD")  # type: ignore[arg-type]
    (found,) = taken_off(basket, program, [IncentiveUse(reward, uses)])
    return [found.allowed, found.told]


CASES = {
    "a mug, up to 20.00": (MoneyOff(FOOD, Pick.GUEST, up_to=2000), [line("a", 2495)], 1, 2000),
    "buy one, get one": (MoneyOff(FOOD, buy=1), [line("a", 549), line("b", 499)], 1, 499),
    "one alone is not free": (MoneyOff(FOOD, buy=1), [line("a", 549), line("x", 499)], 1, 0),
    "two of five": (MoneyOff(FOOD, buy=1), [line("a", 549, 3), line("b", 499, 2)], 2, 998),
    "12 gallons": (MoneyOff(FOOD, amount=10, quantity=35), [line("a", 349, 12)], 1, 120),
    "40 gallons": (MoneyOff(FOOD, amount=10, quantity=35), [line("a", 349, 40)], 1, 350),
    "no more than the price": (MoneyOff(FOOD, amount=500), [line("a", 349)], 1, 349),
    "money": (MoneyOff(amount=200), [line("x", 1240)], 1, 200),
    "money, twice, of little": (MoneyOff(amount=200), [line("x", 350)], 2, 350),
    "15 %, rounded once": (
        MoneyOff(FOOD, percentage=15, quantity=2),
        [line("a", 330), line("b", 329)],
        1,
        99,
    ),
    "a half goes up": (MoneyOff(FOOD, percentage=50), [line("a", 1)], 1, 1),
    "the dearest for the guest": (
        MoneyOff(FOOD, Pick.GUEST),
        [line("a", 100), line("b", 300)],
        1,
        300,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_use_takes_off_what_the_page_says(case: str) -> None:
    """By prices in cents, of products in the group alone."""
    rule, lines, uses, expected = CASES[case]
    assert off(rule, *lines, used(0), uses=uses) == [expected, None]


def test_till_names_the_line_that_the_guest_chose() -> None:
    """It is chosen though another is dearer, unless the cheapest is meant."""
    lines = line("a", 100), line("b", 300), line("c", 200)
    assert off(MoneyOff(FOOD, Pick.GUEST), *lines, used(0, applies_to="c"))[0] == 200
    assert off(MoneyOff(FOOD), *lines, used(0, applies_to="c"))[0] == 100


def test_amount_that_left_the_price_counts_with_it() -> None:
    """By a line below 0 or by an amount told, the price of before is the same."""
    rule = MoneyOff(FOOD, Pick.GUEST, up_to=2000)
    assert off(rule, line("a", 2495), used(-2000)) == [2000, 2000]
    assert off(rule, line("a", 495), used(0, applies_to="a", amount_off=2000)) == [2000, 2000]
    applied = (AppliedDiscount("r", None, "9", "reward", "a", 2000),)
    assert off(rule, line("a", 495), applied=applied) == [2000, 2000]
    unknown = (AppliedDiscount("r", None, "9", "reward", None, 2000),)
    assert off(rule, line("a", 495), applied=unknown) == [None, 2000]
    own = replace(used(495, amount_off=2000), product_id="r")
    assert off(rule, own) == [2000, 2000]


def test_amount_told_twice_is_given_away_once() -> None:
    """What a line and an applied discount tell of one incentive is the larger of both."""
    applied = (AppliedDiscount("r", None, "9", "reward", None, 150), AppliedDiscount("o", None, ""))
    basket = Basket((line("a", 500), used(-200)), (), applied, "CAD")
    assert given_away(basket) == {"r": 200}


def test_runs_of_products_are_taken_like_single_ones() -> None:
    """Whatever the lines, the sum is that of the uses made one after the other, unit by unit."""
    chance = random.Random(3)  # noqa: S311 - no secret.
    for _ in range(2000):
        rule = MoneyOff(
            FOOD,
            buy=chance.randrange(3),
            quantity=chance.randrange(1, 4),
            percentage=chance.choice([None, 33]),
            up_to=chance.choice([None, 40]),
        )
        runs = [
            Priced(str(place), Fraction(chance.randrange(1, 90)), chance.randrange(1, 5))
            for place in range(chance.randrange(4))
        ]
        uses = chance.randrange(1, 5)
        assert taken_off_products(rule, uses, runs) == _by_units(rule, uses, runs)


def _by_units(rule: MoneyOff, uses: int, runs: list[Priced]) -> int:
    units = [run.price for run in runs for _ in range(run.count)]
    free = len(units)
    total = 0
    for _ in range(uses):
        free -= rule.buy
        took, units = (
            units[: max(0, min(rule.quantity, free))],
            units[max(0, min(rule.quantity, free)) :],
        )
        free -= len(took)
        share = Fraction(rule.percentage or 100, 100)
        cents = int(sum(took) * share + Fraction(1, 2))
        total += cents if rule.up_to is None else min(cents, rule.up_to)
        if not took:
            break
    return total
