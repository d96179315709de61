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
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, create_engine, pool

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.revoke_key import RevokeKey
from loyalty_service.application.perform import Answer
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain import codes
from loyalty_service.domain.codes import code_digest
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.events import EventKind
from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import LIMITS, Limits
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import LimitPerOrder, MaximumRedemptions
from loyalty_service.storage import fresh_catalog
from loyalty_service.storage import store as store_module
from loyalty_service.storage import writer as writer_module
from loyalty_service.storage.repositories import known_sums
from loyalty_service.storage.tools.audit import audit_state
from loyalty_service.sweeper import sweep
from loyalty_service.transport import admission
from loyalty_service.transport.errors.catalogue import CATALOGUE
from tests.fault.determined import Chance, determined
from tests.fault.handlers import FakeContext, Handler, Refused, handlers
from tests.fault.simulation import model as rules
from tests.fault.simulation.loop import SimulatedLoop
from tests.fault.simulation.model import (
    Asked,
    DisagreementError,
    Guest,
    Model,
    Scheme,
    Told,
    agree,
)
from tests.fault.simulation.servers import (
    DATABASE_FAULTS,
    Deed,
    Plan,
    Server,
    SimulatedWriter,
    statements_of,
)
from tests.support.databases import Sqlite
from tests.support.doing import adjust_points, apply_program, create_key, revoke_key
from tests.support.orders import COFFEE, COOKIE, DAY_MS, SANDWICH, SOUP, START_MS
from tests.support.programs import PROGRAM_ID, add_member, demo_program
from tests.support.stores import PEPPER

STEPS_MAX = 60_000
SERVERS = 3
SWEEPS_MAX = 50
NOT_LOOKED_AT = {"SERVER_BUSY", "STORAGE_UNAVAILABLE"}
"""Reasons that a call may be refused for before anybody looks at its key."""

CODES = 80
"""Codes are drawn from few, so that the same digits come again and again."""

PARTNERS = ("tills", "apps")
GUESTS = {
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c01": 1500,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c02": 4000,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c03": 0,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c04": rules.POINTS_MAX - 400,
}
FAULTS: dict[str, float] = {
    "call lost": 0.1,
    "answer lost": 0.12,
    "duplicate": 0.12,
    "reordered": 0.3,
    "late by days": 0.06,
    "crash before commit": 0.04,
    "crash after commit": 0.04,
    **dict.fromkeys(DATABASE_FAULTS, 0.04),
    "call fails": 0.06,
    "call refused late": 0.04,
    "clock jump": 0.6,
    "restart": 0.4,
    "slow writer": 0.4,
    "deadline": 0.08,
    "hang-up": 0.08,
}
"""Every kind of fault, and how likely it is at each opportunity when a world has it at all."""

SHORT_S = 0.002
PATIENCE_S = 8.0


class Faults:
    """Decides what goes wrong; each world has some kinds and not others."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rates = {
            kind: rate * chance.choice((0.5, 1.0, 2.0))
            for kind, rate in FAULTS.items()
            if chance.random() < 0.6
        }
        self.counts: Counter[str] = Counter()

    def strikes(self, kind: str) -> bool:
        """Tell whether a fault happens now."""
        rate = self._rates.get(kind)
        return rate is not None and self._chance.random() < rate

    def has(self, kind: str) -> bool:
        """Tell whether the world has this kind of fault."""
        return kind in self._rates

    def stop(self) -> None:
        """Let nothing more go wrong."""
        self._rates.clear()


@dataclass(frozen=True, slots=True)
class _Visit:
    """A call that has come to a server."""

    server: Server
    asked: Asked
    fails: str


_VISIT: ContextVar[_Visit] = ContextVar("visit")


class _Front:
    """The storage as the handlers see it: that of the server which the call has come to."""

    @property
    def catalog(self) -> Any:
        return _VISIT.get().server.catalog

    async def write(
        self, work: Any, timeout_s: float = 5.0, reads: Reads = NOTHING, caller: str = ""
    ) -> Any:
        visit = _VISIT.get()
        return await visit.server.do(
            visit.asked, work, timeout_s, reads, fails=visit.fails, caller=caller
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(_VISIT.get().server.store, name)

    def read(self) -> Any:
        raise NotImplementedError("simulated clients only write")


class _SweepStore:
    """The storage as the sweeper sees it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def write(self, work: Any, timeout_s: float = 5.0, reads: Reads = NOTHING) -> Any:
        asked = Asked("look", {})
        # A sweeper may fall behind what has happened to the rows that it has found.
        await asyncio.sleep(self._server.world.sweeper_delay_s())
        if reads.transactions:
            asked = Asked("void_overdue", {"transaction_id": reads.transactions[0]})
        elif reads.digests:
            asked = Asked("expire_code", {"digits": _digits()[reads.digests[0][1]]})
        return await self._server.do(asked, work, timeout_s, reads)


