"""G39: a server whose clock is wrong, from its start or from one moment to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty.v1 import code_service_pb2
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.ledger import Cause
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import (
    SECRET,
    ServerProcess,
    open_callers,
    prepare_bank,
    process_environment,
)
from tests.support.http import HttpClient, free_port
from tests.support.ledger import audit, rows
from tests.support.programs import PROGRAM_ID, put_program
from tests.support.server import Caller, identify_request
from tests.support.stores import open_store
from tests.support.transactions import line, open_transaction, transactions, update_request
from tests.support.wall_clock import WallClock

DAYS_2_S = 2 * 86_400
OFF_S = 30
SWEEP_S = 0.1
HANG_S = 60.0
POLL_S = 0.02
MEMBERS = 4
POINTS = 100
LATER_S = 1.5
"""Time in which several sweeps would have ended what a wrong clock says is over."""

NO_SWEEP = "no sweep while the clock is off"


@dataclass
class Server:
    """A server process that goes by a clock of its own."""

    process: ServerProcess
    clock: WallClock
    metrics_port: int
    caller: Caller

    async def measured(self, name: str) -> float:
        """Read a measurement."""
        page = await HttpClient("127.0.0.1", self.metrics_port).request("GET", "/metrics", None, {})
        lines = page.body.decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))

    async def health(self) -> int:
        """Ask what it tells balancers."""
        stub = health_pb2_grpc.HealthStub(self.caller.channel)  # type: ignore[no-untyped-call]
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        return int(answer.status)


SERVING = int(health_pb2.HealthCheckResponse.SERVING)
NOT_SERVING = int(health_pb2.HealthCheckResponse.NOT_SERVING)


@dataclass
class Clocks:
    """Servers of one database with open orders and unused codes, one of which has a wrong clock."""

    trial: Trial
    url: str
    loyalty_ids: Sequence[str]
    number: int = 0

    @asynccontextmanager
    async def server(self, ahead_s: int) -> AsyncIterator[Server]:
        """Run a server whose clock is so far ahead, and who sweeps all the time."""
        self.number += 1
        clock = WallClock.new(self.trial.folder, f"ahead-{self.number}", ahead_s)
        metrics_port = free_port()
        environment = process_environment(
            self.url,
            self.trial.folder,
            LOYALTY_SWEEP_INTERVAL_S=str(SWEEP_S),
            LOYALTY_METRICS_PORT=str(metrics_port),
            LOYALTY_LOG_LEVEL="warning",
        )
        process = await ServerProcess.start({**environment, **clock.environment()})
        try:
            async with open_callers([process.address], 1) as (caller,):
                yield Server(process, clock, metrics_port, caller)
            await process.stop(quiet=False)
        finally:
            await process.kill()

    async def open_all(self, caller: Caller) -> None:
        """Open an order and issue a code for each guest."""
        for number, loyalty_id in enumerate(self.loyalty_ids):
            request = identify_request(loyalty_id, f"order-{self.number}-{number}")
            await caller.call(caller.identifies.IdentifyMember, request)
            issued = code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
            await caller.call(caller.codes.IssueCode, issued)

    def open_now(self) -> tuple[int, int]:
        """Count orders and codes that are open."""
        (orders,) = rows(
            self.url, "SELECT count(*) AS open FROM loyalty_transaction WHERE status = 1"
        )
        (codes,) = rows(self.url, "SELECT count(*) AS open FROM code WHERE status = 1")
        return orders.open, codes.open

    async def buy(self, caller: Caller) -> None:
        """Pay an order of each guest, which books the points that have gone."""
        for loyalty_id in self.loyalty_ids:
            transaction = await open_transaction(caller, loyalty_id)
            claim = update_request(transaction, "CLAIMED", line(1))
            await caller.call(transactions(caller).ReportOrder, claim)

    def require_points(self, where: str) -> None:
        """Require that no points went."""
        query = "SELECT count(*) AS moved FROM transfer WHERE cause = :cause"
        (gone,) = rows(self.url, query, cause=int(Cause.EXPIRE))
        self.trial.require(not gone.moved, f"{where}: points of {gone.moved} members went")

    def require_open(self, before: tuple[int, int], where: str) -> None:
        """Require that nothing was ended."""
        now = self.open_now()
        self.trial.require(now == before, f"{where}: of {before} orders and codes open, {now} are")

    async def until(self, what: str, holds: Callable[[], Any]) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(HANG_S):
                while not await holds():  # noqa: ASYNC110 - a server is asked again and again.
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            self.trial.require(holds=False, problem=f"never: {what}")

    async def watch_wrong(self, server: Server, where: str) -> None:
        """A server whose clock is far off serves nobody, ends nothing, and an alert tells."""
        before = self.open_now()

        async def out() -> bool:
            return await server.health() == NOT_SERVING

        await self.until(f"{where}: NOT_SERVING", out)
        refused = await server.caller.refused(
            server.caller.identifies.IdentifyMember, identify_request(self.loyalty_ids[0])
        )
        self.trial.require(
            (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_CLOCK_WRONG"),
            f"{where}: answered {refused.code} {refused.reason}",
        )
        await self.watch_off(server, where)
        self.require_open(before, where)
        told = [line for line in server.process.said if "clock differs" in line]
        self.trial.require(told, f"{where}: the log does not tell")

    async def watch_off(self, server: Server, where: str) -> None:
        """A server whose clock is off does not sweep, and an alert tells."""

        async def told() -> bool:
            return any(NO_SWEEP in line for line in server.process.said)

        await self.until(f"{where}: no sweep", told)

        async def alerted() -> bool:
            # A page of measurements is given again for a second.
            return await server.measured("loyalty_clock_trusted") == 0

        await self.until(f"{where}: an alert", alerted)
        await asyncio.sleep(LATER_S if self.trial.full else LATER_S / 5)


async def run(trial: Trial) -> None:
    """Let a server join with a wrong clock, and set a right one while it serves."""
    url = trial.new_database()
    loyalty_ids = await prepare_bank(url, [POINTS] * MEMBERS)
    async with open_store(url) as store:
        # What a clock that is two days ahead would let go.
        terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=1)
        await put_program(store, replace(store.catalog.programs[PROGRAM_ID], expiry=terms))
    clocks = Clocks(trial, url, loyalty_ids)
    if trial.kind == POSTGRESQL:
        await _several(clocks)
    else:
        await _alone(clocks)
    orders, codes = clocks.open_now()
    trial.figure("orders and codes left open", orders + codes)
    trial.figure("servers", clocks.number)
    audit(url)


async def _several(clocks: Clocks) -> None:
    """One of two servers has a wrong clock."""
    trial = clocks.trial
    async with AsyncExitStack() as stack:
        right = await stack.enter_async_context(clocks.server(0))
        await clocks.open_all(right.caller)
        before = clocks.open_now()
        trial.require(before == (MEMBERS, MEMBERS), f"only {before} were opened")
        for ahead_s in trial.choose((DAYS_2_S, -DAYS_2_S), (DAYS_2_S,)):
            async with clocks.server(ahead_s) as wrong:
                await clocks.watch_wrong(wrong, f"joined {ahead_s} s ahead")
        trial.require(await right.health() == SERVING, "the right server does not serve")
        # Set while it serves: every call from then on is refused or right.
        calling = asyncio.create_task(_call_on(clocks, right.caller))
        right.clock.set(DAYS_2_S)
        await clocks.watch_wrong(right, "set 2 days ahead")
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        right.clock.set(0)

        async def serves() -> bool:
            return await right.health() == SERVING

        await clocks.until("serving when it is right again", serves)
        if trial.full:
            async with clocks.server(OFF_S) as off:
                await clocks.watch_off(off, "30 s ahead")
                trial.require(await off.health() == SERVING, "30 s ahead: it does not serve")
                clocks.require_open(before, "30 s ahead")
        clocks.require_open(before, "in the end")
        clocks.require_points("in the end")


async def _call_on(clocks: Clocks, caller: Caller) -> None:
    """Show codes and orders while the clock is set: whoever is let in ends nothing either."""
    request = code_service_pb2.IssueCodeRequest(loyalty_id=clocks.loyalty_ids[0])
    while True:
        try:
            await caller.with_key(SECRET).call(caller.codes.IssueCode, request)
        except grpc.aio.AioRpcError:
            await asyncio.sleep(POLL_S)


async def _alone(clocks: Clocks) -> None:
    """The only server's clock is set while it serves; no other clock tells which was right."""
    trial = clocks.trial
    async with clocks.server(0) as server:
        await clocks.open_all(server.caller)
        before = clocks.open_now()
        trial.require(before == (MEMBERS, MEMBERS), f"only {before} were opened")
        for ahead_s in trial.choose((DAYS_2_S, -DAYS_2_S), (DAYS_2_S,)):
            server.process.said.clear()
            server.clock.set(ahead_s)
            await clocks.watch_off(server, f"set {ahead_s} s ahead")
            await clocks.buy(server.caller)
            clocks.require_open(before, f"set {ahead_s} s ahead")
            clocks.require_points(f"set {ahead_s} s ahead")
            trial.require(await server.health() == SERVING, "the only server does not serve")
            server.clock.set(0)

            async def trusted() -> bool:
                return await server.measured("loyalty_clock_trusted") == 1

            await clocks.until("trusted when it is back", trusted)
        clocks.require_open(before, "in the end")


GOALS = (
    Goal(
        "G39",
        "Clocks",
        "A server whose clock is wrong ends nothing early, and one that is far off serves nobody.",
        run,
    ),
)
