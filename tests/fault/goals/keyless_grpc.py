"""G32 at the gRPC port: somebody without a key, a thousand times a second."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.observability.scrapes import BETWEEN_S
from loyalty_service.transport.keyless import CHECKS_MAX
from loyalty_service.transport.messages import MESSAGE_WAIT_S
from loyalty_service.transport.server import UNSEEN_S
from tests.fault.flood import AT_ONCE, CALLS, FAST, KINDS, REST_S
from tests.fault.goal import SQLITE, Goal, Trial
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.http import free_port
from tests.support.roots import ROOT
from tests.support.server import open_channel

RATE, RATE_SHORT = 1000, 600
"""Calls a second: of checks without a message either fills what they may hold."""

RATE_MIN_SHARE = 0.5
"""Of the rate, what must have come at least, or nothing was tried."""

HONEST_PER_S = 40
SERVED_S = 1.0
SERVED_SHORT_S = 3.0
SERVED_MIN = 0.99
HELD_MAX_S = 2 * MESSAGE_WAIT_S
HELD_MAX_SHORT_S = MESSAGE_WAIT_S + REST_S
"""A machine that tests run on in parallel tells the time late."""

SCRAPERS = 8
SHORT = ("empty checks", "bursts", "many resets")
FLOOD_EXTRA_S = 30.0
SECRET_HEADER = "x-api-key"


@dataclass
class Honest:
    """
    What callers with a key, and a balancer that asks for the health, met.

    Attributes:
        within_s: The time in which they should be served.
        took_s: How long those took that were served.
        longest_s: The longest that one took, whatever came of it.
        others: What became of the others.
    """

    within_s: float
    took_s: list[float] = field(default_factory=list)
    longest_s: float = 0.0
    others: Counter[str] = field(default_factory=Counter)

    @property
    def served(self) -> float:
        """Share of calls that were served in time."""
        in_time = sum(took <= self.within_s for took in self.took_s)
        return in_time / max(len(self.took_s) + self.others.total(), 1)


async def _call_on(address: str, loyalty_id: str, seen: Honest) -> None:
    """Make a call or a health check every so often, until told to stop."""
    request = member_service_pb2.GetMemberRequest(loyalty_id=loyalty_id).SerializeToString()
    pending: set[asyncio.Task[None]] = set()
    async with open_channel(address) as channel:
        member: Any = channel.unary_unary("/loyalty.v1.MemberService/GetMember")
        health = health_pb2_grpc.HealthStub(channel)
        number = 0
        try:
            while True:
                number += 1
                if number % 5:
                    made = member(request, metadata=((SECRET_HEADER, SECRET),), timeout=10)
                else:
                    made = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
                task = asyncio.create_task(_note(made, seen))
                pending.add(task)
                task.add_done_callback(pending.discard)
                await asyncio.sleep(1 / HONEST_PER_S)
        finally:
            await asyncio.gather(*pending)


async def _note(made: Any, seen: Honest) -> None:
    began = time.monotonic()
    try:
        await made
    except grpc.aio.AioRpcError as error:
        seen.others[f"{error.code().name} {error.details()}"] += 1
    else:
        seen.took_s.append(time.monotonic() - began)
    seen.longest_s = max(seen.longest_s, time.monotonic() - began)


async def _flood(port: int, kind: str, rate: int, seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fault.flood", str(port), kind, str(rate), str(seconds)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + FLOOD_EXTRA_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    done: dict[str, Any] = json.loads(output)
    return done


async def run(trial: Trial) -> None:
    """Flood a server's port in every way, one after the other, while others call with a key."""
    rate = trial.choose(RATE, RATE_SHORT)
    trial.require(rate * MESSAGE_WAIT_S > CHECKS_MAX, "checks without a message can't fill it")
    url = trial.new_database()
    members = await prepare_bank(url, [0])
    metrics_port = free_port()
    # A port that strangers reach is grpcio's, whatever is asked for.
    settings = {"LOYALTY_TRANSPORT": "grpcio", "LOYALTY_METRICS_PORT": str(metrics_port)}
    server = await ServerProcess.start(process_environment(url, trial.folder, **settings))
    kinds = KINDS
    if not trial.full:
        others = [kind for kind in KINDS if kind not in SHORT]
        kinds = (*SHORT, *trial.chance("kinds").sample(others, 1))
    lowest, longest, in_line = 1.0, 0.0, 0.0
    try:
        for kind in kinds:
            seconds = trial.choose(8.0, 1.0)
            done, seen = await _beside_flood(trial, server, members[0], kind, seconds)
            lowest = lowest if kind in {*AT_ONCE, *FAST} else min(lowest, seen.served)
            in_line = max(in_line, seen.longest_s) if kind in FAST else in_line
            _judge(trial, kind, seconds, done, seen)
            if kind in CALLS and kind != "watches":
                longest = max(longest, done["longest_s"])
        lowest = min(lowest, await _beside_scrapes(trial, server, members[0], metrics_port))
        trial.require(server._process.returncode is None, "the server ended")
    finally:
        await server.kill()
    trial.figure("kinds", len(kinds))
    trial.figure("a second", rate)
    trial.figure("fewest honest calls in time", f"{lowest:.1%}")
    trial.figure("longest held s", f"{longest:.2f}")
    trial.figure("longest wait behind many resets s", f"{in_line:.2f}")


