"""G32 at the edge: floods of whoever has no valid key, against Envoy and a server behind it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median
from uuid import uuid4

import grpc
import uvloop

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.benchmark.machine import TICKS_PER_S, memory_mib
from tests.fault.edge import SESSION, stat
from tests.fault.edge_floods import KINDS, STREAMS
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.keyless_calls import KEYLESS, WRONG_KEYS, Attacker
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.edge_parts import script_errors
from tests.support.http import HttpClient
from tests.support.server import Caller

ROOT = Path(__file__).resolve().parents[3]

RATE = 1000.0
"""Calls a second of the attacker, whose address is that of the honest tills."""

TILL_S = 0.05
KIOSKS = 10
"""Which call in turn, each over a connection of its own: Envoy reads one call of each in a turn."""

KIOSK = [("grpc.use_local_subchannel_pool", 1)]
WARM_S = 0.3
SOON_S = 1.0
SOON_MAX_S = 10.0
TIMES_CALM_MAX = 200
"""
On a machine that is busy with other tests the short form takes calm calls as its measure: what is
refused or held shows then too.
"""

SERVED_MIN = 0.99
PLACE_MAX_S = 1.0
PEAK_MAX_MIB = 512
"""Half of Envoy's heap, from where on connections that do nothing are cut soonest."""

GROWTH_MAX_MIB = {"server": 100, "Envoy": 512}

FLOODERS, FLOODERS_SHORT = 300, 6
FLOOD_S, FLOOD_SHORT_S = 6.0, 0.5
FLOOD_MAX_S = 30.0
"""Time in which a flood's process must be done, so that all kinds together take minutes."""

FLOODS_SHORT = (
    "keyless over HTTP/2",
    "half calls of two long headers",
    "half bodies",
    "small dear bodies",
    "may I, with half a body",
)
"""Connections of the attacker who goes as fast as he can, and for how long."""

ANNOUNCED = ("half calls that announce much", "half calls that announce a whole body")
AT_ONCE = {"may I, with half a body"}
"""Half calls that are answered by their headers, so that their places are taken again at once."""

ADDRESSES = 9
NEWCOMERS, NEWCOMERS_SHORT = 20, 4
"""Calls of a key that an Envoy has never seen, while strangers take all the memory they get."""

REQUESTS = "http.edge.downstream_rq_total"
ACTIVE = "cluster.loyalty.upstream_rq_active"


@dataclass
class _Tills:
    """Honest callers: one call after another, whatever became of the last."""

    http_port: int
    member: str
    soon_s: float
    took_s: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    closed: bool = False

    async def call(self) -> None:
        """Call over JSON and over gRPC at a fixed pace until closed, and wait for the answers."""
        async with AsyncExitStack() as stack:
            kiosks = [
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(f"127.0.0.1:{self.http_port}", KIOSK)
                )
                for _ in range(KIOSKS)
            ]
            callers = cycle(Caller(kiosk, SECRET) for kiosk in kiosks)
            async with asyncio.TaskGroup() as calls:
                while not self.closed:
                    calls.create_task(self._count("JSON", self._over_json()))
                    calls.create_task(self._count("gRPC", self._over_grpc(next(callers))))
                    await asyncio.sleep(TILL_S)

    async def _count(self, door: str, call: Awaitable[str]) -> None:
        started = time.perf_counter()
        outcome = await call
        seconds = time.perf_counter() - started
        self.took_s.append(seconds)
        self.outcomes[
            f"{door} {outcome or 'late'}" if outcome or seconds > self.soon_s else "served"
        ] += 1

    async def _over_json(self) -> str:
        client = HttpClient("127.0.0.1", self.http_port)
        path = f"/loyalty/members/{self.member}"
        try:
            answer = await client.request("GET", path, None, {"x-api-key": SECRET})
        except (OSError, EOFError, TimeoutError) as problem:
            return repr(problem)
        return "" if answer.status == 200 else str(answer.status)

    async def _over_grpc(self, caller: Caller) -> str:
        request = member_service_pb2.GetMemberRequest(loyalty_id=self.member)
        try:
            await caller.members.GetMember(request, metadata=caller.metadata(), timeout=10)
        except grpc.aio.AioRpcError as problem:
            return problem.code().name
        return ""

    @property
    def served(self) -> float:
        """Share of the calls that were served soon."""
        return self.outcomes["served"] / max(self.outcomes.total(), 1)

    @property
    def p99_ms(self) -> int:
        """What the slowest hundredth took at least."""
        return round(1000 * sorted(self.took_s)[int(len(self.took_s) * 0.99)])


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - a name of the kernel.
        parts = file.read().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / TICKS_PER_S


