"""
The load client: a process of its own on a core of its own, told what to do over its pipes.

It reads a job as a line of JSON, makes the requests, answers `ready`, waits for the word to go,
and answers with what it saw.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
import uvloop

from tests.benchmark.http_connection import HttpConnection
from tests.benchmark.loads import Request, requests
from tests.benchmark.machine import CLIENT_CORE
from tests.benchmark.population import KEY

TIMEOUT_S = 10.0
CHANNELS_MAX = 4
OPEN_CONNECTIONS = 64
METADATA: tuple[tuple[str, str], ...] = (("x-api-key", KEY),)

Send = Callable[[Request], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Job:
    """
    A window of load.

    Attributes:
        first: Number of the first unit of work; *count* is how many there are at most.
        rate: Calls a second, whoever still waits; 0 to keep *concurrency* calls in flight.
        marker: What a right answer contains, when it is the same for all.
    """

    load: str
    door: str
    port: int
    first: int
    count: int
    members: int
    concurrency: int
    seconds: float
    rate: float = 0.0
    marker: str = ""


@dataclass(slots=True)
class Seen:
    """What a window showed; times are in seconds."""

    units: int = 0
    calls: int = 0
    failures: int = 0
    elapsed_s: float = 0.0
    client_cpu_s: float = 0.0
    p50_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0
    first_failure: str = ""
    latencies: list[float] = field(default_factory=list)

    def close(self, elapsed_s: float, client_cpu_s: float) -> None:
        """Work the percentiles out."""
        self.elapsed_s, self.client_cpu_s = elapsed_s, client_cpu_s
        ordered = sorted(self.latencies)
        self.calls = len(ordered)
        if ordered:
            self.p50_s = ordered[len(ordered) // 2]
            self.p99_s = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
            self.max_s = ordered[-1]
        self.latencies = []

    def fail(self, why: str) -> None:
        """Count a wrong answer."""
        self.failures += 1
        self.first_failure = self.first_failure or why[:500]


async def run(job: Job, units: list[list[Request]], go: Callable[[], None]) -> Seen:
    """Connect, wait for the word, and run the window."""
    connections = OPEN_CONNECTIONS if job.rate else job.concurrency
    opened = await (_grpc(connections) if job.door == "grpc" else _http(connections))(job)
    senders, close = opened
    seen = Seen()
    go()
    gc.collect()
    gc.disable()
    start, cpu = time.perf_counter(), time.process_time()
    if job.rate:
        await _at_rate(job, units, senders, seen)
    else:
        deadline = start + job.seconds
        todo = iter(units)
        await asyncio.gather(*(_keep_busy(send, todo, deadline, seen) for send in senders(seen)))
    seen.close(time.perf_counter() - start, time.process_time() - cpu)
    gc.enable()
    await close()
    return seen


Senders = Callable[[Seen], list[Send]]
Opened = tuple[Senders, Callable[[], Awaitable[None]]]


async def _keep_busy(
    send: Send, todo: Iterator[list[Request]], deadline: float, seen: Seen
) -> None:
    """Make one call after another until time or requests run out."""
    clock, latencies = time.perf_counter, seen.latencies
    while clock() < deadline:
        unit = next(todo, None)
        if unit is None:
            return
        seen.units += 1
        for request in unit:
            start = clock()
            await send(request)
            latencies.append(clock() - start)


async def _at_rate(job: Job, units: list[list[Request]], senders: Senders, seen: Seen) -> None:
    """Make calls at random moments of a fixed rate; waiting counts from the moment due."""
    free: asyncio.Queue[Send] = asyncio.Queue()
    for send in senders(seen):
        free.put_nowait(send)
    chance = random.Random(job.first)  # noqa: S311 - not a secret.
    start = due = time.perf_counter()

    async def call(request: Request, due: float) -> None:
        send = await free.get()
        await send(request)
        free.put_nowait(send)
        seen.latencies.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        for unit in units:
            due += chance.expovariate(job.rate)
            if due > start + job.seconds:
                return
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            seen.units += 1
            group.create_task(call(unit[0], due))


def _grpc(connections: int) -> Callable[[Job], Awaitable[Opened]]:
    async def open_channels(job: Job) -> Opened:
        channels = [
            grpc.aio.insecure_channel(
                f"127.0.0.1:{job.port}", options=(("grpc.use_local_subchannel_pool", 1),)
            )
            for _ in range(min(connections, CHANNELS_MAX))
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))

        def senders(seen: Seen) -> list[Send]:
            return [
                _grpc_sender(channels[number % len(channels)], job, seen)
                for number in range(connections)
            ]

        async def close() -> None:
            await asyncio.gather(*(channel.close(None) for channel in channels))

        return senders, close

    return open_channels


def _grpc_sender(channel: grpc.aio.Channel, job: Job, seen: Seen) -> Send:
    calls: dict[str, Any] = {}
    fixed = job.marker.encode()

    async def send(request: Request) -> bool:
        call = calls.get(request.method)
        if call is None:
            call = calls[request.method] = channel.unary_unary(request.method, None, None)
        try:
            metadata = METADATA
            if request.key:
                metadata = (*METADATA, ("idempotency-key", request.key))
            answer = await call(request.data, metadata=metadata, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            seen.fail(f"{error.code().name}: {error.details()}")
            return False
        right = (fixed or request.marker) in answer
        if not right:
            seen.fail(repr(answer))
        return right

    return send


def _http(connections: int) -> Callable[[Job], Awaitable[Opened]]:
    async def connect(job: Job) -> Opened:
        opened = await asyncio.gather(*(HttpConnection.open(job.port) for _ in range(connections)))

        def senders(seen: Seen) -> list[Send]:
            return [_http_sender(connection, job, seen) for connection in opened]

        async def close() -> None:
            for connection in opened:
                connection.close()

        return senders, close

    return connect


def _http_sender(connection: HttpConnection, job: Job, seen: Seen) -> Send:
    fixed = job.marker.encode()

    async def send(request: Request) -> bool:
        try:
            answer = await asyncio.wait_for(connection.send(request.data), TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            seen.fail(repr(error))
            return False
        right = answer.startswith(b"HTTP/1.1 200") and (fixed or request.marker) in answer
        if not right:
            seen.fail(repr(answer))
        return right

    return send


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _wait_for_go() -> None:
    _say("ready")
    sys.stdin.readline()


async def _serve() -> None:
    # Reading blocks, which is well: between two windows there is nothing else to do.
    while line := sys.stdin.readline():
        job = Job(**json.loads(line))
        units = requests(job.load, job.door, job.first, job.count, job.members)
        _say(asdict(await run(job, units, _wait_for_go)))


if __name__ == "__main__":
    os.sched_setaffinity(0, {CLIENT_CORE})
    uvloop.run(_serve())
