"""
`python -m tests.benchmark.members`: what a call costs for a member who has everything.

One process without a transport serves three members in turns: one of a program without goals,
grants and points that go; one who is new in a program with twenty goals, who has nothing yet; and
one of that program with a year or three of daily orders behind her, so with 1,000 buckets, and with
50 grants. It prints the processor time of an identify and of a claim, and their ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from ruamel.yaml import YAML

from loyalty_service.application.members.enroll_member import new_member
from loyalty_service.application.operators.grants import GiveGrants
from loyalty_service.application.operators.grants import give_grants as _give_grants
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.events import OPERATOR
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import COUNT_MOST, LimitName, Limits
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.store import Store
from tests.benchmark.plan import Spread
from tests.support.orders import CLAIMED, DAY_MS, START_MS, Till, basket, item, report
from tests.support.programs import KEY, PROGRAM_ID, put_program

PEPPER = b"a pepper of thirty-two bytes....."
PLAIN_ID = "demo-us"
GOALS, GRANTS, BUCKETS = 20, 50, 1_000
GRANTED = "9d3c7d2e-5f4b-4a55-8a4e-00000000{:04d}"
IN_FLIGHT = 16
ORDER = basket(item(649, plu="1001"), item(299, plu="1002"), item(179, plu="2412"))


@dataclass(frozen=True, slots=True)
class Guest:
    """A member, and the key of her program."""

    name: str
    key: ApiKey
    loyalty_id: str


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.members", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=160, help="of each kind in a round")
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


async def _live(till: Till, guest: Guest, options: argparse.Namespace) -> None:
    """Order once a day, and be given offers."""
    for day in range(options.buckets):
        till.now_ms = START_MS + day * DAY_MS
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


async def _timed(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Make calls, some at a time; return the microseconds of processor time that each took."""
    before = time.process_time_ns()
    for first in range(0, calls, IN_FLIGHT):
        await asyncio.gather(*(call() for _ in range(min(IN_FLIGHT, calls - first))))
    return (time.process_time_ns() - before) / calls / 1_000


async def _measure(till: Till, guest: Guest, calls: int) -> dict[str, float]:
    till.key = guest.key
    opened: list[str] = []

    async def identify() -> None:
        opened.append(await till.identify(guest.loyalty_id))

    async def claim() -> None:
        await _claim(till, opened.pop())

    return {"identify": await _timed(identify, calls), "claim": await _timed(claim, calls)}


async def _run(options: argparse.Namespace, folder: Path) -> None:
    everything, plain = _programs(options.goals, options.grants)
    database = Database.from_text(f"sqlite:///{folder}/loyalty.db")
    migrate(database)
    async with Store(database, PEPPER) as store:
        till = Till(store)
        await put_program(store, everything)
        await put_program(store, plain)
        other = replace(KEY, program_id=plain.program_id, region="US")
        guests = (
            Guest("plain program", other, await _enroll(store, PLAIN_ID)),
            Guest("new member", KEY, await _enroll(store, PROGRAM_ID)),
            Guest("rich member", KEY, await _enroll(store, PROGRAM_ID)),
        )
        await _live(till, guests[2], options)
        found: dict[str, list[dict[str, float]]] = {guest.name: [] for guest in guests}
        for turn in range(-1, options.rounds):
            for guest in guests if turn % 2 == 0 else reversed(guests):
                took = await _measure(till, guest, options.calls)
                if turn >= 0:
                    found[guest.name].append(took)
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
