"""A basket is counted exactly, and names each incentive once."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loyalty_service.domain.amounts import (
    AMOUNT_MINOR_MAX,
    exact_minor_units,
    round_minor_units,
    tax_minor_units,
)
from loyalty_service.domain.basket import (
    AppliedDiscount,
    Basket,
    BasketLine,
    Cart,
    Payment,
    subtotal,
)
from loyalty_service.domain.earning import points_earned
from loyalty_service.domain.earning_rules import ProductType
from loyalty_service.domain.errors import OfferNotFoundError, RewardNotFoundError
from loyalty_service.domain.incentive_uses import (
    as_catalogued,
    incentive_names,
    incentive_uses,
    lines_sold_as,
    without_incentives,
)
from loyalty_service.domain.products import listed
from loyalty_service.domain.program import (
    EarningRules,
    Incentive,
    IncentiveKind,
    Program,
    RedemptionRules,
)
from loyalty_service.domain.prompt_catalogue import Prompts


def incentive(
    incentive_id: str, kind: IncentiveKind = "offer", *, retired: bool = False
) -> Incentive:
    """Describe an incentive whose engine ID is `e-` and its ID."""
    return Incentive(
        incentive_id=incentive_id,
        engine_id=f"e-{incentive_id}",
        kind=kind,
        display_name=incentive_id,
        point_cost=100 if kind == "reward" else 0,
        price=None,
        discount=None,
        plus={"default": "1"},
        retired=retired,
    )


PROGRAM = Program(
    program_id="demo-ca",
    brand="demo",
    region="CA",
    name="Demo",
    currency="CAD",
    currency_digits=2,
    points_name="points",
    time_zone="America/Toronto",
    locale="en-CA",
    identifier_kinds=frozenset(),
    code_lifetime_s=300,
    pending_lifetime_s=86_400,
    redemption=RedemptionRules(1, 1, 1, 1, 1, 1),
    prompts=Prompts({}, {}),
    stores={},
    incentives={
        item.incentive_id: item
        for item in (
            incentive("coffee", "reward"),
            incentive("fries"),
            incentive("cookie"),
            incentive("tea", "reward", retired=True),
        )
    },
)
NAMES = ("coffee", "fries", "cookie")


def basket(*lines: BasketLine, applied: tuple[AppliedDiscount, ...] = ()) -> Basket:
    """Report lines and discounts, unpaid."""
    return Basket(lines, (), applied, "CAD")


def use_line(
    incentive_id: str | None, quantity: int = 1, engine_id: str | None = None
) -> BasketLine:
    """Report a line of an incentive."""
    kind = PROGRAM.incentives[incentive_id].kind if incentive_id in PROGRAM.incentives else "offer"
    return BasketLine(
        "1", "9", kind, quantity, 0, incentive_id=incentive_id, loyalty_engine_id=engine_id
    )


def uses(
    of: Basket, program: Program = PROGRAM, held: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Count the uses of a basket by incentive."""
    return {use.incentive.incentive_id: use.quantity for use in incentive_uses(of, program, held)}


def test_subtotal_counts_every_line_without_tax() -> None:
    """Prices are of one, a missing one is nothing, and tax stays out."""
    lines = (
        BasketLine("1", "a", "combo", 2, 500, tax=65),
        BasketLine("2", "b", "item", 1, None),
        BasketLine("3", "c", "reward", 1, 250),
    )

    assert subtotal(basket(*lines)) == 1250


_MINOR = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)


@given(_MINOR, st.integers(0, 4))
def test_every_amount_survives_the_way_through_json(minor: int, digits: int) -> None:
    """What a till writes as a decimal arrives as a double and is the same amount again."""
    arrived = json.loads(str(Decimal(minor).scaleb(-digits)))

    assert exact_minor_units(arrived, digits) == minor
    assert round_minor_units(arrived, digits) == minor
    assert tax_minor_units(arrived, digits) == minor


@given(st.lists(st.integers(-100_000, 100_000), max_size=30), st.integers(0, 4))
def test_what_adding_up_leaves_behind_is_no_part_of_an_amount(
    minors: list[int], digits: int
) -> None:
    """A till that adds doubles is understood, in whatever order it adds."""
    total = sum((minor / 10**digits for minor in minors), 0.0)

    assert exact_minor_units(total, digits) == round_minor_units(total, digits) == sum(minors)


