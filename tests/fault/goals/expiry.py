"""G11: claims that come just when their transaction's time is over, against the sweepers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from loyalty_service.application.orders.expire_overdue import OverdueTransaction
from loyalty_service.application.orders.report_order import Reported, report_order
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import ServerBusyError, TransactionNotClaimableError
from loyalty_service.domain.ledger import Cause
from loyalty_service.domain.records import HoldStatus, TransactionStatus
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import sweep
from tests.fault.goal import SQLITE, Goal, Trial
from tests.support.doing import identify_member, void_overdue
from tests.support.ledger import all_balances, audit, rows
from tests.support.logs import only_errors_logged
from tests.support.orders import CLAIMED, COFFEE, PENDING, basket, item, report, reward
from tests.support.programs import (
    PROGRAM_ID,
    add_member,
    demo_program,
    identify_command,
    put_program,
)
from tests.support.stores import open_store

T = TypeVar("T")

BUSY_MAX_S = 30.0
LIFETIME_S = 1
LEFT_S = 0.3
"""Time a transaction still has when it is opened: it is opened some time ago."""

AROUND_S = 0.05
SWEEP_PAUSE_S = 0.004
TILLS = 100
GUESTS = 32
POINTS = 1_000_000
COFFEE_POINTS = 800
PRICE = 300
EARNED = 30
ROUNDS_SHORT_MAX = 5
TALLY_LEAST = 0.1
"""Share of the tries that must end either way, or the race was none."""

ENDS = """
    SELECT owner.transaction_id, owner.status, owner.points_earned, owner.points_redeemed,
      hold.status AS hold_status,
      (SELECT count(*) FROM hold AS any_hold
       WHERE any_hold.transaction_id = owner.transaction_id) AS holds
    FROM loyalty_transaction AS owner JOIN hold ON hold.transaction_id = owner.transaction_id
"""
MOVES = "SELECT transaction_id, cause, points FROM transfer WHERE transaction_id <> ''"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Try:
    """
    A claim near the end of its transaction's time, and how it was answered.

    Attributes:
        late_s: Seconds after the end when it was sent; below 0 before.
        voided: Whether it was voided just then, rather than by a sweep that looks for itself.
    """

    transaction_id: str
    loyalty_id: str
    late_s: float
    claimed: bool
    voided: bool


def _open(unit: Unit, now_ms: int, loyalty_id: str) -> tuple[str, int]:
    """Open a transaction that holds points and has little time left; return its end too."""
    then_ms = now_ms - round(1000 * (LIFETIME_S - LEFT_S))
    opened = identify_member(unit, identify_command(loyalty_id), then_ms)
    transaction_id: str = opened.result.transaction_id  # type: ignore[union-attr]
    report_order(unit, report(transaction_id, PENDING, basket(reward(COFFEE))), then_ms)
    return transaction_id, then_ms + LIFETIME_S * 1000


def _render(updated: Reported) -> bytes:
    return f"{updated.redeemed_points} {updated.earned_points}".encode()


async def _try(store: Store, loyalty_id: str, chance: random.Random, wrong: list[str]) -> Try:
    """Claim a transaction at about the end of its time, when a sweeper has just found it."""
    transaction_id, ends_ms = await _when_let_in(
        lambda: store.write(
            lambda unit, now_ms: _open(unit, now_ms, loyalty_id),
            timeout_s=30,
            reads=Reads(members=((PROGRAM_ID, loyalty_id),)),
        )
    )
    claim_s = chance.uniform(-AROUND_S, AROUND_S)
    overdue = OverdueTransaction(ends_ms, transaction_id)
    voiding = _void(store, overdue, chance.uniform(0, AROUND_S / 2))
    (late_s, claimed), voided = await asyncio.gather(
        _claim(store, transaction_id, ends_ms / 1000, claim_s, wrong), voiding
    )
    return Try(transaction_id, loyalty_id, late_s, claimed, voided)


async def _when_let_in(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call again, as a till does, for as long as the server has too much to do."""
    async with asyncio.timeout(BUSY_MAX_S):
        while True:
            try:
                return await call()
            except ServerBusyError:
                await asyncio.sleep(AROUND_S)


async def _claim(
    store: Store, transaction_id: str, ends_s: float, offset_s: float, wrong: list[str]
) -> tuple[float, bool]:
    """Claim so long after the end, or before; return how late it was and whether it did."""
    await asyncio.sleep(max(0.0, ends_s + offset_s - time.time()))
    late_s = time.time() - ends_s
    order = report(transaction_id, CLAIMED, basket(reward(COFFEE), item(PRICE)))
    work = partial(perform, run=Run(report_order, order, _render))
    try:
        answer = await _when_let_in(lambda: store.write(work, timeout_s=30, reads=order.reads()))
    except TransactionNotClaimableError as refusal:
        if refusal.status != TransactionStatus.VOID.name:
            wrong.append(f"{transaction_id} was refused as {refusal.status}")
        return late_s, False
    if answer.body != b"%d %d" % (COFFEE_POINTS, EARNED):
        wrong.append(f"{transaction_id} was answered {answer.body!r}")
    return late_s, True


async def _void(store: Store, overdue: OverdueTransaction, offset_s: float) -> bool:
    """Do what a sweeper does with what it has found, so long after the end."""
    await asyncio.sleep(max(0.0, overdue.expires_ms / 1000 + offset_s - time.time()))
    return await _when_let_in(
        lambda: store.write(
            lambda unit, now_ms: void_overdue(unit, overdue, now_ms),
            timeout_s=30,
            reads=overdue.reads(),
        )
    )


