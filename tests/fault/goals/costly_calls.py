"""G31: the costliest call that gets in, of every message, list and nesting of the contract."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import inf
from pathlib import Path
from typing import Any

import grpc

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.unit import Unit
from loyalty_service.domain.products import listed
from loyalty_service.domain.restrictions import (
    CartDemand,
    CartExclusion,
    CartRequirement,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Stores,
)
from loyalty_service.storage.store import Store
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.fault.costly import Costly, costly_requests, lists_of
from tests.fault.doors import Fields, Rpc, all_rpcs
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.goals.limits import wide_order
from tests.fault.inside import Inside
from tests.fault.worlds import World, open_worlds, report, rpc_named, template
from tests.support.doing import adjust_points, apply_program
from tests.support.http import Response

CPU_MAX_S = 0.05
MEMORY_MAX_MIB = 32
LOOP_S = 0.008
"""What `_loop_s` takes on the machine of the figures, when nothing else runs on it."""

TRIES = 5
"""Times that a call is made which seems too dear: on a busy machine all calls may seem so."""

SLOW_S = 5.0

TURNED_AWAY_MAX = 5
WAIT_MAX_S = 5
"""How often, and for how long each time, the trial comes again as a 429 tells it: the edge lets a
key send so many large bodies a second, and one trial sends more on a quiet machine."""

HEAD_BYTES = 4096
"""More than the rest of a request takes."""

ELEMENTS = ("{}", "null", "0", '""', "[]", '{"a":{}}')
SAMPLE = 16
DIALECTS = ("", "es", "rbi")
BROKEN = {"INTERNAL", "UNKNOWN"}
ALWAYS = (
    "order empty, again and again",
    "everything wrong",
    "every list full",
    "no UTF-8, again",
    "widest order",
)
"""What the short form tries in any case: the dearest kinds there were."""


@dataclass
class Cost:
    """What one call cost the server, at least, of a few tries."""

    cpu_s: float
    grown_mib: float
    outcome: str


LISTED = 1_000
"""Entries that a list of a program file may have."""

REWARDS = 500
"""Lines that an order may have."""

APPLY_S = 60.0


async def _enlarge(store: Store, own: World, offers: int) -> list[str]:
    """Add offers whose rules have lists as long as may be; return their names."""
    program = store.catalog.programs[own.program.program_id]
    plain = next(one for one in program.incentives.values() if one.kind == "offer")
    others = tuple(range(20_001, 20_001 + LISTED))
    added = {}
    for number in range(offers):
        plus = tuple(f"{number}-{place}" for place in range(LISTED))
        name = f"offer-{number}"
        added[name] = replace(
            plain,
            incentive_id=name,
            engine_id=None,
            rules=(
                MaximumRedemptions(total=1_000_000_000),
                Stores(others),
                MinimumSpend(1),
                PaymentMethods(tuple(f"TYPE_{place}" for place in range(LISTED))),
                CartRequirement((CartDemand(listed(plus), 1_000),)),
                CartExclusion(listed(plus)),
            ),
        )
    large = replace(program, incentives={**program.incentives, **added})
    await store.write(
        lambda unit, now_ms: apply_program(unit, ApplyProgram(large), now_ms), APPLY_S
    )
    await store.refresh_catalog(APPLY_S)
    return list(added)


async def _add_rewards(store: Store, own: World, rewards: int) -> list[str]:
    """Add rewards whose rules count earlier uses, and points for them; return their names."""
    program = store.catalog.programs[own.program.program_id]
    plain = next(one for one in program.incentives.values() if one.kind == "reward")
    counted = (MaximumRedemptions(per_member=1_000_000, total=1_000_000_000),)
    added = {
        name: replace(plain, incentive_id=name, engine_id=None, point_cost=1, rules=counted)
        for name in (f"reward-{number}" for number in range(rewards))
    }
    wide = replace(program, incentives={**program.incentives, **added})

    def fill(unit: Unit, now_ms: int) -> None:
        apply_program(unit, ApplyProgram(wide), now_ms)
        points = (TRIES + 1) * rewards
        adjust_points(
            unit, AdjustPoints(wide.program_id, own.things["member"], points, "rewards"), now_ms
        )

    await store.write(fill, APPLY_S)
    await store.refresh_catalog(APPLY_S)
    return list(added)


async def _claim_of(own: World, names: list[str]) -> Costly:
    """Write the claim of an order of its own with all these rewards."""
    request = report(pb.ReportOrderRequest, await own.open())
    del request.transaction_details.applied_discounts[:]
    (line, *_) = request.transaction_details.order
    del request.transaction_details.order[:]
    for name in names:
        line.product_type, line.incentive_id = "reward", name
        request.transaction_details.order.append(line)
    return Costly(f"claim of {len(names)} rewards that are counted", request.SerializeToString())


async def _offers_and_products(own: World, names: list[str]) -> list[tuple[Rpc, Costly]]:
    """Write orders of all these offers, and products for the rest of the lines."""
    found = []
    for rpc in all_rpcs():
        if "transaction_details" not in rpc.request.DESCRIPTOR.fields_by_name:
            continue
        good = await template(own, rpc)
        details = good.transaction_details
        details.CopyFrom(wide_order(500))
        for number, line in enumerate(details.order):
            line.product_id = f"bought {number}"
            line.ClearField("incentive_id")
            line.ClearField("loyalty_engine_id")
            line.product_type = "item"
            if number < len(names):
                line.product_type, line.incentive_id = "offer", names[number]
        del details.applied_discounts[:]
        told = f"{len(names)} offers with long lists"
        found.append((rpc, Costly(told, good.SerializeToString())))
    return found


class Meter:
    """Calls the server's handlers, and measures this process while it does nothing else."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._libc = ctypes.CDLL(None)
        self._peak = Path("/proc/self/clear_refs")

    async def measure(self, rpc: Rpc, data: bytes, headers: Mapping[str, str]) -> Cost:
        """Make a call, again while it is too dear."""
        best = await self._once(rpc, data, headers)
        for _ in range(TRIES - 1):
            if best.cpu_s <= CPU_MAX_S and best.grown_mib <= MEMORY_MAX_MIB:
                break
            again = await self._once(rpc, data, headers)
            best.cpu_s = min(best.cpu_s, again.cpu_s)
            best.grown_mib = min(best.grown_mib, again.grown_mib)
        return best

    async def measure_each(
        self, rpc: Rpc, make: Callable[[], Awaitable[Costly]], headers: Mapping[str, str]
    ) -> tuple[Cost, Costly]:
        """Measure a call that has its effect once, made again while it costs too much."""
        best, costly = Cost(inf, inf, ""), Costly("", b"")
        for _ in range(TRIES):
            costly = await make()
            again = await self._once(rpc, costly.data, headers)
            best = Cost(
                min(best.cpu_s, again.cpu_s), min(best.grown_mib, again.grown_mib), again.outcome
            )
            if best.cpu_s <= CPU_MAX_S and best.grown_mib <= MEMORY_MAX_MIB:
                break
        return best, costly

    async def _once(self, rpc: Rpc, data: bytes, headers: Mapping[str, str]) -> Cost:
        gc.collect()
        # What was freed must not hide what is needed now.
        self._libc.malloc_trim(0)
        self._peak.write_text("5", "ascii")  # The peak begins again.
        before = _memory_mib("VmRSS")
        began = time.process_time()
        outcome = await self._inside.call(rpc, data, headers)
        spent = time.process_time() - began
        return Cost(spent, _memory_mib("VmHWM") - before, outcome)


