"""An order earns by exact arithmetic that rounds once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.basket import Basket, BasketLine
from loyalty_service.domain.earning import points_earned
from loyalty_service.domain.earning_rules import EarningRules, ProductType, Rounding
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.products import listed


def order(*lines: BasketLine) -> Basket:
    """Report lines."""
    return Basket(lines, (), (), "CAD")


def line(
    price: int | None,
    *,
    quantity: int = 1,
    tax: int = 0,
    plu: str = "1",
    kind: ProductType = "item",
) -> BasketLine:
    """Report one line."""
    return BasketLine("1", plu, kind, quantity, price, tax)


def test_deposit_earns_nothing() -> None:
    """The documented example: 4.24 with a deposit of 0.25 earns 39 points."""
    rules = EarningRules(excluded_products=listed(["deposit"]))

    assert points_earned(order(line(399), line(25, plu="deposit")), rules, 2) == 39


@pytest.mark.parametrize("plu", ["deposit ", "  deposit", "deposit\u00a0"])
def test_deposit_in_a_field_of_a_fixed_width_earns_nothing(plu: str) -> None:
    """Blanks around a PLU are no part of it."""
    rules = EarningRules(excluded_products=listed(["deposit"]))

    assert points_earned(order(line(399), line(25, plu=plu)), rules, 2) == 39


def test_reported_prices_are_net() -> None:
    """A discount line at price 0 takes nothing more off."""
    assert points_earned(order(line(800), line(0, kind="offer")), EarningRules(), 2) == 80


def test_reward_earns_nothing_unless_the_program_says_so() -> None:
    """A reward sold for points and money earns only where its type is not excluded."""
    bought = order(line(100), line(250, kind="reward"))

    assert points_earned(bought, EarningRules(), 2) == 10
    assert points_earned(bought, EarningRules(excluded_product_types=frozenset()), 2) == 35


def test_tax_earns_only_where_included() -> None:
    """Tax is of the whole line, whatever its quantity."""
    bought = order(line(100, quantity=2, tax=26))

    assert points_earned(bought, EarningRules(), 2) == 20
    assert points_earned(bought, EarningRules(include_tax=True), 2) == 22


@pytest.mark.parametrize(
    ("rounding", "points"), [(Rounding.DOWN, 1), (Rounding.NEAREST, 2), (Rounding.UP, 2)]
)
def test_order_is_rounded_once(rounding: Rounding, points: int) -> None:
    """Three lines worth half a point each round together; a half goes up."""
    assert points_earned(order(line(5), line(5), line(5)), EarningRules(rounding=rounding), 2) == (
        points
    )


@pytest.mark.parametrize(
    ("rate", "price", "digits", "points"),
    [
        (Fraction(1, 3), 900, 2, 3),
        (Fraction(1, 3), 899, 2, 2),
        (Fraction("12.5"), 200, 2, 25),
        (Fraction(10), 5, 0, 50),
        (Fraction(10), 1250, 3, 12),
        (Fraction(0), 900, 2, 0),
    ],
)
def test_rate_is_of_one_major_unit(rate: Fraction, price: int, digits: int, points: int) -> None:
    """A rate is exact and follows the digits of the currency."""
    assert points_earned(order(line(price)), EarningRules(points_per_unit=rate), digits) == points


def test_earned_points_have_the_ledgers_limit() -> None:
    """No order earns more than a member can have."""
    huge = order(line(1_000_000_000, quantity=1_000_000))

    assert points_earned(huge, EarningRules(), 2) == POINTS_MAX


def test_unpriced_order_earns_nothing() -> None:
    """Lines without a price, and no lines at all, are worth 0 points."""
    assert points_earned(order(line(None)), EarningRules(), 2) == 0
    assert points_earned(order(), EarningRules(rounding=Rounding.UP), 2) == 0


@given(
    st.lists(st.integers(0, 10_000), max_size=8),
    st.fractions(min_value=0, max_value=100, max_denominator=50),
)
def test_roundings_enclose_the_exact_sum(prices: list[int], rate: Fraction) -> None:
    """Down never gives more than the exact sum, up never less, nearest lies between."""
    bought = order(*(line(price) for price in prices))
    down, nearest, up = (
        points_earned(bought, EarningRules(rate, rounding), 2)
        for rounding in (Rounding.DOWN, Rounding.NEAREST, Rounding.UP)
    )

    exact = sum(prices) * rate / 100
    assert down <= exact <= up
    assert down <= nearest <= up
    assert up - down <= 1
