"""G45: who follows events dies, lags and returns; messages are lost, doubled and held up."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.webhooks import AddWebhook, add_webhook
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.webhooks import deliver as delivering
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.events import FeedPosition
from loyalty_service.domain.feed import Wanted
from loyalty_service.domain.webhooks import DeliveryStatus, Webhook, shown_secret
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.transport.servicers.event import event_name
from loyalty_service.webhooks import courier as couriers
from loyalty_service.webhooks import postroom as postrooms
from loyalty_service.webhooks.http_post import new_poster
from loyalty_service.webhooks.postroom import deliver_forever
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.planted import Bug, planted
from tests.support.ledger import audit, rows
from tests.support.orders import COFFEE
from tests.support.programs import PROGRAM_ID, enroll, identify_command, issue, put_program
from tests.support.receiver import HANGS, LOSES, Message, Receiver
from tests.support.stores import PEPPER

MEMBERS = 6
POINTS = 5000
WRITERS = 4
PAGES = (1, 2, 3, 7, 20, 100)
WAITS_S = (0.05,) * 400
"""Short and many, so that no message is given up while a trial lasts."""

TIMEOUT_S = 0.25
LEASE_MS = 900
"""Short, because whoever dies lets nobody know: another waits for as long."""

DRAIN_S = 120.0
QUIET_S = 2.5
"""Time without a message after which nothing more is on its way, where nothing waits."""

ROUGH = 0.7
"""Part of the events until which a receiver is often wrong."""

TIMES = (
    (couriers, "LEASE_MS", LEASE_MS),
    (delivering, "LEASE_MS", LEASE_MS),
    (couriers, "ASK_S", 0.1),
    (couriers, "IDLE_S", 0.3),
    (postrooms, "LOOK_S", 0.1),
)
"""What takes longer in life than in a trial."""

LIFE_S = 0.6
"""For how long a server delivers at most until it dies."""

BUGS = (
    (
        "never came",
        Bug("what did not arrive is forgotten", "settle_deliveries", "unit.add(_)", "None"),
    ),
    (
        "out of order",
        Bug(
            "messages of a member overtake one that failed",
            "Courier._send_chain",
            "_.status is WAITING",
            "False",
        ),
    ),
    (
        "never came",
        Bug(
            "a page that is full counts as read to its bound",
            "_window",
            "events[-1].event_id",
            "bounds.newest",
        ),
    ),
)
"""Each with what must be said of it."""

BALANCES = """
SELECT member.loyalty_id, account.kind, account.balance, account.sequence
FROM account JOIN member ON member.number = account.member_number
WHERE account.kind IN (1, 2)
"""
EVENTS = f"SELECT unit, event_id FROM event WHERE program_id = '{PROGRAM_ID}'"  # noqa: S608 - ours.

Count = tuple[int, int]


@dataclass
class Follower:
    """
    What somebody has who follows events: each counted once, in the order in which they came first.

    Attributes:
        names: Events by their names, and how often each came.
        balances: Points and sequence of each account of a member, by the largest sequence.
        counts: The sums of sequences of each member, in the order of the events.
    """

    names: Counter[str] = field(default_factory=Counter)
    balances: dict[tuple[str, int], Count] = field(default_factory=dict)
    counts: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def take(self, name: str, member: str | None, accounts: Iterable[Count | None]) -> None:
        """Take note of an event."""
        self.names[name] += 1
        both = [one for one in accounts if one is not None]
        if self.names[name] > 1 or member is None or not both:
            return
        self.counts[member].append(sum(sequence for _, sequence in both))
        for kind, (points, sequence) in enumerate(both, 1):
            if sequence >= self.balances.get((member, kind), (0, -1))[1]:
                self.balances[member, kind] = points, sequence

    def problems(self, expected: set[str], balances: dict[tuple[str, int], Count]) -> list[str]:
        """Tell what is missing, out of order or wrong."""
        found = []
        if missing := expected - set(self.names):
            found.append(f"{len(missing)} events never came")
        if unknown := set(self.names) - expected:
            found.append(f"{len(unknown)} events came that there are not")
        out_of_order = [one for one, counts in self.counts.items() if counts != sorted(counts)]
        if out_of_order:
            found.append(f"events of {len(out_of_order)} members came out of order")
        wrong = [
            place for place, balance in balances.items() if self.balances.get(place) != balance
        ]
        if wrong:
            found.append(f"{len(wrong)} balances are not those of the database")
        return found


class Tally:
    """How often what went wrong."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, what: str) -> None:
        """Count something."""
        self.counts[what] += 1


