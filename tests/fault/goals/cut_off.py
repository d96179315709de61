"""G40: one of two servers loses its database, its neighbour does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage import fresh_catalog
from loyalty_service.transport import server as server_module
from tests.fault.enrolling import Enrolling
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import (
    ServerProcess,
    prepare_bank,
    process_environment,
    run_here,
)
from tests.support.database_path import DatabasePath
from tests.support.edge_parts import let_health_be_asked
from tests.support.ledger import audit, count_rows

NOTICED_S = 6.0
RATE = 50
TILLS = 400
LATE_S = 2.0
HANG_S = 60.0
POLL_S = 0.02

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How fast a trial goes: its short form has servers that notice ten times sooner.

    Attributes:
        noticed_s: Within how long tills must not notice any more.
        watched_s: For how long tills call after each cut.
        late_s: When an answer is late.
    """

    noticed_s: float
    watched_s: float
    late_s: float
    rate: int
    tills: int


async def run(trial: Trial) -> None:
    """
    Cut one of two servers behind one Envoy off from its database, silently and loudly.

    Calls that are sent later than 6 s after the cut must succeed, the server's health must say
    NOT_SERVING and its liveness SERVING, and after mending it must serve again.
    """
    url = trial.new_database()
    await prepare_bank(url, [])
    pace = trial.choose(
        Pace(NOTICED_S, 12.0, LATE_S, RATE, TILLS), Pace(NOTICED_S / 10, 0.9, HANG_S, 40, 40)
    )
    async with AsyncExitStack() as stack:
        path = stack.enter_context(DatabasePath(url))
        if not trial.full:
            stack.enter_context(_ten_times_sooner())
        addresses = [
            await stack.enter_async_context(_server(trial, database))
            for database in (path.url, url)
        ]
        ports = [int(address.rpartition(":")[2]) for address in addresses]
        envoy = EnvoyProcess(
            folder=trial.folder / "envoy",
            grpc_port=ports[0],
            other_grpc_ports=ports[1:],
            adapt=None if trial.full else partial(let_health_be_asked, interval="0.1s"),
        )
        await stack.enter_async_context(envoy)
        load = Enrolling(envoy.http_port, pace.late_s)
        async with load.at(pace.rate, pace.tills):
            for silently in trial.choose((True, False), (False,)):
                await _cut(trial, path, addresses[0], load, pace, silently=silently)
        resent = len(load.failed)
        await load.resend()
    trial.figure("calls", len(load.served))
    trial.figure("failed and sent again", resent)
    trial.require(not load.failed, f"{len(load.failed)} calls were never served")
    members = count_rows(url, "member")
    trial.require(members == len(load.served), f"{members} members, {len(load.served)} enrolled")
    audit(url)


async def _cut(
    trial: Trial, path: DatabasePath, address: str, load: Enrolling, pace: Pace, *, silently: bool
) -> None:
    """Cut a server off, look who notices for how long, and mend it."""
    how = "silent" if silently else "told"
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        await _until(health, SERVING)
        before = len(load.served)
        async with asyncio.timeout(HANG_S):
            while len(load.served) == before:  # noqa: ASYNC110 - as above.
                await asyncio.sleep(POLL_S)
        await asyncio.sleep(pace.watched_s / 4)
        earlier = dict(load.failed)
        load.failed.clear()
        load.slow.clear()
        cut = time.monotonic()
        path.cut(silently=silently)
        await _until(health, NOT_SERVING)
        trial.figure(f"NOT_SERVING after s, {how}", round(time.monotonic() - cut, 1))
        alive = await health.Check(health_pb2.HealthCheckRequest(service="liveness"))
        trial.require(alive.status == SERVING, "the liveness of a server that lives is not SERVING")
        served = len(load.served)
        await asyncio.sleep(max(0.0, cut + pace.watched_s - time.monotonic()))
        with suppress(TimeoutError):
            # A loaded machine may have noticed the cut only when that time was over.
            async with asyncio.timeout(pace.late_s):
                while len(load.served) == served:  # noqa: ASYNC110 - as above.
                    await asyncio.sleep(POLL_S)
        trial.require(len(load.served) > served, "nobody was served by the other server")
        path.mend()
        mended = time.monotonic()
        await _until(health, SERVING)
        trial.figure(f"serving again after s, {how}", round(time.monotonic() - mended, 1))
        await asyncio.sleep(pace.watched_s / 4)
    noticed = [failure.sent for failure in load.failed.values()] + load.slow
    last_s = max((sent - cut for sent in noticed), default=0.0)
    trial.figure(f"calls failed, {how}", len(load.failed))
    trial.figure(f"calls late, {how}", len(load.slow))
    trial.figure(f"last of them sent after s, {how}", round(last_s, 1))
    for failure in list(load.failed.values())[:3]:
        trial.say(f"failed: {failure.what}")
    trial.require(last_s <= pace.noticed_s, f"a call sent {last_s:.1f} s after failed or was late")
    load.failed.update(earlier)


async def _until(health: Any, wanted: int) -> None:
    """Wait until a server says so of its health."""
    async with asyncio.timeout(HANG_S):
        # Calls come by themselves; there is nothing else to be told by.
        while await _status(health) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def _status(health: Any) -> int:
    answer = await health.Check(health_pb2.HealthCheckRequest())
    return int(answer.status)


@asynccontextmanager
async def _server(trial: Trial, url: str) -> AsyncIterator[str]:
    """Run a server, in full as a process of its own; return its address."""
    if not trial.full:
        async with run_here(url, trial.folder) as address:
            yield address
        return
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        yield server.address
        await server.stop(quiet=False)
    finally:
        await server.kill()


@contextmanager
def _ten_times_sooner() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh_catalog, "CATALOG_AGE_MAX_S", fresh_catalog.CATALOG_AGE_MAX_S / 10)
        patch.setattr(fresh_catalog, "CATALOG_POLL_S", fresh_catalog.CATALOG_POLL_S / 10)
        patch.setattr(server_module, "HEALTH_S", server_module.HEALTH_S / 10)
        yield


GOALS = (
    Goal(
        "G40",
        "Cut off",
        "Envoy stops using a server that loses its database: tills notice it for 6 s at most.",
        run,
        (POSTGRESQL,),
    ),
)
