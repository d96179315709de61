"""G7: a till that comes back after a month, or a year, and sends again what it once sent."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import grpc
from google.protobuf.message import Message

from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.clock import DAY_MS, ClockCheck, now_ms
from loyalty_service.domain.keys import Role
from loyalty_service.sweeper import forget, sweep
from tests.fault.goal import Goal, Trial
from tests.fault.goals.replay import REUSED, count_all
from tests.fault.senders import GrpcSender, LostError, Sent
from tests.support.banks import SECRET, prepare_bank, run_here
from tests.support.doing import create_key
from tests.support.ledger import audit, execute, rows
from tests.support.logs import only_errors_logged
from tests.support.programs import PROGRAM_ID
from tests.support.server import Caller
from tests.support.stores import open_store
from tests.support.writings import CALLS, Desk, unlisted_calls

AGES = (31, 400)
POINTS = 1_000_000
MEMBERS = 64
NEW_SECRET = "lk_fault_next"
ACCOUNTS = (
    "SELECT account_id, balance, sequence FROM account WHERE sequence > 0 ORDER BY account_id"
)


class Clock:
    """A clock that can be put forward; every server in this process goes by it."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def now_ms(self) -> int:
        """Read the clock."""
        return now_ms() + self._ahead_ms

    def put_forward(self, days: int) -> None:
        """Let so many days pass, counted from the start."""
        self._ahead_ms = days * DAY_MS


@dataclass(frozen=True, slots=True)
class Kept:
    """A call as the till kept it, with what it was answered at the time."""

    name: str
    key: str
    requests: tuple[Message, Message]
    answer: bytes

    @property
    def method(self) -> str:
        """The call, as `Service/Method`."""
        return CALLS[self.name].method


@asynccontextmanager
async def _open(trial: Trial, url: str, secret: str) -> AsyncIterator[Caller]:
    """Start a server in this process; return a caller with one of the partner's keys."""
    async with (
        run_here(url, trial.folder) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield Caller(channel, secret)


async def _send(door: GrpcSender, method: str, request: Message, key: str | None) -> Sent:
    while True:
        try:
            return await door.send(method, request, key)
        except LostError:
            continue


async def _replay(door: GrpcSender, kept: Sequence[Kept], wrong: list[str]) -> int:
    """Send everything again, twice at once, and its rival, and once without the key."""
    sends = 0
    for one in kept:
        first, other = one.requests
        right = Sent(one.answer, "", repeated=True)
        answers = await asyncio.gather(
            *(_send(door, one.method, first, one.key) for _ in range(2)),
            _send(door, one.method, other, one.key),
        )
        sends += len(answers)
        if answers[:2] != [right, right]:
            wrong.append(f"{one.name}: {one.key} was answered another way")
        if answers[2].reason != REUSED:
            wrong.append(f"{one.name}: {one.key} took another request")
    return sends


def _points(url: str) -> list[Any]:
    """Read every account that was ever used: what it has, and how many transfers made it so."""
    return rows(url, ACCOUNTS)


async def run(trial: Trial) -> None:
    """
    Send every call that writes again when 31 and when 400 days are over.

    Meanwhile what was abandoned is swept, the server is started again and the partner gets a new
    API key. Each is answered with the bytes of the first time; no row is added and no account
    moves. Sent without its key, a call may do something new, but moves no points a second time.
    """
    trial.require(not unlisted_calls(), f"no replay is tried of {sorted(unlisted_calls())}")
    rounds = trial.choose(25, 1)
    url = trial.new_database()
    members = itertools.cycle(await prepare_bank(url, [POINTS] * MEMBERS))
    async with open_store(url) as store:
        command = CreateKey(PROGRAM_ID, "bank", Role.ADMIN, secret=NEW_SECRET)
        await store.write(lambda unit, now: create_key(unit, command, now))
    clock = Clock()
    kept: list[Kept] = []
    wrong: list[str] = []
    sends = keyless = swept = 0
    with (
        patch("loyalty_service.storage.writer.now_ms", clock.now_ms),
        # Time passes here only for who reads it: compared with other clocks, it would be ahead.
        patch.object(ClockCheck, "believed_ms", lambda _self, wall_ms: wall_ms),
    ):
        async with _open(trial, url, SECRET) as caller:
            desk, door = Desk(caller, members), GrpcSender(caller)
            for number, name in itertools.product(range(rounds), CALLS):
                requests = await CALLS[name].prepare(desk)
                key = f"{number}-{name}"
                sent = await _send(door, CALLS[name].method, requests[0], key)
                trial.require(not sent.reason, f"{name} was refused: {sent.reason}")
                kept.append(Kept(name, key, requests, sent.body))
        # Else each call without a key would use the trial's promo code once more.
        execute(url, "UPDATE promo_code SET most_uses = uses")
        for days in AGES:
            clock.put_forward(days)
            with only_errors_logged():
                async with open_store(url) as store:
                    swept += (await sweep(store)).count
                    await forget(store)
            before, there = _points(url), count_all(url)
            async with _open(trial, url, NEW_SECRET) as caller:
                door = GrpcSender(caller)
                sends += await _replay(door, kept, wrong)
                if count_all(url) != there:
                    wrong.append(f"a replay after {days} days left rows behind")
                for one in kept:
                    await _send(door, one.method, one.requests[0], None)
                    keyless += 1
            if _points(url) != before:
                wrong.append(f"a replay after {days} days moved points")
    audit(url)
    trial.problems += wrong[:10]
    trial.figure("days", " and ".join(map(str, AGES)))
    trial.figure("keys", len(kept))
    trial.figure("replays", sends)
    trial.figure("without a key", keyless)
    trial.figure("swept in between", swept)
    trial.require(swept, "nothing was swept, so nothing had grown old")


GOALS = (
    Goal(
        "G7",
        "Old replay",
        "A call sent again after 31 or 400 days gets its first answer and moves nothing.",
        run,
        any_database=True,
    ),
)
