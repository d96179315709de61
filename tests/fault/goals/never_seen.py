"""G36: asked what became of a call, by its key, at every point of the call's life."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum

import psycopg
import pytest
from google.protobuf.message import Message

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.storage import presence, writer
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from tests.fault.determined import Chance
from tests.fault.gates import HANG_S, Gate
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.goals.cancellation import (
    CALLS,
    CHANGES_NOTHING,
    Bench,
    put_guest,
)
from tests.fault.handlers import FakeContext, Handler, Refused, handlers
from tests.fault.planted import Bug, planted
from tests.support.banks import SECRET
from tests.support.ledger import rows
from tests.support.logs import only_errors_logged
from tests.support.programs import put_program
from tests.support.stores import PEPPER, statements_once

WAIT_S = 0.005
SILENT_S = 0.6
LOCKING = "IdentifyService/IdentifyMember"
"""A call that needs a row which somebody else may hold."""

Outcome = pb.GetOutcomeResponse.Outcome
NEVER_SEEN = pb.GetOutcomeResponse.OUTCOME_NEVER_SEEN
UNDER_WAY = pb.GetOutcomeResponse.OUTCOME_UNDER_WAY
COMMITTED = pb.GetOutcomeResponse.OUTCOME_COMMITTED
REFUSED = pb.GetOutcomeResponse.OUTCOME_UNSPECIFIED
"""Stands for a refusal, which says nothing."""


class Point(Enum):
    """How far a call is when it is asked about."""

    ARRIVED = "before its key is known"
    QUEUED = "while it waits behind another"
    BEGINNING = "before its work begins"
    LOCKED = "while it waits for a lock"
    COMMITTING = "before its work is committed"
    HUNG_UP = "before its work is committed, its caller gone"
    DONE = "after its work is committed"
    LOST = "when its commit was lost, and came through"
    LOST_FOR_GOOD = "when its commit was lost for good"
    SILENT = "while its server says nothing"
    SILENT_AMID = "while its server says nothing, its work done and not committed"


SHARED = {Point.LOCKED, Point.LOST, Point.LOST_FOR_GOOD, Point.SILENT, Point.SILENT_AMID}
"""Points that there are only with a database of several servers."""

STOPS = {
    Point.ARRIVED: "BEGIN",
    Point.BEGINNING: "BEGIN",
    Point.SILENT: "BEGIN",
    Point.COMMITTING: "COMMIT",
    Point.HUNG_UP: "COMMIT",
    Point.SILENT_AMID: "COMMIT",
}
"""Statement before which the writer stops."""

WAITS_FOR_LOCK = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)

LONG = {Point.LOST_FOR_GOOD, Point.SILENT_AMID}
"""Points that the short form has no time for."""

SETTLED = {Point.DONE}
OPEN_ENDED = {Point.ARRIVED, Point.SILENT}
"""Points at which another outcome than UNDER_WAY may be right, too."""


def points_of(trial: Trial) -> list[Point]:
    """Give the points that are tried on a kind of database."""
    left_out = (set() if trial.kind == POSTGRESQL else SHARED) | (set() if trial.full else LONG)
    return [point for point in Point if point not in left_out]


@dataclass
class Server:
    """One of the servers of a database, with its handlers."""

    store: Store
    gate: Gate
    handlers: dict[str, Handler]

    async def call(self, method: str, request: Message, key: str) -> str:
        """Make a call; returns the reason it was refused for, empty when it was not."""
        # Not spelt as it is asked about: the blanks at the ends are no part of a key.
        context = FakeContext({"x-api-key": SECRET, "idempotency-key": f" {key} "}, 5.0)
        try:
            await self._handle(method, request, context)
        except Refused as refused:
            return refused.reason
        return ""

    async def ask(self, key: str) -> Outcome:
        """Ask what became of a call."""
        context = FakeContext({"x-api-key": SECRET}, 5.0)
        request = pb.GetOutcomeRequest(idempotency_key=key)
        try:
            answer = await self._handle("TransactionService/GetOutcome", request, context)
        except Refused:
            return REFUSED
        return pb.GetOutcomeResponse.FromString(answer).outcome

    async def _handle(self, method: str, request: Message, context: FakeContext) -> bytes:
        # A task of its own, as each call has: one that sends for too long is cancelled as a whole.
        handling = self.handlers[method](request.SerializeToString(), context)
        return await asyncio.ensure_future(handling)

    def be_silent(self) -> None:
        """Tell other servers nothing more, as a process that hangs."""
        assert self.store._presence is not None
        self.store._presence._task.cancel()


@contextmanager
def _in_quick_motion() -> Iterator[None]:
    """Let servers beat often, and be taken to be gone soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence, "BEAT_S", 0.02)
        patch.setattr(presence, "ASKED_S", 0.005)
        patch.setattr(presence, "SILENT_S", SILENT_S)
        patch.setattr(presence, "ASK_MAX_S", 0.4)
        patch.setattr(writer, "SETTLE_WAIT_S", 0.1)
        patch.setattr("loyalty_service.storage.store.Statements", statements_once)
        yield


