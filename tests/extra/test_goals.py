"""The goals of reliability that need programs which pip does not have, tried for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.goal import Goal
from tests.fault.plan import each_goal, require_met

SEED = 20261128
"""Always the same, so that a run that fails can be looked into."""


@each_goal(needy=True)
async def test_goal_tried_for_seconds_is_met(
    goal: Goal, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What is promised holds under a short form of the faults that it is promised under."""
    await require_met(goal, kind, SEED, request, tmp_path)
