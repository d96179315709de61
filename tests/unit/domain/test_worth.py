"""Each amount of an order counts once, whether tills price combos, their parts, or both."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.basket import Basket, BasketLine, subtotal
from loyalty_service.domain.earning import points_earned
from loyalty_service.domain.earning_rules import EarningRules, ProductType, Rounding
from loyalty_service.domain.products import listed
from loyalty_service.domain.worth import tree_of

DEPOSIT = EarningRules(excluded_products=listed(["deposit"]))
QUANTITIES = st.integers(-3, 3).filter(bool)
PRICES = st.integers(-1_000, 1_000)
RULES = st.builds(
    EarningRules,
    rounding=st.sampled_from(Rounding),
    excluded_products=st.just(listed(["deposit"])),
    include_tax=st.booleans(),
)


def combo(price: int | None, quantity: int = 1, kind: ProductType = "combo") -> BasketLine:
    """Report the combo that is called c."""
    return BasketLine("c", "meal", kind, quantity, price)


def part(price: int, quantity: int = 1, plu: str = "p", of: str = "c") -> BasketLine:
    """Report a part of a combo."""
    return BasketLine(plu, plu, "item", quantity, price, parent_reference_id=of)


def item(price: int) -> BasketLine:
    """Report a line that is a part of none."""
    return BasketLine("i", "i", "item", 1, price)


def points(
    *lines: BasketLine, rules: EarningRules = DEPOSIT, not_held: Collection[int] = ()
) -> int:
    """Tell what lines earn."""
    return points_earned(Basket(lines, (), (), "CAD"), rules, 2, not_held)


@pytest.mark.parametrize(
    ("lines", "cents"),
    [
        ((combo(500), part(300), part(200)), 500),
        ((combo(500), part(400), part(300)), 500),
        ((combo(500), part(0), part(0)), 500),
        ((combo(500), part(50)), 550),
        ((combo(None), part(300), part(200)), 500),
        ((combo(0), part(300), part(200)), 500),
        ((combo(500, 2), part(300, 2), part(200, 2)), 1000),
        ((combo(500, 2), part(300), part(200)), 1000),
        ((combo(500, 2), part(50)), 1050),
        ((combo(500, 2), part(200, 2)), 1400),
        ((combo(500, 2), part(200, 2), part(150, plu="q")), 1550),
        ((combo(500, 2), part(300, 2), part(150, plu="q")), 1750),
        ((combo(500, 2), part(400, 2), part(200, plu="q")), 1000),
        ((combo(500, -2), part(200, -2), part(150, -1, plu="q"), item(3000)), 1450),
        ((combo(500, kind="offer"), part(300), part(200)), 500),
        ((combo(500), part(300), part(200), part(50, of="p")), 500),
        ((combo(500), part(0), part(50, of="p")), 550),
        ((combo(500), part(300), part(200), part(-50)), 450),
        ((combo(500), part(300), part(200), part(-200), part(250)), 500),
        ((combo(500), part(300), part(175), part(25, plu="deposit")), 475),
        ((combo(500), part(300), part(200), part(25, plu="deposit")), 500),
        ((combo(500), part(25, plu="deposit")), 500),
        ((replace(combo(500), product_id="deposit"), part(300), part(200)), 0),
    ],
)
def test_combo_and_its_parts_count_once(lines: tuple[BasketLine, ...], cents: int) -> None:
    """Parts that make up the price are in it, extras on top; both for points and for spending."""
    assert points(*lines) == cents // 10
    assert subtotal(Basket(lines, (), (), "CAD"), DEPOSIT.excluded_products) == cents


def test_parts_belong_to_the_nearest_line_of_their_name() -> None:
    """Lines whose names repeat lose nothing, and a combo goes before a product that is nearer."""
    meal = (combo(500), part(300))

    assert points(*meal, *meal) == 160
    assert points(*meal, combo(400), part(400)) == 120
    assert points(combo(500), replace(part(100), reference_id="c"), part(400)) == 50
    assert points(part(300), combo(500), part(300)) == 50


def test_program_whose_combos_earn_nothing_counts_their_parts() -> None:
    """That is how it was told to count once."""
    rules = EarningRules(excluded_product_types=frozenset({"combo", "reward"}))
    assert points(combo(500), part(300), part(200), rules=rules) == 50


def test_taxes_of_combos_count_once() -> None:
    """A tax on the parts is that of the combo, to six digits, and never without the program."""
    lines = (
        replace(combo(500), tax=65),
        replace(part(300), tax=39),
        replace(part(200), tax=26),
        BasketLine("9", "9", "item", 1, 0, tax=Decimal("34.9999")),
    )
    assert points(*lines, rules=EarningRules(include_tax=True)) == 59
    assert points(*lines) == 50


def test_modifier_of_an_item_is_on_top_of_it() -> None:
    """Only what groups others may stand for them: a shot may cost as much as its coffee."""
    assert points(BasketLine("c", "coffee", "item", 1, 150), part(150)) == 30


@given(
    st.integers(1, 1_000),
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 4)), min_size=1, max_size=5),
)
def test_parts_are_either_the_combo_or_on_top(
    price: int, combos: int, parts: list[tuple[int, int]]
) -> None:
    """Nothing is counted twice or lost; parts that come to too little are those of one combo."""
    told = points(combo(price, combos), *(part(*one) for one in parts))
    total, given_with_it = price * combos, sum(price * quantity for price, quantity in parts)
    made = given_with_it >= total or (
        given_with_it >= price and all(quantity < combos for _, quantity in parts)
    )
    assert told == (total if made else total + given_with_it) // 10


@given(
    st.integers(0, 1_000),
    st.integers(0, 130),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 130)), min_size=1, max_size=4),
)
def test_tax_goes_the_way_of_the_price(price: int, tax: int, parts: list[tuple[int, int]]) -> None:
    """However the parts' taxes were rounded, that of a combo counts once; without one, theirs."""
    lines = [replace(part(price), tax=tax) for price, tax in parts]
    told = points(replace(combo(price), tax=tax), *lines, rules=EarningRules(include_tax=True))
    prices, taxes = (sum(column) for column in zip(*parts, strict=True))
    if prices >= price:
        assert told == ((price or prices) + (tax or taxes)) // 10
    else:
        assert told == (price + prices + tax + taxes) // 10


