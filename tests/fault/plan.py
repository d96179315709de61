"""All goals, found where they stand, and how one of them is tried."""

from __future__ import annotations

import asyncio
import pkgutil
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.fault import goals
from tests.fault.goal import POSTGRESQL, SQLITE, Goal, Trial
from tests.support.databases import Backend
from tests.support.installed import program_of

KINDS = ("", SQLITE, POSTGRESQL)
"""Of databases, "" for goals that need none."""

TRIAL_MAX_S = 1800.0
"""A trial that hangs is a broken promise too."""


def all_goals() -> tuple[Goal, ...]:
    """Give every goal that a module of `goals` lists in GOALS, by number."""
    found = [goal for module in _modules() for goal in import_module(module).GOALS]
    return tuple(sorted(found, key=lambda goal: (int(goal.number[1:]), goal.title)))


def _modules() -> Iterator[str]:
    for module in pkgutil.iter_modules(goals.__path__):
        yield f"{goals.__name__}.{module.name}"


async def attempt(
    goal: Goal,
    kind: str,
    *,
    seed: int,
    full: bool,
    folder: Path,
    backend: Backend | None,
    say: Callable[[str], None],
) -> tuple[Trial, float]:
    """Try a goal once; return what came of it and how many seconds it took."""
    trial = Trial(goal, kind, seed, full, folder, backend, say)
    started = time.monotonic()
    trial.problems += [
        f"{program} is not installed: `make test-extra` installs it"
        for program in goal.needs
        if program_of(program) is None
    ]
    if trial.problems:
        return trial, 0.0
    try:
        async with asyncio.timeout(TRIAL_MAX_S):
            await goal.run(trial)
    except Exception as problem:  # noqa: BLE001 - whatever ends a trial early, its row must tell.
        trial.problems.append(f"the trial ended with {problem!r}")
        say("".join(traceback.format_exception(problem)))
    return trial, time.monotonic() - started


def each_goal(*, needy: bool, kinds: Collection[str] = KINDS) -> pytest.MarkDecorator:
    """
    Give a test every goal and kind of database, or the first kind where the kind does not matter.

    Args:
        needy: Whether those that need what pip does not have, or the others.
        kinds: Kinds of databases; "" stands for goals that need none.
    """
    trials = [
        (goal, kind)
        for goal in all_goals()
        if bool(goal.needs) is needy
        for kind in (goal.databases[:1] if goal.any_database else goal.databases) or ("",)
        if kind in kinds
    ]
    names = ["-".join(filter(None, (goal.number, goal.title, kind))) for goal, kind in trials]
    return pytest.mark.parametrize(("goal", "kind"), trials, ids=names)


async def require_met(
    goal: Goal, kind: str, seed: int, request: pytest.FixtureRequest, folder: Path
) -> None:
    """
    Try a goal for seconds, on a database of the tests' fixtures; fail unless it is met.

    What judges rates and times is tried twice before it fails: another test may have had the cores.
    """
    fixtures = {SQLITE: "sqlite", POSTGRESQL: "postgres"}
    backend = request.getfixturevalue(fixtures[kind]) if kind else None
    for number in range(1 + goal.by_time):
        said: list[str] = []
        own = folder / str(number) if number else folder
        own.mkdir(exist_ok=True)
        trial, _ = await attempt(
            goal, kind, seed=seed, full=False, folder=own, backend=backend, say=said.append
        )
        if trial.met:
            break
    assert trial.problems == [], "\n".join((*trial.problems, *said))
    assert trial.figures, "nothing was counted"