@dataclass
class NeverSeen:
    """Asks about calls, and counts what it was told."""

    trial: Trial
    told: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    async def run(self, bugs: Sequence[Bug]) -> None:
        """Ask at every point of every call; then again with bugs, each of which must show."""
        methods = [name for name in CALLS if name not in CHANGES_NOTHING]
        for method in methods if self.trial.full else [LOCKING]:
            for prepare in CALLS[method] if self.trial.full else CALLS[method][:1]:
                await self._try_all(method, prepare)
        for problem in self.problems[:20]:
            self.trial.require(holds=False, problem=problem)
        for bug in bugs:
            tried = NeverSeen(self.trial)
            with planted(bug):
                await tried._try_all(LOCKING, CALLS[LOCKING][0])
            self.trial.require(tried.problems, f"not found: {bug.name}")

    async def _try_all(self, method: str, prepare: Callable[[Bench], Awaitable[Message]]) -> None:
        for point in points_of(self.trial):
            shared = self.trial.kind == POSTGRESQL
            if point is not Point.LOCKED or method == LOCKING:
                with _in_quick_motion():
                    await self._try(method, prepare, point, servers=2 if shared else 1)

    async def _try(
        self,
        method: str,
        prepare: Callable[[Bench], Awaitable[Message]],
        point: Point,
        servers: int,
    ) -> None:
        """Make a call, stop it at a point, ask every server, and see what becomes of the call."""
        url = self.trial.new_database()
        where = f"{method} {point.value}"
        async with AsyncExitStack() as stack:
            at, *others = [await _open(url, stack) for _ in range(servers)]
            await put_program(at.store)
            await at.store.write(put_guest)
            for server in (at, *others):
                await server.store.refresh_catalog()
                server.store._poll.cancel()
            for server in (at, *others):
                self._require_unknown(where, await server.ask("never sent"))
            request = await prepare(Bench(at.store, None, Chance(1), at.handlers))  # type: ignore[arg-type]
            trial = _Asked(self, at, others, method, request, url, point, where)
            await trial.run()
        assert self.trial.backend is not None
        self.trial.backend.drop(url)

    def _require_unknown(self, where: str, outcome: Outcome) -> None:
        """Whoever always says that it is open keeps the promise, and is of no use."""
        self.told[f"never sent: {Outcome.Name(outcome)}"] += 1
        if outcome != NEVER_SEEN:
            self.problems.append(f"{where}: never sent, and {Outcome.Name(outcome)}")


async def _open(url: str, stack: AsyncExitStack) -> Server:
    gate = Gate()
    store = await stack.enter_async_context(Store(gate.before(url), PEPPER, serves=True))
    return Server(store, gate, handlers(store))