async def _write(store: Store, guests: Sequence[str], chance: Random, count: int) -> None:
    """Change members' points in ways that leave several events each."""
    done = 0
    while done < count:
        guest = chance.choice(guests)
        with suppress(LoyaltyError):
            if chance.random() < 0.3:
                command = identify_command(await issue(store, guest, COFFEE))
                run = Run(identify_member, command)
            else:
                points = chance.choice((1, 2, 50, -1))
                gift = AdjustPoints(PROGRAM_ID, guest, points, "trial", beyond_limits=True)
                run = Run(adjust_points, gift)
            await store.write(partial(perform, run=run))
            done += 1


async def _follow(
    store: Store, follower: Follower, chance: Random, written: asyncio.Event, tally: Tally
) -> None:
    """Read pages; now and then die with what was not kept yet, or lag, and return."""
    kept = FeedPosition()
    kept_names: list[str] = []
    wanted = Wanted(PROGRAM_ID)
    while True:
        position, last = kept, written.is_set()
        for _ in range(chance.randrange(1, 5)):
            async with store.read() as reader:
                page = await reader.events(position, chance.choice(PAGES), wanted)
            for event in page.events:
                accounts = [
                    None if one is None else (one.points, one.sequence)
                    for one in (event.available, event.held)
                ]
                follower.take(event_name(event), event.loyalty_id, accounts)
                kept_names.append(event_name(event))
            position = page.position
        if chance.random() < 0.3 and not last:
            tally.add("followers that died")  # It goes on from where it was before.
        else:
            kept = position
        if last and not page.events and not page.more:
            return
        await asyncio.sleep(chance.choice((0, 0, 0.01, 0.1)))


def _answering(chance: Random, refused: float, calm: asyncio.Event, tally: Tally) -> Any:
    """Answer as a receiver that refuses, hangs, or takes a message and loses its answer."""

    def answer(message: Message) -> int:
        del message
        if calm.is_set():
            return 204
        chosen = chance.random()
        if chosen < refused:
            tally.add("messages refused")
            return 503
        if chosen < refused + 0.02:
            tally.add("messages that hung")
            return HANGS
        if chosen < refused + 0.12:
            tally.add("answers lost")
            return LOSES
        return 204

    return answer


@contextmanager
def _sudden_deaths() -> Iterator[None]:
    """Have servers that die let go of nothing, and others take over sooner than in life."""

    async def nothing(_courier: couriers.Courier) -> None:
        """Let go of nothing."""

    with ExitStack() as stack:
        for place, name, value in (*TIMES, (couriers.Courier, "_release", nothing)):
            stack.enter_context(patch.object(place, name, value))
        yield