@cache
def _digits() -> dict[bytes, str]:
    drawn = (f"{number:06d}" for number in range(CODES))
    return {code_digest(PEPPER, PROGRAM_ID, digits): digits for digits in drawn}


@cache
def _handlers() -> dict[str, Handler]:
    return handlers(_Front())


def secret_of(partner: str, generation: int) -> str:
    """Name the key of a partner; each rotation makes another."""
    return f"lk_{partner}_{generation}"


@dataclass
class LiveKey:
    """When an API key came and went, in revisions of the catalogue."""

    key_id: str
    since: int
    until: int | None = None

    def known_at(self, revision: int) -> bool:
        """Tell whether a catalogue of that revision has it."""
        return self.since <= revision and (self.until is None or revision < self.until)


# --- The program --------------------------------------------------------------------------------


def program_of(scheme: Scheme) -> Program:
    """Make a program of the figures that the model knows."""
    demo = demo_program()
    limits = (
        LimitPerOrder(rules.COOKIES_PER_ORDER),
        MaximumRedemptions(rules.COOKIES_PER_MEMBER, rules.COOKIES_IN_ALL),
    )
    incentives = {
        name: replace(
            demo.incentives[name],
            point_cost=scheme.costs[name],
            rules=limits if name == COOKIE else (),
        )
        for name in scheme.costs
        if name not in scheme.retired
    }
    if scheme.soup not in scheme.retired:
        limits_of_soup = (MaximumRedemptions(rules.SOUPS_PER_MEMBER, rules.SOUPS_IN_ALL),)
        incentives[scheme.soup] = replace(demo.incentives[scheme.soup], rules=limits_of_soup)
    return replace(
        demo,
        stores={9999: demo.stores[9999]},
        incentives=incentives,
        earning=replace(demo.earning, points_per_unit=Fraction(scheme.points_per_unit)),
        pending_lifetime_s=scheme.pending_lifetime_s,
        code_lifetime_s=scheme.code_lifetime_s,
        void_spent=scheme.void_spent,  # type: ignore[arg-type]
        unclaimed_offers=scheme.unclaimed_offers,  # type: ignore[arg-type]
        pending_days=scheme.pending_days,
        receipt_days=scheme.receipt_days,
        void_days=scheme.void_days,
        late_void=scheme.late_void,  # type: ignore[arg-type]
        repeated_orders=scheme.repeated_orders,  # type: ignore[arg-type]
        # The model knows no limits: a world's days are too short for them.
        limits=Limits.of({name: limit.most for name, limit in LIMITS.items()}),
    )


def first_scheme() -> Scheme:
    """Give the figures that every world begins with."""
    costs = {COFFEE: 800, SANDWICH: 1200, COOKIE: 300}
    days = {"pending_days": 1, "receipt_days": 1, "void_days": 1}
    return Scheme(costs, COOKIE, SOUP, pending_lifetime_s=60, void_spent="debt", **days)


def _begin(unit: Unit, now_ms: int) -> list[str]:
    apply_program(unit, ApplyProgram(program_of(first_scheme())), now_ms)
    made = [
        create_key(
            unit, CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=secret_of(partner, 0)), now_ms
        )
        for partner in PARTNERS
    ]
    for loyalty_id, points in GUESTS.items():
        add_member(unit, now_ms, points, loyalty_id)
    return [one.key.key_id for one in made]


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
            world.servers[0].store.write(_begin, 60.0)
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
def _auditor() -> Engine:
    return create_engine("sqlite://", creator=lambda: _connections[0], poolclass=pool.StaticPool)


