"""G17: a server ended as an operator ends it, while tills call through Envoy."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.enrolling import Enrolling, key_of
from tests.fault.goal import SQLITE, Goal, Trial
from tests.support.banks import ServerProcess, prepare_bank, process_environment
from tests.support.edge_parts import let_health_be_asked
from tests.support.http import free_port
from tests.support.ledger import audit, count_rows, rows

RATE = 500
RATE_MIN = 475
TILLS = 64
GRACE_S = 10.0


async def run(trial: Trial) -> None:
    """
    End one of two servers, or the only one, at 500 calls a second.

    Its health says so first, it ends well and in time, and no call that it took on fails: with
    two servers no call fails at all; with one, each that fails at Envoy has had no effect, and is
    served under the same key by the next server.
    """
    url = trial.new_database()
    await prepare_bank(url, [])
    count = 1 if trial.kind == SQLITE else 2
    ports = [free_port() for _ in range(count)]
    notice_s = trial.choose(2.0, 0.3)
    environments = [
        process_environment(
            url,
            trial.folder,
            LOYALTY_GRPC_PORT=str(port),
            LOYALTY_SHUTDOWN_NOTICE_S=str(notice_s),
            LOYALTY_SHUTDOWN_GRACE_S=str(GRACE_S),
        )
        for port in ports
    ]
    servers = list(await asyncio.gather(*map(ServerProcess.start, environments)))
    try:
        envoy = EnvoyProcess(
            folder=trial.folder / "envoy",
            grpc_port=ports[0],
            other_grpc_ports=ports[1:],
            adapt=None if trial.full else partial(let_health_be_asked, interval="0.05s"),
        )
        async with envoy:
            load = Enrolling(envoy.http_port, waits_when_busy=True)
            ended = await _end_under_load(trial, load, servers[0])
            trial.require(ended <= notice_s + GRACE_S, f"ending took {ended:.1f} s")
            _judge(trial, load, url, alone=count == 1)
            if count == 1:
                servers[0] = await ServerProcess.start(environments[0])
                await load.resend()
        for server in servers[-1:]:
            await server.stop()
    finally:
        for server in servers:
            await server.kill()
    trial.require(not load.failed, f"{len(load.failed)} calls were never served")
    members = count_rows(url, "member")
    trial.require(members == len(load.served), f"{members} members, {len(load.served)} enrolled")
    audit(url)


async def _end_under_load(trial: Trial, load: Enrolling, server: ServerProcess) -> float:
    """Let tills call, end a server amid it, and go on for a while; return how long ending took."""
    seconds = trial.choose(6.0, 0.4)
    health: list[tuple[float, int]] = []
    async with load.at(trial.choose(RATE, 100), trial.choose(TILLS, 8)):
        watching = asyncio.create_task(_watch(server.address, health))
        await asyncio.sleep(seconds)
        calls = len(load.served)
        trial.require(calls, "nobody was served before the end, so nothing was tried")
        trial.figure("calls/s before", round(calls / seconds))
        if trial.full:
            enough = calls / seconds >= RATE_MIN
            trial.require(enough, f"only {calls / seconds:.0f} calls/s were made")
        began = time.monotonic()
        await server.stop()
        ended = time.monotonic()
        await asyncio.sleep(seconds / 2)
    await watching
    trial.figure("calls", len(load.served) + len(load.failed))
    trial.figure("sent again as told", load.busy)
    trial.figure("ended after s", round(ended - began, 2))
    told = [at for at, status in health if status == health_pb2.HealthCheckResponse.NOT_SERVING]
    trial.require(told, f"the health never said NOT_SERVING: {health}")
    first = min((failure.ended for failure in load.failed.values()), default=ended)
    trial.require(told and told[0] <= first, "a call failed before the health said NOT_SERVING")
    if told:
        trial.figure("NOT_SERVING after ms", round(1000 * (told[0] - began)))
    return ended - began


def _judge(trial: Trial, load: Enrolling, url: str, *, alone: bool) -> None:
    """With another server nothing may fail; without one, nothing that was taken on."""
    for failure in list(load.failed.values())[:3]:
        trial.say(f"failed: {failure.what}")
    if not alone:
        trial.figure("failed through Envoy", len(load.failed))
        trial.require(not load.failed, f"{len(load.failed)} calls failed with a server to spare")
        return
    known = {row.idempotency_key for row in rows(url, "SELECT * FROM remembered_answer")}
    accepted = [number for number in load.failed if key_of(number) in known]
    trial.figure("refused by Envoy meanwhile", len(load.failed))
    trial.figure("accepted and failed", len(accepted))
    trial.require(not accepted, f"{len(accepted)} calls took effect and failed all the same")
    told = [failure.what for failure in load.failed.values()]
    others = [what for what in told if not what.startswith("503")]
    trial.require(not others, f"{len(others)} failed other than by 503: {others[:1]}")


async def _watch(address: str, health: list[tuple[float, int]]) -> None:
    """Note what a server says of its health, until it is gone."""
    async with grpc.aio.insecure_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch  # type: ignore[no-untyped-call]
        try:
            async for answer in watch(health_pb2.HealthCheckRequest()):
                health.append((time.monotonic(), answer.status))  # noqa: PERF401 - one by one.
        except grpc.aio.AioRpcError:
            return


GOALS = (
    Goal(
        "G17",
        "Shutdown",
        "A server that is stopped says so first, and no call that it has accepted fails.",
        run,
    ),
)
