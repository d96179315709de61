"""For how long points are good while their member has a tier, as programs publish it."""

from __future__ import annotations

from datetime import date

import pytest

from loyalty_service.domain.expiry import FOR_EVER, Expiry, ExpiryPolicy, Lifetime, PeriodEnd
from loyalty_service.domain.goal_cards import HeldTier
from loyalty_service.domain.goals import LAST_DAY
from loyalty_service.domain.tier_expiry import last_good_day

NEVER = Lifetime()
COFFEE = Expiry(
    ExpiryPolicy.ISSUE_DATE,
    months=6,
    end_of=PeriodEnd.MONTH,
    by_tier={"silver": Lifetime(months=12), "gold": NEVER},
)
FLIGHTS = Expiry(
    ExpiryPolicy.ISSUE_DATE, months=36, end_of=PeriodEnd.QUARTER, by_tier={"gold": NEVER}
)
EARNED = "2026-01-15"


def _held(*tiers: tuple[str, str, str]) -> tuple[HeldTier, ...]:
    return tuple(HeldTier(name, *(_day(one) for one in days)) for name, *days in tiers)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() if text else LAST_DAY


@pytest.mark.parametrize(
    ("terms", "tiers", "last", "expected"),
    [
        # Nobody has reached anything.
        (COFFEE, (), None, "2026-07-31"),
        # A tier that came while the points were good lets them be good for longer.
        (COFFEE, (("silver", "2026-07-31", "2026-08-31"),), "2026-07-31", "2027-01-15"),
        (COFFEE, (("silver", "2026-08-01", "2026-08-31"),), "2026-07-31", "2026-07-31"),
        # What never goes counts as earned on the last day of the tier.
        (COFFEE, (("gold", "2026-07-31", "2027-03-10"),), "2026-07-31", "2027-09-30"),
        (FLIGHTS, (("gold", "2026-05-01", "2027-02-28"),), "2029-03-31", "2030-03-31"),
        # Nobody loses a day that was told.
        (FLIGHTS, (("gold", "2026-05-01", "2026-05-02"),), "2031-12-31", "2031-12-31"),
        # The better tier counts, then the one that is left: silver's own months, after gold.
        (
            COFFEE,
            (("gold", "2026-02-01", "2026-04-30"), ("silver", "2026-01-01", "2026-12-31")),
            None,
            "2027-04-30",
        ),
        # Gold again before they went.
        (
            COFFEE,
            (("gold", "2026-02-01", "2026-03-31"), ("gold", "2026-09-30", "2026-12-31")),
            None,
            "2027-06-30",
        ),
        # Gold for ever.
        (COFFEE, (("gold", "2026-02-01", ""),), None, FOR_EVER.isoformat()),
        # What an operator carried over is kept by gold, and not by what all members have.
        (COFFEE, (), "2026-02-10", "2026-02-10"),
        (COFFEE, (("gold", "2026-02-01", "2026-03-31"),), "2026-02-10", "2026-09-30"),
    ],
)
def test_tier_moves_the_last_day_only_to_a_later_one(
    terms: Expiry, tiers: tuple[tuple[str, str, str], ...], last: str | None, expected: str
) -> None:
    """Points of 15 January 2026, by the tiers that their member has."""
    known = None if last is None else date.fromisoformat(last)

    found = last_good_day(terms, _held(*tiers), date.fromisoformat(EARNED), known)

    assert found.isoformat() == expected