@asynccontextmanager
async def _open(trial: Trial) -> AsyncIterator[tuple[ServerProcess, EnvoyProcess, str]]:
    url = trial.new_database()
    (member,) = await prepare_bank(url, [0])
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        port = int(server.address.rpartition(":")[2])
        async with EnvoyProcess(folder=trial.folder / "envoy", grpc_port=port) as envoy:
            yield server, envoy, member
        await server.stop()
    finally:
        await server.kill()


async def run(trial: Trial) -> None:
    """
    Attack with each kind of call for seconds, or with all of them at once, beside honest tills.

    They share the attacker's address. When he stops, and hangs on to what he has open, no call of
    his is under way a second later.
    """
    kinds = {**KEYLESS, **WRONG_KEYS}
    floods: Mapping[str, tuple[bytes, ...]] = {"all at once": tuple(kinds.values())}
    if trial.full:
        floods = {**{name: (call,) for name, call in kinds.items()}, **floods}
    async with _open(trial) as (server, envoy, member):
        await asyncio.to_thread(uvloop.run, _floods(trial, floods, server, envoy, member))
        await asyncio.to_thread(uvloop.run, _rushes(trial, envoy, member))
        for kind in ANNOUNCED:
            await _newcomers(trial, kind, int(server.address.rpartition(":")[2]))
        trial.problems += script_errors(envoy)
    trial.figure("kinds of calls", len(kinds) + len(KINDS))


async def _floods(
    trial: Trial,
    floods: Mapping[str, tuple[bytes, ...]],
    server: ServerProcess,
    envoy: EnvoyProcess,
    member: str,
) -> None:
    soon_s = await _soon(trial, envoy, member)
    before = {pid: memory_mib(pid) for pid in (server.pid, envoy.pid)}
    served, calls, costliest = 1.0, 0, ("", 0.0)
    for name, sent in floods.items():
        tills = _Tills(envoy.http_port, member, soon_s)
        attacker = Attacker(envoy.http_port, sent)
        cpu, server_cpu = _cpu_s(envoy.pid), _cpu_s(server.pid)
        await _beside(tills, attacker.attack(RATE, trial.choose(5.0, 1.0)))
        ms = 1000 * (_cpu_s(envoy.pid) - cpu) / attacker.sent
        server_ms = 1000 * (_cpu_s(server.pid) - server_cpu) / attacker.sent
        await asyncio.sleep(PLACE_MAX_S)
        held = await _until_none_held(envoy, trial.choose(0.0, 3.0))
        await attacker.close()
        trial.say(
            f"{name}: {attacker.sent} calls, {tills.outcomes.total()} of tills, "
            f"{tills.served:.1%} served, p99 {tills.p99_ms} ms, Envoy {ms:.2f} ms and server "
            f"{server_ms:.2f} ms a call"
        )
        trial.require(tills.served >= SERVED_MIN, f"{name}: tills got {dict(tills.outcomes)}")
        trial.require(not held, f"{name}: {held} places are still held")
        calls += attacker.sent
        served = min(served, tills.served)
        costliest = max(costliest, (name, ms), key=lambda found: found[1])
    trial.figure("calls of the attacker", calls)
    trial.figure("tills served, at worst", f"{served:.1%}")
    trial.figure("costliest for Envoy", f"{costliest[0]}, {costliest[1]:.2f} ms")
    for pid, name in ((server.pid, "server"), (envoy.pid, "Envoy")):
        os.kill(pid, 0)
        growth = memory_mib(pid) - before[pid]
        trial.figure(f"{name} MiB more", round(growth))
        trial.require(growth < GROWTH_MAX_MIB[name], f"{name}'s memory grew by {growth:.0f} MiB")


async def _soon(trial: Trial, envoy: EnvoyProcess, member: str) -> float:
    """Tell within what time a call must be served, on this machine as it is now."""
    calm = _Tills(envoy.http_port, member, SOON_MAX_S)
    await _beside(calm, asyncio.sleep(WARM_S))
    short_s = max(SOON_S, TIMES_CALM_MAX * median(calm.took_s))
    return trial.choose(SOON_S, min(short_s, SOON_MAX_S))