async def _sweep_on(store: Store, done: asyncio.Event) -> int:
    """Sweep all the time."""
    ended = 0
    while not done.is_set():
        ended += (await _when_let_in(lambda: sweep(store))).transactions
        await asyncio.sleep(SWEEP_PAUSE_S)
    return ended


async def _till(
    store: Store, guests: Sequence[str], chance: random.Random, count: int, wrong: list[str]
) -> list[Try]:
    return [await _try(store, chance.choice(guests), chance, wrong) for _ in range(count)]


async def run(trial: Trial) -> None:
    """
    Claim transactions within 50 ms of their end, while sweepers void what is over.

    Each is claimed or voided, as its claim was answered; its hold ended once, and the same way;
    the points of every guest are those of the claims that were answered.
    """
    each = trial.choose(10_000, 100) // TILLS
    guests_wanted = trial.choose(GUESTS, 8)
    url = trial.new_database()
    async with AsyncExitStack() as stack:
        stack.enter_context(only_errors_logged())
        stores = [
            await stack.enter_async_context(open_store(url))
            for _ in range(1 if trial.kind == SQLITE else 2)
        ]
        await put_program(stores[0], replace(demo_program(), pending_lifetime_s=LIFETIME_S))
        for store in stores:
            await store.refresh_catalog()
        guests = await stores[0].write(
            lambda unit, now_ms: [add_member(unit, now_ms, POINTS) for _ in range(guests_wanted)]
        )
        done = asyncio.Event()
        sweepers = [asyncio.create_task(_sweep_on(store, done)) for store in stores]
        wrong: list[str] = []
        made: list[Try] = []
        # While others keep the machine busy, voids come late, and all claims are in time.
        for number in range(trial.choose(1, ROUNDS_SHORT_MAX)):
            tills = [
                _till(stores[n % len(stores)], guests, trial.chance(number, n), each, wrong)
                for n in range(TILLS)
            ]
            made += [one for found in await asyncio.gather(*tills) for one in found]
            if _raced(made):
                break
        done.set()
        swept = sum(await asyncio.gather(*sweepers)) + sum(one.voided for one in made)
        retries = sum(store.stats().retries for store in stores)
    trial.problems += wrong
    _judge(trial, url, made, swept)
    trial.figure("tries", len(made))
    trial.figure("claimed", sum(one.claimed for one in made))
    trial.figure("voided", swept)
    near = sum(abs(one.late_s) <= AROUND_S for one in made)
    trial.figure("within 50 ms", f"{near / len(made):.0%}")
    trial.figure("transactions run again", retries)
    if trial.kind != SQLITE:
        trial.figure("deadlocks", rows(url, DEADLOCKS)[0].deadlocks)


def _judge(trial: Trial, url: str, made: Sequence[Try], swept: int) -> None:
    ends = {row.transaction_id: row for row in rows(url, ENDS)}
    moves: dict[str, Counter[int]] = {one.transaction_id: Counter() for one in made}
    for row in rows(url, MOVES):
        moves[row.transaction_id][row.cause] += row.points
    trial.require(len(ends) == len(made), f"{len(made)} were opened and {len(ends)} are there")
    for one in made:
        _judge_one(trial, one, ends[one.transaction_id], dict(moves[one.transaction_id]))
    points = all_balances(url)
    for guest in dict.fromkeys(one.loyalty_id for one in made):
        claims = sum(one.claimed for one in made if one.loyalty_id == guest)
        due = POINTS + claims * (EARNED - COFFEE_POINTS)
        found = points[guest]
        trial.require(found == (due, 0), f"guest {guest} has {found} where {due} are due")
    claimed = sum(one.claimed for one in made)
    trial.require(swept == len(made) - claimed, f"{swept} swept, {len(made) - claimed} refused")
    trial.require(_raced(made), f"{claimed} claimed: there was no race")
    audit(url)


def _raced(made: Sequence[Try]) -> bool:
    """Tell whether either end came often enough."""
    claimed = sum(one.claimed for one in made)
    least = round(TALLY_LEAST * len(made))
    return least <= claimed <= len(made) - least


def _judge_one(trial: Trial, one: Try, end: object, moved: dict[int, int]) -> None:
    """Hold the rows of a transaction against how its claim was answered."""
    held = {int(Cause.HOLD): COFFEE_POINTS}
    if one.claimed:
        due = (TransactionStatus.CLAIMED, EARNED, COFFEE_POINTS, HoldStatus.CAPTURED, 1)
        due_moves = held | {int(Cause.REDEEM): COFFEE_POINTS, int(Cause.EARN): EARNED}
    else:
        due = (TransactionStatus.VOID, 0, 0, HoldStatus.RELEASED, 1)
        due_moves = held | {int(Cause.RELEASE): COFFEE_POINTS}
    found = tuple(end)[1:]  # type: ignore[arg-type]
    trial.require(found == due, f"{one.transaction_id} ended {found} where {due} is due")
    trial.require(moved == due_moves, f"{one.transaction_id} moved {moved}, due {due_moves}")


GOALS = (
    Goal(
        "G11",
        "Expiry race",
        "Points whose hold expires while they are claimed are claimed or given back, never both.",
        run,
    ),
)
