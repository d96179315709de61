"""A world of servers, tills, apps and operators that one seed decides, down to its every fault."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, create_engine, pool

from loyalty_service.application.perform import Answer
from loyalty_service.domain import codes
from loyalty_service.storage import fresh_catalog
from loyalty_service.storage import store as store_module
from loyalty_service.storage import writer as writer_module
from loyalty_service.storage.repositories import limit_counts
from loyalty_service.transport import admission
from loyalty_service.transport.errors.catalogue import CATALOGUE
from tests.fault.determined import Chance, determined
from tests.fault.handlers import FakeContext, Refused
from tests.fault.simulation.books import Asked, DisagreementError, Guest
from tests.fault.simulation.comparison import (
    agree_at_end,
    agree_on_ends,
    agree_on_events,
    agree_on_market,
    agree_on_points,
    agree_with_audit,
    last_event,
)
from tests.fault.simulation.faults import Faults
from tests.fault.simulation.front import CODES, VISIT, Visit, shared_handlers
from tests.fault.simulation.loop import SimulatedLoop
from tests.fault.simulation.model import Model
from tests.fault.simulation.operators import Operators
from tests.fault.simulation.program import GUESTS, PARTNERS, begin, first_scheme, secret_of
from tests.fault.simulation.servers import (
    DATABASE_FAULTS,
    Deed,
    Plan,
    Server,
    SimulatedWriter,
    statements_of,
)
from tests.support.databases import Sqlite
from tests.support.orders import DAY_MS, START_MS

STEPS_MAX = 60_000
SERVERS = 3
NOT_LOOKED_AT = {"SERVER_BUSY", "STORAGE_UNAVAILABLE"}
"""Reasons that a call may be refused for before anybody looks at its key."""

SHORT_S = 0.002
PATIENCE_S = 8.0


@dataclass
class LiveKey:
    """When an API key came and went, in revisions of the catalogue."""

    key_id: str
    since: int
    until: int | None = None

    def known_at(self, revision: int) -> bool:
        """Tell whether a catalogue of that revision has it."""
        return self.since <= revision and (self.until is None or revision < self.until)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The database that every world begins with."""

    content: bytes
    key_ids: tuple[str, ...]


@cache
def _beginning() -> _Beginning:
    with tempfile.TemporaryDirectory(prefix="simulation-") as folder:
        backend = Sqlite(Path(folder))
        migrated = Path(backend.new_database().removeprefix("sqlite:///")).read_bytes()
    world = World("beginning", _Beginning(migrated, ()))
    world.faults.stop()
    with world._in_force():
        made: asyncio.Task[list[str]] = world.loop.create_task(
            world.servers[0].store.write(begin, 60.0)
        )
        world.loop.run(STEPS_MAX, made.done)
    return _Beginning(world.raw.serialize(), tuple(made.result()))


_connections: list[sqlite3.Connection] = []


def _raw(content: bytes) -> sqlite3.Connection:
    """Give the one connection of the simulation, with a fresh database in it."""
    if not _connections:
        connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=512, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        _connections.append(connection)
    _connections[0].rollback()
    _connections[0].deserialize(content)
    return _connections[0]


@cache
def _reader() -> Engine:
    return create_engine("sqlite://", creator=lambda: _connections[0], poolclass=pool.StaticPool)