async def _rushes(trial: Trial, envoy: EnvoyProcess, member: str) -> None:
    """Let a process of its own go as fast as it can, of one kind after another."""
    soon_s = await _soon(trial, envoy, member)
    connections = trial.choose(FLOODERS, FLOODERS_SHORT)
    for kind in KINDS if trial.full else FLOODS_SHORT:
        tills = _Tills(envoy.http_port, member, soon_s)
        sent = 0

        async def rush(kind: str = kind) -> None:
            nonlocal sent
            seconds = trial.choose(FLOOD_S, FLOOD_SHORT_S)
            flood = await _flood(kind, envoy.http_port, connections, seconds)
            sent = await _made_by(flood)

        await _beside(tills, rush())
        await _until_none_held(envoy, 3 * PLACE_MAX_S)
        peak = _peak_mib(envoy.pid)
        trial.say(
            f"{kind}, as fast as it goes: {sent} calls, {tills.outcomes.total()} of tills, "
            f"{tills.served:.1%} served, p99 {tills.p99_ms} ms, Envoy had {peak} MiB at most"
        )
        enough = tills.served >= SERVED_MIN
        trial.require(enough, f"{kind}: tills got {dict(tills.outcomes)}")
        trial.require(sent > connections // 2, f"{kind}: {sent} calls were made")
        if kind in AT_ONCE:
            # A half call is given up after 5 s.
            held = sent <= trial.choose(2, 1) * STREAMS * connections
            trial.require(not held, f"{kind}: {sent} calls, whose bodies were waited for")
        trial.require(peak < PEAK_MAX_MIB, f"{kind}: Envoy took {peak} MiB")


async def _flood(*command: object) -> asyncio.subprocess.Process:
    """Let a process of its own flood Envoy."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fault.edge_floods", *map(str, command)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def _made_by(flood: asyncio.subprocess.Process) -> int:
    """Wait for the end of a flood, which must come; return how many calls it made."""
    try:
        async with asyncio.timeout(FLOOD_MAX_S):
            return int((await flood.communicate())[0])
    except TimeoutError:
        return 0
    finally:
        if flood.returncode is None:
            flood.kill()
            await flood.wait()


async def _newcomers(trial: Trial, kind: str, grpc_port: int) -> None:
    """Let a till call an Envoy that knows nobody, while others announce what they never send."""
    served: Counter[int] = Counter()
    folder = trial.folder / kind.replace(" ", "-")
    async with EnvoyProcess(folder=folder, grpc_port=grpc_port) as envoy:
        seconds = trial.choose(FLOOD_S, FLOOD_SHORT_S) + 2
        flood = await _flood(kind, envoy.http_port, 18, seconds, ADDRESSES)
        # It is another process.
        while await stat(envoy, REQUESTS) < 2 * NEWCOMERS and flood.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(TILL_S)
        client = HttpClient("127.0.0.1", envoy.http_port)
        for _ in range(trial.choose(NEWCOMERS, NEWCOMERS_SHORT)):
            asked = json.dumps({"correlationId": str(uuid4()), "channel": "STORE"})
            sent = {"x-api-key": SECRET, "content-type": "application/json"}
            answer = await client.request("POST", SESSION, asked, sent)
            served[answer.status] += 1
        sent_calls = await _made_by(flood)
        trial.problems += script_errors(envoy)
    trial.say(f"{kind}: {sent_calls} calls, a new till got {dict(served)}")
    trial.require(set(served) == {200}, f"{kind}: a new till got {dict(served)}")


def _peak_mib(pid: int) -> int:
    """Read the most memory that a process ever had."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:  # noqa: PTH123 - a name of the kernel.
        (line,) = (line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) >> 10


async def _until_none_held(envoy: EnvoyProcess, patience_s: float) -> int:
    """Give the calls that servers still have; where told, wait for a busy machine to end them."""
    until = time.monotonic() + patience_s
    while True:
        held = await stat(envoy, ACTIVE)
        if not held or time.monotonic() >= until:
            return held
        await asyncio.sleep(0.1)


async def _beside(tills: _Tills, work: Awaitable[None]) -> None:
    """Let the tills call until something else is done."""
    calling = asyncio.create_task(tills.call())
    await work
    tills.closed = True
    await calling


GOALS = (
    Goal(
        "G32",
        "Without a key: Envoy",
        "Whatever somebody without a valid key sends Envoy, a thousand times a second or as fast "
        "as 300 connections go, the others are served.",
        run,
        (SQLITE,),
        by_time=True,
    ),
)
