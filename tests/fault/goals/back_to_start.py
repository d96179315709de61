"""G43: random histories, every order of which is void in the end."""

from __future__ import annotations

import asyncio
import random

from tests.fault.goal import POSTGRESQL, SQLITE, Goal, Trial
from tests.fault.planted import planted
from tests.fault.simulation import bugs
from tests.fault.simulation.aging_bugs import AGING_BUGS
from tests.fault.simulation.books import CLAIMED, PENDING, DisagreementError, agree
from tests.fault.simulation.return_bugs import RETURN_BUGS
from tests.fault.small_worlds import AGING, MANY, MODES, Call, SmallWorld

HISTORIES = {SQLITE: 6000, POSTGRESQL: 600}
HISTORIES_SHORT = {SQLITE: 50, POSTGRESQL: 20}
CALLS = 40
ORDERS = 8
HISTORIES_OF_BUGS = 200
SELDOM = {"sweep", "fill"}

FOUND = ("points that come back do not pay a debt", "a void does not take earned points back")


async def run(trial: Trial) -> None:
    """
    Let members, tills and operators do as they like, then void every order.

    Members have what they began with and operators gave, and nothing held or owed beyond; on the
    way nobody has points to spend and owes some. Where spent points refuse a void, the orders that
    spent them are voided first. Where points go, each is in the bucket of its day on the way, and
    what went is missing in the end. On the way lines of orders come back. Planted bugs must show.
    """
    calls = debts = 0
    modes = {**MODES, "aging": AGING}
    worlds = {
        mode: SmallWorld(ORDERS, MANY, _database_of(trial), returns=True, return_days=1, **words)
        for mode, words in modes.items()
    }
    for number in range(trial.choose(HISTORIES, HISTORIES_SHORT)[trial.kind]):
        mode = list(modes)[number % len(modes)]
        history: list[Call] = []
        try:
            owed = _live(worlds[mode], trial.chance(number), history)
        except DisagreementError as problem:
            trial.require(False, f"history {number}, {mode}: {problem}, after {history}")  # noqa: FBT003
            break
        calls += len(history)
        debts += owed
        await asyncio.sleep(0)
    trial.figure("histories", number + 1)
    trial.figure("calls", calls)
    trial.figure("states with a debt", debts)
    trial.require(debts, "nobody ever owed points, so it was not tried")
    for name in FOUND if trial.kind == SQLITE else ():
        with planted(bugs.named(name)):
            trial.require(_shows(trial, worlds["debt"]), f"not found: {name}")
    if trial.kind == SQLITE:
        for bug in AGING_BUGS:
            with planted(bug):
                trial.require(_shows(trial, worlds["aging"]), f"not found: {bug.name}")
        for bug in RETURN_BUGS:
            with planted(bug):
                trial.require(_shows(trial, worlds["debt"]), f"not found: {bug.name}")
        trial.figure("planted bugs of points that go and returns", len(AGING_BUGS + RETURN_BUGS))
    for world in worlds.values():
        world.close()


def _database_of(trial: Trial) -> str:
    """Name a database of its own; none for a world in memory."""
    return trial.new_database() if trial.kind == POSTGRESQL else ""


def _live(world: SmallWorld, chance: random.Random, history: list[Call]) -> int:
    """Live through a history and void all of it; return in how many states somebody owed."""
    owed = 0
    world.begin(())
    for _ in range(CALLS):
        possible = list(world.possible())
        weights = [_weight(world, call) for call in possible]
        (call,) = chance.choices(possible, weights)
        history.append(call)
        world.make(call)
        world.compare()
        owed += any(guest.debt for guest in world.state.model.guests.values())
    everything = world.void_all()
    world.compare()
    world.audit()
    if not everything:
        # Only where operators took what an order had earned.
        agree(world.scheme.void_spent == "refuse", "some orders can't be voided")
        agree(min(world.left().values()) < 0, "orders can't be voided, though nothing is owed")
    return owed


def _weight(world: SmallWorld, call: Call) -> float:
    """Tell how likely a call is beside the others: most are to have an effect."""
    if call[0] in {"report", "claim", "void", "return"} and call[1] != "receipt":
        order = world.state.model.orders[world.state.orders[int(call[1])]]
        if call[0] in {"void", "return"}:
            return {CLAIMED: 1.0}.get(order.status, 0.02)
        return {PENDING: 1.0}.get(order.status, 0.02)
    return 0.1 if call[0] in SELDOM else 1.5


def _shows(trial: Trial, world: SmallWorld) -> bool:
    for number in range(HISTORIES_OF_BUGS):
        try:
            _live(world, trial.chance("bug", number), [])
        except DisagreementError:
            return True
    return False


GOALS = (
    Goal(
        "G43",
        "Back to where it began",
        "When every order of a history is void, members have what they began with: what comes "
        "back pays what is owed.",
        run,
        any_database=True,
    ),
)