class World:
    """Everything that happens under one seed."""

    def __init__(self, seed: object, beginning: _Beginning | None = None) -> None:
        beginning = beginning or _beginning()
        self.seed = seed
        self.chance = random.Random(f"world/{seed}")  # noqa: S311
        self.faults = Faults(self.chance)
        self.loop = SimulatedLoop()
        self.raw = _raw(beginning.content)
        self.model = Model(first_scheme(), {name: Guest(points) for name, points in GUESTS.items()})
        self.keys = {
            secret_of(partner, 0): LiveKey(key_id, 0)
            for partner, key_id in zip(PARTNERS, beginning.key_ids, strict=False)
        }
        self.generation: Counter[str] = Counter()
        self.making: set[str] = set()
        self.problems: list[str] = []
        self.trace: list[str] = []
        self.batch_max = self.chance.choice((2, 5, 256))
        self.queue_max = 6 if self.faults.has("slow writer") else 4096
        self.commit_s = self.chance.choice((0.01, 0.3))
        self.hurried = self.chance.random() < 0.4
        self.slow_until_s = 0.0
        self.last_event = last_event(self.raw.execute)
        self.acting: Server | None = None
        self.opening: Server | None = None
        self.settled = self.deliveries = 0
        self.operators = Operators(self)
        with self._in_force():
            self.servers = [Server(self, number) for number in range(SERVERS)]

    # What happens, for whoever replays it.

    def tell(self, line: str) -> None:
        """Write down an event."""
        self.trace.append(f"{self.loop.time():14.4f} {line}")

    def note(self, fault: str, line: str = "") -> None:
        """Write down a fault, and count it."""
        self.faults.counts[fault] += 1
        self.tell(f"FAULT {fault} {line}")

    def disagree(self, problem: str) -> None:
        """Keep what must not be."""
        self.tell(f"PROBLEM {problem}")
        self.problems.append(problem)

    @property
    def engine(self) -> Engine:
        """The database, for whoever only reads."""
        return _reader()

    def digest(self) -> str:
        """Hash all that happened."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    # Time.

    def now_ms(self) -> int:
        """Read the wall clock of the server that acts."""
        skew_ms = 0 if self.acting is None else self.acting.skew_ms
        return START_MS + int(self.loop.time() * 1000) + skew_ms

    def short_s(self) -> float:
        """Take a moment."""
        return self.chance.random() * SHORT_S

    def writer_delay_s(self) -> float:
        """Tell how long a batch takes to be run."""
        slow = self.loop.time() < self.slow_until_s
        return self.chance.random() * (4.0 if slow else self.commit_s)

    def sweeper_delay_s(self) -> float:
        """Tell how long a sweeper takes from one step to the next."""
        return self.chance.choice((0.0, 0.01, 3.0, 60.0))

    def latency_s(self) -> float:
        """Tell how long a message travels."""
        if self.faults.strikes("reordered"):
            self.note("reordered")
            return self.chance.random() * 5.0
        return self.short_s()

    # The servers.

    def plan_for(self, batch: Sequence[Any]) -> Plan | None:
        """Decide what goes wrong with a batch."""
        for kind in (*DATABASE_FAULTS, "crash before commit"):
            if self.faults.strikes(kind):
                at = self.chance.randint(1, 6 + 8 * len(batch))
                return Plan(kind, at, undone=self.chance.random() < 0.5)
        return None

    def settle(self, deed: Deed) -> None:
        """Take up a deed in the model, in the order of the commits."""
        deed.settled = True
        self.settled += 1
        told, repeated, flags = deed.outcome, False, Counter[tuple[str, str]]()
        if isinstance(told, Answer):
            flags.update((flag.kind.value, flag.reason) for flag in told.flags)
            told, repeated = told.body, told.repeated
        reason = "" if deed.refusal is None else CATALOGUE[type(deed.refusal)].reason
        asked = deed.asked
        self.tell(f"settled {asked.kind} {asked.key} {reason or 'done'} {repeated} {deed.now_ms}")
        if deed.fails and deed.refusal is not None and reason == "SERVER_FAILED":
            return  # It was to be undone: a trace of it would be found with the next commit.
        try:
            self.model.settle(
                asked,
                deed.now_ms,
                told,
                reason,
                repeated=repeated,
                flags=flags,
                execute=self.raw.execute,
            )
        except Exception as problem:  # noqa: BLE001 - whatever the model can't make sense of.
            self.disagree(f"{asked.kind} {asked.key}: {problem!r}")
        if asked.kind == "key" and not reason:
            self._take_key(told, **asked.values)

    def _take_key(self, told: Any, *, secret: str, revoke: bool) -> None:
        (revision,) = self.raw.execute("SELECT revision FROM catalog_revision").fetchone()
        if revoke:
            self.keys[secret].until = revision
        else:
            self.keys[secret] = LiveKey(told.key.key_id, revision)

    def look(self) -> None:
        """Hold the database against the model, after each commit."""
        execute = self.raw.execute
        try:
            self.last_event = agree_on_events(execute, self.model, self.last_event)
            agree_on_points(execute, self.model)
            agree_on_market(execute, self.model)
            agree_on_ends(execute, self.model)
        except DisagreementError as problem:
            self.disagree(str(problem))

    def restart(self, old: Server) -> None:
        """Start a process in place of one that is gone."""
        new = Server(self, old.number, old.skew_ms, alive=False)
        self.servers[old.number] = new
        self.loop.call_later(self.chance.random() * 2, self.start, new)

    def start(self, server: Server) -> None:
        """Let a process read the catalogue, and then serve."""
        server.alive = True
        task = self.loop.create_task(server.store.refresh_catalog())

        def started(_: object) -> None:
            if self.servers[server.number] is not server:
                return
            if task.cancelled() or task.exception() is not None:
                self.loop.call_later(0.1, self.start, server)
            else:
                self.tell(f"server {server.number} serves")

        task.add_done_callback(started)

    def serving(self) -> list[Server]:
        """Give the servers that take calls."""
        return [one for one in self.servers if one.alive and one.catalog.revision >= 0]

    # The network.

    def deliver(self, method: str, asked: Asked, secret: str, tell: Any, *, calm: bool) -> None:
        """Let a call arrive at a server, and its answer travel back."""
        serving = self.serving()
        self.deliveries += 1
        if not serving:
            tell(b"", "UNAVAILABLE")
            return
        server = self.chance.choice(serving)
        ways = () if calm else ("call fails", "call refused late")
        fails = next((way for way in ways if self.faults.strikes(way)), "")
        left_s = 5.0
        if self.faults.strikes("deadline"):
            self.note("deadline")
            left_s = self.chance.random() * 0.02
        metadata = {"x-api-key": secret} | ({"idempotency-key": asked.key} if asked.key else {})
        key, store = self.keys[secret], server.store
        known = key.known_at(store.catalog.revision)
        asked = replace(asked, by=key.key_id)
        self.tell(f"{asked.kind} {asked.key} arrives at server {server.number}")
        if fails:
            self.note(fails)
        space = copy_context()
        space.run(VISIT.set, Visit(server, asked, fails))
        handling: Any = shared_handlers()[method](asked.body, FakeContext(metadata, left_s))
        task: asyncio.Task[bytes] = space.run(self.loop.create_task, handling)
        server.calls[task] = lambda reason: tell(b"", reason)

        def finished(_: object) -> None:
            if server.calls.pop(task, None) is None or task.cancelled():
                return
            told, reason = self._outcome(task)
            # The call may have made its server look at the catalogue.
            either = {known, key.known_at(store.catalog.revision)}
            if reason not in NOT_LOOKED_AT and (reason != "API_KEY_INVALID") not in either:
                self.disagree(f"{asked.kind}: key {secret} {reason or 'taken'}, known {known}")
            self._require_kept(asked, told, reason)
            if self.faults.strikes("answer lost"):
                self.note("answer lost")
            else:
                self.loop.call_later(self.latency_s(), tell, told, reason)

        task.add_done_callback(finished)
        if self.faults.strikes("hang-up"):
            self.loop.call_later(self.chance.random() * 0.02, self._hang_up, task)

    def _require_kept(self, asked: Asked, told: bytes, reason: str) -> None:
        """An answer to a key is the one that is kept for it."""
        if not reason and asked.key:
            kept = self.model.kept.get((asked.scope, asked.key))
            if kept is None or kept[1] != told:
                self.disagree(f"{asked.kind} {asked.key}: an answer that was never kept")

    def _outcome(self, task: asyncio.Task[bytes]) -> tuple[bytes, str]:
        problem = task.exception()
        if problem is None:
            return task.result(), ""
        if isinstance(problem, Refused):
            return b"", problem.reason
        self.disagree(f"a handler raised {problem!r}")
        return b"", "SERVER_FAILED"

    def _hang_up(self, task: asyncio.Task[bytes]) -> None:
        if not task.done():
            self.note("hang-up")
            task.cancel()

    # The end.

    def run(self, clients: Sequence[Any]) -> None:
        """Live until every client is done; then check that all is as it should be."""
        with self._in_force():
            for server in self.servers:
                self.start(server)
            tasks = [self.loop.create_task(client.run()) for client in clients]
            self._live()
            self._require_done(tasks)
            if self.problems:
                self._leave()
                return
            self.faults.stop()
            self.slow_until_s = 0.0
            tasks = [self.loop.create_task(client.resolve()) for client in clients]
            self._live()
            self._require_done(tasks)
            if not self.problems:
                self._end()
            self._leave()

    def _leave(self) -> None:
        """Let go of what nobody waits for any more, such as the calls of servers that are gone."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.drain()

    def _live(self) -> None:
        if not self.loop.run(STEPS_MAX, lambda: self.problems) and not self.problems:
            self.disagree("it never came to an end")

    def _require_done(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            if self.problems:
                task.cancel()
            elif not task.done():
                self.disagree("a client waits for ever")
            elif task.exception() is not None:
                self.disagree(f"a client ended with {task.exception()!r}")

    def _end(self) -> None:
        """End what is overdue long after; nothing stays held, and the ledger holds."""
        server = self.serving()[0]
        server.skew_ms = 60 * DAY_MS
        task = self.loop.create_task(self.operators.sweep_all(server))
        self._live()
        if task.done() and task.exception() is not None:
            self.disagree(f"the last sweep ended with {task.exception()!r}")
        try:
            agree_at_end(self.raw.execute, self.model)
            agree_with_audit(self.engine)
        except DisagreementError as problem:
            self.disagree(f"at the end: {problem}")
        # Not its pages, whose unused parts hold whatever the memory held before, nor its tables,
        # whose constraints a migration writes in any order.
        dump = self.raw.iterdump()
        content = "\n".join(line for line in dump if not line.startswith("CREATE")).encode()
        self.tell(f"the database at the end: {hashlib.sha256(content).hexdigest()}")

    @contextmanager
    def _in_force(self) -> Iterator[None]:
        """Let chance, time and the parts that a process is made of be the world's."""

        def writer(*_: Any) -> SimulatedWriter:
            assert self.opening is not None
            return SimulatedWriter(self.opening)

        with pytest.MonkeyPatch.context() as patch, determined(self._bytes(), self.now_ms):
            patch.setattr(store_module, "Writer", writer)
            patch.setattr(store_module, "Statements", statements_of)
            patch.setattr(store_module, "QUEUE_MAX", self.queue_max)
            patch.setattr(store_module, "BATCH_MAX", self.batch_max)
            patch.setattr(store_module, "monotonic_ns", self._monotonic_ns)
            patch.setattr(fresh_catalog, "monotonic_ns", self._monotonic_ns)
            patch.setattr(writer_module, "monotonic_ns", self._monotonic_ns)
            patch.setattr(limit_counts, "monotonic", self.loop.time)
            patch.setattr(admission, "perf_counter", self.loop.time)
            # What a call costs is the machine's, not the world's.
            patch.setattr(admission, "thread_time", float)
            patch.setattr(codes, "CODE_COUNT", CODES)
            yield

    def _monotonic_ns(self) -> int:
        return int(self.loop.time() * 1e9)

    def _bytes(self) -> Chance:
        if not hasattr(self, "_random_bytes"):
            self._random_bytes = Chance(f"bytes/{self.seed}")
        return self._random_bytes


@contextmanager
def quietly() -> Iterator[None]:
    """Let nothing that goes wrong on purpose be logged, and spare the collector what stays."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.freeze()
    try:
        yield
    finally:
        # It belongs to the loop that runs now.
        shared_handlers.cache_clear()
        gc.unfreeze()
        structlog.configure(**before)
