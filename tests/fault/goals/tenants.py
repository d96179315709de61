"""G23: what belongs to another program is as good as absent."""

from __future__ import annotations

import copy
import random
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine, pool, text
from sqlmodel import SQLModel

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.codes import RECEIPT_ALPHABET
from loyalty_service.domain.keys import Role
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import SHORT_LIVED
from loyalty_service.storage.tables import OF_NOW
from loyalty_service.transport.rpcs import RPCS, Effect
from tests.book.fields import PLAIN, missing_fields, named_by
from tests.book.pages import missing_pages
from tests.fault.doors import Fields, Rpc, Seen, all_rpcs, holder, leaves, place_of
from tests.fault.goal import Goal, Trial
from tests.fault.headers import headers_read
from tests.fault.worlds import (
    World,
    Worlds,
    identify,
    open_worlds,
    report,
    rpc_named,
    template,
    void,
)
from tests.support.ledger import execute

THINGS: Mapping[str, tuple[str, ...]] = {
    "identifier": ("member", "other_member", "live_code", "claimed_code"),
    "member": ("member", "other_member"),
    "code": ("live_code", "claimed_code"),
    "transaction": ("pending", "claimed", "void", "unclaimed"),
    "receipt": ("receipt", "claimed_receipt"),
    "page token": ("page_token",),
    "session": ("session", "closed_session"),
    "email": ("email",),
    "store": ("store",),
    "incentive": ("incentive",),
    "engine": ("engine",),
}
"""What a field can name, and the foreign things that are put there."""

HEADERS: Mapping[str, str] = {
    "access-control-request-method": PLAIN,
    "authorization": PLAIN,
    "content-encoding": PLAIN,
    "content-type": PLAIN,
    "idempotency-key": "idempotency key",
    "loyalty-alias": PLAIN,
    "loyalty-caller": PLAIN,
    "loyalty-client": PLAIN,
    "loyalty-dialect": PLAIN,
    "loyalty-mended": PLAIN,
    "loyalty-query-key": PLAIN,
    "loyalty-stranger": PLAIN,
    "origin": PLAIN,
    "traceparent": PLAIN,
    "tracestate": PLAIN,
    "x-amzn-trace-id": PLAIN,
    "x-api-key": PLAIN,
    "x-identifier-type": PLAIN,
    "x-region": PLAIN,
    "x-request-id": PLAIN,
    "x-user-datetime": PLAIN,
}
"""The same of every header that is read anywhere; keys and regions are tried on their own."""

INSTEAD = {"loyalty_engine_id": "incentive_id", "reference_id": "incentive_id"}
"""Fields that are looked at only where the other is not set."""

_GENERATED = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # Identifiers.
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z"  # Times, as text
    r"|(seconds|nanos): \d+"  # and as messages.
    r"|\b1-[0-9a-f]{8}-[0-9a-f]{24}\b|[A-Za-z0-9+/]{15}="  # Names of a call in headers.
    r"|\b\d{6,}\b"  # Codes and balances.
    rf"|\b[{RECEIPT_ALPHABET}]{{12}}\b"  # Receipts.
    r"|\b[0-9A-Z]{16}\b"  # Short identifiers.
)

_FORGET = "DELETE FROM session WHERE correlation_id = :id AND program_id = :program"
"""The other door has named it already, and made a session of our own of it."""

GUESSES = ("wrong_code", "code_tally", "code_month", "code_refusal")
"""What a wrong code leaves, foreign or absent alike: begun again, so that nobody must wait."""