@given(st.integers(-6_000_000, 6_000_000))
@example(3299)
@example(12995)
def test_price_in_single_precision_is_the_price(minor: int) -> None:
    """A till that keeps prices so writes 32.99 as 32.9900016784668, or cut to 8 digits."""
    single = struct.unpack("f", struct.pack("f", minor / 100))[0]
    for arrived in (single, float(f"{single:.8g}")):
        assert exact_minor_units(arrived, 2) == round_minor_units(arrived, 2) == minor


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 4))
def test_amount_is_exact_or_refused(value: float, digits: int) -> None:
    """No double is taken for an amount that is further away than noise; rounding is to nearest."""
    try:
        rounded = round_minor_units(value, digits)
    except ValueError:
        with pytest.raises(ValueError, match="must be"):
            exact_minor_units(value, digits)
        return
    distance = abs(Decimal(rounded).scaleb(-digits) - Decimal(repr(value)))
    assert distance <= Decimal("0.5").scaleb(-digits)
    if distance <= max(Decimal("0.000001"), Decimal(2) ** (math.frexp(value)[1] - 24)):
        assert exact_minor_units(value, digits) == rounded
    else:
        with pytest.raises(ValueError, match=f"{digits} digits"):
            exact_minor_units(value, digits)


def test_half_a_minor_unit_goes_away_from_nothing() -> None:
    """As tills round, whichever side of 0 it is on."""
    assert [round_minor_units(value, 2) for value in (8.495, -8.495, 8.494)] == [850, -850, 849]
    assert exact_minor_units(8.7 + 13.99, 2) == 2269
    assert exact_minor_units(0.1 + 0.2, 2) == 30


def test_tax_has_six_digits() -> None:
    """It is a share of a price, which tills do not round line by line."""
    assert tax_minor_units(0.142857, 2) == Decimal("14.2857")
    assert tax_minor_units(0.1 + 0.2, 2) == 30
    assert tax_minor_units(-1.4, 0) == Decimal("-1.4")


@pytest.mark.parametrize(
    ("value", "digits", "message"),
    [
        (1.005, 2, "2 digits"),
        (8.49000101, 2, "2 digits"),
        (0.5, 0, "0 digits"),
        (float("nan"), 2, "a number"),
        (float("inf"), 2, "a number"),
        (-10_000_000.01, 2, "at most"),
        (10_000_000.01, 2, "at most"),
        (1e300, 2, "at most"),
    ],
)
def test_amount_out_of_bounds_is_refused(value: float, digits: int, message: str) -> None:
    """Too many digits, no number and too much are each told."""
    with pytest.raises(ValueError, match=message):
        exact_minor_units(value, digits)


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 5), st.booleans())),
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans())),
)
def test_uses_are_never_counted_twice(
    lines: list[tuple[str, int, bool]], applied: list[tuple[str, bool]]
) -> None:
    """Whichever name a till uses, an incentive's count is the larger of the two reports."""
    reported = basket(
        *(
            use_line(None, quantity, f"e-{name}") if by_engine else use_line(name, quantity)
            for name, quantity, by_engine in lines
        ),
        applied=tuple(
            AppliedDiscount(None if by_engine else name, f"e-{name}", "702")
            for name, by_engine in applied
        ),
    )

    counted = uses(reported)

    for name in NAMES:
        of_lines = sum(quantity for line, quantity, _ in lines if line == name)
        of_applied = sum(discount == name for discount, _ in applied)
        assert counted.get(name, 0) == max(of_lines, of_applied)


def test_uses_stand_in_order_of_appearance() -> None:
    """Lines come first, then the discounts that no line told of."""
    reported = basket(
        use_line("fries"),
        use_line("coffee", 2),
        applied=(AppliedDiscount("cookie", None, "1"), AppliedDiscount("fries", None, "2")),
    )

    assert list(uses(reported).items()) == [("fries", 1), ("coffee", 2), ("cookie", 1)]


def test_plain_lines_use_nothing() -> None:
    """A combo or an item is no incentive, even one that names the reward it belongs to."""
    assert uses(basket(replace(use_line("coffee"), product_type="item"))) == {}


def test_point_cost_is_of_all() -> None:
    """Two of a reward cost twice its points."""
    (use,) = incentive_uses(basket(use_line("coffee", 2)), PROGRAM)

    assert use.point_cost == 200


