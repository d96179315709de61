"""Groups, rates and promotions of a program file: read exactly, kept exactly, shown before."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from loyalty_service.domain import restrictions as r
from loyalty_service.domain.earning_rules import (
    Caps,
    EarnedAtMost,
    EarningRules,
    PaymentRate,
    Promotion,
    Rate,
    Rounding,
)
from loyalty_service.domain.products import Products
from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import Change, ChangeKind, FieldChange, program_changes
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import (
    ProgramRecords,
    program_from_json,
    program_to_json,
)
from loyalty_service.program_file.source import ProgramFileError, render_mistakes

HEAD = """\
brand: demo
region: CA
name: Demo
currency: CAD
time_zone: America/Toronto
redemption: {min_points: 100, min_amount: 1, max_points: 300, max_amount: 3,
  increment_points: 100, increment_amount: 1}
prompts:
  anonymous:
    en-CA: &prompt {code: ASK, message: Join?, receipt: ""}
    en-US: *prompt
    fr-CA: *prompt
stores:
  - {id: 9999, name: One, groups: [west, malls]}
  - {id: 20, name: Two}
incentives:
  - {id: fries, kind: offer, name: Fries, plus: "2", rules: {cart_has: [{any_of: drinks}]}}
groups:
  drinks: {prefixes: ["21"], categories: [Drinks]}
  cards: {plus: ["9", "8"]}
"""
WHOLE = """\
earning:
  points_per_unit: 10
  rounding: nearest
  step: 0.50
  minimum_spend: 1.00
  stack: add
  excluded_products: cards
  rates:
    - {points_per_unit: 12.5, when: {store_groups: [west], channels: [APP], segments: [student]}}
  payments:
    - {types: [POINTS], points_per_unit: 0}
    - {types: [VISA, AMEX], add: 1/3}
  caps: {per_order: 500, balance: 9000}
  initial_points: 250
  cooldown_s: 1800
promotions:
  - {id: double, name: Double, multiplier: 1.5, on: drinks}
  - id: hello
    name: Hello
    bonus: 50
    on: ["3", "1"]
    rules: {first_order: true, minimum_spend: 2.50, cart_lacks: cards}
    at_most: {per_order: 2, per_week: 3}