Rows = dict[str, frozenset[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """
    A foreign thing where a call names one, and what stands for an absent one there.

    Attributes:
        path: The field; absent where *place* is a header.
        used_by: Whose key a foreign idempotency key is.
        made_by: Who has just made the same call for an order of that number.
    """

    rpc: Rpc
    place: str
    path: Fields | None
    foreign: Any
    absent: Any
    used_by: tuple[World, str] | None = None
    made_by: World | None = None

    async def use(self, key: str) -> None:
        """Let its owner use a key or number for the same call; a key elsewhere if it keeps none."""
        if self.made_by is not None:
            request = await template(self.made_by, self.rpc)
            self.put(request, {}, key)
            await self.made_by.call(self.rpc.name, request)
        if self.used_by is not None:
            world, partner = self.used_by
            name = "IdentifyService/IdentifyMember" if keeps_nothing(self.rpc) else self.rpc.name
            headers = world.headers(world.key(Role.ADMIN, partner), idempotency_key=key)
            request = await template(world, rpc_named(name))
            seen = await world.doors.grpc(rpc_named(name), request, headers)
            assert seen.outcome == "OK", seen

    def put(self, request: Any, headers: dict[str, str], value: Any) -> None:
        """Name *value* in a call."""
        if self.path is None:
            headers["idempotency-key"] = value
            return
        message = holder(request, self.path)
        name = self.path[-1].name
        if name in INSTEAD and name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(INSTEAD[name])
        setattr(message, name, value)


def keeps_nothing(rpc: Rpc) -> bool:
    """Tell whether a call keeps no answer under an idempotency key."""
    return RPCS[rpc.name].effect is not Effect.WRITES


def unmapped() -> Iterator[str]:
    """Name what the trial does not know about yet, so that nothing new is forgotten."""
    yield from missing_pages()
    yield from missing_fields()
    yield from (f"header {read} is not in HEADERS" for read in set(headers_read()) - set(HEADERS))


def _field_name(path: Fields) -> str:
    last = path[-1]
    return f"{last.containing_type.name}.{last.name}"


def _foreign(kind: str, thing: str, world: World) -> Any:
    if kind == "store":
        return world.number
    gift = next(name for name in world.program.incentives if name.startswith(f"{world.number:08d}"))
    if kind == "incentive":
        return gift
    if kind == "engine":
        return world.program.incentives[gift].engine_id
    return world.things[thing]


def _absent(like: Any, chance: random.Random) -> Any:
    """Name nothing, in the same form and length."""
    if isinstance(like, int):
        return 7700
    try:
        uuid.UUID(like)
    except ValueError:
        pass
    else:
        return str(uuid.UUID(int=chance.getrandbits(128), version=4))
    if re.fullmatch(r"\d{6}", like):
        return f"{chance.randrange(10**6):06d}"
    if "@" in like:
        return "n" + like[1:]
    if re.fullmatch(rf"[{RECEIPT_ALPHABET}]{{12}}", like):
        return "".join(chance.choices(RECEIPT_ALPHABET, k=12))
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=len(like)))


def cases(worlds: Worlds, foreign: World, chance: random.Random) -> Iterator[Case]:
    """Give every foreign thing in every place of every call that can name one."""
    for rpc in all_rpcs():
        for path in leaves(rpc.request.DESCRIPTOR):
            kind = named_by(_field_name(path)) or PLAIN
            for thing in THINGS.get(kind, ()):
                value = _foreign(kind, thing, foreign)
                yield Case(rpc, f"{place_of(path)}={thing}", path, value, _absent(value, chance))
            if kind == "idempotency key":
                yield from _keys(rpc, path, worlds, foreign, chance)
            if kind == "order":
                # Each door has its own: an order that a partner records again is a repeated call.
                number = f"order-{chance.getrandbits(64):016x}"
                place, absent = f"{place_of(path)}=order", _absent(number, chance)
                yield Case(rpc, place, path, number, absent, made_by=foreign)
        yield from _keys(rpc, None, worlds, foreign, chance)


def _keys(
    rpc: Rpc, path: Fields | None, worlds: Worlds, foreign: World, chance: random.Random
) -> Iterator[Case]:
    """Give keys of another program's partner of the same name, and of this program's other one."""
    place = "idempotency-key" if path is None else place_of(path)
    for world, partner in ((foreign, "acme"), (worlds.own, "umbrella")):
        value = f"key-{chance.getrandbits(64):016x}"
        used_by = (world, partner)
        yield Case(rpc, f"{place} {partner}", path, value, _absent(value, chance), used_by)


