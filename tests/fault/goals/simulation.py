"""G10: whole worlds of servers, clients and faults, each decided by its seed; and planted bugs."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter

from tests.fault.goal import Goal, Trial
from tests.fault.planted import LostBugError, planted
from tests.fault.simulation.bugs import BUGS
from tests.fault.simulation.clients import live
from tests.fault.simulation.faults import FAULTS
from tests.fault.simulation.market_bugs import SIMULATED_BUGS
from tests.fault.simulation.world import World, quietly
from tests.support.roots import PYTHONPATH, ROOT

SEEDS, SEEDS_SHORT = 10_000, 60
BUG_SEEDS_MAX, BUG_SEEDS_MAX_SHORT = 3000, 10
PROBLEMS_MAX = 5
REPLAY = "python -m tests.fault.simulate --trace --seed"


async def run(trial: Trial) -> None:
    """
    Live through many worlds: no step may differ from the model, and every planted bug must show.

    A world is replayed by its seed: it must come out the same, event by event.
    """
    with quietly():
        await _replay(trial)
        await _live(trial)
        await _find_bugs(trial)


async def _replay(trial: Trial) -> None:
    """Live through one world again, in the full form in another process as well."""
    seed = f"{trial.seed}-replay"
    first = live(seed).digest()
    trial.require(live(seed).digest() == first, "a world did not come out the same again")
    if trial.full:
        printed = await _other_process(seed)
        trial.require(first in printed, f"another process made another world: {printed}")
        trial.figure("replayed", "same process and another")


async def _other_process(seed: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fault.simulate", "--seed", seed),
        env={
            **os.environ,
            "PYTHONPATH": PYTHONPATH,
        },
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return printed.decode()


async def _live(trial: Trial) -> None:
    counts: Counter[str] = Counter()
    settled = deliveries = wrong = 0
    started = time.monotonic()
    seeds = trial.choose(SEEDS, SEEDS_SHORT)
    lived = 0
    for number in range(seeds):
        world = live(f"{trial.seed}-{number}")
        lived += 1
        counts += world.faults.counts
        settled += world.settled
        deliveries += world.deliveries
        if world.problems:
            wrong += 1
            trial.require(False, f"{world.problems[0]}: {REPLAY} {world.seed}")  # noqa: FBT003
        if wrong >= PROBLEMS_MAX:
            break
        if number % 500 == 499:
            trial.say(f"{number + 1} worlds, {time.monotonic() - started:.0f} s")
        await asyncio.sleep(0)
    elapsed_s = time.monotonic() - started
    for kind in FAULTS:
        trial.say(f"{kind:22}{counts[kind]:8}")
        trial.require(counts[kind] or wrong, f"{kind} never happened")
    trial.figure("seeds", lived)
    trial.figure("seeds/s", round(lived / elapsed_s, 1))
    trial.figure("calls", deliveries)
    trial.figure("settled and compared", settled)
    trial.figure("fault kinds", len(+counts))
    trial.figure("faults", sum(counts.values()))


async def _find_bugs(trial: Trial) -> None:
    """Plant one bug after the other; each must show within so many worlds."""
    most = trial.choose(BUG_SEEDS_MAX, BUG_SEEDS_MAX_SHORT)
    needed: list[int] = []
    bugs = (*BUGS, *SIMULATED_BUGS)
    tried = [bug for bug in bugs if trial.full or bug.soon]
    for bug in bugs:
        try:
            with planted(bug):
                if bug not in tried:
                    continue
                number = await _worlds_until_found(trial, most)
        except LostBugError as lost:
            trial.require(False, str(lost))  # noqa: FBT003
            continue
        if number is None:
            trial.require(False, f"not found in {most} worlds: {bug.name}")  # noqa: FBT003
        else:
            needed.append(number)
            trial.say(f"found in world {number:4}: {bug.name}")
    trial.figure("planted bugs found", f"{len(needed)} of {len(tried)}")
    trial.figure("worlds until the last was found", max(needed, default=0))


async def _worlds_until_found(trial: Trial, most: int) -> int | None:
    for number in range(1, most + 1):
        world: World = live(f"{trial.seed}-bug-{number}")
        if world.problems:
            return number
        await asyncio.sleep(0)
    return None


GOALS = (
    Goal(
        "G10",
        "Simulation",
        "Whatever goes wrong, in whatever order, every call ends as the rules say.",
        run,
        databases=(),
    ),
)
