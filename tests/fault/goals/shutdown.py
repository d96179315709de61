"""G17: a server ended as an operator ends it, while tills call through Envoy."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.benchmark.http_connection import HttpConnection
from tests.fault.goal import SQLITE, Goal, Trial
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.http import free_port
from tests.support.ledger import audit, count_rows, rows

RATE = 500
RATE_MIN = 475
TILLS = 64
GRACE_S = 10.0
BUSY_WAIT_S = 0.5


@dataclass
class Load:
    """
    What the tills saw.

    Attributes:
        served: Numbers of the calls that were answered.
        failed: When a call failed, and how, by its number.
        busy: Calls that were sent again because the server had too much to do.
    """

    served: set[int] = field(default_factory=set)
    failed: dict[int, tuple[float, str]] = field(default_factory=dict)
    number: int = 0
    busy: int = 0


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
            adapt=None if trial.full else _ask_often,
        )
        async with envoy:
            load = Load()
            ended = await _end_under_load(trial, load, servers[0], envoy.http_port)
            trial.require(ended <= notice_s + GRACE_S, f"ending took {ended:.1f} s")
            _judge(trial, load, url, alone=count == 1)
            if count == 1:
                servers[0] = await ServerProcess.start(environments[0])
                await _resend(load, envoy.http_port)
        for server in servers[-1:]:
            await server.stop()
    finally:
        for server in servers:
            await server.kill()
    trial.require(not load.failed, f"{len(load.failed)} calls were never served")
    members = count_rows(url, "member")
    trial.require(members == len(load.served), f"{members} members, {len(load.served)} enrolled")
    audit(url)


def _ask_often(config: dict[str, Any]) -> None:
    """Let Envoy see within a moment what it else sees within two seconds."""
    for cluster in config["static_resources"]["clusters"]:
        for check in cluster.get("health_checks", ()):
            check |= {"interval": "0.05s", "no_traffic_interval": "0.05s"}


async def _end_under_load(trial: Trial, load: Load, server: ServerProcess, port: int) -> float:
    """Let tills call, end a server amid it, and go on for a while; answers how long ending took."""
    seconds = trial.choose(6.0, 0.4)
    rate = trial.choose(RATE, 100)
    done = asyncio.Event()
    started = time.monotonic()
    tills = [
        asyncio.create_task(_till(load, port, rate, started, done))
        for _ in range(trial.choose(TILLS, 8))
    ]
    health: list[tuple[float, int]] = []
    watching = asyncio.create_task(_watch(server.address, health))
    await asyncio.sleep(seconds)
    calls = len(load.served)
    trial.require(calls, "nobody was served before the end, so nothing was tried")
    trial.figure("calls/s before", round(calls / seconds))
    if trial.full:
        trial.require(calls / seconds >= RATE_MIN, f"only {calls / seconds:.0f} calls/s were made")
    began = time.monotonic()
    await server.stop()
    ended = time.monotonic()
    await asyncio.sleep(seconds / 2)
    done.set()
    await asyncio.gather(*tills)
    await watching
    trial.figure("calls", len(load.served) + len(load.failed))
    trial.figure("sent again as told", load.busy)
    trial.figure("ended after s", round(ended - began, 2))
    told = [at for at, status in health if status == health_pb2.HealthCheckResponse.NOT_SERVING]
    trial.require(told, f"the health never said NOT_SERVING: {health}")
    first = min((at for at, _ in load.failed.values()), default=ended)
    trial.require(told and told[0] <= first, "a call failed before the health said NOT_SERVING")
    if told:
        trial.figure("NOT_SERVING after ms", round(1000 * (told[0] - began)))
    return ended - began


def _judge(trial: Trial, load: Load, url: str, *, alone: bool) -> None:
    """With another server nothing may fail; without one, nothing that was taken on."""
    for _, answer in list(load.failed.values())[:3]:
        trial.say(f"failed: {answer}")
    if not alone:
        trial.figure("failed through Envoy", len(load.failed))
        trial.require(not load.failed, f"{len(load.failed)} calls failed with a server to spare")
        return
    known = {row.idempotency_key for row in rows(url, "SELECT * FROM remembered_answer")}
    accepted = [number for number in load.failed if _key(number) in known]
    trial.figure("refused by Envoy meanwhile", len(load.failed))
    trial.figure("accepted and failed", len(accepted))
    trial.require(not accepted, f"{len(accepted)} calls took effect and failed all the same")
    others = [what for _, what in load.failed.values() if not what.startswith("503")]
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


async def _till(load: Load, port: int, rate: float, started: float, done: asyncio.Event) -> None:
    """Enroll one guest after the other, each at its moment."""
    connection = await HttpConnection.open(port)
    while not done.is_set():
        number, load.number = load.number, load.number + 1
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        connection = await _enroll(load, connection, port, number)
    connection.close()


async def _enroll(load: Load, connection: HttpConnection, port: int, number: int) -> HttpConnection:
    try:
        answer = await asyncio.wait_for(connection.send(_request(number)), 10)
    except (OSError, TimeoutError) as problem:
        load.failed[number] = (time.monotonic(), repr(problem))
        return await HttpConnection.open(port)
    status = answer.split(b" ", 2)[1]
    if status == b"429":
        # Too much for this machine, which has nothing to do with the end.
        load.busy += 1
        await asyncio.sleep(BUSY_WAIT_S)
        return await _enroll(load, connection, port, number)
    if status == b"200":
        load.served.add(number)
        load.failed.pop(number, None)
    else:
        load.failed[number] = (time.monotonic(), f"{status.decode()} {answer[-200:]!r}")
    return connection


async def _resend(load: Load, port: int) -> None:
    """Send what failed again, under the same keys, until all of it is served."""
    connection = await HttpConnection.open(port)
    async with asyncio.timeout(30):
        while load.failed:
            numbers: Sequence[int] = sorted(load.failed)
            for number in numbers:
                connection = await _enroll(load, connection, port, number)
    connection.close()


def _key(number: int) -> str:
    return f"member-{number}"


def _request(number: int) -> bytes:
    body = json.dumps({"name": f"Guest {number}"}).encode()
    head = (
        f"POST /loyalty/members HTTP/1.1\r\nhost: loyalty\r\nx-api-key: {SECRET}\r\n"
        f"idempotency-key: {_key(number)}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


GOALS = (
    Goal(
        "G17",
        "Shutdown",
        "A server that is stopped says so first, and no call that it has accepted fails.",
        run,
    ),
)