class Wall:
    """Tries one case after the other, and looks at every row in between."""

    def __init__(self, trial: Trial, worlds: Worlds) -> None:
        self._trial = trial
        self._worlds = worlds
        url = Database.from_text(worlds.database_url).sync_url()
        self._engine = create_engine(url, poolclass=pool.StaticPool, isolation_level="AUTOCOMMIT")
        self.compared = 0
        self.snapshots = 0

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def snapshot(self) -> Rows:
        """Read every row of every table of a store: servers write of themselves all the time."""
        self.snapshots += 1
        rows: Rows = {}
        with self._engine.connect() as connection:
            for table in SQLModel.metadata.sorted_tables:
                if table.name in OF_NOW:
                    continue
                found = connection.execute(text(f"SELECT * FROM {table.name}"))  # noqa: S608
                rows[table.name] = frozenset(map(_frozen, found))
        return rows

    async def try_case(self, case: Case, door: str) -> None:
        """Name the foreign thing and an absent one: nobody may tell which was which."""
        found = []
        await case.use(case.foreign)
        if case.place.startswith("correlation_id"):
            execute(self._worlds.database_url, _FORGET, id=case.foreign, program="demo-ca")
        made = None
        for value in (case.absent, case.foreign):
            for table in GUESSES:
                execute(self._worlds.database_url, f"DELETE FROM {table}")  # noqa: S608
            # What a call only tells of is one thing both times: its times may be seen.
            if made is None or not keeps_nothing(case.rpc):
                made = await template(self._worlds.own, case.rpc)
            request = copy.deepcopy(made)
            known = {
                str(value): "<named>",
                getattr(request, "loyalty_transaction_id", "") or "-": "-",
            }
            headers = dict(self._worlds.own.headers())
            case.put(request, headers, value)
            before = self.snapshot()
            doors = self._worlds.own.doors
            call = doors.grpc if door == "gRPC" else doors.json
            seen = await call(case.rpc, request, headers)
            after = self.snapshot()
            found.append((_scrubbed(seen, known), _changes(before, after)))
            touched = self._of_others(before, after)
            self._trial.require(not touched, f"{case.rpc.name} {case.place} touched {touched}")
        (absent, none), (foreign, some) = found
        self.compared += 1
        where = f"{case.rpc.name} {case.place} by {door}"
        self._trial.require(
            absent == foreign, f"{where} tells foreign from absent: {foreign} is not {absent}"
        )
        self._trial.require(none == some, f"{where} changes {some}, for an absent one {none}")
        self._trial.require(
            absent[0] in {"OK", "200"} or none.keys() <= set(GUESSES),
            f"{where} is refused and changes {none}",
        )

    def _of_others(self, before: Rows, after: Rows) -> list[str]:
        """Name the tables with a changed row that speaks of another program."""
        names = {world.program.program_id for world in self._worlds.foreign}
        mine = self._worlds.own.program.program_id
        touched = []
        for table, rows in after.items():
            for row in rows ^ before[table]:
                said = " ".join(map(str, row))
                if any(name in said for name in names) and mine not in said:
                    touched.append(table)
        return touched


def _frozen(row: Any) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def _changes(before: Rows, after: Rows) -> dict[str, tuple[int, int]]:
    """Tell which tables changed; that the caller showed a wrong code is counted, as it must be."""
    return {
        table: (len(after[table] - rows), len(rows - after[table]))
        for table, rows in before.items()
        if after[table] != rows and table not in SHORT_LIVED
    }


def _scrubbed(seen: Seen, known: Mapping[str, str]) -> tuple[str, str, str]:
    said = seen.text
    for value, instead in known.items():
        said = said.replace(value, instead)
    return seen.outcome, seen.reason, _GENERATED.sub("<made>", said)


