"""An order is read exactly; one that is paid is never refused for a detail."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.v1 import discount_pb2, order_pb2
from loyalty_service.domain.basket import Basket, basket_from_json, basket_to_json
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.domain.flags import Mend
from loyalty_service.domain.incentive_uses import as_catalogued, incentive_uses
from loyalty_service.domain.meaning import Read, meaning_of
from loyalty_service.domain.program import Program
from loyalty_service.transport.parsing import parse
from loyalty_service.transport.servicers.order import point_of_sale, read_basket
from tests.support.programs import demo_program

VENDOR = {"transaction_id": "257", "store_id": 9999, "pos_type": "Partner"}
BAGEL = "ed038db4-de38-4784-a6d0-b944a2863a7f"
BAGEL_FOR_POINTS = "3e9a71a8-75f8-493a-bb2a-e13f92052427"


def details(*lines: dict[str, Any], **more: Any) -> order_pb2.TransactionDetails:
    """Report lines as a till sends them, and see that the contract lets them in."""
    order = [{"product_id": "1", "product_type": "item", **line} for line in lines]
    sent = order_pb2.TransactionDetails(currency="cad", order=order, pos_vendor=VENDOR, **more)
    parse(order_pb2.TransactionDetails, sent.SerializeToString())
    return sent


def read(
    sent: order_pb2.TransactionDetails, program: Program | None = None
) -> tuple[Basket, tuple[Mend, ...]]:
    """Read a paid order."""
    return read_basket(sent, program or demo_program(), paid=True)


def refused(sent: order_pb2.TransactionDetails) -> dict[str, str]:
    """Tell what an order is refused for while it is not paid."""
    with pytest.raises(RequestInvalidError) as error:
        read_basket(sent, demo_program(), paid=False)
    return {
        violation.field.removeprefix("transaction_details."): violation.message
        for violation in error.value.violations
    }


def mended(mends: tuple[Mend, ...]) -> list[tuple[str, str]]:
    """Shorten what was put right."""
    return [(mend.reason, mend.field.removeprefix("transaction_details.")) for mend in mends]


@pytest.mark.parametrize("paid", [False, True])
def test_noise_of_doubles_is_no_detail(*, paid: bool) -> None:
    """On no order is it refused, told of or counted."""
    sent = details(
        {"price": 22.689999999999998}, {"price": 0.1 + 0.2}, {"price": -4.0, "tax": 0.142857}
    )
    basket, mends = read_basket(sent, demo_program(), paid=paid)
    assert [line.price for line in basket.lines] == [2269, 30, -400]
    assert basket.lines[2].tax == Decimal("14.2857")
    assert basket_from_json(basket_to_json(basket)) == basket
    assert mends == ()


def test_price_with_more_digits_is_refused_or_rounded() -> None:
    """By its field while the order is open; the guest who has paid is not asked again."""
    sent = details({"price": 1}, {"price": 8.495})
    assert refused(sent) == {"order[1].price": "must have at most 2 digits after the point"}
    basket, mends = read(sent)
    assert basket.lines[1].price == 850
    assert mended(mends) == [("amount", "order[1].price")]
    for price in (1e12, float("nan")):
        with pytest.raises(RequestInvalidError):
            read(details({"price": price}))


def test_tax_is_looked_at_only_where_it_earns() -> None:
    """A program that does without takes any."""
    sent = details({"price": 1, "tax": float("nan")})
    assert read_basket(sent, demo_program(), paid=False)[0].lines[0].tax == 0
    earning = replace(demo_program().earning, include_tax=True)
    with pytest.raises(RequestInvalidError):
        read(sent, replace(demo_program(), earning=earning))


@pytest.mark.parametrize("paid", [False, True])
def test_lines_and_payments_of_any_till_are_taken(*, paid: bool) -> None:
    """A voided line, a bottle given back, a line of nothing and change."""
    sent = details(
        {"price": -4.0},
        {"price": 4.0, "quantity": -1},
        {"quantity": 0},
        {"product_type": "reward", "quantity": 0},
        payments=[{"type": "CASH", "amount": 2000}, {"type": "change", "amount": -1151}],
    )
    basket, mends = read_basket(sent, demo_program(), paid=paid)
    assert [line.amount for line in basket.lines] == [-400, -400, 0, 0]
    assert [payment.amount for payment in basket.payments] == [2000, -1151]
    assert mends == ()


def test_texts_nobody_uses_are_cleaned() -> None:
    """Whatever they hold, nothing is refused for them."""
    foul = "Big\r\n Mac\0" + "!" * 300
    sent = details(
        {"name": foul},
        payments=[{"type": "CASH", "cc_token": foul * 9}],
        applied_discounts=[{"incentive_id": BAGEL, "details": {"display_name": foul}}],
    )
    sent.pos_vendor.MergeFrom(
        order_pb2.PosVendor(terminal=" 7\n", operator=foul, supporting_pos="\t")
    )
    parse(order_pb2.TransactionDetails, sent.SerializeToString())
    basket, _ = read_basket(sent, demo_program(), paid=False)
    assert basket.lines[0].name == "Big Mac" + "!" * 248
    pos = point_of_sale(sent.pos_vendor)
    assert (pos.terminal, pos.supporting_pos) == ("7", None)
    assert pos.operator is not None
    assert len(pos.operator) == 64


def test_zero_is_no_parent_where_no_line_is_called_so() -> None:
    """Tills that always send the field write it on lines that are parts of none."""
    lines = ({"reference_id": "1", "parent_reference_id": "0"}, {"reference_id": "2"})
    basket, mends = read_basket(details(*lines), demo_program(), paid=False)
    assert [line.parent_reference_id for line in basket.lines] == [None, None]
    assert mends == ()
    named = ({"reference_id": "0"}, {"reference_id": "1", "parent_reference_id": "0"})
    basket, _ = read_basket(details(*named), demo_program(), paid=False)
    assert [line.parent_reference_id for line in basket.lines] == [None, "0"]
    alike = {"reference_id": "0", "parent_reference_id": "0"}
    basket, mends = read_basket(details(alike, alike), demo_program(), paid=False)
    assert [line.parent_reference_id for line in basket.lines] == [None, None]
    assert mends == ()


def test_ring_of_parents_is_refused_or_ignored() -> None:
    """So is a part of a line that is not there; what hangs on a ring is a part of it still."""
    sent = details(
        {"reference_id": "1", "parent_reference_id": "2"},
        {"reference_id": "2", "parent_reference_id": "1"},
        {"reference_id": "3", "parent_reference_id": "1"},
        {"reference_id": "4", "parent_reference_id": "x" * 999},
    )
    assert refused(sent) == {
        "order[0].parent_reference_id": "must not make a line its own part",
        "order[1].parent_reference_id": "must not make a line its own part",
        "order[3].parent_reference_id": "must name a line of the order",
    }
    basket, mends = read(sent)
    assert [line.parent_reference_id for line in basket.lines] == [None, None, "1", None]
    assert mended(mends) == [
        ("parent", f"order[{place}].parent_reference_id") for place in (0, 1, 3)
    ]


def test_discount_is_known_by_its_plu_alone() -> None:
    """As it was announced to the till; so is a line of a reward or offer."""
    program = demo_program()
    plu = program.incentives[BAGEL].plu(("Partner",))
    sent = details(
        {"product_id": plu, "product_type": "offer"}, applied_discounts=[{"product_id": plu}]
    )
    basket, mends = read_basket(sent, program, paid=False)
    assert basket.lines[0].incentive_id == basket.applied_discounts[0].incentive_id == BAGEL
    assert mends == ()


@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize(
    "names", [{}, {"incentive_id": "no such"}, {"incentive_id": " "}, {"engine": "1"}]
)
def test_known_plu_is_found_whatever_stands_beside_it(names: dict[str, str], *, paid: bool) -> None:
    """Tills put line numbers and names of their own into the other fields."""
    program = demo_program()
    plu = program.incentives[BAGEL].plu(("Partner",)) + " "
    named = {name: told for name, told in names.items() if name != "engine"}
    engine = names.get("engine", "")
    sent = details(
        {"product_id": plu, "product_type": "offer", "loyalty_engine_id": engine, **named},
        applied_discounts=[{"product_id": plu, "reference_id": engine, **named}],
    )
    basket, mends = read_basket(sent, program, paid=paid)
    assert basket.lines[0].incentive_id == basket.applied_discounts[0].incentive_id == BAGEL
    assert mends == ()


@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize(("kind", "found"), [("reward", BAGEL_FOR_POINTS), ("offer", "no such")])
def test_offer_of_another_name_is_not_taken_for_a_reward(
    kind: str, found: str, *, paid: bool
) -> None:
    """A PLU that happens to be a reward's costs no points, unless the till calls it a reward."""
    program = demo_program()
    plu = program.incentives[BAGEL_FOR_POINTS].plu(("Partner",))
    sent = details({"product_id": plu, "product_type": kind, "incentive_id": "no such"})
    assert read_basket(sent, program, paid=paid)[0].lines[0].incentive_id == found