def _loop_s() -> float:
    """Time a little work, to know how fast the machine is now."""
    began, total = time.process_time(), 0
    for number in range(200_000):
        total += number
    return time.process_time() - began


def _memory_mib(name: str) -> float:
    text = Path(f"/proc/{os.getpid()}/status").read_text("ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None, name
    return int(found[1]) / 1024


async def _requests(trial: Trial, own: World) -> list[tuple[Rpc, Costly]]:
    found: list[tuple[Rpc, Costly]] = []
    lists = 0
    for rpc in all_rpcs():
        good = await template(own, rpc)
        found += [(rpc, costly) for costly in costly_requests(rpc, good)]
        if "transaction_details" in rpc.request.DESCRIPTOR.fields_by_name:
            good.transaction_details.CopyFrom(wide_order(500))
            found.append((rpc, Costly("widest order", good.SerializeToString())))
        lists += len(list(lists_of(rpc)))
    trial.figure("lists", lists)
    trial.figure("costly requests", len(found))
    if trial.full:
        return found
    largest = [
        max((pair for pair in found if name in pair[1].name), key=lambda pair: len(pair[1].data))
        for name in ALWAYS
    ]
    return largest + trial.chance("sample").sample(found, SAMPLE)


async def run(trial: Trial) -> None:
    """Make the costliest calls there are, one after the other, and measure each."""
    dearest: tuple[float, str] = (0.0, "")
    largest: tuple[float, str] = (0.0, "")
    async with AsyncExitStack() as cleanup:
        worlds = await open_worlds(cleanup, trial.new_database(), trial.folder)
        meter, own = Meter(Inside(worlds.store)), worlds.own
        tried = await _requests(trial, own)
        for rpc in all_rpcs():  # Rules are compiled at their first use.
            await meter.measure(rpc, b"", own.headers())
        rewards = await _add_rewards(worlds.store, own, REWARDS)

        def judge(rpc: Rpc, costly: Costly, cost: Cost) -> None:
            nonlocal dearest, largest
            told = f"{rpc.name} {costly.name}, {len(costly.data)} bytes"
            dearest = max(dearest, (cost.cpu_s, told))
            largest = max(largest, (cost.grown_mib, told))
            trial.require(cost.outcome not in BROKEN, f"{told}: {cost.outcome}")
            # Beside other tests: they take a part of each core's speed.
            most_s = trial.choose(CPU_MAX_S, 2 * CPU_MAX_S * max(1, _loop_s() / LOOP_S))
            trial.require(cost.cpu_s <= most_s, f"{told}: {1000 * cost.cpu_s:.0f} ms")
            trial.require(cost.grown_mib <= MEMORY_MAX_MIB, f"{told}: {cost.grown_mib:.0f} MiB")

        rpc = rpc_named("TransactionService/ReportOrder")
        cost, costly = await meter.measure_each(rpc, lambda: _claim_of(own, rewards), own.headers())
        trial.require(cost.outcome == "OK", f"{costly.name}: {cost.outcome}")
        trial.figure(f"{costly.name}, ms", round(1000 * cost.cpu_s))
        judge(rpc, costly, cost)
        names = await _enlarge(worlds.store, own, trial.choose(500, 40))
        for count in {min(40, len(names)), len(names)}:
            tried += await _offers_and_products(own, names[:count])
        gc.collect()
        gc.freeze()
        for number, (rpc, costly) in enumerate(tried):
            dialect = DIALECTS[number % len(DIALECTS)]
            headers = own.headers(loyalty_dialect=dialect) if dialect else own.headers()
            judge(rpc, costly, await meter.measure(rpc, costly.data, headers))
        gc.unfreeze()
        await _over_the_network(trial, own, tried)
    trial.figure("tried", len(tried))
    trial.say(f"dearest {dearest}, largest {largest}")
    trial.figure("dearest ms", round(1000 * dearest[0]))
    trial.figure("largest MiB", round(largest[0]))


async def _over_the_network(trial: Trial, own: World, tried: list[tuple[Rpc, Costly]]) -> None:
    """See that such calls end as refusals at both doors, compressed or not."""
    for rpc, costly in tried[:: max(len(tried) // trial.choose(300, 3), 1)]:
        for way in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            call: Any = own.doors.channel.unary_unary(rpc.path)
            headers = tuple(own.headers().items())
            outcome = "OK"
            try:
                await call(costly.data, metadata=headers, timeout=10, compression=way)
            except grpc.aio.AioRpcError as error:
                outcome = error.code().name
            told = f"{rpc.name} {costly.name} over gRPC, {way.name}: {outcome}"
            trial.require(outcome not in BROKEN, told)
    long = [
        (rpc, path, element) for rpc in all_rpcs() for path in lists_of(rpc) for element in ELEMENTS
    ]
    for rpc, path, element in long if trial.full else trial.chance("JSON").sample(long, 3):
        await _send_elements(trial, own, rpc, path, element)


async def _send_elements(trial: Trial, own: World, rpc: Rpc, path: Fields, element: str) -> None:
    """Send a list of as many JSON elements as fit; of some kinds Envoy drops all."""
    good = await template(own, rpc)
    route = rpc.route_for(good)
    url, content = rpc.call_of(good, route)
    if content is None:
        return  # In a query, which has no room for many.
    place: Any = content
    for part in path[:-1]:
        place = place.setdefault(part.json_name, {})
    place[path[-1].json_name] = "ELEMENTS"
    count = (MESSAGE_BYTES_MAX - HEAD_BYTES) // (len(element) + 1)
    listed = f"[{','.join([element] * count)}]"
    body = json.dumps(content).replace('"ELEMENTS"', listed).encode()
    response, took_s = await _come_again(own, route.method, url, body)
    status = response.status
    told = f"{rpc.name} {count} times {element} in {path[-1].name}: {status}, {took_s:.1f} s"
    trial.require(status != HTTPStatus.TOO_MANY_REQUESTS, told)
    trial.require(status == HTTPStatus.BAD_REQUEST or (element != "{}" and status < 500), told)
    trial.require(took_s < SLOW_S, told)


async def _come_again(own: World, method: str, url: str, body: bytes) -> tuple[Response, float]:
    """Send a call until it is let in, waiting as told; returns how long the last try took, too."""
    for _ in range(TURNED_AWAY_MAX):
        began = time.monotonic()
        response = await own.doors.http.request(method, url, body, own.headers())
        took_s = time.monotonic() - began
        if response.status != HTTPStatus.TOO_MANY_REQUESTS:
            break
        told_s = int(response.header("retry-after") or "0")
        assert 0 < told_s <= WAIT_MAX_S, response
        await asyncio.sleep(told_s)
    return response, took_s


GOALS = (
    Goal(
        "G31",
        "Costly calls",
        "No call that is let in costs the server more than 50 ms and 32 MiB, whatever is in it.",
        run,
        (SQLITE,),
    ),
)
