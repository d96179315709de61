"""G9: every call cut off at every point where it waits, one point after the other."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
from google.protobuf.message import Message
from sqlmodel import SQLModel

from loyalty.v1 import member_service_pb2, order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.keys import Role
from loyalty_service.storage import store as store_module
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tables import CatalogRevisionTable
from loyalty_service.storage.tools.audit import audit
from loyalty_service.sweeper import sweep
from loyalty_service.transport.rpcs import RPCS, Effect
from tests.book.pages import issue, missing_pages, open_order, pages_of
from tests.fault.determined import Chance, determined
from tests.fault.gates import HANG_S, Gate
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.handlers import FakeContext, Handler, Refused, handlers
from tests.support.banks import SECRET, Bank, Query
from tests.support.doing import create_key
from tests.support.orders import DAY_MS, START_MS
from tests.support.programs import PROGRAM_ID, add_member, add_promo_code, put_program
from tests.support.server import identify_request
from tests.support.stores import PEPPER, statements_once
from tests.support.transactions import (
    COFFEE,
    details,
    line,
    reward_line,
)

GUEST = "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c01"
POINTS = 3000
JUMP_S = 10.0
TURNS = 20
"""Turns of the loop in which a call that was cut off may tidy up before its work goes on."""

CANCELLED = "CANCELLED"
NAMES = {"x-request-id": "tried", "traceparent": f"00-{1:032x}-{1:016x}-00"}
"""Names of the call: without them the server draws some, and then all it draws differs."""

SIDES = ("before", "after")
"""As what a database is found that a call would change: as before the call, or as after it."""


class Moment(Enum):
    """How far the work of a call is when the call is cut off."""

    QUEUED = "while it waits behind another"
    WAITING = "before its work begins"
    WORKING = "before its work is committed"
    DONE = "after its work is committed, before it is answered"


class Cut(Enum):
    """How a call is cut off: by its caller, or by the server's own timer."""

    CANCEL = "cancelled"
    DEADLINE = "deadline"


# --- The calls ----------------------------------------------------------------------------------


async def _identify_by_code(bench: Bench) -> Message:
    code = await issue(bench, await bench.guest())
    return identify_request(code, "order-1")


async def _void_pending(bench: Bench) -> Message:
    return pb.VoidTransactionRequest(loyalty_transaction_id=await open_order(bench))


Prepare = Callable[["Bench"], Awaitable[Message]]
BESIDES: Mapping[str, Sequence[Prepare]] = {
    "IdentifyService/IdentifyMember": (_identify_by_code,),
    "TransactionService/VoidTransaction": (_void_pending,),
}
"""What the request book does not have: calls that take other ways through the same RPC."""

CALLS: Mapping[str, Sequence[Prepare]] = {
    name: (*BESIDES.get(name, ()), *(page.good for page in reversed(pages_of(name))))
    for name in RPCS
}
"""What is called, and how to get ready for it; the short form makes the first call alone."""

CHANGES_NOTHING = {rpc.name for rpc in RPCS.values() if rpc.effect is not Effect.WRITES}


class Form(Enum):
    """What becomes of the call when nobody cuts it off."""

    FIRST = "answered"
    REPEAT = "answered as before"
    REFUSED = "refused"


# --- Cutting off --------------------------------------------------------------------------------


class Led:
    """A coroutine that is watched at every point where it waits."""

    def __init__(self, work: Awaitable[bytes], at: Callable[[int, Any], None]) -> None:
        self.waits = 0
        self._work = work
        self._at = at

    def __await__(self) -> Generator[Any, Any, bytes]:
        steps = self._work.__await__()
        step: Callable[[], Any] = lambda: steps.send(None)  # type: ignore[attr-defined]  # noqa: E731
        while True:
            try:
                awaited = step()
            except StopIteration as end:
                answer: bytes = end.value
                return answer
            self.waits += 1
            self._at(self.waits, awaited)
            try:
                yield awaited
            except BaseException as problem:  # noqa: BLE001 - the coroutine is told, whatever it is.
                step = lambda told=problem: steps.throw(told)  # type: ignore[attr-defined,misc]  # noqa: E731
            else:
                step = lambda: steps.send(None)  # type: ignore[attr-defined]  # noqa: E731


