"""G49: random histories of guests who are merged and parted, beside a model."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.members.merge_members import MergeMembers, merge_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.errors import LoyaltyError, RequestInvalidError
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import POSTGRESQL, SQLITE, Goal, Trial
from tests.fault.planted import Bug, planted
from tests.fault.simulation.books import DisagreementError, agree
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item, report, reward
from tests.support.programs import (
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    issue_command,
)
from tests.support.stores import demo_store

HISTORIES = {SQLITE: 400, POSTGRESQL: 40}
HISTORIES_SHORT = {SQLITE: 6, POSTGRESQL: 2}
HISTORIES_OF_BUGS = 60
CALLS = 30
GUESTS = 3
AGING = Expiry(ExpiryPolicy.ISSUE_DATE, days=300)

BUGS = (
    Bug(
        "the merged one is found by itself", "Members._led_to", "_ if _1 is None else _2", "member"
    ),
    Bug(
        "held points stay behind",
        "bring_over",
        "(AccountKind.HELD, AccountKind.UNCONFIRMED)",
        "(AccountKind.UNCONFIRMED,)",
    ),
    Bug("nobody pays what the other owes", "_pay", "min(_1, _2.available.balance)", "0"),
    Bug("a debt is not paid first", "_bring_free", "min(_, owed_points(_))", "0"),
    Bug(
        "all points are given back",
        "give_back",
        "min(_, _1.available.balance)",
        "_1.available.balance",
    ),
    Bug("what own orders moved since is forgotten", "_due", "unit.moved_since(...)", "0"),
    Bug(
        "a till is refused that knows the old loyalty ID",
        "require_same_guest",
        "_ is not member",
        "True",
    ),
    Bug("open orders go back", "Merges.hand_over", "int(not undone)", "1"),
    Bug("what is owed again is forgotten", "give_back", "-_owe_again(...)", "0"),
)


@dataclass
class Order:
    """An order, whose it is, and what it holds, has earned and has burned."""

    owner: int
    status: str = "open"
    held: int = 0
    earned: int = 0
    burned: int = 0


@dataclass
class Merge:
    """Who leads to whom, what it brought, and which orders, those that were open apart."""

    into: int
    due: int
    orders: set[str]
    was_open: set[str]


@dataclass
class World:
    """Guests of a program, and what they should have."""

    till: Till
    url: str
    guests: list[str]
    total: list[int] = field(default_factory=lambda: [0] * GUESTS)
    orders: dict[str, Order] = field(default_factory=dict)
    merges: dict[int, Merge] = field(default_factory=dict)
    made: int = 0
    parted: int = 0

    def lead(self, guest: int) -> int:
        """Tell who goes on for a guest."""
        return self.merges[guest].into if guest in self.merges else guest

    def held(self, guest: int) -> int:
        """Sum up what open orders of a guest hold."""
        return sum(order.held for order in self.orders.values() if order.owner == guest)

    def free(self, guest: int) -> int:
        """Tell what a guest may spend, or below zero owes."""
        return self.total[guest] - self.held(guest)

    async def run(self, use_case: Any, command: Any) -> Any:
        """Run a use case as an operator does."""
        asked = Run(use_case, command)
        done = await self.till.store.write(
            lambda unit, _: perform(unit, self.till.now_ms, asked), reads=command.reads()
        )
        return done.result

    def compare(self) -> None:
        """Require that everybody has what they should have."""
        found = rows(
            self.url,
            "SELECT loyalty_id, kind, balance FROM member "
            "JOIN account ON member_number = number WHERE kind IN (1, 2, 7)",
        )
        known = {(row.loyalty_id, row.kind): row.balance for row in found}
        for number, guest in enumerate(self.guests):
            free = self.free(number)
            told = tuple(known.get((guest, kind), 0) for kind in (1, 2, 7))
            should = (max(free, 0), self.held(number), min(free, 0))
            agree(told == should, f"guest {number} has {told}, not {should}")


async def step(world: World, chance: random.Random) -> str:
    """Make one call, and do in the model what it should do; return its name."""
    kind = chance.choices(
        ("adjust", "open", "code", "claim", "void", "merge", "unmerge"), _WEIGHTS
    )[0]
    await _STEPS[kind](world, chance)
    return kind


async def _adjust(world: World, chance: random.Random) -> None:
    guest, points = chance.randrange(GUESTS), chance.choice((-900, -300, 500, 1500))
    command = AdjustPoints(
        PROGRAM_ID, world.guests[guest], points, "G49", beyond_limits=True, allow_debt=True
    )
    await world.run(adjust_points, command)
    world.total[world.lead(guest)] += points


async def _open(world: World, chance: random.Random) -> None:
    guest = chance.randrange(GUESTS)
    transaction = await world.till.identify(world.guests[guest])
    order = world.orders[transaction] = Order(world.lead(guest))
    if world.free(order.owner) >= _cost(world):
        await world.till.update(transaction, PENDING, _basket(spends=True))
        order.held = _cost(world)


async def _code(world: World, chance: random.Random) -> None:
    """Show a code that was issued before guests may have been merged."""
    guest = chance.randrange(GUESTS)
    issued = await world.till.call(issue_code, issue_command(world.guests[guest]))
    if chance.random() < 0.5:
        await _merge(world, chance)
    told = await world.till.call(identify_member, identify_command(issued.result.digits))
    agree(told.result.member.loyalty_id == world.guests[world.lead(guest)], "another's code")
    world.orders[told.result.transaction_id] = Order(world.lead(guest))


async def _claim(world: World, chance: random.Random) -> None:
    open_ones = [name for name, order in world.orders.items() if order.status == "open"]
    if not open_ones:
        return
    name = chance.choice(open_ones)
    order = world.orders[name]
    named = [guest for guest in range(GUESTS) if world.lead(guest) == order.owner]
    asked = report(name, CLAIMED, _basket(spends=order.held > 0))
    asked = replace(asked, loyalty_id=world.guests[chance.choice(named)])
    done = (await world.till.call(report_order, asked)).result
    agree(done.redeemed_points == order.held, "other points were burned than held")
    order.status, order.held = "claimed", 0
    order.earned, order.burned = done.earned_points, done.redeemed_points
    world.total[order.owner] += order.earned - order.burned
    for merge in world.merges.values():
        if name in merge.was_open:
            merge.due -= order.burned


async def _void(world: World, chance: random.Random) -> None:
    alive = [name for name, order in world.orders.items() if order.status != "void"]
    if alive:
        await _void_one(world, chance.choice(alive))


async def _void_one(world: World, name: str) -> None:
    order = world.orders[name]
    await world.till.call(void_transaction, VoidTransaction(world.till.key, name))
    world.total[order.owner] += order.burned - order.earned
    for merge in world.merges.values():
        if name in merge.orders:
            merge.due += order.burned - order.earned
        elif name in merge.was_open:
            merge.due += order.burned
    order.status, order.held, order.earned, order.burned = "void", 0, 0, 0


async def _merge(world: World, chance: random.Random) -> None:
    into, merged = chance.sample(range(GUESTS), 2)
    busy = {into, merged} & world.merges.keys() or merged in {
        merge.into for merge in world.merges.values()
    }
    command = MergeMembers(PROGRAM_ID, world.guests[into], world.guests[merged], "G49")
    try:
        await world.run(merge_members, command)
    except RequestInvalidError:
        agree(busy, "members can't be merged who could be")
        return
    agree(not busy, "members were merged who lead elsewhere")
    own = {name: order for name, order in world.orders.items() if order.owner == merged}
    was_open = {name for name, order in own.items() if order.status == "open"}
    world.merges[merged] = Merge(into, world.total[merged], own.keys() - was_open, was_open)
    for order in own.values():
        order.owner = into
    world.total[into] += world.total[merged]
    world.total[merged] = 0
    world.made += 1


async def _unmerge(world: World, chance: random.Random) -> None:
    if not world.merges:
        return
    merged = chance.choice(sorted(world.merges))
    merge = world.merges[merged]
    command = UnmergeMembers(PROGRAM_ID, world.guests[merge.into], world.guests[merged], "G49")
    still_open = any(world.orders[name].status == "open" for name in merge.was_open)
    try:
        await world.run(unmerge_members, command)
    except RequestInvalidError:
        agree(still_open, "members can't be parted who could be")
        return
    agree(not still_open, "an open order was left behind")
    del world.merges[merged]
    back = merge.due if merge.due < 0 else min(merge.due, max(world.free(merge.into), 0))
    world.total[merged] += back
    world.total[merge.into] -= back
    for name in merge.orders:
        world.orders[name].owner = merged
    world.parted += 1


_STEPS = {
    "adjust": _adjust,
    "open": _open,
    "code": _code,
    "claim": _claim,
    "void": _void,
    "merge": _merge,
    "unmerge": _unmerge,
}
_WEIGHTS = (2, 3, 1, 4, 2, 2, 2)


def _basket(*, spends: bool) -> Any:
    return basket(item(1000), *((reward(COFFEE),) if spends else ()))


def _cost(world: World) -> int:
    program = world.till.store.catalog.programs[PROGRAM_ID]
    return program.incentives[COFFEE].point_cost


async def live(store: Store, url: str, chance: random.Random, history: list[str]) -> World:
    """Live through a history; in the end part everybody and void every order."""
    world = World(Till(store), url, [await enroll(store) for _ in range(GUESTS)])
    for _ in range(CALLS):
        history.append(await step(world, chance))
        world.compare()
    for name, order in world.orders.items():
        if order.status == "open":
            await _void_one(world, name)
    while world.merges:
        await _unmerge(world, chance)
        world.compare()
    for name, order in world.orders.items():
        if order.status != "void":
            await _void_one(world, name)
    world.compare()
    findings = audit(Database.from_text(url))
    agree(findings.all_hold, "; ".join(map(str, findings.problems[:3])))
    return world


async def run(trial: Trial) -> None:
    """
    Let operators merge guests and part them while these order by any of their names and codes.

    After each call everybody has what a model says that only adds; in the end all are parted and
    all orders void, and the audit finds nothing. Planted bugs must show.
    """
    made = parted = calls = number = 0
    async with AsyncExitStack() as stack:
        stores = []
        for terms in (None, AGING):
            url = trial.new_database()
            program = replace(demo_program(), void_spent="debt", promotions={})
            if terms is not None:
                program = replace(program, expiry=terms)
            stores.append((await stack.enter_async_context(demo_store(url, program)), url))
        for number in range(trial.choose(HISTORIES, HISTORIES_SHORT)[trial.kind]):
            history: list[str] = []
            try:
                world = await live(*stores[number % 2], trial.chance(number), history)
            except (DisagreementError, LoyaltyError) as problem:
                trial.require(None, f"history {number}: {problem!r}, after {history}")
                break
            made, parted, calls = made + world.made, parted + world.parted, calls + len(history)
        if trial.kind == SQLITE:
            await _find_bugs(trial, stores)
    trial.figure("histories", number + 1)
    trial.figure("calls", calls)
    trial.figure("merges", made)
    trial.figure("parted again", parted)
    trial.require(parted, "nobody was parted, so it was not tried")


async def _find_bugs(trial: Trial, stores: list[tuple[Store, str]]) -> None:
    for bug in BUGS:
        with planted(bug):
            trial.require(await _shows(trial, stores), f"not found: {bug.name}")
    trial.figure("planted bugs found", len(BUGS))


async def _shows(trial: Trial, stores: list[tuple[Store, str]]) -> bool:
    """Tell whether a bug shows in some histories of its own."""
    del stores
    for number in range(HISTORIES_OF_BUGS):
        url = trial.new_database()
        program = replace(demo_program(), void_spent="debt", promotions={})
        if number % 2:
            program = replace(program, expiry=AGING)
        async with demo_store(url, program) as store:
            try:
                await live(store, url, trial.chance("bug", number), [])
            except Exception:  # noqa: BLE001 - a bug may show as anything.
                return True
    return False


GOALS = (
    Goal(
        "G49",
        "Merged members",
        "Guests who are merged have together what they had apart, and get back what was theirs "
        "when they are parted.",
        run,
    ),
)