def test_taxes_that_do_not_add_up_are_those_of_the_combo() -> None:
    """1.30 on 9.99 is 0.43 on each third of it; what is taken back lowers it by its own tax."""
    rules = replace(DEPOSIT, include_tax=True)
    meal = [replace(combo(999), tax=130), *(replace(part(333), tax=43) for _ in range(3))]
    assert points(*meal, rules=rules) == 112
    assert points(*meal, replace(part(-333), tax=43), rules=rules) == 75
    assert points(*meal[:3], replace(meal[3], product_id="deposit"), rules=rules) == 75


_LINES = st.lists(
    st.builds(
        BasketLine,
        st.sampled_from("abcd"),
        st.sampled_from(["burger", "deposit"]),
        st.sampled_from(["combo", "item", "offer", "reward"]),
        st.integers(-2, 3),
        st.none() | PRICES,
        st.integers(0, 200),
        parent_reference_id=st.none() | st.sampled_from("abcd"),
    ),
    max_size=7,
)


@given(_LINES, RULES)
def test_an_order_and_the_same_taken_back_earn_nothing(
    lines: list[BasketLine], rules: EarningRules
) -> None:
    """However it is priced and rounded; and no order earns less than nothing."""
    back = [
        replace(
            line,
            quantity=-abs(line.quantity) if not line.taken_back else abs(line.quantity),
            price=None if line.price is None else abs(line.price),
            reference_id=f"{line.reference_id}'",
            parent_reference_id=line.parent_reference_id and f"{line.parent_reference_id}'",
        )
        for line in lines
    ]
    assert points(*lines, rules=rules) >= 0
    assert points(*lines, *back, rules=rules) == 0


@given(_LINES, PRICES, QUANTITIES, RULES)
def test_what_is_taken_back_lowers_what_is_earned(
    lines: list[BasketLine], price: int, quantity: int, rules: EarningRules
) -> None:
    """Whichever of its numbers is below 0, or both; a deposit given back lowers nothing."""
    line = BasketLine("x", "x", "item", -abs(quantity), price)
    by_price = replace(line, quantity=abs(quantity), price=-abs(price))
    earned = points(*lines, rules=rules)
    assert points(*lines, line, rules=rules) <= earned
    assert points(*lines, by_price, rules=rules) <= earned
    assert points(*lines, replace(line, product_id="deposit"), rules=rules) == earned
    assert points(*lines, replace(line, quantity=0), rules=rules) == earned


@given(_LINES, RULES, st.sets(st.integers(0, 6)))
def test_what_does_not_hold_makes_nothing_earn_more(
    lines: list[BasketLine], rules: EarningRules, places: set[int]
) -> None:
    """Whatever it is a part of, or is made of."""
    not_held = {place for place in places if place < len(lines) and not lines[place].taken_back}
    assert points(*lines, rules=rules, not_held=not_held) <= points(*lines, rules=rules)


def test_part_that_does_not_hold_is_taken_off_its_combo() -> None:
    """The combo is made of it all the same; so a meal goes whole, and extras stay."""
    offer = replace(part(200, plu="f"), product_type="offer")
    assert points(combo(500), part(300), offer) == 50
    assert points(combo(500), part(300), offer, not_held={2}) == 30
    meal = (combo(500, kind="offer"), part(300), part(200), item(1000))
    assert points(*meal, not_held={0}) == 100
    assert points(*meal[:2], item(1000), not_held={0}) == 130


def test_returned_bottle_lowers_what_the_rest_earns() -> None:
    """By its price, and never below 0."""
    bottle = BasketLine("b", "bottle", "item", -2, 25)
    assert points(part(500), bottle) == 45
    assert points(part(40), bottle) == 0
    assert points(part(500), replace(bottle, price=-25)) == 45


@given(_LINES)
def test_every_line_has_its_place_in_the_tree(lines: list[BasketLine]) -> None:
    """Each line once, after what it is a part of, whatever rings a till reports."""
    tree = tree_of(lines)
    seen: set[int] = set()
    for index in tree.top_down:
        parent = tree.parents[index]
        assert parent is None or (parent in seen and index in tree.children[parent])
        seen.add(index)
    assert seen == set(range(len(lines)))
    for index in tree.rings:
        assert lines[index].parent_reference_id is not None
        assert tree.parents[index] is None
