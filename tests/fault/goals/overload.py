"""G18: five times as many calls as the server can do."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import uvloop
from google.protobuf.json_format import MessageToJson
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.benchmark.http_connection import HttpConnection
from tests.benchmark.machine import CLIENT_CORE, SERVER_CORE, family, memory_mib, pin
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import SECRET, ServerProcess, prepare_bank, process_environment
from tests.support.ledger import audit, rows
from tests.support.server import Caller
from tests.support.transactions import line, open_transaction, update_request

TIMES = 5
TIMES_MIN = 4.5
GOODPUT_MIN = 0.8
GOODPUT_MIN_SHORT = 0.1
RATE_MIN_SHORT = 1000
P99_MAX_S = 0.5
GROWTH_MAX_MIB = 100
CALM_S = 1.0

LINES = 100
"""An order of so many lines costs a server far more than whoever sends its ready bytes."""

ORDERS = 64
TURNS = range(1, 9)
BUSY = 8
"""Calls under way that keep a server busy, and fewer than a key is ever refused."""

CONNECTIONS_MAX = 1500
TRICKLE_S = 0.05
CALL_S = 30.0
TICK_S = 0.001
UPDATE = "/loyalty.v1.TransactionService/ReportOrder"
SERVED = "served"
REFUSED = "refused"


@dataclass
class Load:
    """
    What a window of load showed.

    Attributes:
        outcomes: How many calls were served, refused as promised, or answered otherwise.
        served_s: What each served call took, from the moment it was due.
        in_time: Calls that were served before the window ended.
        offered: Calls that were made before the window ended.
    """

    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    served_s: list[float] = field(default_factory=list)
    in_time: int = 0
    offered: int = 0

    def count(self, outcome: str, seconds: float) -> None:
        """Take up an answer."""
        self.outcomes[outcome] += 1
        if outcome == SERVED:
            self.served_s.append(seconds)

    @property
    def rate(self) -> float:
        """Calls served a second."""
        return self.in_time / self.seconds

    def quantile_s(self, share: float) -> float:
        """How long this share of the served calls took at most."""
        ordered = sorted(self.served_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    @property
    def others(self) -> dict[str, int]:
        """Answers that were neither."""
        return {what: n for what, n in self.outcomes.items() if what not in {SERVED, REFUSED}}


class Tills:
    """Ready calls over JSON, and connections to make them on."""

    def __init__(self, port: int, orders: Sequence[str]) -> None:
        self._port = port
        self._calls = [_json_call(order, turn) for turn in TURNS for order in orders]
        self._free: list[HttpConnection] = []
        self._opened = 0
        self._number = 0

    async def open(self, count: int) -> None:
        """Connect so many tills."""
        for _ in range(count):
            self._free.append(await HttpConnection.open(self._port))
        self._opened += count

    def close(self) -> None:
        """Disconnect those that wait for nothing."""
        for connection in self._free:
            connection.close()

    async def call(self, load: Load) -> None:
        """Make a call and wait for its answer."""
        async with asyncio.timeout(CALL_S):
            done = asyncio.Event()
            self._send(load, time.perf_counter(), done.set)
            await done.wait()

    async def keep_busy(self, seconds: float) -> Load:
        """Keep as many calls under way as the server can use."""
        load = Load()
        until = time.perf_counter() + seconds

        async def work() -> None:
            while time.perf_counter() < until:
                await self.call(load)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(BUSY)))
        load.seconds = time.perf_counter() - began
        load.in_time = len(load.served_s)
        return load

    async def rush(self, rate: float, seconds: float) -> Load:
        """Make calls at a fixed rate, whoever still waits."""
        load = Load()
        waiting: deque[float] = deque()
        under_way = 0
        opening = 0

        def done() -> None:
            nonlocal under_way
            under_way -= 1
            start()

        def start() -> None:
            nonlocal under_way
            while waiting and self._free:
                under_way += 1
                self._send(load, waiting.popleft(), done)

        async def one_more() -> None:
            nonlocal opening
            await self.open(1)
            opening -= 1
            start()

        began = time.perf_counter()
        number = 0
        more: set[asyncio.Task[None]] = set()
        while (elapsed := time.perf_counter() - began) < seconds:
            while number < elapsed * rate:
                waiting.append(began + number / rate)
                number += 1
            start()
            for _ in range(min(len(waiting), CONNECTIONS_MAX - self._opened) - opening):
                opening += 1
                more.add(asyncio.create_task(one_more()))
            await asyncio.sleep(TICK_S)
        load.seconds = time.perf_counter() - began
        load.in_time = len(load.served_s)
        load.offered = number - len(waiting)
        async with asyncio.timeout(CALL_S):
            await asyncio.gather(*more)
            while under_way or waiting:  # noqa: ASYNC110 - whoever is last ends it.
                await asyncio.sleep(TICK_S)
        return load

    def _send(self, load: Load, due: float, done: Any) -> None:
        connection = self._free.pop()
        call = self._calls[self._number % len(self._calls)]
        self._number += 1

        def answered(answer: asyncio.Future[bytes]) -> None:
            problem = answer.exception()
            if problem is None:
                self._free.append(connection)
                load.count(_outcome(answer.result()), time.perf_counter() - due)
            else:
                self._opened -= 1
                load.count(repr(problem), 0.0)
            done()

        connection.send(call).add_done_callback(answered)


def _outcome(answer: bytes) -> str:
    """Tell served calls, and those refused as the contract says, from everything else."""
    if answer.startswith(b"HTTP/1.1 200"):
        return SERVED
    head, _, body = answer.partition(b"\r\n\r\n")
    if answer.startswith(b"HTTP/1.1 429"):
        wait = head.lower().partition(b"\r\nretry-after: ")[2].partition(b"\r\n")[0]
        if wait.isdigit() and int(wait) >= 1 and json.loads(body)["code"] == "TooManyRequests":
            return REFUSED
    return answer[:300].decode(errors="replace")


def _order(order: str, turn: int) -> pb.ReportOrderRequest:
    """Report an order of many lines, another one each turn: a repeated report costs little."""
    prices = [(number, round(turn + number / 100, 2)) for number in range(1, LINES + 1)]
    lines = [line(price, reference_id=str(number)) for number, price in prices]
    return update_request(order, "PENDING", *lines)


def _json_call(order: str, turn: int) -> bytes:
    body = MessageToJson(_order(order, turn), indent=None).encode()
    head = (
        f"PUT /loyalty/transaction/pos/{order} HTTP/1.1\r\nhost: loyalty\r\n"
        f"x-api-key: {SECRET}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _trickle(port: int, order: str, load: Load) -> None:
    """Call over gRPC now and then, until told to stop."""
    request = _order(order, 1).SerializeToString()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Any = channel.unary_unary(UPDATE, None, None)
        while True:
            started = time.perf_counter()
            try:
                await method(request, metadata=(("x-api-key", SECRET),), timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                load.count(_grpc_outcome(error), 0.0)
            else:
                load.count(SERVED, time.perf_counter() - started)
            await asyncio.sleep(TRICKLE_S)


def _grpc_outcome(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        retry = error_details_pb2.RetryInfo()
        for name, value in error.trailing_metadata() or ():
            if name == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(bytes(value)).details:
                    if detail.Unpack(retry) and retry.retry_delay.ToMilliseconds() >= 1000:
                        return REFUSED
    return f"{error.code().name} {error.details()}"


@contextmanager
def _cores_apart(trial: Trial, url: str, server: int) -> Iterator[None]:
    """Leave the server and its database a core that whoever calls, and the proxy, do not use."""
    own, cores = os.getpid(), os.sched_getaffinity(0)
    theirs = {server}
    if trial.kind == POSTGRESQL:
        folder = rows(url, "SHOW data_directory")[0][0]
        pid = (Path(folder) / "postmaster.pid").read_text(encoding="ascii").split()[0]
        theirs |= family(int(pid))
    if not cores >= {SERVER_CORE, CLIENT_CORE}:
        yield
        return
    try:
        pin(own, {CLIENT_CORE})
        for pid in theirs:
            pin(pid, {SERVER_CORE})
        yield
    finally:
        for pid in (own, *theirs):
            pin(pid, cores)


@asynccontextmanager
async def _open(
    trial: Trial, url: str
) -> AsyncIterator[tuple[ServerProcess, EnvoyProcess, list[str]]]:
    """Run a server behind a proxy, with orders to be reported."""
    members = await prepare_bank(url, [0])
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            caller = Caller(channel, SECRET)
            orders = [await open_transaction(caller, members[0]) for _ in range(ORDERS)]
        port = int(server.address.rpartition(":")[2])
        folder = trial.folder / "envoy"
        async with EnvoyProcess(folder=folder, grpc_port=port, adapt=_from_everywhere) as envoy:
            with _cores_apart(trial, url, server.pid):
                yield server, envoy, orders
        await server.stop()
    finally:
        await server.kill()


def _from_everywhere(config: dict[str, Any]) -> None:
    """Let one address call as often as all: the tills of a trial share theirs."""
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    for part in manager["typed_config"]["http_filters"]:
        if part["name"].endswith("local_ratelimit"):
            rates = part["typed_config"]
            rates["descriptors"][0]["token_bucket"] = rates["token_bucket"]


async def _drive(
    trial: Trial, port: int, orders: Sequence[str], pids: Sequence[int]
) -> tuple[Load, Load, Load, list[float], list[float]]:
    """Find the capacity, exceed it, and call once more; return the memory before and after too."""
    tills = Tills(port, orders)
    await tills.open(BUSY)
    await tills.keep_busy(trial.choose(3.0, 0.1))
    capacity = await tills.keep_busy(trial.choose(15.0, 0.4))
    before = [memory_mib(pid) for pid in pids]
    # What is measured within half a second may be far below what the server can do.
    rate = max(TIMES * capacity.rate, trial.choose(0, RATE_MIN_SHORT))
    seen = await tills.rush(rate, trial.choose(60.0, 1.0))
    after = [memory_mib(pid) for pid in pids]
    calm = Load()
    await tills.call(calm)
    tills.close()
    return capacity, seen, calm, before, after


async def run(trial: Trial) -> None:
    """
    Offer five times what a server can do, for a minute.

    It serves nearly as much as without the excess, as fast as a till can wait for; the rest is told
    when to come back; its memory does not grow; afterwards all is as before, and the ledger holds.
    """
    url = trial.new_database()
    async with _open(trial, url) as (server, envoy, orders):
        over_grpc = Load()
        trickle = asyncio.create_task(_trickle(envoy.http_port, orders[0], over_grpc))
        # A quicker loop than this one, so that whoever calls is not what is measured.
        drive = _drive(trial, envoy.http_port, orders, (server.pid, envoy.pid))
        work = asyncio.to_thread(uvloop.run, drive)
        capacity, seen, calm, before, after = await work
        trickle.cancel()
        await asyncio.wait([trickle])
    audit(url)
    _judge(trial, capacity, seen)
    trial.figure(
        "gRPC", ", ".join(f"{n:,} {what}" for what, n in sorted(over_grpc.outcomes.items()))
    )
    for name, at_first, at_last in zip(("server", "Envoy"), before, after, strict=True):
        trial.figure(f"{name} MiB", f"{at_first:.0f} to {at_last:.0f}")
        growth = at_last - at_first
        trial.require(growth < GROWTH_MAX_MIB, f"{name}'s memory grew by {growth:.0f} MiB")
    trial.require(not over_grpc.others, f"gRPC: {over_grpc.others}")
    trial.require(not calm.others and calm.served_s, f"afterwards: {calm.outcomes}")
    trial.require(
        calm.quantile_s(1) < trial.choose(CALM_S, 10 * CALM_S),
        f"afterwards: {calm.quantile_s(1):.2f} s",
    )


def _judge(trial: Trial, capacity: Load, seen: Load) -> None:
    offered = seen.offered / seen.seconds / capacity.rate
    share = seen.rate / capacity.rate
    trial.say(f"capacity {capacity.outcomes}, rush {seen.outcomes}")
    trial.figure("capacity/s", round(capacity.rate))
    trial.figure("offered", f"{offered:.1f}x")
    trial.figure("goodput", f"{share:.0%}")
    trial.figure("p50 ms", round(1000 * seen.quantile_s(0.5)))
    trial.figure("p99 ms", round(1000 * seen.quantile_s(0.99)))
    trial.figure("refused", seen.outcomes[REFUSED])
    others = capacity.others | seen.others
    trial.require(not others, f"neither served nor refused: {others}")
    trial.require(not capacity.outcomes[REFUSED], "calls were refused while nobody rushed")
    trial.require(seen.outcomes[REFUSED], "nothing was refused, so nothing was tried")
    goodput_min = trial.choose(GOODPUT_MIN, GOODPUT_MIN_SHORT)
    trial.require(share >= goodput_min, f"goodput fell to {share:.0%}")
    if trial.full:  # A second of load on a busy machine says little of rates and times.
        trial.require(offered >= TIMES_MIN, f"only {offered:.1f}x came")
        p99_s = seen.quantile_s(0.99)
        trial.require(p99_s <= P99_MAX_S, f"p99 of the served {p99_s:.2f} s")


GOALS = (
    Goal(
        "G18",
        "Overload",
        "However many calls come, as many as ever are served, soon, and the rest are told when to "
        "try again.",
        run,
        any_database=True,
        by_time=True,
    ),
)
