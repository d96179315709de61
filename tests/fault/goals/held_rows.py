"""G40: what a server has locked whose network falls silent, and who else needs it."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc

from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import ServerProcess, open_callers, prepare_bank, process_environment
from tests.support.database_path import DatabasePath
from tests.support.ledger import audit, rows
from tests.support.server import Caller
from tests.support.transactions import line, open_transaction, transactions, update_request

SHARED, OTHERS = 2, 6
POINTS = 100
HELD_S = 6.0
"""For so long tills may be refused: it is as long as Envoy may go on using the silent server."""

LATE_S = 2.0
WATCHED_S, WATCHED_SHORT_S = 9.0, 7.0
BACK_S = 30.0
POLL_S = 0.02
BEFORE = 20
PAUSE_S = 0.02

IN_TRANSACTION = (
    "SELECT count(*) AS open FROM pg_stat_activity WHERE application_name = 'loyalty-writer' "
    "AND datname = current_database() AND wait_event_type = 'Client' "
    "AND xact_start < clock_timestamp() - interval '0.3 seconds'"
)


@dataclass
class Tills:
    """
    Tills that claim orders of some guests, one after the other, and what they saw.

    Attributes:
        served: Orders that were claimed.
        refused: When each call was sent that failed.
        slowest: When the order was begun that took longest, and how long it took.
    """

    caller: Caller
    guests: Sequence[str]
    served: int = 0
    refused: list[float] = field(default_factory=list)
    slowest: tuple[float, float] = (0.0, -math.inf)

    @asynccontextmanager
    async def at_work(self, count: int) -> AsyncIterator[None]:
        """Let so many call, all the time."""
        working = [asyncio.create_task(self._work(number)) for number in range(count)]
        try:
            yield
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _work(self, first: int) -> None:
        for number in itertools.count(first):
            guest = self.guests[number % len(self.guests)]
            sent = time.monotonic()
            try:
                transaction = await open_transaction(self.caller, guest)
                claim = update_request(transaction, "CLAIMED", line(1))
                # Orders that look alike wait for each other, whose ever they are.
                claim.transaction_details.pos_vendor.transaction_id = transaction[-20:]
                sent_last = time.monotonic()
                await self.caller.call(
                    transactions(self.caller).ReportOrder, claim, idempotency_key=transaction
                )
            except grpc.aio.AioRpcError:
                self.refused.append(sent)
            else:
                self.served += 1
                longest = max(sent_last - sent, time.monotonic() - sent_last)
                self.slowest = max(self.slowest, (longest, sent), key=lambda one: one[0])
            await asyncio.sleep(PAUSE_S)


async def run(trial: Trial) -> None:
    """
    Silence one of two servers while it is in the middle of transactions, again and again.

    Guests whose rows it has locked come to the other server: from 6 s on nobody may be refused
    there. All that time others must be served there, none of them late.
    """
    url = trial.new_database()
    guests = await prepare_bank(url, [POINTS] * (SHARED + OTHERS))
    shared, others = guests[:SHARED], guests[SHARED:]
    held = 0
    async with AsyncExitStack() as stack:
        path = stack.enter_context(DatabasePath(url))
        silent, right = [
            await stack.enter_async_context(_server(trial, database))
            for database in (path.url, url)
        ]
        for number in range(trial.choose(8, 1)):
            async with (
                open_callers([silent], 1) as (one,),
                open_callers([right], 1) as (two,),
            ):
                held += await _round(trial, number, path, url, _Round(one, two, shared, others))
    trial.figure("rounds with rows held", held)
    trial.require(held, "no server fell silent in the middle of a transaction")
    audit(url)


@dataclass(frozen=True, slots=True)
class _Round:
    silent: Caller
    right: Caller
    shared: Sequence[str]
    others: Sequence[str]


async def _round(trial: Trial, number: int, path: DatabasePath, url: str, of: _Round) -> bool:
    """Silence the server, watch the other, and mend it; tells whether rows were held."""
    theirs = Tills(of.silent, of.shared)
    same, others = Tills(of.right, of.shared), Tills(of.right, of.others)
    async with theirs.at_work(4 * SHARED):
        await _until(lambda: theirs.served >= BEFORE)
        await asyncio.wait_for(asyncio.to_thread(path.cut_amid), BACK_S)
        cut = time.monotonic()
        async with same.at_work(SHARED), others.at_work(OTHERS):
            await asyncio.sleep(1.0)
            (seen,) = rows(url, IN_TRANSACTION)
            await asyncio.sleep(cut + trial.choose(WATCHED_S, WATCHED_SHORT_S) - time.monotonic())
    path.mend()
    last_s = max((sent - cut for sent in same.refused), default=0.0)
    took_s, _ = others.slowest
    trial.figure(f"round {number}: refused, last sent after s", round(last_s, 1))
    trial.figure(f"round {number}: others served; longest s", f"{others.served}; {took_s:.1f}")
    trial.require(last_s <= HELD_S, f"a guest was refused {last_s:.1f} s after the silence")
    trial.require(same.served, "no guest of the silent server was served by the other")
    trial.require(not others.refused, f"{len(others.refused)} other guests were refused")
    trial.require(took_s <= LATE_S, f"another guest waited for {took_s:.1f} s")
    back = Tills(of.silent, of.shared)
    async with back.at_work(1):
        await _until(lambda: back.served)
    return bool(seen.open)


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(BACK_S):
        while not holds():  # noqa: ASYNC110 - the tills go on by themselves.
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _server(trial: Trial, url: str) -> AsyncIterator[str]:
    """Run a server process; return its address."""
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        yield server.address
        await server.stop(quiet=False)
    finally:
        await server.kill()


GOALS = (
    Goal(
        "G40",
        "Held rows",
        "What a server has locked that falls silent is free for others after 6 s, and nobody else "
        "waits for it.",
        run,
        (POSTGRESQL,),
    ),
)
