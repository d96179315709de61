"""G34: one API key does all it can, and another one calls now and then."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson

from loyalty.v1 import member_service_pb2
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.keys import Role
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.goal import Goal, Trial
from tests.fault.goals.overload import _from_everywhere
from tests.fault.greedy import Greed, greedy, ready
from tests.support.banks import ServerProcess, process_environment
from tests.support.doing import adjust_points, apply_program, create_key
from tests.support.http import HttpClient
from tests.support.ledger import audit
from tests.support.programs import PROGRAM_ID, add_member, demo_program
from tests.support.server import Caller, identify_request, open_channel
from tests.support.stores import open_store
from tests.support.transactions import line, open_transaction, update_request

GREEDY = "lk_greedy"
AT_REST = "lk_at_rest"
SERVED_MAX_S = 1.0
TIMES_CALM_MAX = 60
"""On a machine that is busy with other tests the short form takes calm calls as its measure."""

REST_S = 0.1
TRANSFERS = 1100
PAGE = 1000
LINES = 500
ORDERS = 16
CONNECTIONS = (64, 200, 400)
"""With more than Envoy has places at least: a key's surplus must not take them all."""

CALL_S = 6.0
DEAR = "dear JSON"
"""What stands for a path, of JSON that takes Envoy's time and no server's."""

SHORT = {"reads", DEAR}
READ = "/loyalty.v1.MemberService/ListTransfers"
WRITE = "/loyalty.v1.TransactionService/ReportOrder"


@dataclass
class Rest:
    """
    How a key at rest fared.

    Attributes:
        served_s: What each call took that was served.
        failed: What the others were answered.
    """

    served_s: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Scene:
    """A server behind a proxy, the costliest calls of one key, and a member of another's."""

    grpc_port: int
    http_port: int
    member: str
    reads: Sequence[tuple[str, bytes]]
    writes: Sequence[tuple[str, bytes]]

    def greed(self, door: str, calls: Sequence[tuple[str, bytes]], connections: int) -> Greed:
        """Make these calls all that the greedy key does."""
        if door == "gRPC":
            ready_calls = [ready(path, data) for path, data in calls]
            return Greed(self.grpc_port, connections, ready_calls, key=GREEDY)
        requests = [ready("", data if path == DEAR else _http(path, data)) for path, data in calls]
        return Greed(self.http_port, connections, requests)


