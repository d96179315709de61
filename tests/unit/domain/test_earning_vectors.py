"""What programs of real markets give for an order, as their terms say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.basket import Basket, BasketLine, Payment
from loyalty_service.domain.earning import Earned, PromotionPoints, Won, earned, round_points
from loyalty_service.domain.earning_rules import (
    Caps,
    EarningRules,
    PaymentRate,
    Promotion,
    Rounding,
)
from loyalty_service.domain.products import Products, listed

TEN = EarningRules()
NEAREST = EarningRules(rounding=Rounding.NEAREST)
DRINKS = Products(prefixes=("d",), group="drinks")
CARDS = Products(categories=("Gift Cards",), group="cards")


def order(
    *prices: tuple[str, int] | tuple[str, int, str], paid: dict[str, int] | None = None
) -> Basket:
    """Report lines by PLU, price and perhaps category, and payments by type."""
    lines = tuple(
        BasketLine(str(place), plu, "item", 1, price, category=told[0] if told else None)
        for place, (plu, price, *told) in enumerate(prices)
    )
    payments = tuple(Payment(kind, amount) for kind, amount in (paid or {}).items())
    return Basket(lines, payments, (), "CAD")


def times(multiplier: float | Fraction, on: Products | None = None, name: str = "x") -> Won:
    """Win a multiplier."""
    exact = Fraction(str(multiplier))
    return Won(Promotion(f"{name}{multiplier}", "More", multiplier=exact, on=on))


def bonus(points: int, often: int = 1) -> Won:
    """Win a bonus."""
    return Won(Promotion(f"b{points}", "Bonus", bonus=points), often)


@dataclass(frozen=True)
class Case:
    """An order with what it earns."""

    basket: Basket
    points: int
    rules: EarningRules = TEN
    won: tuple[Won, ...] = ()
    rate: Fraction | None = None


CASES = {
    # The contract's own.
    "a deposit does not earn": Case(
        order(("1", 399), ("dep", 25)), 39, EarningRules(excluded_products=listed(["dep"]))
    ),
    "best multiplier, bonus twice": Case(
        order(("1", 1234)), 870, won=(times(2), times(3), bonus(250, 2))
    ),
    "once down, after the multiplier": Case(order(("1", 9)), 1, won=(times(2),)),
    "a bonus needs no money": Case(order(("1", 0)), 250, won=(times(3), bonus(250))),
    "less than the least": Case(
        order(("1", 999)), 0, EarningRules(minimum_spend=1000), (times(2),)
    ),
    "less than the least, with a bonus": Case(
        order(("1", 999)), 50, EarningRules(minimum_spend=1000), (bonus(50),)
    ),
    # A doughnut and coffee chain rounds to the nearest.
    "5.78 to the nearest": Case(order(("1", 578)), 58, NEAREST),
    "5.72 to the nearest": Case(order(("1", 572)), 57, NEAREST),
    "3.58 to the nearest": Case(order(("1", 358)), 36, NEAREST),
    # Tax in the price, 75 points a euro, half up.
    "1.85 at 75": Case(order(("1", 185)), 139, replace(NEAREST, points_per_unit=Fraction(75))),
    "1.75 at 75": Case(order(("1", 175)), 131, replace(NEAREST, points_per_unit=Fraction(75))),
    "15.00 at 75": Case(order(("1", 1500)), 1125, replace(NEAREST, points_per_unit=Fraction(75))),
    # Only whole steps earn.
    "15 for each whole dollar": Case(
        order(("1", 2015)), 300, EarningRules(points_per_unit=Fraction(15), step=100)
    ),
    "15 for each whole dollar, 20 times": Case(
        order(("1", 5260)),
        15_600,
        EarningRules(points_per_unit=Fraction(15), step=100),
        (times(20),),
    ),
    "10 for each full ten": Case(
        order(("1", 4500)), 40, EarningRules(points_per_unit=Fraction(1), step=1000)
    ),
    "5 for each full euro": Case(
        order(("1", 390)), 15, EarningRules(points_per_unit=Fraction(5), step=100)
    ),
    "a point for each two euros": Case(
        order(("1", 199)), 0, EarningRules(points_per_unit=Fraction(1, 2))
    ),
    # A tier is a rate, on which multipliers work.
    "7.45 at 1.2": Case(order(("1", 745)), 8, rate=Fraction("1.2")),
    "7.45 at 1.2, doubled": Case(order(("1", 745)), 17, rate=Fraction("1.2"), won=(times(2),)),
    "10.00 at 13, doubled": Case(order(("1", 1000)), 260, rate=Fraction(13), won=(times(2),)),
    # Percentages add up.
    "ten and five percent more": Case(
        order(("1", 1240)), 142, EarningRules(stack="add"), (times(1.1), times(1.05))
    ),
    "of two at once the best": Case(order(("1", 1240)), 136, won=(times(1.1), times(1.05))),
    # Groups.
    "100 a pound, double on drinks": Case(
        order(("d1", 600), ("b1", 549)),
        1749,
        EarningRules(points_per_unit=Fraction(100)),
        (times(2, DRINKS),),
    ),
    "gift cards double": Case(
        order(("1", 8040), ("2", 5000, " gift CARDS")),
        180,
        EarningRules(points_per_unit=Fraction(1)),
        (times(2, CARDS),),
    ),
    "a line takes the best that covers it": Case(
        order(("d1", 1000), ("b1", 1000)), 500, won=(times(2), times(3, DRINKS))
    ),
    "what covers a line adds up": Case(
        order(("d1", 1000), ("b1", 1000)),
        600,
        EarningRules(stack="add"),
        (times(2), times(3, DRINKS)),
    ),
    # Which money earns.
    "a linked card earns 50": Case(
        order(("1", 4000), paid={"CASH": 1500, "RBC": 2500}),
        1400,
        EarningRules(payments=(PaymentRate(("RBC",), add=Fraction(40)),)),
    ),
    "paid with points in part": Case(
        order(("1", 3000), paid={"VISA": 2000, "POINTS": 1000}),
        300,
        EarningRules(
            points_per_unit=Fraction(15),
            step=100,
            payments=(PaymentRate(("POINTS",), Fraction(0)),),
        ),
    ),
    "paid with points alone": Case(
        order(("1", 3000), paid={"POINTS": 3000}),
        0,
        EarningRules(payments=(PaymentRate(("POINTS",), Fraction(0)),)),
    ),
    "nothing is known of the payment": Case(
        order(("1", 3000)),
        300,
        EarningRules(payments=(PaymentRate(("POINTS",), Fraction(0)),)),
    ),
    "change is given back of its own type": Case(
        order(("1", 3000), paid={"POINTS": 1000, "CASH": 2000}),
        200,
        EarningRules(payments=(PaymentRate(("POINTS",), Fraction(0)),)),
    ),
    # A bonus instead of a rate.
    "10 points an order": Case(
        order(("1", 1200)), 10, EarningRules(points_per_unit=Fraction(0)), (bonus(10),)
    ),
    "50 for each prescription, of three": Case(
        order(("1", 2000)), 170, EarningRules(points_per_unit=Fraction(1)), (bonus(50, 3),)
    ),
    # What is taken back lowers as much as it would have earned.
    "a drink is taken back": Case(
        order(("d1", 600), ("d2", -200), ("b1", 500)), 130, won=(times(2, DRINKS),)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_order_earns_what_the_terms_say(name: str) -> None:
    """Every example of the programs that were looked at."""
    case = CASES[name]

    found = earned(case.basket, case.rules, 2, rate=case.rate, won=case.won)

    assert found.points == case.points


def test_each_promotion_is_told_with_what_it_gave() -> None:
    """One that is not the best gives nothing, and is not told."""
    found = earned(order(("1", 1234)), TEN, 2, won=(times(2), times(3), bonus(250, 2)))

    assert found == Earned(
        870,
        (
            PromotionPoints("x3", "More", 1, 247),
            PromotionPoints("b250", "Bonus", 2, 500),
        ),
    )


def test_cap_cuts_off_the_last_promotion_first() -> None:
    """What the rate gave is cut only when no promotion is left to cut."""
    found = earned(order(("1", 1000)), TEN, 2, won=(times(2), bonus(50)))

    assert [one.points for one in found.within(220).promotions] == [100, 20]
    assert [one.points for one in found.within(150).promotions] == [50]
    assert found.within(30) == Earned(30)
    assert Caps() == Caps(None, None, None)


@given(
    st.lists(st.tuples(st.sampled_from(["d1", "b1"]), st.integers(-500, 5_000)), max_size=6),
    st.lists(st.sampled_from([1, Fraction(21, 20), 2, 3, 10]), max_size=3),
    st.lists(st.integers(0, 100), max_size=2),
    st.sampled_from(Rounding),
    st.sampled_from(["best", "add"]),
    st.sampled_from([None, 100, 250]),
    st.integers(0, 5_000),
)
def test_parts_add_up_to_the_whole(
    lines: list[tuple[str, int]],
    multipliers: list[Fraction],
    bonuses: list[int],
    rounding: Rounding,
    stack: str,
    step: int | None,
    most: int,
) -> None:
    """No point is lost or made between what the rate, each promotion and all together give."""
    rules = EarningRules(rounding=rounding, stack="add" if stack == "add" else "best", step=step)
    won = tuple(
        times(one, DRINKS if place % 2 else None, name=str(place))
        for place, one in enumerate(multipliers)
    ) + tuple(bonus(points) for points in bonuses)

    base = earned(order(*lines), rules, 2)
    found = earned(order(*lines), rules, 2, won=won)

    assert found.points == base.points + sum(one.points for one in found.promotions)
    assert found.within(most).points == min(most, found.points)
    told = found.within(most)
    assert sum(one.points for one in told.promotions) <= max(told.points, 0) or any(
        price < 0 for _, price in lines
    )


@given(st.fractions(min_value=-1000, max_value=1000))
def test_rounding_is_within_a_point(points: Fraction) -> None:
    """Down, nearest and up differ by less than a point from what they round."""
    down, nearest, up = (round_points(points, rounding) for rounding in Rounding)

    assert down <= points <= up
    assert up - down <= 1
    assert abs(nearest - points) <= Fraction(1, 2)