@pytest.mark.parametrize("paid", [False, True])
def test_known_name_is_found_whatever_its_plu_is(*, paid: bool) -> None:
    """An engine ID beside an ID that nobody knows, with the blanks of a fixed width."""
    program = demo_program()
    engine_id = program.incentives[BAGEL].engine_id
    sent = details(
        applied_discounts=[
            {"product_id": "700101", "incentive_id": "no such", "reference_id": f" {engine_id} "}
        ],
    )
    basket, _ = read_basket(sent, program, paid=paid)
    assert [use.incentive.incentive_id for use in incentive_uses(basket, program)] == [BAGEL]


@pytest.mark.parametrize("paid", [False, True])
def test_what_is_known_by_its_plu_is_taken_back_by_it(*, paid: bool) -> None:
    """A reward that was removed before the claim is not used, however the till names it."""
    program = demo_program()
    plu = program.incentives[BAGEL_FOR_POINTS].plu(("Partner",))
    reward = {"product_id": plu, "product_type": "reward", "price": 0}
    for lines in ((reward, {**reward, "quantity": -1}), ({**reward, "quantity": 0},)):
        basket, mends = read_basket(details(*lines), program, paid=paid)
        assert {line.incentive_id for line in basket.lines} == {BAGEL_FOR_POINTS}
        assert incentive_uses(as_catalogued(basket, program), program) == ()
        assert mends == ()