async def _beside_flood(
    trial: Trial, server: ServerProcess, loyalty_id: str, kind: str, seconds: float
) -> tuple[dict[str, Any], Honest]:
    """Call while strangers flood the port; return what the flood did, and what callers saw."""
    seen = Honest(trial.choose(SERVED_S, SERVED_SHORT_S))
    calling = asyncio.create_task(_call_on(server.address, loyalty_id, seen))
    port, rate = int(server.address.rpartition(":")[2]), trial.choose(RATE, RATE_SHORT)
    done = await _flood(port, kind, rate, seconds)
    calling.cancel()
    await asyncio.wait([calling])
    trial.say(f"{kind}: {done}, honest {seen.served:.1%} {dict(seen.others)}")
    return done, seen


async def _beside_scrapes(
    trial: Trial, server: ServerProcess, loyalty_id: str, metrics_port: int
) -> float:
    """Ask for metrics as fast as they come; give the share of others' calls that were served."""
    seen = Honest(trial.choose(SERVED_S, SERVED_SHORT_S))
    calling = asyncio.create_task(_call_on(server.address, loyalty_id, seen))
    seconds = trial.choose(8.0, 1.0)
    pages = 0

    async def scrape() -> None:
        nonlocal pages
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", metrics_port)
                try:
                    writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
                    pages += bool(await reader.read())
                finally:
                    writer.close()

    scraping = [asyncio.create_task(scrape()) for _ in range(SCRAPERS)]
    await asyncio.sleep(seconds)
    for task in (calling, *scraping):
        task.cancel()
    await asyncio.wait([calling, *scraping])
    trial.say(f"metrics: {pages} pages, honest {seen.served:.1%} {dict(seen.others)}")
    most = 2 * seconds / BETWEEN_S  # On a busy machine the seconds are longer.
    trial.require(0 < pages <= most, f"{pages} pages of metrics were given")
    trial.require(seen.served >= SERVED_MIN, f"metrics: {seen.served:.1%} of calls in time")
    return seen.served


def _judge(trial: Trial, kind: str, seconds: float, done: dict[str, Any], seen: Honest) -> None:
    came = done["sent"] / seconds / trial.choose(RATE, RATE_SHORT)
    trial.require(came >= RATE_MIN_SHARE, f"only {came:.0%} of the {kind} came")
    trial.require(seen.took_s, f"nobody called during {kind}")
    if kind in AT_ONCE:
        # Whoever comes with a burst waits for its end; nobody is cancelled unseen.
        cancelled = sum(n for said, n in seen.others.items() if said.startswith("CANCELLED"))
        trial.require(not cancelled, f"{kind}: {cancelled} honest calls were cancelled")
        trial.require(not done["reset"], f"{kind}: {done['reset']} ended without a word")
    elif kind in FAST:
        # More comes than can be looked at: whoever waits is served, or soon told to call again.
        most_s = UNSEEN_S + seen.within_s
        trial.require(seen.longest_s <= most_s, f"{kind}: a call took {seen.longest_s:.1f} s")
    else:
        trial.require(
            seen.served >= SERVED_MIN,
            f"{kind}: {seen.served:.1%} of honest calls in time, {dict(seen.others)}",
        )
    if kind in CALLS and kind != "watches":
        held_s = trial.choose(HELD_MAX_S, HELD_MAX_SHORT_S)
        left = done["opened"] - done["ended"]
        trial.require(not left, f"{kind}: {left} were never ended")
        trial.require(done["longest_s"] <= held_s, f"{kind}: held for {done['longest_s']:.1f} s")


GOALS = (
    Goal(
        "G32",
        "Without a key: gRPC",
        "Somebody without a key, at a thousand calls a second, keeps nobody from the gRPC port, "
        "and holds no place for long.",
        run,
        (SQLITE,),
        by_time=True,
    ),
)