@dataclass
class _Asked:
    """One call that is stopped at a point and asked about."""

    counted: NeverSeen
    at: Server
    others: list[Server]
    method: str
    request: Message
    url: str
    point: Point
    where: str

    async def run(self) -> None:
        """Bring the call to its point, ask, let it go on, and judge what was told."""
        outcomes: list[Outcome] = []
        task = await self._reach()
        if self.point is Point.ARRIVED:
            # Its own server has to look at the catalogue for who asks, too.
            asking = asyncio.create_task(self.at.ask("tried"))
            outcomes += [await server.ask("tried") for server in self.others]
            self.at.gate.open()
            outcomes.append(await asking)
        elif self.point is Point.SILENT:
            outcomes += await self._ask_until(self.others, NEVER_SEEN)
        elif self.point is Point.SILENT_AMID:
            # For longer than a server without work would be waited for.
            until = asyncio.get_running_loop().time() + 2 * SILENT_S
            while asyncio.get_running_loop().time() < until:
                outcomes += [await server.ask("tried") for server in self.others]
        else:
            for server in (self.at, *self.others):
                outcomes.append(await server.ask("tried"))
        self.at.gate.open()
        await self._let_go()
        await asyncio.gather(task, return_exceptions=True)
        await self.at.store.refresh_catalog()
        self._judge(outcomes, await self._end())

    async def _reach(self) -> asyncio.Task[str]:
        """Make the call, and return when it is at its point."""
        await self._hold_up()
        task = asyncio.create_task(self.at.call(self.method, self.request, "tried"))
        if self.point is Point.QUEUED:
            async with asyncio.timeout(HANG_S):
                while not self.at.store._waiting:  # noqa: ASYNC110 - nobody tells.
                    await asyncio.sleep(0)
        elif self.point is Point.LOCKED:
            await self._until_locked()
        elif self.point in STOPS:
            await self.at.gate.arrived()
        else:
            await task
        if self.point is Point.HUNG_UP:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self.point in {Point.SILENT, Point.SILENT_AMID}:
            self.at.be_silent()
        return task

    async def _hold_up(self) -> None:
        """Put in the call's way what will stop it at its point."""
        store, gate = self.at.store, self.at.gate
        if self.point is Point.ARRIVED:
            store._catalog_read_ns = 0
            for one in store._writers:
                one.catalog_read_ns = 0
        if self.point in STOPS:
            gate.close(STOPS[self.point])
        elif self.point in {Point.LOST, Point.LOST_FOR_GOOD}:
            gate.lose()
        elif self.point is Point.LOCKED:
            self._lock()
        elif self.point is Point.QUEUED:
            self._other = await gate.hold_writer(store)

    def _lock(self) -> None:
        """Hold the guest's accounts."""
        dsn = Database.from_text(self.url).url.render_as_string(hide_password=False)
        self._holder = psycopg.connect(dsn)
        self._holder.execute("SELECT account_id FROM account FOR UPDATE")

    async def _until_locked(self) -> None:
        """Wait until the writer waits for what is held."""
        dsn = Database.from_text(self.url).url.render_as_string(hide_password=False)
        with psycopg.connect(dsn, autocommit=True) as looker:
            async with asyncio.timeout(HANG_S):
                while not looker.execute(WAITS_FOR_LOCK).fetchone():  # noqa: ASYNC110
                    await asyncio.sleep(WAIT_S)

    async def _let_go(self) -> None:
        """Let go of what holds the call up."""
        if self.point is Point.LOCKED:
            self._holder.close()
        for connection in self.at.gate.lost:
            connection.execute("COMMIT" if self.point is Point.LOST else "ROLLBACK")
            connection.close()

    async def _ask_until(self, servers: list[Server], wanted: Outcome) -> list[Outcome]:
        """Ask again and again until all say so; returns all that they said."""
        outcomes = []
        async with asyncio.timeout(HANG_S):
            for server in servers:
                while (outcome := await server.ask("tried")) != wanted:
                    outcomes.append(outcome)
                outcomes.append(outcome)
        return outcomes

    async def _end(self) -> bool:
        """Find whether the call took effect, and that in the end every server knows."""
        kept = rows(self.url, "SELECT * FROM remembered_answer WHERE idempotency_key = 'tried'")
        known = COMMITTED if kept else NEVER_SEEN
        servers = self.others if self.point in {Point.SILENT, Point.SILENT_AMID} else [self.at]
        for outcome in (await self._ask_until([*servers, *self.others], known))[:-1]:
            self._require(outcome in {UNDER_WAY, known}, f"told {Outcome.Name(outcome)} in the end")
        return bool(kept)

    def _judge(self, outcomes: list[Outcome], took_effect: object) -> None:
        self._require(
            not (took_effect and NEVER_SEEN in outcomes), "NEVER_SEEN, and then it took effect"
        )
        self._require(took_effect or COMMITTED not in outcomes, "COMMITTED, and it never was")
        for outcome in outcomes:
            self.counted.told[f"{self.point.value}: {Outcome.Name(outcome)}"] += 1
            if self.point in SETTLED:
                self._require(outcome == COMMITTED, f"settled, and {Outcome.Name(outcome)}")
            elif self.point not in OPEN_ENDED:
                self._require(outcome == UNDER_WAY, f"open, and {Outcome.Name(outcome)}")
        if self.point is Point.SILENT:
            self._require(outcomes[0] == UNDER_WAY, "a silent server was taken to be gone at once")

    def _require(self, holds: object, problem: str) -> None:
        if not holds:
            self.counted.problems.append(f"{self.where}: {problem}")


BUGS = (
    Bug("nobody looks what is under way", "Store.is_under_way", "...", "return False"),
    Bug("who hangs up is forgotten", "Arrival.hold", "...", "pass"),
)
BUGS_OF_SEVERAL = (
    Bug("other servers are not asked", "Presence.is_under_way", "...", "return False"),
    Bug("a server that is taken to be gone goes on", "_work", "require_registered(...)", "pass"),
    Bug(
        "nobody's rows are held",
        "begin",
        "_REGISTERED",
        '"SELECT server_id FROM server WHERE server_id = ANY(%s)"',
    ),
    Bug("a lost commit is forgotten", "keep_unsettled", "...", "pass"),
)


async def run(trial: Trial) -> None:
    """Ask about every writing call at every point of its life, at every server."""
    several = trial.kind == POSTGRESQL
    bugs = BUGS + (BUGS_OF_SEVERAL if several else ()) if trial.full else ()
    tried = NeverSeen(trial)
    with only_errors_logged():
        await tried.run(bugs)
    for name, count in sorted(tried.told.items()):
        trial.say(f"{name:75}{count:6}")
    for point in points_of(trial):
        asked = sum(n for name, n in tried.told.items() if name.startswith(f"{point.value}:"))
        trial.require(asked, f"nobody asked {point.value}")
    trial.figure("questions", sum(tried.told.values()))
    for outcome in (UNDER_WAY, NEVER_SEEN, COMMITTED):
        name = Outcome.Name(outcome)
        told = sum(count for told, count in tried.told.items() if told.endswith(name))
        trial.figure(f"told {name}", told)
    trial.figure("bugs found", len(bugs))


GOALS = (
    Goal(
        "G36",
        "Never seen",
        "After NEVER_SEEN no call takes effect that had arrived when it was asked about.",
        run,
    ),
)
