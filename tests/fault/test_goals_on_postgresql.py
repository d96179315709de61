"""The goals of reliability that are tried on PostgreSQL as well, for seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.goal import POSTGRESQL, Goal
from tests.fault.plan import each_goal, require_met
from tests.fault.test_goals import SEED


@each_goal(needy=False, kinds=(POSTGRESQL,))
async def test_goal_tried_for_seconds_is_met(
    goal: Goal, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What is promised holds under a short form of the faults that it is promised under."""
    await require_met(goal, kind, SEED, request, tmp_path)
