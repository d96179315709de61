"""
Every goal of reliability, tried for seconds; `make fault` tries them for as long as it takes.

Those on PostgreSQL stand in a file of their own, so that both run at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.goal import SQLITE, Goal
from tests.fault.plan import all_goals, each_goal, require_met

SEED = 20261122
"""Always the same, so that a run that fails can be looked into."""

ROOT = Path(__file__).resolve().parents[2]


@each_goal(needy=False, kinds=("", SQLITE))
async def test_goal_tried_for_seconds_is_met(
    goal: Goal, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What is promised holds under a short form of the faults that it is promised under."""
    await require_met(goal, kind, SEED, request, tmp_path)


def test_goals_are_listed_once_for_each_database() -> None:
    """No two goals have a number and title alike, and each makes a promise."""
    names = [(goal.number, goal.title) for goal in all_goals()]
    assert len(names) == len(set(names))
    assert all(goal.promise.endswith(".") for goal in all_goals())


def test_document_has_every_promise() -> None:
    """The document says what is tried, in the same words."""
    document = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for goal in all_goals():
        assert f"**{goal.number} {goal.title}.** {goal.promise}" in document
