"""Applying a file says beforehand what it does, and keeps what left the file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import (
    Change,
    ChangeKind,
    FieldChange,
    ProgramChangeError,
    program_changes,
    retired_incentives,
    with_retired,
)
from loyalty_service.program_file.document import parse_program

TEXT = """\
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
  - {id: 9999, name: One}
  - {id: 20, name: Two}
incentives:
  - {id: coffee, kind: reward, name: Coffee, points: 800, price: 4.50, plus: "1"}
  - {id: fries, kind: offer, name: Fries, discount: {percentage: 50}, plus: {default: "2"}}
"""


def program(text: str = TEXT) -> Program:
    """Read a program file."""
    return parse_program(text, "p.yaml")


def without(line: str) -> Program:
    """Read the file without the line that has this text."""
    return program("".join(row for row in TEXT.splitlines(keepends=True) if line not in row))


def test_same_program_changes_nothing() -> None:
    """Applying a file twice does nothing the second time."""
    assert program_changes(program(), program()) == ()


def test_first_program_is_added_with_all_parts() -> None:
    """Without an old program everything is added: program, stores by ID, incentives."""
    changes = program_changes(None, program())

    assert {change.kind for change in changes} == {ChangeKind.ADD}
    assert [change.subject for change in changes] == [
        "program",
        "store 20",
        "store 9999",
        "incentive coffee",
        "incentive fries",
    ]
    assert FieldChange("price", None, "4.50") in changes[3].fields


@pytest.mark.parametrize(
    ("old", "new", "subject", "field"),
    [
        ("name: Demo", "name: Other", "program", FieldChange("name", "Demo", "Other")),
        (
            "name: Demo",
            "name: Demo\nidentifiers: [code]",
            "program",
            FieldChange("identifiers", "code, loyalty_id", "code"),
        ),
        (
            "name: Two",
            "name: Two, loyalty: false",
            "store 20",
            FieldChange("loyalty", "true", "false"),
        ),
        ("points: 800", "points: 900", "incentive coffee", FieldChange("points", "800", "900")),
        ("price: 4.50, ", "", "incentive coffee", FieldChange("price", "4.50", None)),
        (
            "percentage: 50",
            "percentage: 40",
            "incentive fries",
            FieldChange("discount.percentage", "50", "40"),
        ),
        (
            '{default: "2"}',
            '{default: "2", Kiosk: K}',
            "incentive fries",
            FieldChange("plus.Kiosk", None, "K"),
        ),
        (
            "price: 4.50",
            "price: 4.50, rules: {minimum_spend: 10}",
            "incentive coffee",
            FieldChange("rules.minimum_spend", None, "10.00"),
        ),
        (
            "price: 4.50",
            "price: 4.50, rules: {days: [tue, mon]}",
            "incentive coffee",
            FieldChange("rules.days", None, "mon, tue"),
        ),
        (
            "price: 4.50",
            "price: 4.50, rules: {dates: {until: 2026-12-31}}",
            "incentive coffee",
            FieldChange("rules.dates.until", None, "2026-12-31"),
        ),
        (
            "name: Demo",
            "name: Demo\nearning: {points_per_unit: 12.5}",
            "program",
            FieldChange("earning.points_per_unit", "10", "12.5"),
        ),
        (
            "name: Demo",
            "name: Demo\nearning: {excluded_products: ['9901', '9902']}",
            "program",
            FieldChange("earning.excluded_products", "", "9901, 9902"),
        ),
        (
            "name: Demo",
            "name: Demo\nvoid_spent: refuse",
            "program",
            FieldChange("void_spent", "debt", "refuse"),
        ),
    ],
)
def test_changed_field_is_shown_in_the_files_words(
    old: str, new: str, subject: str, field: FieldChange
) -> None:
    """One edit is one change of one field, written as the file writes it."""
    (change,) = program_changes(program(), program(TEXT.replace(old, new)))

    assert (change.kind, change.subject, change.fields) == (ChangeKind.CHANGE, subject, (field,))


def test_demands_are_shown_one_by_one() -> None:
    """Each part of a cart requirement is a field of its own."""
    demand = 'price: 4.50, rules: {cart_has: [{any_of: ["1", "2"], quantity: 2}]}'

    (change,) = program_changes(program(), program(TEXT.replace("price: 4.50", demand)))

    assert change.fields == (
        FieldChange("rules.cart_has[0].any_of", None, "1, 2"),
        FieldChange("rules.cart_has[0].quantity", None, "2"),
    )


def test_store_that_left_is_removed() -> None:
    """A store that the file leaves out goes."""
    assert program_changes(program(), without("id: 20")) == (
        Change(ChangeKind.REMOVE, "store 20", "Two"),
    )


def test_incentive_that_left_is_retired_and_kept() -> None:
    """An incentive that the file leaves out stays known, retired, and only once."""
    old, new = program(), without("coffee")

    merged = with_retired(old, new)

    assert program_changes(old, new) == (Change(ChangeKind.RETIRE, "incentive coffee", "Coffee"),)
    assert program_changes(old, merged) == program_changes(old, new)
    assert merged.incentives["coffee"] == replace(old.incentives["coffee"], retired=True)
    assert list(retired_incentives(old, new)) == ["coffee"]
    assert program_changes(merged, new) == ()


def test_incentive_that_returns_is_changed_back() -> None:
    """An incentive that stands in the file again is no longer retired."""
    merged = with_retired(program(), without("coffee"))

    (change,) = program_changes(merged, program())

    assert change.fields == (FieldChange("retired", "true", "false"),)


@pytest.mark.parametrize("before", ["coffee in force", "coffee retired"])
def test_kind_that_changes_is_refused(before: str) -> None:
    """A reward can't become an offer, not even after it was retired."""
    old = program() if before == "coffee in force" else with_retired(program(), without("coffee"))
    new = program(TEXT.replace("kind: reward", "kind: offer").replace("points: 800, ", ""))

    with pytest.raises(ProgramChangeError) as caught:
        program_changes(old, new)

    ((path, message),) = caught.value.refusals
    assert path == ("incentives", 0, "kind")
    assert message.startswith("must stay reward")


def test_other_brand_is_refused() -> None:
    """A program keeps its brand and region."""
    with pytest.raises(ProgramChangeError) as caught:
        with_retired(program(), program(TEXT.replace("CA\n", "US\n", 1)))

    assert [path for path, _ in caught.value.refusals] == [("region",)]