async def _as_coroutine(led: Led) -> bytes:
    return await led


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a caller saw: an answer or the reason of a refusal."""

    answer: bytes = b""
    reason: str = ""


@contextmanager
def _time_can_jump() -> Iterator[Callable[[], None]]:
    """Let the loop's clock be put forward, which fires its timers, and put it right at the end."""
    loop = asyncio.get_running_loop()
    right = loop.time
    ahead_s = 0.0

    def jump() -> None:
        nonlocal ahead_s
        ahead_s += JUMP_S

    loop.time = lambda: right() + ahead_s  # type: ignore[method-assign]
    try:
        yield jump
    finally:
        del loop.time


@dataclass
class Bench:
    """A store on a database of its own, with the handlers of a server in front of it."""

    store: Store
    gate: Gate
    chance: Chance
    handlers: dict[str, Handler]
    prepared: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def prepare(self, method: str, request: Message) -> bytes:
        """Make a call on the way to the one that is tried."""
        outcome, _, _ = await self.call(method, request, f"prepare-{next(self.prepared)}")
        assert outcome.reason == "", f"{method} was refused: {outcome.reason}"
        return outcome.answer

    @property
    def incentive_id(self) -> str:
        """A reward that the guest can pay for."""
        return COFFEE

    async def guest(self) -> str:
        """Give the one guest."""
        return GUEST

    async def ask(self, name: str, request: Message) -> Any:
        """Make a call on the way to the one that is tried; return its answer."""
        return RPCS[name].answer_class.FromString(await self.prepare(name, request))

    def order(self, *, another: bool = False) -> order_pb2.TransactionDetails:
        """Give an order with a reward, or another one without."""
        return details(line(6)) if another else details(reward_line(), line(5))

    async def call(
        self,
        method: str,
        request: Message,
        key: str,
        at: Callable[[int, Any, asyncio.Task[bytes]], None] = lambda *_: None,
    ) -> tuple[Outcome, int, bool]:
        """Make a call; return what its caller saw, how often it waited and if it was repeated."""
        self.chance.reset(f"{method}/{key}")
        context = FakeContext({"x-api-key": SECRET, "idempotency-key": key, **NAMES}, 5.0)
        work = self.handlers[method](request.SerializeToString(), context)
        led = Led(work, lambda number, awaited: at(number, awaited, task))
        task = asyncio.create_task(_as_coroutine(led))
        async with asyncio.timeout(HANG_S):
            try:
                outcome = Outcome(await task)
            except Refused as refused:
                outcome = Outcome(reason=refused.reason)
            except asyncio.CancelledError:
                if not task.cancelled():
                    raise
                outcome = Outcome(reason=CANCELLED)
        return outcome, led.waits, context.repeated

    def queues(self, awaited: Any) -> bool:
        """Tell whether what a call waits for is work that no writer has been given yet."""
        return any(item.future is awaited for item in self.store._waiting)

    async def settle(self) -> None:
        """Wait until everything that was accepted is done."""
        await self.store.refresh_catalog()


Snapshot = dict[str, list[Any]]


def snapshot(url: str) -> Snapshot:
    """Read every row of every table, in one state of the database; units are drawn by chance."""
    columns = {
        table.name: ", ".join(one.name for one in table.columns if one.name != "unit")
        for table in SQLModel.metadata.sorted_tables
    }

    def look(query: Query) -> Snapshot:
        return {
            name: sorted(query(f"SELECT {which} FROM {name}"), key=repr)  # noqa: S608
            for name, which in columns.items()
        }

    found: Snapshot = Bank("", url, ()).read(look)
    assert found[str(CatalogRevisionTable.__tablename__)]
    return found


# --- The trial ----------------------------------------------------------------------------------


@dataclass
class Scene:
    """
    A call that is about to be made on a prepared database, and what it does when let be.

    Attributes:
        waits: For each wait, whether a writer works meanwhile.
    """

    method: str
    form: Form
    request: Message
    url: str
    before: Snapshot
    after: Snapshot
    outcome: Outcome
    waits: tuple[bool, ...]

    @property
    def name(self) -> str:
        """What is called, and what comes of it."""
        return f"{self.method} {self.form.value}"