async def _try_roles(trial: Trial, worlds: Worlds, wall: Wall) -> int:
    """Let every role make every call, with a good request and with nonsense."""
    own, tried = worlds.own, 0
    for rpc in all_rpcs():
        for role in Role:
            request = await template(own, rpc)
            headers = own.headers(own.key(role))
            allowed = role in RPCS[rpc.name].roles
            before = {} if allowed else wall.snapshot()
            seen = await own.doors.grpc(rpc, request, headers)
            if allowed:
                tried += 1
                trial.require(seen.outcome == "OK", f"{role} may not call {rpc.name}: {seen}")
                continue
            nonsense = await own.doors.grpc(rpc, b"\xff\xff", headers)
            spoken = await own.doors.json(rpc, request, headers)
            tried += 1
            refused = {seen.reason, nonsense.reason} == {"ROLE_NOT_ALLOWED"}
            trial.require(
                refused and seen == nonsense and spoken.outcome == "403",
                f"{role} may call {rpc.name}: {seen}, {nonsense}, {spoken}",
            )
            trial.require(wall.snapshot() == before, f"{role} calling {rpc.name} had an effect")
    return tried


async def _try_keys(trial: Trial, worlds: Worlds) -> int:
    """
    Show keys that are not good here: of another region, revoked, cut short, none's.

    Each is answered as nobody's key is with the same region, which the answer repeats; an answer's
    own number and time are left out, which some dialects put in headers.
    """
    own, tried = worlds.own, 0
    key = own.key()
    shown: list[dict[str, str]] = [
        *({"x-api-key": one, "x-region": "US"} for one in (key, "lk_nobody")),
        *({"x-api-key": one, "x-region": "ZZ"} for one in (key, "lk_nobody")),
        *({"x-api-key": one, "x-region": "CA"} for one in (worlds.foreign[0].key(), "lk_nobody")),
        {"x-api-key": key[:-1]},
        {"x-api-key": key.upper()},
        {"x-api-key": "sandbox-admin-key"},
        {"authorization": f"Bearer {key}", "x-api-key": "lk_nobody"},
    ]
    regions = {headers.get("x-region") for headers in shown}
    for rpc in trial.choose(all_rpcs(), trial.chance("keys").sample(all_rpcs(), 3)):
        request = await template(own, rpc)
        for door in (own.doors.grpc, own.doors.json):
            answers = {
                (headers.get("x-region"), _scrubbed(await door(rpc, request, headers), {}))
                for headers in shown
            }
            tried += len(shown)
            told = {outcome for _, (outcome, _, _) in answers}
            trial.require(
                len(answers) == len(regions) and told <= {"UNAUTHENTICATED", "401"},
                f"{rpc.name} tells keys apart that are not good: {answers}",
            )
    return tried


async def _try_store_limit(trial: Trial, worlds: Worlds, wall: Wall) -> int:
    """Within a program, let a key for one store name the things of another."""
    own, tried = worlds.own, 0
    headers = own.headers(own.key(Role.ADMIN, "acme", 1001))
    for rpc in all_rpcs():
        named = {_field_name(path) for path in leaves(rpc.request.DESCRIPTOR)}
        if not set(map(named_by, named)) & {"store", "transaction", "receipt"}:
            continue
        request = await template(own, rpc)
        for door in (own.doors.grpc, own.doors.json):
            before = wall.snapshot()
            seen = await door(rpc, request, headers)
            tried += 1
            trial.require(
                seen.outcome in {"PERMISSION_DENIED", "403"} and wall.snapshot() == before,
                f"{rpc.name} lets a key for store 1001 into store 9999: {seen}",
            )
    return tried


