"""G30: the ledger and the idempotency of calls, changed a little; the tests must notice."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from importlib import import_module
from pathlib import Path

from tests.fault.goal import Goal, Trial
from tests.fault.mutation import Mutant, mutants
from tests.fault.simulation.clients import live
from tests.fault.simulation.world import quietly

MODULES = ("loyalty_service.domain.ledger", "loyalty_service.application.perform")
SCORE_MIN = 0.9
WORLDS, WORLDS_SHORT = 40, 1
SAMPLE_SHORT = 40
SAMPLE_SCORE_MIN = 0.4
"""What one simulated world alone must notice, without the tests that know the module."""

ROOT = Path(__file__).resolve().parents[3]
TESTS = (
    "tests/unit/domain/test_ledger.py",
    "tests/unit/application/test_perform.py",
    "tests/storage/test_idempotency.py",
)
TESTS_ONCE = (
    *("-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning", "--databases", "sqlite", *TESTS),
)
MUTATED = "tests.fault.mutated"


async def run(trial: Trial) -> None:
    """
    Make every small change of both modules; simulated worlds or the modules' tests must fail.

    Unchanged, the tests take every branch of both.
    """
    if trial.full:
        await _require_all_branches(trial)
    worlds = trial.choose(WORLDS, WORLDS_SHORT)
    with quietly():
        trial.require(not _world_differs(trial, worlds), "the simulation fails without a change")
        if trial.full:
            trial.require(not await _tests_fail(MODULES[0]), "the tests fail without a change")
        alive: list[Mutant] = []
        every = [mutant for module in MODULES for mutant in mutants(module)]
        tried = every if trial.full else trial.chance("sample").sample(every, SAMPLE_SHORT)
        for mutant in tried:
            if not await _is_noticed(trial, mutant, worlds):
                alive.append(mutant)
                trial.say(f"not noticed: {mutant.module}:{mutant.line} {mutant.what}")
    score = 1 - len(alive) / len(tried)
    trial.figure("mutants", len(tried))
    trial.figure("noticed", f"{score:.1%}")
    enough = trial.choose(SCORE_MIN, SAMPLE_SCORE_MIN)
    trial.require(score >= enough, f"only {score:.1%} of the changes were noticed")


async def _require_all_branches(trial: Trial) -> None:
    """Run the modules' own tests in a process that notes which branches they take."""
    files = {name: inspect.getfile(import_module(name)) for name in MODULES}
    noted = f"--data-file={trial.folder / 'coverage'}"
    chosen = ("--branch", f"--include={','.join(files.values())}")
    tests = ("-m", "pytest", *TESTS_ONCE)
    trial.require(not (await _coverage("run", noted, *chosen, *tests))[0], "the tests fail")
    _, told = await _coverage("json", noted, "-q", "-o", "-")
    measured = {str(ROOT / name): found for name, found in json.loads(told)["files"].items()}
    branches = taken = 0
    for name, file in files.items():
        summary = measured[file]["summary"]
        branches += summary["num_branches"]
        taken += summary["covered_branches"]
        missed = measured[file]["missing_branches"] + measured[file]["missing_lines"]
        trial.require(not missed, f"{name}: no test comes to {missed}")
    trial.figure("branches taken", f"{taken} of {branches}")
    trial.require(branches, "there were no branches, so nothing was tried")


async def _coverage(*arguments: str) -> tuple[int, bytes]:
    return await _python("-m", "coverage", *arguments)


async def _python(*arguments: str) -> tuple[int, bytes]:
    """Run Python in a process of its own, which knows nothing of what was tried in this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    return process.returncode or 0, told


async def _is_noticed(trial: Trial, mutant: Mutant, worlds: int) -> bool:
    with mutant.alive():
        if _world_differs(trial, min(worlds, WORLDS_SHORT)):
            return True
        if trial.full and await _tests_fail(mutant.module, mutant.number):
            return True
        return worlds > WORLDS_SHORT and _world_differs(trial, worlds)


def _world_differs(trial: Trial, worlds: int) -> bool:
    for number in range(worlds):
        try:
            if live(f"{trial.seed}-{number}").problems:
                return True
        except Exception:  # noqa: BLE001 - whatever a change breaks, it was noticed.
            return True
    return False


async def _tests_fail(module: str, number: int | None = None) -> bool:
    """Run the modules' own tests, with a mutant of one of them or without."""
    which = "none" if number is None else str(number)
    return (await _python("-m", MUTATED, module, which, *TESTS_ONCE))[0] != 0


GOALS = (
    Goal(
        "G30",
        "Test strength",
        "Nearly every small change of the ledger, or of how calls are repeated, makes a test fail.",
        run,
        databases=(),
    ),
)
