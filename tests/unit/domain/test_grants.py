"""How long what is given is good, and what a member has by the calendar."""

from __future__ import annotations

from datetime import date

import pytest

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.grants import FOR_GOOD, GivenOn, Grant, GrantState, GrantTerms

MAY_3 = date(2026, 5, 3)
LONG_AGO = date(2020, 1, 1)


@pytest.mark.parametrize(
    ("terms", "last"),
    [
        ({"days": 1}, MAY_3),
        ({"days": 30}, date(2026, 6, 1)),
        ({"days": 60}, date(2026, 7, 1)),
        ({"months": 1}, date(2026, 6, 3)),
        ({"end_of": PeriodEnd.MONTH}, date(2026, 5, 31)),
        ({"months": 1, "end_of": PeriodEnd.QUARTER}, date(2026, 6, 30)),
        ({}, None),
    ],
)
def test_last_day_counts_the_first(terms: dict[str, object], last: date | None) -> None:
    """Given on 3 May for 30 days it is good until 1 June."""
    given = GrantTerms("a", "cake", GivenOn.ENROLMENT, **terms)  # type: ignore[arg-type]
    assert given.last_day(MAY_3) == last


@pytest.mark.parametrize(
    ("day", "occasion"),
    [
        (date(2026, 12, 27), None),
        (date(2026, 12, 28), "2026"),
        (date(2027, 1, 10), "2026"),
        (date(2027, 1, 11), None),
        (date(2027, 12, 28), "2027"),
    ],
)
def test_birthday_is_one_occasion_across_new_year(day: date, occasion: str | None) -> None:
    """Fourteen days from 28 December are one birthday, whatever the year."""
    terms = GrantTerms("a", "cake", GivenOn.BIRTHDAY, days=14)
    due = terms.due(day, date(1990, 12, 28), LONG_AGO)
    assert (due and due.occasion) == occasion


def test_birthday_before_the_enrolment_gives_nothing() -> None:
    """Who enrolls the day after has the next birthday's, and never two at once."""
    terms = GrantTerms("a", "cake", GivenOn.BIRTHDAY, months=18)
    born = date(2000, 2, 29)
    assert terms.due(date(2026, 3, 1), born, date(2026, 3, 1)) is None
    due = terms.due(date(2028, 2, 28), born, date(2026, 3, 1))
    assert due is not None
    assert (due.first_day, due.last_day) == (date(2027, 2, 28), date(2028, 2, 28))


@pytest.mark.parametrize(
    ("given_on", "first", "last"),
    [
        (GivenOn.WEEK, date(2026, 4, 27), MAY_3),
        (GivenOn.MONTH, date(2026, 5, 1), date(2026, 5, 31)),
        (GivenOn.YEAR, date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_period_of_the_calendar_has_one(given_on: GivenOn, first: date, last: date) -> None:
    """What a month gives is good from its first day to its last; a week begins on Monday."""
    due = GrantTerms("a", "cake", given_on).due(MAY_3, None, LONG_AGO)
    assert due is not None
    assert (due.first_day, due.last_day) == (first, last)


@pytest.mark.parametrize(
    ("used", "activated", "withdrawn", "last", "state"),
    [
        (0, None, None, FOR_GOOD, GrantState.OFFERED),
        (0, 1, None, "2026-05-03", GrantState.ACTIVATED),
        (1, 1, None, "2026-05-02", GrantState.LAPSED),
        (2, 1, None, "2026-05-02", GrantState.USED),
        (1, 1, 2, FOR_GOOD, GrantState.WITHDRAWN),
    ],
)
def test_state_follows_from_the_day(
    used: int, activated: int | None, withdrawn: int | None, last: str, state: GrantState
) -> None:
    """What is used up stays so; else what is over has lapsed."""
    grant = Grant(
        "id", "demo-ca", 1, "cake", "o", 2, used, "2026-05-01", last, 0, activated, withdrawn
    )
    assert grant.state(MAY_3) is state