# --- The world ----------------------------------------------------------------------------------


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
        self.last_event = int(self.raw.execute(_LAST_EVENT).fetchone()[0])
        self.acting: Server | None = None
        self.opening: Server | None = None
        self.settled = self.commits = self.deliveries = 0
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
            self.model.settle(asked, deed.now_ms, told, reason, repeated=repeated, flags=flags)
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
        """Hold accounts, open holds and open orders against the model, after each commit."""
        self.commits += 1
        due = {}
        for name, guest in self.model.guests.items():
            due[name, 1], due[name, 2] = guest.available, guest.held
            if guest.debt:
                due[name, 7] = -guest.debt
        found = {
            (name, kind): balance
            for name, kind, balance in self.raw.execute(_ACCOUNTS)
            if kind != 7 or balance
        }
        if found != due:
            self.disagree(f"accounts differ: {sorted(found.items() ^ due.items())}")
        holds = {name: o.held for name, o in self.model.orders.items() if o.held}
        if dict(self.raw.execute(_HOLDS)) != holds:
            self.disagree("open holds differ")
        reserved = {tuple(row[:3]): row[3] for row in self.raw.execute(RESERVED)}
        if reserved != rules.reserved_by(self.model.orders):
            self.disagree("what open orders were accepted with differs")
        ends = {n: o.expires_ms for n, o in self.model.orders.items() if o.status == rules.PENDING}
        if dict(self.raw.execute(_ENDS)) != ends:
            self.disagree("orders are open until other times")
        self._look_at_events()

    def _look_at_events(self) -> None:
        """Hold the events that were kept against those that the model expects, in their order."""
        due, self.model.events = self.model.events, []
        found = []
        for event_id, kind, name, available, held, debt in self.raw.execute(
            _EVENTS, (self.last_event,)
        ):
            self.last_event = event_id
            owed = None if debt is None else -debt
            balances = None if available is None else (available, held, owed)
            found.append(Told(EventKind(kind).name, name, balances))
        if len(found) != len(due) or not all(map(Told.goes_with, due, found)):
            self.disagree(f"events differ: {found} were kept, though {due}")

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
        space.run(_VISIT.set, _Visit(server, asked, fails))
        handling: Any = _handlers()[method](asked.body, FakeContext(metadata, left_s))
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

    # Operators and the sweeper.

    async def operate(self) -> None:
        """Do what an operator, an administrator of the machines, or time itself may do."""
        serving = self.serving()
        if not serving:
            return
        server = self.chance.choice(serving)
        deed = self.chance.choice(
            (
                "sweep",
                "sweep",
                "sweep",
                "poll",
                "poll",
                "adjust",
                "adjust",
                "change",
                "change",
                "key",
                "faults",
            )
        )
        self.tell(f"operator: {deed} at server {server.number}")
        try:
            await getattr(self, f"_{deed}")(server)
        except LoyaltyError as refusal:
            self.tell(f"operator was refused: {type(refusal).__name__}")
        except (RuntimeError, sqlite3.OperationalError) as problem:
            self.tell(f"operator failed: {problem}")

    async def _sweep(self, server: Server) -> None:
        await sweep(_SweepStore(server))  # type: ignore[arg-type]

    async def _sweep_all(self, server: Server) -> None:
        """Sweep until nothing is overdue; a full queue makes one sweep leave some to the next."""
        for _ in range(SWEEPS_MAX):
            await asyncio.sleep(1.0)
            await sweep(_SweepStore(server))  # type: ignore[arg-type]
            if not self.raw.execute(_PENDING).fetchone():
                return

    async def _poll(self, server: Server) -> None:
        before = server.catalog.revision
        await server.store.refresh_catalog()
        if server.catalog.revision < before:
            self.disagree("a catalogue went back")

    async def _adjust(self, server: Server) -> None:
        names = list(self.model.guests)
        points = self.chance.choice((-700, 0, 1, 300, 1500, 2000))
        rich = [name for name in names if self.model.guests[name].available]
        indebted = [name for name in names if self.model.guests[name].debt]
        if indebted and self.chance.random() < 0.5:
            names, points = indebted, 300
        elif rich and self.chance.random() < 0.4:
            # Whoever spends what an order has earned is short when that order is cancelled.
            names, points = rich, 0
        loyalty_id = self.chance.choice(names)
        points = points or -self.model.guests[loyalty_id].available
        command = AdjustPoints(PROGRAM_ID, loyalty_id, points, "simulated", beyond_limits=True)
        asked = Asked("adjust", {"loyalty_id": loyalty_id, "points": points})
        await server.do(asked, lambda unit, now: adjust_points(unit, command, now))

    async def _change(self, server: Server) -> None:
        costs = {name: self.chance.choice((200, 300, 800, 1200)) for name in first_scheme().costs}
        changes: dict[str, Any] = self.chance.choice(
            (
                {"points_per_unit": self.chance.choice((7, 10, 25))},
                {"costs": costs},
                {"costs": costs},  # Once more: it matters only to orders that were open before.
                {"pending_lifetime_s": self.chance.choice((60, 600, 86_400, 172_800))},
                {"code_lifetime_s": self.chance.choice((30, 300, 600))},
                {"void_spent": self.chance.choice(("refuse", "debt"))},
                {"retired": self._retired()},
                {"retired": self._retired()},
                {"unclaimed_offers": self.chance.choice(("flag", "refuse"))},
                {"repeated_orders": self.chance.choice(("flag", "refuse"))},
                {"pending_days": self.chance.choice((1, 30))},
                {"receipt_days": self.chance.choice((1, 30))},
                {
                    "void_days": self.chance.choice((1, 90)),
                    "late_void": self.chance.choice(("flag", "refuse")),
                },
            )
        )
        # The file is written from what its operator saw; whatever else it says stays as it is.
        program = program_of(replace(self.model.scheme, **changes))
        scheme = vars(replace(self.model.scheme, **changes))
        asked = Asked("change", {"scheme": scheme})
        await server.do(asked, lambda unit, now: apply_program(unit, ApplyProgram(program), now))

    def _retired(self) -> frozenset[str]:
        """Choose what is retired: what an open order was accepted with, if there is one."""
        orders = self.model.orders.values()
        accepted = sorted({name for order in orders for name, _ in order.accepted} - {COOKIE})
        chosen = self.chance.choice((*(accepted or (SANDWICH, SOUP)), ""))
        return frozenset({chosen} - {""})

    async def _key(self, server: Server) -> None:
        """Rotate a key: a new one beside the old, which is taken back once the new one is out."""
        partner = self.chance.choice(PARTNERS)
        number = self.generation[partner]
        old, new = secret_of(partner, number), secret_of(partner, number + 1)
        if new in self.making and new not in self.keys:
            return  # Another operator is at it.
        if new not in self.keys:
            self.making.add(new)
            command = CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=new)
            asked = Asked("key", {"secret": new, "revoke": False})
            await server.do(asked, lambda unit, now: create_key(unit, command, now))
        if self.generation[partner] == number and self.chance.random() < 0.5:
            self.generation[partner] += 1
            key_id = self.keys[old].key_id
            asked = Asked("key", {"secret": old, "revoke": True})
            await server.do(asked, lambda unit, now: revoke_key(unit, RevokeKey(key_id), now))

    async def _faults(self, server: Server) -> None:
        """Let happen what happens to machines rather than to calls."""
        if self.faults.strikes("clock jump"):
            by_ms = self.chance.choice((-DAY_MS, -90_000, -1500, 1500, 90_000, DAY_MS))
            self.note("clock jump", f"by {by_ms} ms at server {server.number}")
            server.skew_ms += by_ms
        if self.faults.strikes("restart"):
            self.note("restart", f"server {server.number}")
            server.crash()
        if self.faults.strikes("slow writer"):
            self.note("slow writer")
            self.slow_until_s = self.loop.time() + 5.0

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
        task = self.loop.create_task(self._sweep_all(server))
        self._live()
        if task.done() and task.exception() is not None:
            self.disagree(f"the last sweep ended with {task.exception()!r}")
        try:
            self._compare()
        except DisagreementError as problem:
            self.disagree(f"at the end: {problem}")
        # Not its pages, whose unused parts hold whatever the memory held before.
        content = "\n".join(self.raw.iterdump()).encode()
        self.tell(f"the database at the end: {hashlib.sha256(content).hexdigest()}")

    def _compare(self) -> None:
        states = {name: rules_status(order) for name, order in self.model.orders.items()}
        found = dict(
            self.raw.execute("SELECT transaction_id, status FROM loyalty_transaction").fetchall()
        )
        agree(found == states, "transactions differ")
        agree(not self.raw.execute(_HOLDS).fetchall(), "points are held for ever")
        (kept,) = self.raw.execute(_KEPT).fetchone()
        agree(kept == len(self.model.kept), f"{kept} kept answers, not {len(self.model.kept)}")
        (total,) = self.raw.execute("SELECT sum(balance) FROM account").fetchone()
        agree(total == 0, f"all accounts sum to {total}")
        with _auditor().connect() as connection:
            audited = audit_state(connection)
        agree(audited.all_hold, f"the audit found {audited.problems}")

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
            patch.setattr(known_sums, "monotonic", self.loop.time)
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


