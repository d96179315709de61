"""G46: orders of years, pruned, summed up, archived and audited beside live calls."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
from google.protobuf.message import Message

from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.connections import reading
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.archive import archive
from loyalty_service.storage.tools.archive_file import audit_archive
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.make_checkpoint import make_checkpoint
from loyalty_service.storage.tools.prune import Cutoffs, prune
from loyalty_service.storage.tools.room import room_in
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.shortened import shorten
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.many_orders import Pattern, add_orders, pattern_of
from tests.fault.planted import Bug, planted
from tests.fault.senders import GrpcSender, LostError, Sent
from tests.support.banks import SECRET, prepare_bank, process_environment, run_here, run_process
from tests.support.ledger import rows
from tests.support.lived_store import copy_lived, live_on
from tests.support.programs import PROGRAM_ID
from tests.support.server import Caller, identify_request
from tests.support.stores import PEPPER
from tests.support.transactions import line, reward_line, update_request
from tests.support.writings import CALLS, Desk

ORDERS = int(os.environ.get("G46_ORDERS", "10000000"))
"""Orders of the long form: `G46_ORDERS` makes it another number where the disk is small."""

POINTS = 1_000_000
LIVE_GUESTS, OLD_GUESTS = 40, 160
"""Who orders while all is looked after, and whom the calls of long ago were about."""

OLD_DAYS = (700, 130)
PRUNED_DAYS = 120
TILLS = 4
PAUSE_S = 0.02
SLOWER_MAX = 2.0
SLACK_S = 0.015
"""What one more process on the machine costs a call, whatever it does."""

SLACK_SHORT_S = 0.3
"""The same beside other tests, where a few calls are all there are."""

REUSED = "IDEMPOTENCY_KEY_REUSED"
ACCOUNTS = "SELECT account_id, balance, sequence, head FROM account ORDER BY account_id"
PEPPERS = Peppers(PEPPER)
SETTLED = "loyalty_service.storage.tools.make_checkpoint.SETTLED_MS"

BUGS = (
    Bug("an answer is not kept at all", "shorten", "return MARK + _", 'return b"\\x00"'),
    Bug(
        "one pruned event too few is counted",
        "_delete",
        '{"lane": _1, "pruned": _2, "until_ms": _3}',
        '{"lane": _1, "pruned": _2 - 1, "until_ms": _3}',
    ),
    Bug(
        "archived transfers leave no sums",
        "_remove",
        "_.execute(_KEEP_SUMS, ...)",
        "len(_KEEP_SUMS.text)",
    ),
    Bug("a checkpoint forgets an account", "_sum_up", "sorted(chains)", "sorted(chains)[1:]"),
)

NEWEST = Bug(
    "an archive takes the newest transfer", "_last_transfer", "_.c.transfer_id < _", "True"
)
"""SQLite gives its number again then; PostgreSQL counts on by itself."""


@dataclass(frozen=True, slots=True)
class Made:
    """A call of long ago, and what it was answered."""

    name: str
    requests: tuple[Message, Message]
    answer: Sent

    @property
    def method(self) -> str:
        """The call, as `Service/Method`."""
        return CALLS[self.name].method

    @property
    def key(self) -> str:
        """What it was sent under."""
        return f"old-{self.name}"


async def run(trial: Trial) -> None:
    """
    Prune, sum up and archive the orders of 700 to 130 days ago while tills go on.

    Whatever is done, the audit holds: of the whole store, since the checkpoint, and of the file.
    Every call that writes, sent again under its key, names what it named and moves nothing. The
    ninety-ninth percentile of live calls at most doubles.
    """
    database, made, count = await _prepare(trial)
    url = database.url.render_as_string(hide_password=False)
    before = await asyncio.to_thread(audit, database)
    trial.require(before.all_hold, f"the orders do not hold: {before.problems[:1]}")
    await _maintain_under_load(trial, database, url, count)
    await _audit_all(trial, database)
    await _replay(trial, url, made)
    await asyncio.to_thread(_find_bugs, trial)


async def _prepare(trial: Trial) -> tuple[Database, list[Made], int]:
    """Let every call that writes be made long ago, and copy one order many times."""
    url = trial.new_database()
    database = Database.from_text(url)
    count = trial.choose(ORDERS, 300)
    first, last = (now_ms() - days * DAY_MS for days in OLD_DAYS)
    with patch("loyalty_service.storage.writer.now_ms", lambda: first - DAY_MS):
        wanted = max(LIVE_GUESTS + OLD_GUESTS, min(5000, count // 200))
        guests = await prepare_bank(url, [POINTS] * wanted)
        # Each call has guests of its own: another one may block, merge or erase them.
        made, pattern = await _make_old(trial, url, database, iter(guests[LIVE_GUESTS:]))
    trial.say(f"{count:,} orders")
    rich = "SELECT member_number FROM account WHERE kind = 1 AND balance > 500000 ORDER BY 1"
    numbers = [row[0] for row in rows(url, rich)]
    empty = _bytes(database)
    await asyncio.to_thread(add_orders, database, pattern, numbers, count, (first, last), PEPPER)
    trial.figure("orders", count)
    trial.figure("transfers", rows(url, "SELECT count(*) FROM transfer")[0][0])
    trial.figure("bytes an order", (_bytes(database) - empty) // count)
    return database, made, count


async def _make_old(
    trial: Trial, url: str, database: Database, members: Iterator[str]
) -> tuple[list[Made], Pattern]:
    made = []
    async with (
        run_here(url, trial.folder) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        caller = Caller(channel, SECRET)
        desk, door = Desk(caller, members), GrpcSender(caller)
        for name, call in CALLS.items():
            requests = await call.prepare(desk)
            sent = await door.send(call.method, requests[0], f"old-{name}")
            trial.require(not sent.reason, f"{name} was refused: {sent.reason}")
            made.append(Made(name, requests, sent))
        order = await _order(door, await desk.guest(), "pattern", reward=True)
    keys = ("pattern-identify", "pattern-claim")
    return made, await asyncio.to_thread(pattern_of, database, order, keys)


async def _order(door: GrpcSender, guest: str, key: str, *, reward: bool = False) -> str:
    """Identify a guest and claim an order; return the transaction."""
    opened = await _send(
        door, "IdentifyService/IdentifyMember", identify_request(guest), f"{key}-identify"
    )
    answer: Any = RPCS["IdentifyService/IdentifyMember"].answer_class.FromString(opened.body)
    lines = (line(5), reward_line()) if reward else (line(5),)
    claim = update_request(answer.transaction_id, "CLAIMED", *lines)
    claimed = await _send(door, "TransactionService/ReportOrder", claim, f"{key}-claim")
    assert not claimed.reason, claimed.reason
    return str(answer.transaction_id)


async def _send(door: GrpcSender, method: str, request: Message, key: str) -> Sent:
    while True:
        with suppress(LostError):
            return await door.send(method, request, key)


class _Tills:
    """Tills that take one order after the other, and note how long each call takes."""

    def __init__(self, caller: Caller, guests: Sequence[str]) -> None:
        self.took: list[float] = []
        self._caller = caller
        self._guests = guests
        self._number = 0

    async def work(self, until: Callable[[], bool]) -> None:
        """Go on until it is time."""
        await asyncio.gather(*(self._till(till, until) for till in range(TILLS)))

    async def _till(self, till: int, until: Callable[[], bool]) -> None:
        door = GrpcSender(self._caller)
        while not until():
            self._number += 1
            guest = self._guests[(till + self._number) % len(self._guests)]
            began = time.perf_counter()
            await _order(door, guest, f"live-{self._number}")
            self.took.append((time.perf_counter() - began) / 2)
            await asyncio.sleep(PAUSE_S)

    def p99_s(self) -> float:
        """Give the time within which 99 of 100 calls were answered, and count from 0 again."""
        took, self.took = sorted(self.took), []
        return took[int(len(took) * 0.99)]


async def _maintain_under_load(trial: Trial, database: Database, url: str, count: int) -> None:
    enrolled = rows(url, "SELECT loyalty_id FROM member ORDER BY number")
    guests = [row[0] for row in enrolled[:LIVE_GUESTS]]
    settings = {"WRITERS": "2"}
    named = {f"LOYALTY_{name}": value for name, value in settings.items()}
    day = (datetime.now(UTC) - timedelta(days=PRUNED_DAYS)).date().isoformat()
    file = trial.folder / "archive"
    commands = (
        ("prune", ("prune", "--before", day, "--yes")),
        ("checkpoint", ("checkpoint", "--before", day)),
        ("archive", ("archive", "--to", str(file), "--yes")),
        ("audit since", ("audit", "--since", "last")),
    )
    async with (
        run_process(url, trial.folder, **named) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        tills = _Tills(Caller(channel, SECRET), guests)
        ends = time.monotonic() + trial.choose(20.0, 3.0)
        await tills.work(lambda: time.monotonic() > ends)
        alone_s = tills.p99_s()
        done = asyncio.Event()
        working = asyncio.create_task(tills.work(done.is_set))
        slowest_s = 0.0
        try:
            for name, arguments in commands:
                trial.say(name)
                await _command(trial, url, name, arguments)
                slowest_s = max(slowest_s, tills.p99_s())
                if name in {"prune", "archive"}:
                    left = await asyncio.to_thread(_bytes, database)
                    trial.figure(f"bytes an order after {name}", left // count)
        finally:
            done.set()
            await working
    trial.figure("p99 alone ms", round(alone_s * 1000, 1))
    trial.figure("slowest p99 ms", round(slowest_s * 1000, 1))
    trial.figure("archive bytes an order", file.stat().st_size // count)
    slow = f"p99 {slowest_s * 1000:.1f} ms where it was {alone_s * 1000:.1f}"
    slack_s = trial.choose(SLACK_S, SLACK_SHORT_S)
    trial.require(slowest_s <= alone_s * SLOWER_MAX + slack_s, slow)


async def _command(trial: Trial, url: str, name: str, arguments: Sequence[str]) -> None:
    """Run a command as an operator does, beside the server."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loyalty_service",
        *arguments,
        env=process_environment(url, trial.folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    trial.figure(f"{name} s", round(time.perf_counter() - began, 1))
    trial.require(process.returncode == 0, f"{name} failed: {said.decode()[-500:]}")
    for word in said.decode().splitlines():
        if "No batch held" in word:
            trial.figure(f"{name}, longest batch", word.partition("more than ")[2].split(".")[0])


def _bytes(database: Database) -> int:
    """Give the bytes that rows take, without what new rows can fill."""
    if database.embedded:
        room = room_in(database)
        return room.size - room.free
    with reading(database) as connection:
        found = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
        return int(found.scalar_one())


async def _audit_all(trial: Trial, database: Database) -> None:
    file = trial.folder / "archive"
    for name, look in (
        ("whole", lambda: audit(database, peppers=PEPPERS)),
        ("since", lambda: audit(database, peppers=PEPPERS, since=0)),
        ("file", lambda: audit_archive(file, PEPPERS, database=database)),
    ):
        began = time.perf_counter()
        findings = await asyncio.to_thread(look)
        trial.figure(f"audit {name} s", round(time.perf_counter() - began, 1))
        trial.figure(f"audit {name}, transfers", findings.rows["transfer"])
        trial.require(findings.all_hold, f"audit {name}: {findings.problems[:1]}")


async def _replay(trial: Trial, url: str, made: Sequence[Made]) -> None:
    """Send every old call again: each is answered about the same things, and moves nothing."""
    before = rows(url, ACCOUNTS)
    async with (
        run_here(url, trial.folder) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        door = GrpcSender(Caller(channel, SECRET))
        for one in made:
            again = await _send(door, one.method, one.requests[0], one.key)
            other = await _send(door, one.method, one.requests[1], one.key)
            trial.require(again.repeated and not again.reason, f"{one.name} acted again")
            trial.require(other.reason == REUSED, f"{one.name}: its key took another request")
            read = RPCS[one.method].answer_class.FromString
            same = _names(read(again.body)) == _names(read(one.answer.body))
            trial.require(same, f"{one.name} named other things")
    trial.require(rows(url, ACCOUNTS) == before, "a call of long ago moved points")
    trial.figure("old keys sent again", len(made))


def _names(message: Any) -> list[str]:
    """Give the identifiers in an answer."""
    found = []
    for field, value in message.ListFields():
        if field.is_repeated:
            continue
        if field.message_type is not None:
            found += _names(value)
        elif isinstance(value, str) and field.name.endswith("id"):
            found.append(value)
    return found


def _find_bugs(trial: Trial) -> None:
    """Plant each bug, and look whether an audit or a comparison finds it."""
    bugs = (*BUGS, NEWEST) if trial.kind == SQLITE else BUGS
    for number, bug in enumerate(bugs):
        url = asyncio.run(copy_lived(trial.databases))
        with planted(bug), patch(SETTLED, -DAY_MS):
            found = _look(url, trial.folder / f"bug-{number}")
        trial.require(found, f"nobody noticed that {bug.name}")
    url = asyncio.run(copy_lived(trial.databases))
    with patch(SETTLED, -DAY_MS):
        problem = _look(url, trial.folder / "no-bug")
    trial.require(not problem, f"without any bug: {problem}")
    trial.figure("planted bugs found", len(bugs))


def _look(url: str, file: Path) -> str:
    """Do everything to a small store; return what is wrong with it, if anything."""
    database = Database.from_text(url)
    later = now_ms() + DAY_MS
    before = {PROGRAM_ID: later}
    cut = Cutoffs(orders=before, answers=before, events=before, visits=before)
    told = RPCS["TransactionService/ReportOrder"]
    kept = told.answer_class(transaction_id="named", points=1).SerializeToString()
    short = shorten(told.kept_as, kept) or b""
    if b"named" not in short:
        return "an answer names its order no more"
    try:
        prune(database, cut, PEPPERS, shorten)
        make_checkpoint(database, PEPPERS, before_ms=later)
        archive(database, file, PEPPERS)
        asyncio.run(live_on(url))
        for findings in (
            audit(database, peppers=PEPPERS),
            audit(database, peppers=PEPPERS, since=0),
            audit_archive(file, PEPPERS, database=database),
        ):
            if not findings.all_hold:
                return str(findings.problems[0])
    except OperatorError as problem:
        return str(problem)
    return ""


GOALS = (
    Goal(
        "G46",
        "Years",
        "Orders of years are pruned, summed up, archived and audited beside live calls: the "
        "ledger holds, and no key acts again.",
        run,
        any_database=True,
        by_time=True,
    ),
)