def test_unknown_incentive_is_named_by_the_lines_type() -> None:
    """A reward line that names nothing known is a reward not found, an offer line an offer."""
    line = BasketLine("1", "9", "reward", 1, incentive_id="gone")

    with pytest.raises(RewardNotFoundError) as reward:
        uses(basket(line))
    with pytest.raises(OfferNotFoundError) as offer:
        uses(basket(use_line(None, engine_id="e-gone")))

    assert (reward.value.incentive_id, offer.value.incentive_id) == ("gone", "e-gone")


def test_unknown_discount_is_named_by_its_kind() -> None:
    """An applied discount that is not known is refused like a line."""
    with pytest.raises(RewardNotFoundError):
        uses(basket(applied=(AppliedDiscount("gone", None, "1", "reward"),)))


def test_retired_incentive_is_not_found_unless_held() -> None:
    """What a transaction holds already stays good for it, and for it alone."""
    reported = basket(use_line("tea"))

    with pytest.raises(RewardNotFoundError):
        uses(reported)

    assert uses(reported, held=frozenset({"tea"})) == {"tea": 1}


def test_line_without_a_name_is_not_found() -> None:
    """A line of no incentive at all resolves to none."""
    with pytest.raises(OfferNotFoundError):
        uses(basket(use_line(None)))


def test_catalogue_says_what_an_incentive_is() -> None:
    """A line or discount is what it names; its product stays one, an unknown what the till says."""
    lines = (
        BasketLine("1", "9", "offer", 1, 500, incentive_id="coffee"),
        BasketLine("2", "9", "offer", 1, 500, loyalty_engine_id="e-coffee"),
        BasketLine("3", "9", "offer", 1, 500, incentive_id="tea"),
        BasketLine("4", "9", "reward", 1, 500, incentive_id="fries"),
        BasketLine("5", "9", "item", 1, 500, incentive_id="coffee"),
        BasketLine("6", "9", "reward", 1, 500, incentive_id="nothing"),
        BasketLine("7", "9", "offer", 1, 500, incentive_id="nothing"),
    )
    applied = (
        AppliedDiscount("coffee", None, "1"),
        AppliedDiscount("fries", None, "1", "reward"),
        AppliedDiscount("nothing", None, "1", "reward"),
    )

    read = as_catalogued(basket(*lines, applied=applied), PROGRAM)

    kinds = [line.product_type for line in read.lines]
    assert kinds == ["reward", "reward", "reward", "offer", "item", "reward", "offer"]
    assert [discount.kind for discount in read.applied_discounts] == ["reward", "offer", "reward"]
    assert subtotal(read) == 3500
    assert incentive_names(read, PROGRAM) == {
        "coffee": "reward",
        "tea": "reward",
        "fries": "offer",
        "nothing": "reward",
    }


@pytest.mark.parametrize("kind", ["item", "combo"])
@pytest.mark.parametrize("named", [{"incentive_id": "coffee"}, {"loyalty_engine_id": "e-coffee"}])
def test_reward_that_the_till_sends_as_a_product_is_one(
    kind: ProductType, named: dict[str, str]
) -> None:
    """It burns and earns nothing on its own; one that no name tells of is a product."""
    lines = (
        BasketLine("1", "burger", "item", 1, 849),
        BasketLine("2", "9", kind, 1, 250, **named),
        BasketLine("3", "1", "item", 1, 100),
        BasketLine("4", "9", kind, 1, 100, incentive_id="nothing"),
    )

    read = as_catalogued(basket(*lines), PROGRAM)

    assert [line.product_type for line in read.lines] == ["item", "reward", "item", kind]
    assert uses(read) == {"coffee": 1}
    assert points_earned(read, EarningRules(), 2) == 104


def test_what_the_guest_gets_for_a_reward_uses_none_besides() -> None:
    """Neither parts of a line that names it, nor a product beside a line that burns it already."""
    meal = (
        BasketLine("1", "9", "combo", 1, 500, incentive_id="coffee"),
        BasketLine("2", "a", "item", 1, 300, parent_reference_id="1", incentive_id="coffee"),
        BasketLine("3", "b", "item", 1, 50, parent_reference_id="2", incentive_id="coffee"),
        BasketLine("4", "c", "combo", 1, 500),
        BasketLine("5", "d", "item", 1, 500, parent_reference_id="4", incentive_id="fries"),
    )
    told = BasketLine("6", "9", "offer", 1, 0, incentive_id="coffee")
    removed = replace(told, quantity=0)

    def kinds(*lines: BasketLine) -> list[str]:
        return [line.product_type for line in as_catalogued(basket(*lines), PROGRAM).lines]

    assert kinds(*meal) == ["reward", "item", "item", "combo", "offer"]
    assert kinds(*meal, removed) == ["reward", "item", "item", "combo", "offer", "reward"]
    assert kinds(*meal, told) == ["combo", "item", "item", "combo", "offer", "reward"]


