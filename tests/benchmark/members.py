"""
`python -m tests.benchmark.members`: what a call costs for a member who has everything.

A server on SQLite serves three members over gRPC, in turns: one of a program without goals, grants
and points that go; one who is new in a program with twenty goals; and one of that program with
1,000 days of orders behind her, so with 1,000 buckets, and with 50 grants. It prints the server's
processor time for an identify and a claim, and their ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from rich.console import Console
from ruamel.yaml import YAML

from loyalty.v1 import (
    identify_service_pb2,
    identify_service_pb2_grpc,
    order_pb2,
    transaction_service_pb2_grpc,
)
from loyalty.v1 import transaction_service_pb2 as transaction_pb2
from loyalty_service.application.members.enroll_member import new_member
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.grants import GiveGrants
from loyalty_service.application.operators.grants import give_grants as _give_grants
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.events import OPERATOR
from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import COUNT_MOST, LimitName, Limits
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.store import Store
from loyalty_service.transport.choosing import GRPCIO
from tests.benchmark.echo import NATIVE
from tests.benchmark.machine import thread_us
from tests.benchmark.plan import Spread
from tests.benchmark.population import PEPPER, STORE_ID
from tests.benchmark.subjects import process, server_settings, wait_for_health
from tests.support.doing import create_key
from tests.support.http import free_port
from tests.support.orders import CLAIMED, DAY_MS, START_MS, Till, basket, item, report
from tests.support.programs import PROGRAM_ID, put_program

PLAIN_ID = "demo-us"
GOALS, GRANTS, BUCKETS = 20, 50, 1_000
GRANTED = "9d3c7d2e-5f4b-4a55-8a4e-00000000{:04d}"
IN_FLIGHT = 16
_numbers = count(1)
ORDER = basket(item(649, plu="1001"), item(299, plu="1002"), item(179, plu="2412"))


@dataclass(frozen=True, slots=True)
class Guest:
    """A member, and the key of her program."""

    name: str
    key: str
    loyalty_id: str


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.members", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=480, help="of each kind in a round")
    parser.add_argument("--transport", choices=(GRPCIO, NATIVE), default=GRPCIO)
    parser.add_argument("--buckets", type=int, default=BUCKETS)
    parser.add_argument("--grants", type=int, default=GRANTS)
    parser.add_argument("--goals", type=int, default=GOALS)
    return parser.parse_args()


def _programs(goals: int, grants: int) -> tuple[Program, Program]:
    """Describe a program with everything, and one without goals, grants and points that go."""
    document = YAML(typ="safe").load(PROGRAM_FILE)
    for name in ("tiers", "goals", "grants", "expiry"):
        document.pop(name, None)
    document["incentives"] = [
        {**incentive, "rules": {k: v for k, v in rules.items() if k not in ("tiers", "granted")}}
        for incentive in document["incentives"]
        for rules in [incentive.get("rules") or {}]
    ]
    plain = _unlimited({**document, "region": "US"})
    windows = ({"days": 30}, {"months": 12}, {"calendar": "month"}, {"calendar": "year"})
    counts = ("visits", "spend", "points", "items")
    document["expiry"] = {"policy": "issue_date", "days": 1_200}
    document["goals"] = [
        {
            "id": f"goal-{number}",
            "name": f"Goal {number}",
            "count": counts[number % 4],
            **({"of": "bakery"} if counts[number % 4] == "items" else {}),
            "target": 10_000_000,
            "window": windows[number // 4 % 4],
            "gives": {"points": 10},
        }
        for number in range(goals)
    ]
    document["incentives"] += [
        {
            "id": GRANTED.format(number),
            "kind": "offer",
            "name": f"Offer {number}",
            "price": 0,
            "plus": f"77{number:04d}",
            "rules": {"granted": True},
        }
        for number in range(grants)
    ]
    return _unlimited(document), plain


def _unlimited(document: dict[str, object]) -> Program:
    program = parse_program(json.dumps(document, default=str), "benchmark.yaml")
    limits = {name: COUNT_MOST for name in LimitName if "per_" in name.value}
    limits |= {LimitName.CALLS_PER_KEY_SECOND: 1_000_000}
    return replace(program, limits=Limits.of(limits))


class _QuickTill(Till):
    """A till whose answers cost next to nothing to write down."""

    def _render(self, result: Any) -> bytes:
        body = b"%d" % len(self.results)
        self.results[body] = result
        return body


async def _live(till: Till, guest: Guest, options: argparse.Namespace) -> None:
    """Order once a day, and be given offers."""
    now_ms = time.time_ns() // 1_000_000
    for day in range(options.buckets, 0, -1):
        till.now_ms = now_ms - day * DAY_MS
        await _claim(till, await till.identify(guest.loyalty_id))
    for number in range(options.grants):
        command = GiveGrants(
            PROGRAM_ID, GRANTED.format(number), (guest.loyalty_id,), "benchmark", "benchmark"
        )
        await till.store.write(
            lambda unit, _, command=command: perform(
                unit, till.now_ms, Run(_give_grants, command, by=OPERATOR)
            ),
            timeout_s=30,
            reads=command.reads(),
        )


async def _enroll(store: Store, program_id: str) -> str:
    member = new_member(program_id, str(uuid.uuid4()), "Guest", START_MS)
    await store.write(lambda unit, _: unit.add_member(member), timeout_s=30)
    return member.loyalty_id


async def _claim(till: Till, transaction_id: str) -> None:
    order = report(transaction_id, CLAIMED, ORDER, key=till.key)
    # Each has a number of its own: else every one after the first is flagged as repeated.
    pos = replace(order.point_of_sale, transaction_id=transaction_id)
    await till.call(report_order, replace(order, point_of_sale=pos))


def _prepared(guest: Guest) -> _Calls:
    """Give what calls a server for a guest, who has no transaction yet."""
    pos = order_pb2.PosVendor(store_id=STORE_ID, pos_type="Partner", transaction_id="1")
    line = order_pb2.OrderLine
    lines = [
        line(
            product_id=one.product_id,
            product_type=line.item,
            price=one.price / 100,
            quantity=1,
            reference_id=str(place),
        )
        for place, one in enumerate(ORDER.lines)
        if one.price is not None
    ]
    claim = transaction_pb2.ReportOrderRequest(
        channel=order_pb2.TransactionDetails.RESTAURANT,
        service_mode=order_pb2.TransactionDetails.EAT_IN,
        status=transaction_pb2.Transaction.CLAIMED,
        transaction_details=order_pb2.TransactionDetails(
            currency="CAD", order=lines, pos_vendor=pos
        ),
    )
    identify = identify_service_pb2.IdentifyMemberRequest(
        identifier=guest.loyalty_id, pos_vendor=pos
    )
    return _Calls((("x-api-key", guest.key),), identify, claim)


@dataclass(slots=True)
class _Calls:
    """What a guest's till sends, with a number of its own each time: no order looks repeated."""

    metadata: tuple[tuple[str, str], ...]
    identify: identify_service_pb2.IdentifyMemberRequest
    claim: transaction_pb2.ReportOrderRequest
    opened: list[str] = field(default_factory=list)

    async def identified(self, channel: grpc.aio.Channel) -> None:
        """Begin a visit."""
        request = identify_service_pb2.IdentifyMemberRequest()
        request.CopyFrom(self.identify)
        request.pos_vendor.transaction_id = str(next(_numbers))
        stub = identify_service_pb2_grpc.IdentifyServiceStub(channel)
        answer = await stub.IdentifyMember(request, metadata=self.metadata)
        self.opened.append(answer.transaction_id)

    async def claimed(self, channel: grpc.aio.Channel) -> None:
        """End one."""
        request = transaction_pb2.ReportOrderRequest()
        request.CopyFrom(self.claim)
        request.loyalty_transaction_id = self.opened.pop()
        request.transaction_details.pos_vendor.transaction_id = str(next(_numbers))
        stub = transaction_service_pb2_grpc.TransactionServiceStub(channel)
        await stub.ReportOrder(request, metadata=self.metadata)


