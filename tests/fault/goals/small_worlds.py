"""G47: every history of a few calls, and planted bugs that such a history must show."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context

from tests.fault.goal import Goal, Trial
from tests.fault.planted import planted
from tests.fault.simulation import bugs
from tests.fault.small_worlds import ANNA, BEN, MODES, Call, Explored, SmallWorld, explore

STARTS: dict[str, tuple[tuple[Call, ...], int]] = {
    "bare": ((), 2),
    "opened": ((("identify", ANNA), ("issue", ANNA), ("unclaimed",)), 3),
    "spent": (
        (("identify", ANNA), ("claim", "0", "earning"), ("issue", ANNA), ("show",), ("unclaimed",)),
        2,
    ),
    "rich": ((("identify", BEN), ("claim", "0", "both"), ("unclaimed",)), 2),
}
"""What has happened before, and how many calls more the short form goes."""

DEPTH = 6
DEPTH_OF_BUGS = 3
FOUND_FROM = {
    "debts are not paid first": ("debt", "spent"),
    "points that come back do not pay a debt": ("debt", "spent"),
    "a claim captures none of its holds": ("debt", "spent"),
    "a void forgets what the program does about spent points": ("debt", "spent"),
    "a void after the sweeper's tells of nothing given back": ("debt", "spent"),
    "a void gives back before it takes, so that points that fit are lost": ("debt", "rich"),
    "an identify with a code reserves nothing": ("debt", "spent"),
    "a report reserves nothing": ("debt", "rich"),
    "a basket without it does not give a reserved use back": ("debt", "rich"),
    "a void keeps what its order has reserved": ("debt", "spent"),
    "a claimed use stays reserved besides": ("debt", "spent"),
    "one order earns twice where the program refuses it": ("refuse", "spent"),
    "nobody is told of an order that is claimed twice": ("debt", "spent"),
}
"""Bugs that the simulation knows, and by which mode and from where each must show."""


async def run(trial: Trial) -> None:
    """
    Make every call in every state that a few calls lead to, from a bare program and later.

    Each answer and each end must be the model's. No member may have points to spend and owe some,
    and one whose orders are all void has what operators gave. Planted bugs must show.
    """
    # The long form takes a processor for half an hour, so that it takes all that there are.
    pool: Executor = ThreadPoolExecutor(1)
    if trial.full:
        pool = ProcessPoolExecutor(mp_context=get_context("spawn"))
    try:
        await _explore_all(trial, pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for name, (mode, start) in FOUND_FROM.items():
        with planted(bugs.named(name)):
            found = _explore(mode, STARTS[start][0], DEPTH_OF_BUGS)
        trial.require(found.problem, f"not found: {name}")
    trial.figure("planted bugs found", len(FOUND_FROM))


async def _explore_all(trial: Trial, pool: Executor) -> None:
    loop = asyncio.get_running_loop()
    under_way = [
        (mode, name, loop.run_in_executor(pool, _explore, mode, first, trial.choose(DEPTH, short)))
        for mode in MODES
        for name, (first, short) in STARTS.items()
    ]
    histories = states = calls = 0
    for mode, name, exploring in under_way:
        seen = await exploring
        trial.require(not seen.problem, f"{mode}, {name}: {seen.problem}")
        trial.say(f"{mode:8}{name:8}{seen.states:9,} states {seen.histories:14,} histories")
        histories += seen.histories
        states += seen.states
        calls += seen.calls
    trial.figure("histories", histories)
    trial.figure("states", states)
    trial.figure("calls", calls)


def _explore(mode: str, first: tuple[Call, ...], depth: int) -> Explored:
    with closing(SmallWorld(**MODES[mode])) as world:
        return explore(world, first, depth)


GOALS = (
    Goal(
        "G47",
        "Small worlds",
        "Every history of up to six calls over two members and two orders ends as it should.",
        run,
        databases=(),
    ),
)