class Cancellation:
    """Tries every call in every form, and counts what was cut off where."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._chance = Chance(trial.seed)
        self._now_ms = START_MS
        self._scenes = 0
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Cut every call off wherever it waits."""
        with determined(self._chance, lambda: self._now_ms):
            for method in methods_tried(self._trial):
                for prepare in CALLS[method] if self._trial.full else CALLS[method][:1]:
                    for form in self._forms(method):
                        await self._try(await self._scene(method, form, prepare))

    def _forms(self, method: str) -> tuple[Form, ...]:
        if method in CHANGES_NOTHING or not self._trial.full:
            return (Form.FIRST,)
        return tuple(Form)

    async def _scene(
        self, method: str, form: Form, prepare: Callable[[Bench], Awaitable[Message]]
    ) -> Scene:
        """Get ready for a call, and see what it does when nobody cuts it off."""
        url = self._trial.new_database()
        async with AsyncExitStack() as stack:
            bench = await self._open(url, stack)
            await put_program(bench.store)
            await bench.store.write(put_guest)
            await bench.store.refresh_catalog()
            request = await prepare(bench)
            if form is Form.REPEAT:
                await bench.call(method, request, "tried")
            elif form is Form.REFUSED:
                other = member_service_pb2.EnrollMemberRequest(name="Somebody else")
                await bench.call("MemberService/EnrollMember", other, "tried")
        copy = self._copy(url)
        async with AsyncExitStack() as stack:
            bench = await self._open(copy, stack)
            store, waits = bench.store, []
            outcome, _, repeated = await bench.call(
                method, request, "tried", lambda *_: waits.append(bool(store._running))
            )
        told = f"{method} {form.value} was {outcome.reason or 'answered'}"
        assert (outcome.reason != "") == (form is Form.REFUSED), told
        assert repeated == (form is Form.REPEAT), told
        before, after = snapshot(url), snapshot(copy)
        scene = Scene(method, form, request, url, before, after, outcome, tuple(waits))
        changes = form is Form.FIRST and method not in CHANGES_NOTHING
        assert (scene.before != scene.after) == changes, f"{scene.name}: wrong about its effect"
        if self._trial.full or self._trial.kind == SQLITE:
            await self._require_no_orphans(scene, url)
            await self._require_no_orphans(scene, copy)
        self._drop(copy)
        return scene

    async def _try(self, scene: Scene) -> None:
        self._scenes += 1
        for cut, moment in itertools.product(Cut, Moment):
            for number, working in enumerate(scene.waits, start=1):
                possible = working or moment not in {Moment.QUEUED, Moment.WORKING}
                if possible and self._has_turn(cut, number):
                    await self._cut_off(scene, cut, moment, number)
        self._drop(scene.url)

    def _has_turn(self, cut: Cut, number: int) -> bool:
        """
        Take one cut at each wait in the short form, where SQLite has had both at all of them.

        The next call's waits take the other one: a writer may work during a single wait of each.
        """
        if self._trial.full or self._trial.kind == SQLITE:
            return True
        return (self._scenes + number) % len(Cut) == list(Cut).index(cut)

    async def _cut_off(self, scene: Scene, cut: Cut, moment: Moment, number: int) -> None:
        """Cut a call off at one of its waits; then call again with the same key."""
        url = self._copy(scene.url)
        where = f"{scene.name}, {cut.value} at wait {number} {moment.value}"
        async with AsyncExitStack() as stack:
            jump = stack.enter_context(_time_can_jump())
            bench = await self._open(url, stack)
            knife = Knife(bench, cut, moment, number, jump)
            other = await bench.gate.hold_writer(bench.store) if moment is Moment.QUEUED else None
            outcome, _, _ = await bench.call(scene.method, scene.request, "tried", knife)
            await knife.withdraw()
            if other is not None:
                await other
            await bench.settle()
            found = snapshot(url)
            again, _, _ = await bench.call(scene.method, scene.request, "tried")
        if knife.struck:
            allowed = {scene.outcome, Outcome(reason=CANCELLED), Outcome(reason="DEADLINE_PASSED")}
            before, after = found == scene.before, found == scene.after
            side = "unchanged" if before and after else SIDES[not before]
            self.counts[f"{cut.value} {moment.value}"] += 1
            self.counts[side] += 1
            self.counts[f"{scene.method} found {side}"] += 1
            self.counts[scene.method] += 1
            self._require(outcome in allowed, f"{where}: {outcome.reason}")
            self._require(before or moment is not Moment.QUEUED, f"{where}: not left out")
            self._require(
                before or after,
                f"{where}: neither before nor after, but {_difference(scene.before, found)}",
            )
            self._require(again == scene.outcome, f"{where}: then answered otherwise")
            self._require(snapshot(url) == scene.after, f"{where}: then done otherwise")
        self._drop(url)

    async def _require_no_orphans(self, scene: Scene, url: str) -> None:
        """End what is overdue a day later: no points may stay held, and the ledger must hold."""
        copy = self._copy(url)
        self._now_ms = START_MS + 2 * DAY_MS
        async with AsyncExitStack() as stack:
            bench = await self._open(copy, stack)
            await sweep(bench.store)
        self._now_ms = START_MS
        open_holds = Bank("", copy, ()).read(
            lambda query: query("SELECT hold_id FROM hold WHERE status = 1")
        )
        self._require(not open_holds, f"{scene.name}: a hold outlived its transaction")
        if self._trial.full:
            found = audit(Database.from_text(copy))
            self._require(found.all_hold, f"{scene.name}: the audit found {found.problems}")
        self._drop(copy)

    async def _open(self, url: str, stack: AsyncExitStack) -> Bench:
        gate = Gate()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "Statements", statements_once)
            opened = Store(gate.before(url), PEPPER)
        store = await stack.enter_async_context(opened)
        return Bench(store, gate, self._chance, handlers(store))

    def _copy(self, url: str) -> str:
        assert self._trial.backend is not None
        copy: str = self._trial.backend.copy_database(url)
        return copy

    def _drop(self, url: str) -> None:
        assert self._trial.backend is not None
        self._trial.backend.drop(url)

    def _require(self, holds: object, problem: str) -> None:
        if len(self._trial.problems) < 20:
            self._trial.require(holds, problem)