"""
DRINKS = Products(prefixes=("21",), categories=("Drinks",), group="drinks")
CARDS = Products(plus=("8", "9"), group="cards")


def program(more: str = "") -> Program:
    """Read a program file."""
    return parse_program(HEAD + more, "p.yaml")


def mistake(more: str) -> str:
    """Read a file that has one mistake; return it without its place."""
    with pytest.raises(ProgramFileError) as refused:
        program(more)
    (line,) = render_mistakes(refused.value)
    return line.split(": ", 1)[1]


def test_earning_is_read_whole() -> None:
    """Every key has its meaning; groups are found by their names."""
    read = program(WHOLE)

    assert read.groups == {"drinks": DRINKS, "cards": CARDS}
    assert read.stores[9999].groups == ("malls", "west")
    assert read.incentives["fries"].rules == (r.CartRequirement((r.CartDemand(DRINKS),)),)
    assert read.earning == EarningRules(
        rounding=Rounding.NEAREST,
        excluded_products=CARDS,
        rates=(
            Rate(
                Fraction("12.5"),
                (r.Segments(("student",)), r.StoreGroups(("west",)), r.Channels(("APP",))),
            ),
        ),
        step=50,
        payments=(
            PaymentRate(("POINTS",), Fraction(0)),
            PaymentRate(("AMEX", "VISA"), add=Fraction(1, 3)),
        ),
        minimum_spend=100,
        stack="add",
        caps=Caps(per_order=500, balance=9000),
        initial_points=250,
        cooldown_s=1800,
    )
    assert read.promotions == {
        "double": Promotion("double", "Double", multiplier=Fraction(3, 2), on=DRINKS),
        "hello": Promotion(
            "hello",
            "Hello",
            bonus=50,
            on=Products(plus=("1", "3")),
            rules=(r.MinimumSpend(250), r.FirstOrder(), r.CartExclusion(CARDS)),
            at_most=EarnedAtMost(per_order=2, per_week=3),
        ),
    }


def test_program_with_all_of_it_survives_json() -> None:
    """What is kept is what was read, and an equal program is kept the same."""
    read = program(WHOLE)
    records = program_to_json(read)
    kept = ProgramRecords(
        json.loads(json.dumps(records.program)),
        {key: json.loads(json.dumps(store)) for key, store in records.stores.items()},
        {key: json.loads(json.dumps(one)) for key, one in records.incentives.items()},
    )

    assert program_from_json(kept) == read
    assert program_changes(read, program(WHOLE)) == ()


def test_plain_program_is_kept_as_before() -> None:
    """A program that says nothing of it has none of the new keys in its record."""
    text = HEAD[: HEAD.index("groups:\n  drinks")].replace(", groups: [west, malls]", "")
    text = text.replace("any_of: drinks", 'any_of: ["1"]')
    records = program_to_json(parse_program(text, "p.yaml"))

    assert not {"groups", "promotions"} & records.program.keys()
    assert records.program["earning"].keys() == {
        "points_per_unit",
        "rounding",
        "include_tax",
        "excluded_product_types",
        "excluded_products",
    }
    assert "groups" not in records.stores[9999]


def test_changes_are_shown_promotion_by_promotion() -> None:
    """Each promotion is a subject of its own, and so is what goes."""
    new = WHOLE.replace("bonus: 50", "bonus: 60").replace("step: 0.50", "step: 1.00")
    new = new.replace("  - {id: double, name: Double, multiplier: 1.5, on: drinks}\n", "")

    assert program_changes(program(WHOLE), program(new)) == (
        Change(
            ChangeKind.CHANGE, "program", "Demo", (FieldChange("earning.step", "0.50", "1.00"),)
        ),
        Change(ChangeKind.CHANGE, "promotion hello", "Hello", (FieldChange("bonus", "50", "60"),)),
        Change(ChangeKind.REMOVE, "promotion double", "Double"),
    )
    added = program_changes(program(), program(WHOLE))
    assert ("promotion double", FieldChange("on", None, "drinks")) in [
        (change.subject, field) for change in added for field in change.fields
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "earning: {round_per: order}",
            "earning.round_per: is unknown; known are points_per_unit, rounding",
        ),
        (
            "earning: {excluded_products: drink}",
            "earning.excluded_products: must be a list of PLUs, or a group of this file; did you",
        ),
        ("earning: {step: 0}", "earning.step: must be an amount from 0.01"),
        ("earning: {caps: {per_day: 0}}", "earning.caps.per_day: must be a whole number from 1"),
        (
            "earning: {rates: [{points_per_unit: 1, when: {}}]}",
            "earning.rates[0]: must say when it holds",
        ),
        (
            "earning: {rates: [{points_per_unit: 1, when: {store_groups: [wets]}}]}",
            "earning.rates[0].when.store_groups[0]: is not a group of a store; did you mean `west`",
        ),
        (
            "earning: {rates: [{points_per_unit: 1, when: {stores: [3]}}]}",
            "earning.rates[0].when.stores[0]: is not a store of this file",
        ),
        (
            "earning: {rates: [{points_per_unit: 1, when: {cart_lacks: cards}}]}",
            "earning.rates[0].when.cart_lacks: is unknown",
        ),
        (
            "earning: {payments: [{types: [VISA]}]}",
            "earning.payments[0]: must have points_per_unit, add or both",
        ),
        ("promotions: [{id: a, name: A}]", "promotions[0]: must have either multiplier or bonus"),
        (
            "promotions: [{id: a, name: A, bonus: 1, granted: gone}]",
            "promotions[0].granted: is not an incentive of this file with the rule granted",
        ),
        (
            "promotions: [{id: a, name: A, multiplier: 2, bonus: 1}]",
            "promotions[0]: must have either multiplier or bonus",
        ),
        (
            "promotions: [{id: a, name: A, multiplier: 0.5}]",
            "promotions[0].multiplier: must be from 1 to 1,000, written 2, 1.05 or 3/2",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1, on: food}]",
            "promotions[0].on: must be a list of PLUs, or a group of this file",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1, rules: {cooldown_s: 5}}]",
            "promotions[0].rules.cooldown_s: is unknown",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1, at_most: {}}]",
            "promotions[0].at_most: must have one of per_order, per_day",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1}, {id: a, name: B, bonus: 1}]",
            "promotions[1].id: is already used by promotions[0]",
        ),
        (
            "promotions: [{id: A, name: A, bonus: 1}]",
            "promotions[0].id: must be lower-case letters, digits, single dashes",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1, rules: {cart_has: [{any_of: food}]}}]",
            "promotions[0].rules.cart_has[0].any_of: must be a list of PLUs, or a group of this",
        ),
        (
            "promotions: [{id: a, name: A, bonus: 1, rules: {cart_lacks: []}}]",
            "promotions[0].rules.cart_lacks: must have at least 1 entries",
        ),
    ],
)
def test_mistake_is_named_by_its_field(more: str, message: str) -> None:
    """Each limit is told with the field's path, and a near name is asked for."""
    assert mistake(f"{more}\n").startswith(message)


def test_group_without_anything_is_a_mistake() -> None:
    """It would be taken for one that has something."""
    text = HEAD.replace('{plus: ["9", "8"]}', "{}")
    with pytest.raises(ProgramFileError, match="must have plus, prefixes or categories"):
        parse_program(text, "p.yaml")


def test_incentive_is_not_called_what_points_are_counted_by() -> None:
    """Its uses would count as points of a day."""
    text = HEAD.replace("id: fries", "id: earning/points")
    with pytest.raises(ProgramFileError, match="must not begin with earning/"):
        parse_program(text, "p.yaml")


def test_a_thousand_products_are_no_limit() -> None:
    """A pharmacy lists all of its tobacco."""
    plus = ", ".join(f'"{number}"' for number in range(5_000))

    assert len(
        program(f"earning: {{excluded_products: [{plus}]}}\n").earning.excluded_products.listed
    ) == (5_000)