@asynccontextmanager
async def _delivering(stores: Sequence[Store], chance: Random, tally: Tally) -> AsyncIterator[None]:
    """Deliver from one server or another, each of which dies again and again."""

    async def live(store: Store) -> None:
        poster = new_poster(TIMEOUT_S, allow_private=True)
        while True:
            life = asyncio.create_task(deliver_forever(store, poster, waits_s=WAITS_S))
            try:
                await asyncio.sleep(LIFE_S * (1 + 4 * chance.random()))
            finally:
                life.cancel()
                await asyncio.wait((life,))
            tally.add("deliverers that died")

    tasks = [asyncio.create_task(live(store)) for store in stores]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _round(trial: Trial, name: str, writes: int, refused: float) -> tuple[list[str], Tally]:
    """Let everything happen at once on a database; tell what was wrong in the end."""
    url = trial.new_database()
    database = Database.from_text(url)
    tally = Tally()
    written, calm = asyncio.Event(), asyncio.Event()
    followers = [Follower() for _ in range(3)]
    answering = _answering(trial.chance(name, "receiver"), refused, calm, tally)
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(Store(database, PEPPER, WRITERS))
            for _ in range(1 if trial.kind == SQLITE else 2)
        ]
        await put_program(stores[0])
        receiver = await stack.enter_async_context(Receiver(answering))
        command = AddWebhook(PROGRAM_ID, receiver.url, (), FeedPosition())
        run = Run(add_webhook, command)
        webhook: Webhook = (await stores[0].write(partial(perform, run=run))).result
        guests = [await enroll(stores[0], POINTS) for _ in range(MEMBERS)]
        async with _delivering(stores, trial.chance(name, "lives"), tally):
            following = [
                asyncio.create_task(
                    _follow(stores[n % len(stores)], one, trial.chance(name, n), written, tally)
                )
                for n, one in enumerate(followers)
            ]
            await asyncio.gather(
                *(
                    _write(store, guests, trial.chance(name, "writer", n, m), writes)
                    for n, store in enumerate(stores)
                    for m in range(WRITERS)
                )
            )
            written.set()
            await asyncio.gather(*following)
            expected = {_name(unit, event_id) for unit, event_id in rows(url, EVENTS)}
            with suppress(TimeoutError):
                await receiver.wait_for_any(round(ROUGH * len(expected)), trial.choose(60.0, 6.0))
            calm.set()
            drained = await _drained(stores[0], webhook, receiver, expected)
    balances = {
        (member, int(kind)): (int(points), int(sequence))
        for member, kind, points, sequence in rows(url, BALANCES)
    }
    problems = [
        f"follower {number}: {problem}"
        for number, one in enumerate(followers)
        for problem in one.problems(expected, balances)
    ]
    told = _told(receiver.taken)
    problems += [f"webhook: {problem}" for problem in told.problems(expected, balances)]
    if not drained:
        problems.append("webhook: messages wait though the receiver takes all")
    if not all(message.is_signed(shown_secret(webhook.secret)) for message in receiver.came):
        problems.append("webhook: messages were not signed")
    audit(url)
    tally.counts["events"] += len(expected)
    tally.counts["read twice"] += sum(sum(one.names.values()) - len(one.names) for one in followers)
    tally.counts["messages taken twice"] += sum(told.names.values()) - len(told.names)
    return problems, tally


def _name(unit: int, event_id: int) -> str:
    """Name an event as readers know it."""

    @dataclass
    class Row:
        unit: int
        event_id: int

    return event_name(Row(unit, event_id))  # type: ignore[arg-type]


async def _drained(store: Store, webhook: Webhook, receiver: Receiver, expected: set[str]) -> bool:
    """Wait until nothing is on its way to a webhook; tell whether nothing waits."""
    clock = asyncio.get_running_loop().time
    came, since_s = -1, clock()
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while True:
                async with store.read() as reader:
                    left = await reader.deliveries(
                        webhook.webhook_id, (DeliveryStatus.WAITING, DeliveryStatus.DEAD), 1
                    )
                if len(receiver.came) != came:
                    came, since_s = len(receiver.came), clock()
                whole = {one.name for one in receiver.taken} >= expected
                if not left and (whole or clock() - since_s > QUIET_S):
                    return True
                await asyncio.sleep(0.05)
    return False


def _told(taken: Sequence[Message]) -> Follower:
    """Make of messages what their receiver knows."""
    told = Follower()
    for message in taken:
        data = message.event["data"]
        accounts = [
            (data[account]["points"], data[account]["sequence"]) if account in data else None
            for account in ("available", "held")
        ]
        told.take(message.name, data.get("loyaltyId"), accounts)
    return told


async def run(trial: Trial) -> None:
    """Try it several times, and with each planted bug."""
    with _sudden_deaths():
        await _tries(trial)


async def _tries(trial: Trial) -> None:
    total: Counter[str] = Counter()
    for number in range(trial.choose(8, 1)):
        problems, tally = await _round(trial, f"round {number}", trial.choose(150, 12), 0.2)
        total += tally.counts
        trial.problems += problems
    found = 0
    for words, bug in BUGS:
        with planted(bug):
            problems, _ = await _round(trial, bug.name, trial.choose(30, 16), 0.5)
        seen = any(words in problem for problem in problems)
        found += seen
        trial.require(seen, f"the planted bug was not found: {bug.name}: {problems}")
    for name in sorted(total):
        trial.figure(name, total[name])
    trial.figure("planted bugs found", f"{found} of {len(BUGS)}")


GOALS = (
    Goal(
        "G45",
        "Events",
        "Whoever follows events, by pages or by a webhook, gets each one at least once and those "
        "of a member in order, however often readers, receivers and servers die.",
        run,
    ),
)
