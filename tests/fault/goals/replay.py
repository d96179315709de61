"""G6: whatever writes, sent again and again with one key, at once and over restarts."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from google.protobuf.message import Message

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.senders import GrpcSender, JsonSender, LostError, Sender, Sent
from tests.support.banks import open_callers, prepare_bank, run_servers
from tests.support.ledger import audit, rows
from tests.support.writings import CALLS, Desk, unlisted_calls

MEMBERS = 64
POINTS = 1_000_000
CHANNELS = 4
TIMES = (2, 50)
TIMES_SHORT = (2, 5)
REUSED = "IDEMPOTENCY_KEY_REUSED"
TABLES = (
    "transfer",
    "loyalty_transaction",
    "hold",
    "redemption",
    "code",
    "session",
    "member",
    "remembered_answer",
)


def count_all(url: str) -> Counter[str]:
    """Count the rows of every table that a call may write to."""
    parts = (f"SELECT '{name}' AS name, count(*) AS number FROM {name}" for name in TABLES)  # noqa: S608
    return Counter({row.name: row.number for row in rows(url, " UNION ALL ".join(parts))})


@dataclass
class Replay:
    """
    One key: what is sent under it, and what it was answered.

    Attributes:
        requests: Two requests that differ; one of them gets the key.
        contested: Whether both requests are sent at once while nobody has the key.
        winner: Which request got the key; absent until one is answered.
        refused: Requests that heard that the key is taken.
        answers: Bytes of the answer, by door; the JSON door has bytes of its own.
        firsts: Answers that did not call themselves repeated.
    """

    name: str
    key: str
    requests: tuple[Message, Message]
    contested: bool
    winner: int | None = None
    refused: set[int] = field(default_factory=set)
    answers: dict[type, bytes] = field(default_factory=dict)
    firsts: int = 0

    @property
    def method(self) -> str:
        """The call, as `Service/Method`."""
        return CALLS[self.name].method


@dataclass
class Rehearsal:
    """All keys of a trial, and what came of sending under them."""

    doors: Sequence[Sender] = ()
    calls: int = 0
    refused: int = 0
    sent_again: int = 0
    wrong: list[str] = field(default_factory=list)

    async def send(self, replay: Replay, which: int, door: Sender) -> Sent:
        """Send one of a key's requests until it is answered, and judge the answer."""
        while True:
            try:
                sent = await door.send(replay.method, replay.requests[which], replay.key)
            except LostError:
                self.sent_again += 1
                continue
            break
        self.calls += 1
        if sent.reason == REUSED:
            self.refused += 1
            replay.refused.add(which)
        elif sent.reason:
            self.wrong.append(f"{replay.name} under {replay.key} was refused: {sent.reason}")
        else:
            self._take(replay, which, door, sent)
        # Only the other request may hear that the key is taken.
        if replay.winner in replay.refused:
            self.wrong.append(f"{replay.name}: the request that has {replay.key} was refused")
        return sent

    def _take(self, replay: Replay, which: int, door: Sender, sent: Sent) -> None:
        if replay.winner is None:
            replay.winner = which
        if replay.winner != which:
            self.wrong.append(f"{replay.name}: two requests were answered under {replay.key}")
        first = replay.answers.setdefault(type(door), sent.body)
        if sent.body != first:
            self.wrong.append(f"{replay.name}: {replay.key} was answered with other bytes")
        replay.firsts += not sent.repeated

    async def at_once(self, replay: Replay, chance: random.Random, times: int) -> None:
        """Send many times at the same instant, a contested key's both requests."""
        sends = []
        for _ in range(times):
            which = chance.randrange(2) if replay.contested else 0
            sends.append(self.send(replay, which, chance.choice(self.doors)))
        await asyncio.gather(*sends)

    async def in_turn(self, replay: Replay, chance: random.Random, times: int) -> None:
        """Send many times, one after the other, and the other request once among them."""
        right = replay.winner or 0
        refused = chance.randrange(times)
        for number in range(times):
            await self.send(replay, right, chance.choice(self.doors))
            if number == refused:
                sent = await self.send(replay, 1 - right, chance.choice(self.doors))
                if sent.reason != REUSED:
                    self.wrong.append(f"{replay.name}: {replay.key} took another request")


@asynccontextmanager
async def open_doors(
    trial: Trial, url: str, members: Iterator[str], *, json: bool
) -> AsyncIterator[tuple[Desk, list[Sender]]]:
    """Start servers, with Envoy before them if asked; return a desk and doors to all of them."""
    servers = 1 if trial.kind == SQLITE else 2
    async with (
        run_servers(url, trial.folder, servers, processes=trial.full) as addresses,
        open_callers(addresses, CHANNELS) as callers,
    ):
        desk = Desk(callers[0], members)
        doors: list[Sender] = [GrpcSender(caller) for caller in callers]
        if not json:
            yield desk, doors
            return
        ports = [int(address.rpartition(":")[2]) for address in addresses]
        envoy = EnvoyProcess(
            folder=trial.folder / "envoy", grpc_port=ports[0], other_grpc_ports=ports[1:]
        )
        async with envoy:
            yield desk, [*doors, *(OneShot(envoy.http_port) for _ in range(CHANNELS))]