@dataclass
class Knife:
    """Cuts a call off, once."""

    bench: Bench
    cut: Cut
    moment: Moment
    number: int
    jump: Callable[[], None]
    struck: bool = False
    _task: asyncio.Task[bytes] | None = None

    def __call__(self, number: int, awaited: Any, task: asyncio.Task[bytes]) -> None:
        """Hear that the call waits for the *number*-th time, for something or for its turn."""
        if number != self.number:
            return
        self._task = task
        if self.moment is Moment.QUEUED:
            assert self.bench.queues(awaited), "the call does not wait behind another"
            self._strike()
        elif self.moment is Moment.WAITING:
            self.bench.gate.close("BEGIN")
            self._strike()
        elif self.moment is Moment.WORKING:
            self.bench.gate.close("COMMIT", self._strike_and_open)
        elif awaited is not None:
            # Called before the task is, since the task begins to listen after this.
            awaited.add_done_callback(lambda _: self._strike())

    def _strike(self) -> None:
        self.struck = True
        if self.cut is Cut.DEADLINE:
            self.jump()
        elif self._task is not None:
            self._task.cancel()

    def _strike_and_open(self) -> None:
        self._strike()
        asyncio.get_running_loop().create_task(self.withdraw())

    async def withdraw(self) -> None:
        """Let the writer go on once the call has had the time to notice."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self.bench.gate.open()


def put_guest(unit: Unit, now_ms: int) -> None:
    """Make the key that calls are made with, and the guest they are about."""
    create_key(unit, CreateKey(PROGRAM_ID, "till", Role.ADMIN, secret=SECRET), now_ms)
    add_member(unit, now_ms, POINTS, GUEST)
    add_promo_code(unit, now_ms)


def _difference(before: Snapshot, found: Snapshot) -> list[str]:
    return [name for name in before if before[name] != found[name]]


def methods_tried(trial: Trial) -> tuple[str, ...]:
    """Give every RPC; for the short form those that write."""
    return tuple(method for method in CALLS if trial.full or method not in CHANGES_NOTHING)


async def run(trial: Trial) -> None:
    """Cut every call off at every wait, at every moment of its work, by caller and by timer."""
    tried = Cancellation(trial)
    trial.require(not missing_pages(), f"not every RPC is tried: {missing_pages()}")
    await tried.run()
    for name, count in sorted(tried.counts.items()):
        trial.say(f"{name:70}{count:6}")
    methods = methods_tried(trial)
    for method in methods:
        trial.require(tried.counts[method], f"{method} was never cut off")
    for cut, moment in itertools.product(Cut, Moment):
        name = f"{cut.value} {moment.value}"
        trial.require(tried.counts[name], f"nothing was {name}")
    for method, side in itertools.product(set(methods) - CHANGES_NOTHING, SIDES):
        name = f"{method} found {side}"
        trial.require(tried.counts[name], f"nothing was {name}")
    trial.figure("calls cut off", sum(tried.counts[method] for method in CALLS))
    trial.figure("RPCs", len(methods))
    for side in SIDES:
        trial.figure(f"found {side}", tried.counts[side])


GOALS = (
    Goal(
        "G9",
        "Cancel anywhere",
        "A call cut off at any point where it waits is done or not done, never half done.",
        run,
    ),
)