def test_incentives_are_left_out_by_any_of_their_names() -> None:
    """What is named by its engine ID goes as well; products stay, whatever they name."""
    lines = (
        use_line("fries"),
        use_line(None, engine_id="e-fries"),
        use_line("cookie"),
        use_line("nothing"),
        BasketLine("5", "9", "item", 1, 500, incentive_id="fries"),
    )
    applied = (AppliedDiscount(None, "e-fries", "1"), AppliedDiscount("cookie", None, "1"))

    left = without_incentives(basket(*lines, applied=applied), PROGRAM, {"fries", "nothing"})

    assert [line.incentive_id for line in left.lines] == ["cookie", "fries"]
    assert [discount.incentive_id for discount in left.applied_discounts] == ["cookie"]


@pytest.mark.parametrize("quantities", [(0,), (-1,), (1, -1), (2, -3)])
def test_what_was_removed_is_not_used(quantities: tuple[int, ...]) -> None:
    """A reward or offer whose lines come to less than one was taken out again, known or not."""
    for name in ("coffee", "fries", "tea", "nothing"):
        reported = basket(*(use_line(name, quantity) for quantity in quantities))

        assert uses(reported) == {}
        assert incentive_names(reported, PROGRAM) == {}
        assert uses(basket(*reported.lines, use_line("cookie"))) == {"cookie": 1}


def test_one_of_several_can_be_taken_back() -> None:
    """What is left is used; a discount that the till applied stays applied."""
    lines = (use_line("coffee", 3), use_line(None, -2, "e-coffee"), use_line("fries", 0))
    applied = (AppliedDiscount("fries", None, "1"),)

    assert uses(basket(*lines, applied=applied)) == {"coffee": 1, "fries": 1}


def test_meal_of_an_incentive_goes_with_what_it_is_made_of() -> None:
    """Its parts are its price, and what it takes off stays off; extras were bought besides."""
    lines = (
        replace(use_line("fries"), price=500, reference_id="m"),
        BasketLine("2", "a", "item", 1, 500, parent_reference_id="m"),
        BasketLine("3", "b", "item", 1, 0, parent_reference_id="2"),
        replace(use_line("fries"), price=500, reference_id="n"),
        BasketLine("4", "c", "item", 1, 50, parent_reference_id="n"),
        replace(use_line("fries"), price=-200, reference_id="o"),
    )

    left = without_incentives(basket(*lines), PROGRAM, {"fries"})

    assert [(line.product_type, line.amount) for line in left.lines] == [
        ("item", 50),
        ("item", -200),
    ]
    assert incentive_names(left, PROGRAM) == {}


def test_extra_of_a_refused_offer_is_no_part_of_another_line() -> None:
    """Even where that has the same name, and the extra would make up its price."""
    lines = (
        BasketLine("1", "9", "combo", 1, 500),
        replace(use_line("fries"), price=900),
        BasketLine("2", "a", "item", 1, 500, parent_reference_id="1"),
    )

    left = without_incentives(basket(*lines), PROGRAM, {"fries"})

    assert subtotal(left) == 1000


def test_cart_knows_what_was_taken_back() -> None:
    """What was sold and taken back is not in the order, and change is no means of payment."""
    lines = (
        BasketLine("1", "burger", "item", 2, 400),
        BasketLine("2", "burger", "item", -2, 400),
        BasketLine("3", "fries", "item", 2, 200),
        BasketLine("4", "fries", "item", 1, -200),
        BasketLine("5", "soup", "item", 0, 200),
        BasketLine("6", "card", "item", 1, 5000),
    )
    payments = (
        Payment("VISA", 200),
        Payment("VISA", -200),
        Payment("CASH", 1000),
        Payment("CHANGE", -800),
        Payment("POINTS", 0),
    )

    cart = Cart.of(Basket(lines, payments, (), "CAD"), listed(["card"]))

    assert cart.reported == ("fries", "card")
    assert (cart.bought["burger"], cart.bought["fries"]) == (0, 1)
    assert cart.paid == ("CASH", "POINTS")
    assert cart.subtotal == 200