def _dear() -> bytes:
    """Write a call whose JSON costs Envoy as much as any of its length, and is then refused."""
    body = b'{"x":[' + b'{"amount":1.5},' * 4_300 + b"0]}"
    return (
        f"POST /loyalty/transaction/pos HTTP/1.1\r\nhost: a\r\nx-api-key: {GREEDY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _http(path: str, data: bytes) -> bytes:
    if path == READ:
        message = member_service_pb2.ListTransfersRequest.FromString(data)
        place = f"/loyalty/members/{message.loyalty_id}/transfers?pageSize={PAGE}"
        return f"GET {place} HTTP/1.1\r\nhost: a\r\nx-api-key: {GREEDY}\r\n\r\n".encode()
    request = type(update_request("", "PENDING")).FromString(data)
    body = MessageToJson(request, indent=None).encode()
    return (
        f"PUT /loyalty/transaction/pos/{request.loyalty_transaction_id} HTTP/1.1\r\nhost: a\r\n"
        f"x-api-key: {GREEDY}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def _prepare(url: str) -> tuple[str, str]:
    """Make two keys, a member with a long history and one of a few points."""
    async with open_store(url) as store:

        def fill(unit: Unit, now_ms: int) -> tuple[str, str]:
            apply_program(unit, ApplyProgram(demo_program()), now_ms)
            for partner, secret in (("greedy", GREEDY), ("at rest", AT_REST)):
                create_key(unit, CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=secret), now_ms)
            long, short = (add_member(unit, now_ms, 1) for _ in range(2))
            for _ in range(TRANSFERS):
                adjust_points(unit, AdjustPoints(PROGRAM_ID, long, 1, "history"), now_ms)
            return long, short

        return await store.write(fill, 60.0)


@asynccontextmanager
async def _open(trial: Trial, url: str) -> AsyncIterator[Scene]:
    long, short = await _prepare(url)
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        async with open_channel(server.address) as channel:
            caller = Caller(channel, GREEDY)
            count = trial.choose(ORDERS, 0)
            orders = [await open_transaction(caller, long) for _ in range(count)]
        page = member_service_pb2.ListTransfersRequest(loyalty_id=long, page_size=PAGE)
        reads = [(READ, page.SerializeToString())]
        writes = [(WRITE, _order(order, turn)) for turn, order in enumerate(orders * 4)]
        port = int(server.address.rpartition(":")[2])
        folder = trial.folder / "envoy"
        async with EnvoyProcess(folder=folder, grpc_port=port, adapt=_from_everywhere) as envoy:
            yield Scene(port, envoy.http_port, short, reads, writes)
        await server.stop()
    finally:
        await server.kill()


def _order(order: str, turn: int) -> bytes:
    """Report as many lines as there may be, others each turn: a repeated report costs little."""
    lines = [line(round(1 + turn + number / 100, 2)) for number in range(LINES)]
    return update_request(order, "PENDING", *lines).SerializeToString()


async def _call_over_http(scene: Scene, turn: int) -> str:
    client = HttpClient("127.0.0.1", scene.http_port)
    headers = {"x-api-key": AT_REST, "content-type": "application/json"}
    if turn % 2:
        path = f"/loyalty/members/{scene.member}"
        answer = await client.request("GET", path, None, headers)
    else:
        request = identify_request(scene.member)
        pos = {"storeId": 9999, "posType": "Partner"}
        pos["transactionId"] = request.pos_vendor.transaction_id
        body = json.dumps({"identifier": scene.member, "posVendor": pos})
        answer = await client.request("POST", "/loyalty/identify", body, headers)
    return "OK" if answer.status == 200 else f"{answer.status} {answer.body[:200]!r}"


async def _call_over_grpc(scene: Scene, turn: int) -> str:
    async with open_channel(f"127.0.0.1:{scene.grpc_port}") as channel:
        caller = Caller(channel, AT_REST)
        try:
            if turn % 2:
                request: Any = member_service_pb2.GetMemberRequest(loyalty_id=scene.member)
                await caller.call(caller.members.GetMember, request)
            else:
                await caller.call(caller.identifies.IdentifyMember, identify_request(scene.member))
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"
    return "OK"


async def _rest(scene: Scene, door: str, seconds: float, calls: int) -> Rest:
    """Call now and then, so many times at least, each as if for the first time."""
    call = _call_over_grpc if door == "gRPC" else _call_over_http
    seen = Rest()
    until = time.perf_counter() + seconds
    turn = 0
    while time.perf_counter() < until or turn < calls:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(CALL_S):
                answer = await call(scene, turn)
        except (TimeoutError, OSError) as problem:
            answer = repr(problem)
        if answer == "OK":
            seen.served_s.append(time.perf_counter() - began)
        else:
            seen.failed[answer] += 1
        turn += 1
        await asyncio.sleep(REST_S)
    return seen


async def run(trial: Trial) -> None:
    """
    Let one key do all it can, and see that a key at rest is served as if it were alone.

    The short form reads, or sends what only Envoy reads: that shows whether places, readers and
    Envoy are shared, while the bodies of orders would keep Envoy busy for longer than it lasts.
    """
    url = trial.new_database()
    async with _open(trial, url) as scene:
        both = [call for write in scene.writes for call in (*scene.reads, write)]
        kinds = {"reads": scene.reads, "writes": scene.writes, "both": both}
        for door in ("gRPC", "Envoy"):
            calm = await _rest(scene, door, 0.0, calls=4)
            if door == "Envoy":
                kinds["dear JSON"] = [(DEAR, _dear())]
            chosen = (kind for kind in kinds if trial.full or kind in SHORT)
            for kind in chosen:
                for connections in trial.choose(CONNECTIONS, CONNECTIONS[:1]):
                    name = f"{door}, {connections} of {kind}"
                    async with greedy(scene.greed(door, kinds[kind], connections)) as answers:
                        seen = await _rest(scene, door, trial.choose(10.0, 0.6), calls=3)
                    _judge(trial, name, seen, answers, median(calm.served_s))
    audit(url)


def _judge(trial: Trial, name: str, seen: Rest, answers: Counter[str], calm_s: float) -> None:
    longest = max(seen.served_s, default=0.0)
    served = answers["200"] + answers["OK"] + answers["400"]
    figure = f"{len(seen.served_s)} served, longest {longest * 1000:.0f} ms"
    trial.figure(name, f"{figure}, greedy {served} of {answers.total()}")
    trial.say(f"{name}: {figure}; greedy {dict(answers)}; failed {dict(seen.failed)}")
    trial.require(not seen.failed, f"{name}: a key at rest was answered {dict(seen.failed)}")
    trial.require(seen.served_s, f"{name}: a key at rest made no call")
    most_s = trial.choose(SERVED_MAX_S, max(3 * SERVED_MAX_S, TIMES_CALM_MAX * calm_s))
    trial.require(longest <= most_s, f"{name}: a key at rest waited {longest:.2f} s")
    # Of dear JSON Envoy may turn every call away as too much, before a server hears of it.
    tried = served or (DEAR in name and set(answers) == {"429"})
    trial.require(tried, f"{name}: the greedy key got nothing, so nothing was tried")


GOALS = (
    Goal(
        "G34",
        "Fairness",
        "Whatever one key does, as fast and as costly as it can, a key that calls rarely is "
        "served within 1 s.",
        run,
        any_database=True,
        by_time=True,
    ),
)
