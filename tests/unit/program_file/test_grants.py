"""The part of a program file that says what members are given."""

from __future__ import annotations

import json

import pytest

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.grants import GivenOn, GrantTerms
from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import ChangeKind, program_changes
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
contracts: []
stores:
  - {id: 9999, name: One}
incentives:
  - {id: cake, kind: offer, name: Cake, plus: "1", rules: {granted: true}}
  - {id: fries, kind: offer, name: Fries, plus: "2"}
"""


def program(*rows: str) -> Program:
    """Read a file that gives these."""
    listed = "".join(f"  - {row}\n" for row in rows)
    return parse_program(f"{HEAD}grants:\n{listed}" if rows else HEAD, "p.yaml")


@pytest.mark.parametrize(
    ("written", "terms"),
    [
        ("given_on: enrolment, days: 30", {"given_on": GivenOn.ENROLMENT, "days": 30}),
        (
            "given_on: birthday, days: 7, uses: 2, activate: true",
            {"given_on": GivenOn.BIRTHDAY, "days": 7, "uses": 2, "activate": True},
        ),
        (
            "given_on: first_order, months: 1, end_of: month",
            {"given_on": GivenOn.FIRST_ORDER, "months": 1, "end_of": PeriodEnd.MONTH},
        ),
        ("given_on: month", {"given_on": GivenOn.MONTH}),
        ("points: 1625, days: 60", {"points": 1625, "days": 60}),
        ("points: 400, by_itself: true", {"points": 400, "by_itself": True}),
    ],
)
def test_what_is_given_is_read_and_kept_exactly(written: str, terms: dict[str, object]) -> None:
    """Each entry becomes its terms, and survives JSON."""
    read = program(f"{{id: one, incentive: cake, {written}}}")

    assert read.grants == {"one": GrantTerms("one", "cake", **terms)}  # type: ignore[arg-type]
    records = program_to_json(read)
    kept = json.loads(json.dumps(records.program))
    assert program_from_json(ProgramRecords(kept, records.stores, records.incentives)) == read


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("incentive: cake", "grants[0]: must have either given_on or points"),
        ("incentive: cake, given_on: enrolment, points: 5", "must have either given_on or points"),
        ("incentive: cake, given_on: christmas", "grants[0].given_on: must be enrolment, "),
        ("incentive: cake, given_on: week, days: 3", "must not say how long"),
        ("incentive: cake, given_on: birthday, days: 3, months: 1", "days or months, not both"),
        ("incentive: cake, given_on: birthday, by_itself: true", "by_itself beside points only"),
        ("incentive: cake, given_on: goal", "grants[0].given_on: must be another: no goal gives"),
        ("incentive: fries, given_on: birthday", "with the rule granted"),
        ("incentive: cakes, given_on: birthday", "rule granted; did you mean `cake`?"),
    ],
)
def test_mistake_is_named(written: str, mistake: str) -> None:
    """What does not go together, and what nobody needs to be given, is named with its place."""
    with pytest.raises(ProgramFileError) as caught:
        program(f"{{id: one, {written}}}")

    assert mistake in "\n".join(render_mistakes(caught.value))


def test_applying_shows_what_is_given_before() -> None:
    """What is added, changed and no longer given is listed by its name."""
    row = "{id: treat, incentive: cake, given_on: birthday, days: 7}"
    longer = row.replace("7", "30")
    added, changed, gone = (
        program_changes(old, new)
        for old, new in (
            (program(), program(row)),
            (program(row), program(longer)),
            (program(longer), program()),
        )
    )
    kinds = [(change.kind, change.subject) for change in (*added, *changed, *gone)]

    assert kinds == [
        (ChangeKind.ADD, "grant treat"),
        (ChangeKind.CHANGE, "grant treat"),
        (ChangeKind.REMOVE, "grant treat"),
    ]
    assert [(one.field, one.old, one.new) for one in changed[0].fields] == [("days", "7", "30")]