async def _timed(
    pid: int,
    call: Callable[[grpc.aio.Channel], Awaitable[None]],
    channel: grpc.aio.Channel,
    calls: int,
) -> float:
    """Make calls, some at a time; return the server's microseconds for each."""
    before = thread_us(pid)
    for first in range(0, calls, IN_FLIGHT):
        await asyncio.gather(*(call(channel) for _ in range(min(IN_FLIGHT, calls - first))))
    return (thread_us(pid) - before) / calls


async def _prepare(store: Store, options: argparse.Namespace) -> tuple[Guest, ...]:
    """Put two programs into a store, and three guests; return them with their keys."""
    everything, plain = _programs(options.goals, options.grants)
    till = _QuickTill(store)
    for program in (everything, plain):
        await put_program(store, program)
        command = CreateKey(program.program_id, "benchmark", Role.ADMIN, secret=program.program_id)
        await store.write(lambda unit, now_ms, command=command: create_key(unit, command, now_ms))
    guests = (
        Guest("plain program", PLAIN_ID, await _enroll(store, PLAIN_ID)),
        Guest("new member", PROGRAM_ID, await _enroll(store, PROGRAM_ID)),
        Guest("rich member", PROGRAM_ID, await _enroll(store, PROGRAM_ID)),
    )
    await _live(till, guests[2], options)
    return guests


async def _run(options: argparse.Namespace, folder: Path) -> None:
    database = Database.from_text(f"sqlite:///{folder}/loyalty.db")
    migrate(database)
    async with Store(database, PEPPER.encode()) as store:
        guests = await _prepare(store, options)
    port, log = free_port(), folder / "server.log"
    settings = server_settings(port, folder / "home", options.transport)
    settings |= {"LOYALTY_DATABASE_URL": f"sqlite:///{folder}/loyalty.db"}
    command = [sys.executable, "-m", "loyalty_service", "serve"]
    found: dict[str, list[dict[str, float]]] = {guest.name: [] for guest in guests}
    with process(command, log, **settings) as pid:
        wait_for_health(port, log)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            tills = [(guest.name, _prepared(guest)) for guest in guests]
            for turn in range(-1, options.rounds):
                for name, till in tills if turn % 2 == 0 else reversed(tills):
                    identify = await _timed(pid, till.identified, channel, options.calls)
                    claim = await _timed(pid, till.claimed, channel, options.calls)
                    if turn >= 0:
                        found[name].append({"identify": identify, "claim": claim})
    _print(found)


def _print(found: dict[str, list[dict[str, float]]]) -> None:
    console = Console(highlight=False)
    *others, (rich, of_rich) = found.items()
    for call in ("identify", "claim"):
        for name, rounds in found.items():
            console.print(
                f"{call:10}{name:16}{_text(Spread.of([took[call] for took in rounds]))} us"
            )
        for name, rounds in others:
            ratios = [high[call] / low[call] for high, low in zip(of_rich, rounds, strict=True)]
            console.print(f"{call:10}{rich} / {name}: {_text(Spread.of(ratios), '.2f')}")


def _text(spread: Spread, form: str = ",.0f") -> str:
    return f"{spread.middle:{form}} ({spread.low:{form}} to {spread.high:{form}})"


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        asyncio.run(_run(_options(), Path(place)))
