"""G33: a call that kills the server it reaches, and two servers behind one Envoy."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress

import grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.fragile_server import DEADLY
from tests.support.http import HttpClient, free_port
from tests.support.server import Caller

CALLERS = 8
"""Honest tills that call again at once when they are answered."""

CALLS_BEFORE = 40
CALLS_AFTER = 80
ENROLL = "/loyalty/members"
BODY = '{"name": "Guest"}'
GONE_S = 10.0
BACK_S = 20.0
CALM_S = 3.0
"""Longer than Envoy takes to find that a server is gone."""

HEALTHY = "/stats?filter=^cluster.loyalty.membership_healthy$"

Ports = Mapping[str, str]


class _Pair:
    """Two servers on fixed ports, which come back after they have died."""

    def __init__(self, environments: list[dict[str, str]]) -> None:
        self._environments = environments
        self.servers: list[ServerProcess] = []
        self.lost = 0

    async def start(self) -> None:
        """Start whichever does not run."""
        if not self.servers:
            self.servers = list(
                await asyncio.gather(*(_start(settings) for settings in self._environments))
            )
            return
        for place, server in enumerate(self.servers):
            if not server.runs:
                await server.kill()
                self.servers[place] = await _start(self._environments[place])

    @property
    def dead(self) -> int:
        """How many have died since the last start."""
        return sum(not server.runs for server in self.servers)

    async def stop(self) -> None:
        """End both, however they are."""
        for server in self.servers:
            await server.kill()


async def _start(environment: dict[str, str]) -> ServerProcess:
    return await ServerProcess.start(environment, module="tests.support.fragile_server")


async def _until_both_serve(envoy: EnvoyProcess, calm_s: float) -> None:
    """
    Wait until Envoy has had both for so long: who came back a moment ago serves nobody yet.

    It may not even have seen that one was gone.
    """
    loop = asyncio.get_running_loop()
    since_s = loop.time()
    async with asyncio.timeout(BACK_S):
        while loop.time() - since_s < calm_s:
            await asyncio.sleep(0.05)
            if not (await envoy.ask(HEALTHY)).strip().endswith(": 2"):
                since_s = loop.time()


async def _over_json(port: int, headers: Mapping[str, str]) -> None:
    sent = {"x-api-key": SECRET, "content-type": "application/json", **headers}
    await HttpClient("127.0.0.1", port).request("POST", ENROLL, BODY, sent)


async def _over_grpc(port: int, headers: Mapping[str, str]) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        caller = Caller(channel, SECRET)
        request = member_service_pb2.EnrollMemberRequest(name="Guest")
        metadata = (*caller.metadata(), *headers.items())
        with suppress(grpc.aio.AioRpcError):
            await caller.members.EnrollMember(request, metadata=metadata, timeout=10)


Deadly = Callable[[int, Mapping[str, str]], Awaitable[None]]
KEY = {"idempotency-key": "deadly"}
DEADLY_CALLS: tuple[tuple[str, Deadly, Mapping[str, str]], ...] = (
    ("JSON with an idempotency key", _over_json, KEY),
    ("JSON", _over_json, {}),
    ("gRPC with an idempotency key", _over_grpc, KEY),
    ("gRPC", _over_grpc, {}),
)


async def run(trial: Trial) -> None:
    """
    Make a call that ends whichever process it reaches, while tills enroll guests.

    One server dies of it. Of the tills' calls those under way there may fail, and none after: the
    other server has them, and its neighbour comes back.
    """
    url = trial.new_database()
    await prepare_bank(url, [])
    ports = [free_port(), free_port()]
    pair = _Pair(
        [process_environment(url, trial.folder, LOYALTY_GRPC_PORT=str(port)) for port in ports]
    )
    calls, failed = 0, 0
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(pair.stop)
        await pair.start()
        envoy = EnvoyProcess(folder=trial.folder, grpc_port=ports[0], other_grpc_ports=ports[1:])
        await cleanup.enter_async_context(envoy)
        for name, deadly, headers in trial.choose(DEADLY_CALLS, DEADLY_CALLS[:1]):
            await _until_both_serve(envoy, CALM_S if pair.lost else 0.1)
            outcomes = await _tills(envoy.http_port, deadly, headers)
            async with asyncio.timeout(GONE_S):
                while not pair.dead:  # noqa: ASYNC110 - it is another process.
                    await asyncio.sleep(0.01)
            trial.say(f"{name}: {pair.dead} server lost, tills got {dict(outcomes)}")
            trial.require(pair.dead == 1, f"{name}: {pair.dead} servers are lost")
            wrong = outcomes.total() - outcomes[200]
            trial.require(wrong <= CALLERS, f"{name}: {wrong} calls failed, of {CALLERS} tills")
            pair.lost += pair.dead
            calls += outcomes.total()
            failed += wrong
            await pair.start()
    trial.figure("deadly calls", len(trial.choose(DEADLY_CALLS, DEADLY_CALLS[:1])))
    trial.figure("servers lost", pair.lost)
    trial.figure("calls of tills", calls)
    trial.figure("of them failed", failed)


async def _tills(port: int, deadly: Deadly, headers: Mapping[str, str]) -> Counter[int]:
    """Enroll guests from all tills, and make the deadly call in the middle; counts the answers."""
    outcomes: Counter[int] = Counter()
    numbers = iter(range(CALLS_BEFORE + CALLS_AFTER))
    client = HttpClient("127.0.0.1", port)
    sent = {"x-api-key": SECRET, "content-type": "application/json"}
    waiting: list[asyncio.Task[None]] = []

    async def work() -> None:
        for number in numbers:
            if number == CALLS_BEFORE:
                deed = deadly(port, {DEADLY: "1", **headers})
                waiting.append(asyncio.ensure_future(deed))
            answer = await client.request("POST", ENROLL, BODY, sent)
            outcomes[answer.status] += 1

    await asyncio.gather(*(work() for _ in range(CALLERS)))
    await asyncio.gather(*waiting)
    return outcomes


GOALS = (
    Goal(
        "G33",
        "Deadly call",
        "No call kills both of two servers behind one Envoy: a call that broke a connection is "
        "given to no other server.",
        run,
        (POSTGRESQL,),
    ),
)
