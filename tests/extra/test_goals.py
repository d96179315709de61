"""The goals of reliability that need programs which pip does not have, tried for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.goal import POSTGRESQL, SQLITE, Goal
from tests.fault.plan import all_goals, attempt

SEED = 20261128
"""Always the same, so that a run that fails can be looked into."""

TRIALS = [(goal, kind) for goal in all_goals() if goal.needs for kind in goal.databases or ("",)]


@pytest.mark.parametrize(
    ("goal", "kind"),
    TRIALS,
    ids=["-".join(filter(None, (goal.number, goal.title, kind))) for goal, kind in TRIALS],
)
async def test_goal_tried_for_seconds_is_met(
    goal: Goal, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What is promised holds under a short form of the faults that it is promised under."""
    fixtures = {SQLITE: "sqlite", POSTGRESQL: "postgres"}
    backend = request.getfixturevalue(fixtures[kind]) if kind else None
    said: list[str] = []
    trial, _ = await attempt(
        goal, kind, seed=SEED, full=False, folder=tmp_path, backend=backend, say=said.append
    )
    assert trial.problems == [], "\n".join(said)
    assert trial.figures, "nothing was counted"