def test_cart_has_what_an_offer_takes_off() -> None:
    """Its price is below 0, and it is used all the same; one that is taken back is not there."""
    lines = (
        replace(use_line("fries"), product_id="off", price=-240),
        replace(use_line("cookie"), product_id="gone", price=-240),
        replace(use_line("cookie", -1), product_id="gone", price=-240),
        replace(use_line("coffee", -1), product_id="back", price=0),
    )

    assert Cart.of(basket(*lines)).reported == ("off",)
    assert uses(basket(*lines)) == {"fries": 1}


def test_lines_that_sell_an_incentive_are_told_by_any_of_its_names() -> None:
    """Products and what takes off are none of them."""
    lines = (
        use_line("fries"),
        use_line(None, engine_id="e-fries"),
        use_line("cookie"),
        BasketLine("5", "9", "item", 1, 500, incentive_id="fries"),
        replace(use_line("fries"), price=-200),
        use_line("nothing"),
    )

    assert lines_sold_as(basket(*lines), PROGRAM, {"fries", "nothing"}) == {0, 1, 5}


UPPER, LOWER = "AB54A98C-EB1F-4AD2-8000-000000000001", "ab54a98c-eb1f-4ad2-8000-000000000001"


def test_catalogue_ids_that_are_uuids_are_taken_in_any_case() -> None:
    """By either of its names; another's name is what it is, and as written goes first."""
    upper = replace(incentive("x"), incentive_id=UPPER, engine_id=UPPER[::-1])
    both = replace(incentive("y"), incentive_id=LOWER, engine_id=None)
    program = replace(PROGRAM, incentives={UPPER: upper, "Fries": incentive("Fries")})

    assert program.find_incentive(LOWER, None) == upper
    assert program.find_incentive(None, UPPER[::-1]) == upper
    assert program.find_incentive("fries", "e-fries") is None
    for told in ({UPPER: upper, LOWER: both}, {LOWER: both, UPPER: upper}):
        program = replace(PROGRAM, incentives=told)
        assert program.find_incentive(LOWER, None) == both
        assert program.find_incentive(UPPER, None) == upper


def test_engine_id_finds_what_an_unknown_incentive_id_does_not() -> None:
    """A till that has renamed one still knows the other."""
    assert uses(basket(use_line("renamed", engine_id="e-cookie"))) == {"cookie": 1}
    assert uses(basket(use_line("fries", engine_id="e-cookie"))) == {"fries": 1}


def test_incentive_is_found_by_its_plu() -> None:
    """By that of the first vendor who has it, or the default; never where several have it."""
    plus = {
        "x": {"default": "1", "Till ": "7"},
        "y": {"default": "2", "kiosk": "7"},
        "z": {"default": "2"},
    }
    items = {name: replace(incentive(name), plus=told) for name, told in plus.items()}
    items["old"] = replace(incentive("old", retired=True), plus={"default": "1"})
    program = replace(PROGRAM, incentives=items)

    assert program.find_by_plu("1", ("till",)) == items["x"]
    assert program.find_by_plu("7", ("TILL",)) == items["x"]
    assert program.find_by_plu("7", ("other", "Kiosk")) == items["y"]
    assert program.find_by_plu("7", ()) is None
    assert program.find_by_plu("2", ("till",)) is None


def test_blanks_around_a_product_or_an_incentive_are_no_part_of_its_name() -> None:
    """Tills with fields of a fixed width fill them up; every rule and name sees what is in them."""
    padded, plain = (
        basket(
            BasketLine("1", f"{before}2001{after}", "item", 2, 400),
            BasketLine("2", f"9901{after}", "item", 1, 25),
            use_line(f"{before}coffee{after}"),
            use_line(None, 1, f"{before}e-fries"),
            applied=(AppliedDiscount(f"cookie{after}", None, f"{before}702"),),
        )
        for before, after in ((" ", "  "), ("", ""))
    )
    assert Cart.of(padded, listed(["9901"])) == Cart.of(plain, listed(["9901"]))
    assert uses(padded) == uses(plain) == {"coffee": 1, "fries": 1, "cookie": 1}
    assert PROGRAM.find_by_plu(" 1 ", ("till",)) == PROGRAM.find_by_plu("1", ("till",))
