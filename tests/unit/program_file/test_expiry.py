"""The part of a program file that says when points go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.domain.expiry import (
    NEVER,
    Activity,
    Expiry,
    ExpiryPolicy,
    Lifetime,
    NamedDay,
    PeriodEnd,
)
from loyalty_service.program_file.changes import program_changes, with_retired
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError, render_mistakes
from tests.unit.program_file.test_document import VALID

ISSUE, IDLE = ExpiryPolicy.ISSUE_DATE, ExpiryPolicy.INACTIVITY
TIERS = "tiers: [{id: green, name: Green}]\n"


@pytest.mark.parametrize(
    ("written", "terms"),
    [
        ("{policy: none}", NEVER),
        ("{policy: issue_date, days: 120}", Expiry(ISSUE, days=120)),
        (
            "{policy: issue_date, months: 6, end_of: half_year, expiration_date: last_good_day}",
            Expiry(
                ISSUE,
                months=6,
                end_of=PeriodEnd.HALF_YEAR,
                expiration_date=NamedDay.LAST_GOOD,
            ),
        ),
        (
            '{policy: issue_date, months: 36, until: "09-30"}',
            Expiry(ISSUE, months=36, until="09-30"),
        ),
        (
            "{policy: inactivity, months: 24, activities: [redeem, earn]}",
            Expiry(IDLE, months=24, activities=frozenset({Activity.EARN, Activity.REDEEM})),
        ),
        (
            "{policy: issue_date, months: 6, by_tier: {green: {policy: none}}}",
            Expiry(ISSUE, months=6, by_tier={"green": Lifetime()}),
        ),
        (
            "{policy: inactivity, days: 9, by_tier: {green: {months: 12, end_of: year}}}",
            Expiry(
                IDLE,
                days=9,
                by_tier={"green": Lifetime(months=12, end_of=PeriodEnd.YEAR)},
            ),
        ),
        (
            "{policy: issue_date, days: 1, carried_over: {until: 2027-07-01}}",
            Expiry(ISSUE, days=1, carried_over="2027-07-01"),
        ),
    ],
)
def test_terms_are_read_and_kept(written: str, terms: Expiry) -> None:
    """What a file says is what the program has, and what is read from where it is kept."""
    program = parse_program(VALID + TIERS + f"expiry: {written}\n", "p.yaml")

    assert program.expiry == terms
    assert program_from_json(program_to_json(program)) == program


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("{policy: never}", "expiry.policy: must be none, inactivity or issue_date"),
        ("{policy: issue_date}", "expiry: must have either days or months"),
        ("{policy: issue_date, days: 1, months: 1}", "expiry: must have either days or months"),
        ("{policy: none, days: 1}", "expiry: must have nothing more with policy none"),
        ("{policy: issue_date, days: 0}", "expiry.days: must be a whole number from 1 to 36,500"),
        (
            '{policy: issue_date, days: 1, until: "31-12"}',
            'expiry.until: must be a day of the year in quotes, such as "09-30"',
        ),
        (
            '{policy: issue_date, days: 1, until: "12-31", end_of: year}',
            "expiry: must have either end_of or until, not both",
        ),
        (
            "{policy: issue_date, days: 1, by_tier: {gold: {days: 2}}}",
            "expiry.by_tier.gold: is not a tier of this file",
        ),
        (
            "{policy: issue_date, days: 1, by_tier: {green: {policy: none, days: 2}}}",
            "expiry.by_tier.green: must have nothing more with policy none",
        ),
        (
            "{policy: issue_date, days: 1, by_tier: {green: {end_of: year}}}",
            "expiry.by_tier.green: must have either days or months",
        ),
        (
            "{policy: none, by_tier: {green: {days: 2}}}",
            "expiry: must have nothing more with policy none",
        ),
        (
            "{policy: issue_date, days: 1, activities: [earn]}",
            "expiry: must have activities with policy inactivity only",
        ),
        (
            "{policy: inactivity, days: 1, activities: [earn, earn]}",
            "expiry.activities: must not name anything twice",
        ),
    ],
)
def test_mistakes_are_named(written: str, mistake: str) -> None:
    """What does not go together is told in words."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program(VALID + TIERS + f"expiry: {written}\n", "p.yaml")

    (told,) = render_mistakes(caught.value)
    assert mistake in told


def _with(**terms: Any) -> Any:
    program = parse_program(VALID, "p.yaml")
    return replace(program, expiry=Expiry(**terms))


def test_changes_name_terms_and_not_their_version() -> None:
    """An operator sees what the file says; the same file again changes nothing."""
    old = with_retired(None, _with(policy=ISSUE, days=30))
    new = _with(policy=ISSUE, months=6, end_of=PeriodEnd.MONTH, carried_over="2027-07-01")

    (change,) = program_changes(old, new)

    assert {one.field: (one.old, one.new) for one in change.fields} == {
        "expiry.days": ("30", None),
        "expiry.months": (None, "6"),
        "expiry.end_of": (None, "month"),
        "expiry.carried_over.until": (None, "2027-07-01"),
    }
    applied = with_retired(old, new)
    assert (old.expiry.version, applied.expiry.version) == (1, 2)
    assert program_changes(applied, new) == ()
