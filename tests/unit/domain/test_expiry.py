"""When points go: the arithmetic of days, as programs publish it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from loyalty_service.domain.expiry import (
    Activity,
    Expiry,
    ExpiryPolicy,
    NamedDay,
    PeriodEnd,
    day_of,
    gone_ms,
)

_PERIODS = {one.value: one for one in PeriodEnd}


def _terms(policy: str = "issue_date", **terms: Any) -> Expiry:
    if "end_of" in terms:
        terms["end_of"] = _PERIODS[terms["end_of"]]
    return Expiry(policy=ExpiryPolicy(policy), **terms)


@pytest.mark.parametrize(
    ("terms", "earned", "last_day", "first_gone"),
    [
        # Six months, to the end of the month: no number of days says that.
        ({"months": 6, "end_of": "month"}, "2024-01-31", "2024-07-31", "2024-08-01"),
        ({"months": 6, "end_of": "month"}, "2024-08-27", "2025-02-28", "2025-03-01"),
        ({"months": 6, "end_of": "month"}, "2020-12-15", "2021-06-30", "2021-07-01"),
        ({"months": 12, "end_of": "month"}, "2025-12-07", "2026-12-31", "2027-01-01"),
        ({"months": 12, "end_of": "month"}, "2024-01-01", "2025-01-31", "2025-02-01"),
        ({"months": 1, "end_of": "month"}, "2026-01-31", "2026-02-28", "2026-03-01"),
        ({"months": 1, "end_of": "month"}, "2026-11-01", "2026-12-31", "2027-01-01"),
        # A fixed day of the year.
        ({"months": 36, "until": "09-30"}, "2023-01-15", "2026-09-30", "2026-10-01"),
        ({"months": 36, "until": "09-30"}, "2023-09-30", "2026-09-30", "2026-10-01"),
        ({"months": 36, "until": "09-30"}, "2023-10-01", "2027-09-30", "2027-10-01"),
        ({"days": 1, "until": "02-29"}, "2026-02-27", "2026-02-28", "2026-03-01"),
        # RBI's: so many days, moved to the end of a period.
        ({"days": 120, "end_of": "quarter"}, "2025-02-14", "2025-06-30", "2025-07-01"),
        ({"days": 120, "end_of": "quarter"}, "2024-02-14", "2024-06-30", "2024-07-01"),
        ({"days": 120, "end_of": "half_year"}, "2025-03-14", "2025-12-31", "2026-01-01"),
        ({"days": 1, "end_of": "year"}, "2025-12-31", "2026-12-31", "2027-01-01"),
        ({"days": 120}, "2024-02-28", "2024-06-27", "2024-06-28"),
        # Without activity.
        ({"policy": "inactivity", "days": 180}, "2026-01-01", "2026-06-30", "2026-07-01"),
        ({"policy": "inactivity", "months": 24}, "2024-02-29", "2026-02-28", "2026-03-01"),
    ],
)
def test_last_day(terms: dict[str, Any], earned: str, last_day: str, first_gone: str) -> None:
    """Days and calendar months are counted, then moved; either day may be told."""
    made = _terms(**terms)

    assert made.last_day(date.fromisoformat(earned)).isoformat() == last_day
    assert made.told_day(last_day) == first_gone
    assert _terms(**terms, expiration_date=NamedDay.LAST_GOOD).told_day(last_day) == last_day


def test_points_go_when_the_day_is_over_in_the_programs_place() -> None:
    """Toronto's midnight is five hours after that of UTC in winter, and four in summer."""
    for last_day, hour in (("2026-01-31", 5), ("2026-06-30", 4)):
        gone = datetime.fromtimestamp(
            gone_ms(date.fromisoformat(last_day), "America/Toronto") / 1000, UTC
        )

        assert (gone.day, gone.hour) == (1, hour)
        before = round(gone.timestamp() * 1000) - 1
        assert day_of(before, "America/Toronto").isoformat() == last_day


def test_terms_are_numbered_when_points_from_before_are_others() -> None:
    """A longer inactivity holds for all points; all else that counts begins a new version."""
    first = _terms("inactivity", days=180).follows(None)
    assert first.version == 1
    assert Expiry().follows(None).version == 0

    longer = _terms("inactivity", days=365, activities=frozenset({Activity.EARN})).follows(first)
    carried = _terms("inactivity", days=365, carried_over="2027-01-01").follows(longer)
    dated = _terms("issue_date", months=6).follows(carried)
    named = _terms("issue_date", months=6, expiration_date=NamedDay.LAST_GOOD).follows(dated)
    none = Expiry().follows(named)
    again = _terms("issue_date", months=6).follows(none)

    versions = [one.version for one in (longer, carried, dated, named, none, again)]
    assert versions == [1, 2, 3, 3, 4, 5]