_STATUS = {rules.PENDING: 1, rules.CLAIMED: 2, rules.VOID: 3, rules.UNCLAIMED: 4}
_ACCOUNTS = (
    "SELECT loyalty_id, kind, balance FROM account JOIN member ON member.number = member_number"
)
RESERVED = (
    "SELECT transaction_id, incentive_id, point_cost, quantity FROM reservation WHERE quantity > 0"
)
_ENDS = "SELECT transaction_id, expires_ms FROM loyalty_transaction WHERE status = 1"
_EVENTS = (
    "SELECT event_id, kind, loyalty_id, available, held, debt FROM event "
    "LEFT JOIN member ON number = member_number WHERE event_id > ? ORDER BY event_id"
)
_LAST_EVENT = "SELECT coalesce(max(event_id), 0) FROM event"
_PENDING = "SELECT 1 FROM loyalty_transaction WHERE status = 1"
_KEPT = "SELECT count(*) FROM remembered_answer WHERE scope NOT LIKE '%:%'"
_HOLDS = "SELECT transaction_id, sum(points) FROM hold WHERE status = 1 GROUP BY transaction_id"


def rules_status(order: rules.Order) -> int:
    """Give the number that a status of the model is stored as."""
    return _STATUS[order.status]


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
        _handlers.cache_clear()
        gc.unfreeze()
        structlog.configure(**before)
