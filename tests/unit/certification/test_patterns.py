"""How the judge compares what was seen with what a case expects."""

from __future__ import annotations

from typing import Any

import pytest

from loyalty_service.certification.patterns import CaseError, differences, figure

KNOWN: dict[str, Any] = {
    "points_per_unit": 10,
    "t": {"points": 14464},
    "reward": {"cost": 800},
    "food": {"price": 3.99, "earns": True},
    "deposit": {"price": 0.25, "earns": False},
}


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("~uuid", "5e2c8a17-3f94-4d6b-8b0e-91c7d4a6f321"),
        ("~absent", ...),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": "~absent"}, {}),
        ([1, "~text"], [1, "x"]),
        ({"has": {"a": 1}}, [{"a": 2}, {"a": 1}]),
        ({"lacks": {"a": 1}}, [{"a": 2}]),
        ("=t.points - reward.cost", 13664),
        ("{t.points}", 14464),
        ("/[0-9]{6}/", "123456"),
    ],
)
def test_what_fits_differs_in_nothing(pattern: Any, value: Any) -> None:
    """A value that a pattern means is taken."""
    wrapped = {} if value is ... else {"it": value}

    assert differences({"it": pattern}, wrapped, KNOWN) == []


def test_what_a_host_answered_is_no_expression() -> None:
    """A host that answers `.*` for its transaction's ID has not printed that ID."""
    known = {"t": {"transactionId": ".*"}}

    assert differences("/.*{t.transactionId}.*/", "no ID", known) != []
    assert differences("/.*{t.transactionId}.*/", "ID .* here", known) == []


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("~whole", 1.5),
        ("~whole", True),
        ("~natural", -1),
        (1, True),
        (1, "1"),
        ([1], [1, 2]),
        ({"has": {"a": 1}}, [{"a": 2}]),
        ({"lacks": {"a": 1}}, [{"a": 1}]),
        ("=t.points", 14463),
        ("~present", None),
    ],
)
def test_what_does_not_fit_is_said(pattern: Any, value: Any) -> None:
    """A value that a pattern does not mean is named with its place."""
    (said,) = differences({"it": pattern}, {"it": value}, KNOWN)

    assert said.startswith("it ")


def test_points_are_rounded_down_over_the_whole_order() -> None:
    """4.24 with a deposit of 0.25 earns 39 points."""
    assert figure("earn(food, deposit)", KNOWN) == 39


def test_calculation_can_only_calculate() -> None:
    """Nothing but figures and names is taken."""
    for text in ("__import__('os')", "t.points ** 9", "unknown", "("):
        with pytest.raises(CaseError):
            figure(text, KNOWN)