@pytest.mark.parametrize("paid", [False, True])
def test_unknown_discount_that_is_taken_back_is_refused_for_nothing(*, paid: bool) -> None:
    """An offer is the product that was sold so; a reward was never sold, and uses nothing."""
    unknown = {"product_id": "nothing of ours", "quantity": -1}
    sent = details({**unknown, "product_type": "offer"}, {**unknown, "product_type": "reward"})
    basket, mends = read_basket(sent, demo_program(), paid=paid)
    assert [line.product_type for line in basket.lines] == ["item", "reward"]
    assert incentive_uses(basket, demo_program()) == ()
    assert mends == ()


def test_offer_without_a_name_stops_only_what_is_not_paid() -> None:
    """It is a product like others, and told of; what costs points is never let through so."""
    unknown = {"product_id": "nothing of ours"}
    sent = details({**unknown, "product_type": "offer", "price": 5}, applied_discounts=[unknown])
    places = ["order[0].incentive_id", "applied_discounts[0].incentive_id"]
    assert list(refused(sent)) == places[:1]
    basket, mends = read(sent)
    assert [line.product_type for line in basket.lines] == ["item"]
    assert basket.applied_discounts == ()
    assert mended(mends) == [("incentive", place) for place in places]
    kind = discount_pb2.DiscountDetails.reward
    for reward in (
        details({**unknown, "product_type": "reward"}),
        details(applied_discounts=[{**unknown, "details": {"type": kind}}]),
    ):
        with pytest.raises(RequestInvalidError):
            read(reward)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "price": st.floats(-1e6, 1e6),
                "quantity": st.integers(-9999, 9999),
                "tax": st.floats(),
                "name": _TEXTS,
                "product_type": st.sampled_from(["combo", "item", "offer"]),
                "reference_id": st.sampled_from("012"),
                "parent_reference_id": st.sampled_from("0123") | _TEXTS,
            },
        ),
        max_size=6,
    ),
    _TEXTS,
)
def test_paid_order_is_never_refused_for_a_detail(lines: list[dict[str, Any]], text: str) -> None:
    """Whatever is odd about it, it is read, and is then an order that nothing is wrong with."""
    sent = details(*lines)
    sent.pos_vendor.terminal = text
    basket, _ = read(sent)
    assert basket_from_json(basket_to_json(basket)) == basket
    assert json.dumps(meaning_of(basket, ~Read.NOTHING, claiming=True))
    names = {line.reference_id for line in basket.lines}
    assert all(line.parent_reference_id in {None, *names} for line in basket.lines)
