"""G13: random histories of random markets: promotions, goals, tiers, grants and their limits."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context

from tests.fault.goal import POSTGRESQL, SQLITE, Goal, Trial
from tests.fault.markets import MarketWorld
from tests.fault.planted import LostBugError, planted
from tests.fault.simulation.books import DisagreementError, agree
from tests.fault.simulation.market_bugs import MARKET_BUGS
from tests.fault.small_worlds import Call

MARKETS = {SQLITE: 4000, POSTGRESQL: 40}
MARKETS_SHORT = {SQLITE: 6, POSTGRESQL: 2}
HISTORIES_EACH = 25
HISTORIES_EACH_SHORT = 6
CALLS = 12
AUDITED_EACH = 10
"""Of so many histories one is audited, which takes as long as ten calls."""

MARKETS_OF_BUGS = 400
MARKETS_OF_BUGS_SHORT = 40
HISTORIES_OF_BUGS = 5


async def run(trial: Trial) -> None:
    """
    Let guests, tills and operators do as they like in many programs, then void every order.

    After each call points, grants and what goals gave are as the model says. In the end nobody has
    anything that orders have brought. Planted bugs must show.
    """
    pool: Executor = ThreadPoolExecutor(1)
    if trial.full and trial.kind == SQLITE:
        pool = ProcessPoolExecutor(mp_context=get_context("spawn"))
    try:
        await _live_all(trial, pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if trial.kind == SQLITE:
        await _find_bugs(trial)


async def _live_all(trial: Trial, pool: Executor) -> None:
    loop, counts = asyncio.get_running_loop(), Counter[str]()
    each = trial.choose(HISTORIES_EACH, HISTORIES_EACH_SHORT)
    under_way = [
        loop.run_in_executor(pool, _live, f"{trial.seed}-{number}", _database_of(trial), each)
        for number in range(trial.choose(MARKETS, MARKETS_SHORT)[trial.kind])
    ]
    for number, living in enumerate(under_way):
        lived, problem = await living
        trial.require(not problem, problem)
        counts += lived
        if number % 100 == 99:
            trial.say(f"{counts['histories']:,} histories")
    for what in (
        "histories",
        "calls",
        "goals reached",
        "goals lost",
        "grants used",
        "states with a debt",
    ):
        trial.figure(what, counts[what])
        trial.require(counts[what] or not trial.full, f"no {what}, so it was not tried")


def _database_of(trial: Trial) -> str:
    """Name a database of its own; none for a world in memory."""
    return trial.new_database() if trial.kind == POSTGRESQL else ""


def _live(seed: str, database_url: str, histories: int) -> tuple[Counter[str], str]:
    """Live through histories of one market; return what was counted, and the first problem."""
    counts: Counter[str] = Counter()
    with closing(MarketWorld(_chance(seed), database_url)) as world:
        for number in range(histories):
            history: list[Call] = []
            try:
                _live_once(world, _chance(seed, number), history, counts)
                if not number % AUDITED_EACH:
                    world.audit()
            except DisagreementError as problem:
                return counts, f"market {seed}, history {number}: {problem}, after {history}"
            counts["histories"] += 1
        counts["calls"] = world.calls
    return counts, ""


def _live_once(
    world: MarketWorld, chance: random.Random, history: list[Call], counts: Counter[str]
) -> None:
    """Live through a history, and void all of it."""
    world.begin(())
    guests = world.state.model.guests
    for _ in range(CALLS):
        call = world.choose(chance)
        history.append(call)
        world.make(call)
        world.compare()
        counts["states with a debt"] += any(guest.debt for guest in guests.values())
    cards = [guest.card for guest in guests.values()]
    counts["grants used"] += sum(one.used for card in cards for one in card.grants.values())
    everything = world.void_all()
    world.compare()
    awards = [award for card in cards for award in card.awards]
    counts["goals reached"] += len(awards)
    counts["goals lost"] += sum(award.lost_rounds > 0 for award in awards)
    if everything:
        world.require_nothing_left()
    else:
        agree(world.scheme.void_spent == "refuse", "some orders can't be voided")


def _chance(*of: object) -> random.Random:
    return random.Random("/".join(map(str, of)))  # noqa: S311


async def _find_bugs(trial: Trial) -> None:
    """Plant one bug after the other; each must show within so many markets."""
    most = trial.choose(MARKETS_OF_BUGS, MARKETS_OF_BUGS_SHORT)
    found: list[int] = []
    bugs = [bug for bug in MARKET_BUGS if trial.full or bug.soon]
    for bug in bugs:
        histories, problem = 0, ""
        try:
            with planted(bug):
                while not problem and histories < most * HISTORIES_OF_BUGS:
                    seed = f"{trial.seed}-bug-{histories}"
                    lived, problem = _live(seed, "", HISTORIES_OF_BUGS)
                    histories += lived["histories"] + bool(problem)
                    await asyncio.sleep(0)
        except LostBugError as lost:
            trial.require(False, str(lost))  # noqa: FBT003
            continue
        trial.require(problem, f"not found in {histories} histories: {bug.name}")
        found += [histories] if problem else []
        trial.say(f"found in history {histories:5}: {bug.name}")
    trial.figure("planted bugs found", f"{len(found)} of {len(bugs)}")
    trial.figure("histories until the last was found", max(found, default=0))


GOALS = (
    Goal(
        "G13",
        "Any sequence",
        "Whatever a program gives besides its rate, in whatever order: members have what the rules "
        "make of it.",
        run,
    ),
)