async def _try_kept_answers(trial: Trial, worlds: Worlds, wall: Wall) -> int:
    """Let a key for one store repeat, and ask for, what its partner's other key did in another."""
    own, tried = worlds.own, 0
    wide, narrow = own.key(), own.key(Role.ADMIN, "acme", 1001)
    for rpc in all_rpcs():
        named = {_field_name(path) for path in leaves(rpc.request.DESCRIPTOR)}
        acts_in_a_store = set(map(named_by, named)) & {"store", "transaction", "receipt"}
        if keeps_nothing(rpc) or not acts_in_a_store:
            continue
        request = await template(own, rpc)
        for name, door in (("grpc", own.doors.grpc), ("json", own.doors.json)):
            key = f"kept-{rpc.name}-{name}"
            first = await door(rpc, request, own.headers(wide, idempotency_key=key))
            trial.require(first.outcome in {"OK", "200"}, f"{rpc.name} failed: {first}")
            before = wall.snapshot()
            asked = pb.GetOutcomeRequest(idempotency_key=key)
            refused = [
                await door(rpc, request, own.headers(narrow, idempotency_key=key)),
                await door(rpc_named("TransactionService/GetOutcome"), asked, own.headers(narrow)),
            ]
            tried += len(refused)
            trial.require(
                {seen.outcome for seen in refused} <= {"PERMISSION_DENIED", "403"},
                f"{rpc.name} tells a key for store 1001 what was answered in 9999: {refused}",
            )
            trial.require(wall.snapshot() == before, f"{rpc.name} repeated had an effect")
            again = await door(rpc, request, own.headers(wide, idempotency_key=key))
            repeated = again.outcome == first.outcome and "idempotent-replayed" in again.text
            trial.require(repeated, f"{rpc.name} repeated is answered another way: {again}")
            request = await template(own, rpc)
    return tried


async def _try_orders_paid_elsewhere(trial: Trial, worlds: Worlds, wall: Wall) -> int:
    """Let a key for one store act on what was opened there and reported in another."""
    own, tried = worlds.own, 0
    narrow = own.key(Role.ADMIN, "acme", 1001)
    for name, door in (("grpc", own.doors.grpc), ("json", own.doors.json)):
        opening = identify(own.things["member"], f"elsewhere-{name}")
        opening.pos_vendor.store_id = 1001
        opened = (await own.call("IdentifyService/IdentifyMember", opening)).transaction_id
        for status in ("PENDING", "CLAIMED"):
            reported = report(pb.ReportOrderRequest, opened, status)
            await own.call("TransactionService/ReportOrder", reported)
            before = wall.snapshot()
            calls: list[tuple[str, Any]] = [("TransactionService/ReportOrder", reported)]
            if status == "CLAIMED":
                calls.append(("TransactionService/VoidTransaction", void(opened)))
                asked = pb.GetTransactionRequest(loyalty_transaction_id=opened)
                calls.append(("TransactionService/GetTransaction", asked))
            for call, request in calls:
                for fresh in ({}, {"idempotency_key": f"fresh-{name}-{status}"}):
                    seen = await door(rpc_named(call), request, own.headers(narrow, **fresh))
                    tried += 1
                    trial.require(
                        seen.outcome in {"PERMISSION_DENIED", "403"} and wall.snapshot() == before,
                        f"{call} lets a key for store 1001 into an order of store 9999: {seen}",
                    )
    return tried


async def run(trial: Trial) -> None:
    """Put everything of other programs into every place that can name something."""
    for problem in unmapped():
        trial.require(holds=False, problem=problem)
    if trial.problems:
        return
    chance = trial.chance()
    async with AsyncExitStack() as cleanup:
        worlds = await open_worlds(cleanup, trial.new_database(), trial.folder)
        wall = Wall(trial, worlds)
        cleanup.callback(wall.close)
        trial.figure("role x call", await _try_roles(trial, worlds, wall))
        trial.figure("bad keys", await _try_keys(trial, worlds))
        trial.figure("store limits", await _try_store_limit(trial, worlds, wall))
        trial.figure("kept answers", await _try_kept_answers(trial, worlds, wall))
        elsewhere = await _try_orders_paid_elsewhere(trial, worlds, wall)
        trial.figure("orders paid elsewhere", elsewhere)
        tried = [
            (case, door)
            for foreign in worlds.foreign
            for door in ("gRPC", "JSON")
            for case in cases(worlds, foreign, chance)
        ]
        if not trial.full:
            tried = chance.sample(tried, 16)
        for case, door in tried:
            await wall.try_case(case, door)
        trial.figure("calls", len(all_rpcs()))
        trial.figure("places", len({(case.rpc.name, case.place) for case, _ in tried}))
        trial.figure("pairs compared", wall.compared)
        trial.figure("whole-database snapshots", wall.snapshots)


GOALS = (
    Goal(
        "G23",
        "Tenant wall",
        "What belongs to another program does not exist for any call, over gRPC and over JSON.",
        run,
        any_database=True,
    ),
)