class OneShot(JsonSender):
    """A JSON door with a connection for every call, as many at once as are sent."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._target = port

    async def send(self, method: str, request: Message, key: str | None) -> Sent:
        """See `Sender.send`."""
        door = JsonSender(self._target)
        try:
            return await door.send(method, request, key)
        finally:
            door.close()


async def _effects(url: str, desk: Desk, door: Sender) -> dict[tuple[str, int], Counter[str]]:
    """Learn what each request does when it is sent once, by what it adds to the tables."""
    effects = {}
    for name in CALLS:
        for which in range(2):
            requests = await CALLS[name].prepare(desk)
            before = count_all(url)
            await door.send(CALLS[name].method, requests[which], f"alone-{name}-{which}")
            after = count_all(url)
            after.subtract(before)
            effects[name, which] = after
    return effects


async def _wave(
    trial: Trial,
    rehearsal: Rehearsal,
    url: str,
    number: int,
    effects: dict[tuple[str, int], Counter[str]],
    desk: Desk,
) -> list[Replay]:
    """Make ready a key for every call that writes and send each at once, then in turn."""
    chance = trial.chance("wave", number)
    replays = [
        Replay(
            name, f"{number}-{name}", await CALLS[name].prepare(desk), bool(chance.getrandbits(1))
        )
        for name in CALLS
    ]
    before = count_all(url)
    await _send_all(trial, rehearsal, replays, number, "first")
    due = Counter[str]()
    for replay in replays:
        due.update(effects[replay.name, replay.winner or 0])
    after = count_all(url)
    after.subtract(before)
    for table in TABLES:
        if after[table] != due[table]:
            rehearsal.wrong.append(
                f"wave {number} added {after[table]} to {table} where {due[table]} are due"
            )
    for replay in replays:
        # The first answer may have been lost on its way.
        if replay.firsts > 1 or (not replay.firsts and not rehearsal.sent_again):
            rehearsal.wrong.append(f"{replay.name}: {replay.firsts} answers were called the first")
    return replays


async def _send_all(
    trial: Trial, rehearsal: Rehearsal, replays: Sequence[Replay], number: int, when: str
) -> None:
    least, most = trial.choose(TIMES, TIMES_SHORT)

    async def send(replay: Replay) -> None:
        chance = trial.chance("sends", number, replay.name, when)
        await rehearsal.at_once(replay, chance, chance.randint(least, most))
        await rehearsal.in_turn(replay, chance, chance.randint(least, most))

    await asyncio.gather(*(send(replay) for replay in replays))


async def run(trial: Trial) -> None:
    """
    Send every call that writes 2 to 50 times under one key, at once, in turn and after restarts.

    Each key has one effect and one answer, in the same bytes every time; another request under it
    is refused, every time; of two requests that race for a key one gets it.
    """
    trial.require(not unlisted_calls(), f"no replay is tried of {sorted(unlisted_calls())}")
    waves = trial.choose(24, 1)
    batch = trial.choose(4, 1)
    url = trial.new_database()
    members = itertools.cycle(await prepare_bank(url, [POINTS] * MEMBERS))
    rehearsal = Rehearsal()
    effects: dict[tuple[str, int], Counter[str]] = {}
    kept: list[tuple[int, list[Replay]]] = []
    restarts = 0
    for first in range(0, waves, batch):
        async with open_doors(trial, url, members, json=trial.full) as (desk, doors):
            rehearsal.doors = doors
            effects = effects or await _effects(url, desk, doors[0])
            before = count_all(url)
            # What earlier servers answered must be known to this one, and change nothing.
            for number, replays in kept:
                await _send_all(trial, rehearsal, replays, number, f"after {first}")
            if count_all(url) != before:
                rehearsal.wrong.append("a replay after a restart left rows behind")
            kept = [
                (number, await _wave(trial, rehearsal, url, number, effects, desk))
                for number in range(first, first + batch)
            ]
        restarts += 1
        trial.say(f"{first + batch} of {waves} waves, {rehearsal.calls:,} calls")
        if rehearsal.wrong:
            break
    async with open_doors(trial, url, members, json=trial.full) as (_, doors):
        rehearsal.doors = doors
        before = count_all(url)
        for number, replays in kept:
            await _send_all(trial, rehearsal, replays, number, "at last")
        if count_all(url) != before:
            rehearsal.wrong.append("a replay after a restart left rows behind")
    audit(url)
    trial.problems += rehearsal.wrong[:10]
    trial.require(rehearsal.refused, "no request ever met another's key, so nothing was tried")
    trial.figure("calls that write", len(CALLS))
    trial.figure("keys", waves * len(CALLS))
    trial.figure("sends", rehearsal.calls)
    trial.figure("refused as another's key", rehearsal.refused)
    trial.figure("restarts", restarts)
    trial.figure("sent again", rehearsal.sent_again)


GOALS = (
    Goal(
        "G6",
        "Replay",
        "A call sent again under its key has one effect and one answer, however often and when.",
        run,
    ),
)
