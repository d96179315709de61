"""A basket is counted exactly, and names each incentive once."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.basket import (
    AMOUNT_MINOR_MAX,
    AppliedDiscount,
    Basket,
    BasketLine,
    as_catalogued,
    exact_minor_units,
    incentive_names,
    incentive_uses,
    subtotal,
    without_incentives,
)
from server.domain.errors import OfferNotFoundError, RewardNotFoundError
from server.domain.program import (
    Incentive,
    IncentiveKind,
    Program,
    Prompts,
    RedemptionRules,
)


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


@given(st.integers(0, AMOUNT_MINOR_MAX), st.integers(0, 4))
def test_every_amount_survives_the_way_through_json(minor: int, digits: int) -> None:
    """What a till writes as a decimal arrives as a double and is the same amount again."""
    arrived = json.loads(str(Decimal(minor).scaleb(-digits)))

    assert exact_minor_units(arrived, digits) == minor


@given(st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 4))
def test_amount_is_exact_or_refused(value: float, digits: int) -> None:
    """No double is rounded to an amount that it does not stand for."""
    try:
        minor = exact_minor_units(value, digits)
    except ValueError:
        return
    assert Decimal(minor).scaleb(-digits) == Decimal(repr(value))


@pytest.mark.parametrize(
    ("value", "digits", "message"),
    [
        (1.005, 2, "2 digits"),
        (0.1 + 0.2, 2, "2 digits"),
        (0.5, 0, "0 digits"),
        (1e-300, 4, "4 digits"),
        (-0.01, 2, "from 0"),
        (float("nan"), 2, "from 0"),
        (float("inf"), 2, "from 0"),
        (10_000_000.01, 2, "at most"),
        (1e300, 2, "at most"),
    ],
)
def test_amount_out_of_bounds_is_refused(value: float, digits: int, message: str) -> None:
    """Too many digits, a sign, no number and too much are each told."""
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
    """A line or discount is what it names; a product stays one, an unknown what the till says."""
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
