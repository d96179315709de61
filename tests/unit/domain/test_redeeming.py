"""What points are worth, and how many of them one redemption may take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.domain.program import RedemptionRules
from loyalty_service.domain.redeeming import (
    Balance,
    balance_of,
    is_redeemable,
    most_redeemable,
    worth,
)

RULES = RedemptionRules(25_000, 1000, 75_000, 3000, 25_000, 1000)


@pytest.mark.parametrize(
    ("points", "minor"), [(0, 0), (24, 0), (25, 1), (62_000, 2480), (62_024, 2480), (62_025, 2481)]
)
def test_points_are_worth_whole_minor_units_rounded_down(points: int, minor: int) -> None:
    """A fraction of a cent is nobody's."""
    assert worth(RULES, points) == minor


@pytest.mark.parametrize(
    ("available", "most"),
    [(0, 0), (24_999, 0), (25_000, 25_000), (62_000, 50_000), (75_000, 75_000), (900_000, 75_000)],
)
def test_most_is_a_step_within_the_bounds_and_what_is_there(available: int, most: int) -> None:
    """Below the minimum nothing may be redeemed."""
    assert most_redeemable(RULES, available) == most


@pytest.mark.parametrize(
    ("points", "may"),
    [(0, False), (-25_000, False), (25_000, True), (50_000, True), (30_000, False)],
)
def test_only_steps_may_be_redeemed(points: int, *, may: bool) -> None:
    """Points between two steps are refused."""
    assert is_redeemable(RULES, points, 62_000) is may
    assert not is_redeemable(RULES, points, 20_000)


def test_rules_without_a_minimum_still_redeem_nothing_of_nothing() -> None:
    """Where the minimum is 0, a redemption of 0 points is none."""
    rules = replace(RULES, min_points=0, min_amount=0)
    assert not is_redeemable(rules, 0, 62_000)
    assert most_redeemable(rules, 10) == 0


def test_balance_of_who_may_not_redeem_tells_no_redemption() -> None:
    """The points are told all the same."""
    assert balance_of(RULES, 70_000, 62_000, may_redeem=True) == Balance(
        70_000, 62_000, 25_000, 50_000
    )
    for rules, may in ((RULES, False), (None, True)):
        assert balance_of(rules, 70_000, 62_000, may_redeem=may) == Balance(70_000, 62_000)
