"""Every goal of reliability, tried for seconds; `make fault` tries them for as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.fault.goal import POSTGRESQL, SQLITE, Goal
from tests.fault.plan import all_goals, attempt

SEED = 20261122
"""Always the same, so that a run that fails can be looked into."""

ROOT = Path(__file__).resolve().parents[2]
TRIALS = [
    (goal, kind) for goal in all_goals() if not goal.needs for kind in goal.databases or ("",)
]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Let no goal that silences the log silence those after it, which look into it."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


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
