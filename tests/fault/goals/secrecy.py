"""G26: what must stay secret is nowhere but where it belongs."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import grpc
from google.protobuf.descriptor import FieldDescriptor

from buf.validate import validate_pb2
from loyalty.v1 import code_service_pb2 as codes
from loyalty.v1 import member_service_pb2 as members
from loyalty.v1 import operator_service_pb2 as operators
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.codes import RECEIPT_ALPHABET
from loyalty_service.domain.keys import Role, new_key
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage.databases import Database
from tests.fault.doors import Doors, Fields, Rpc, Seen, all_rpcs, holder, leaves
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.headers import headers_read
from tests.fault.worlds import (
    World,
    identify,
    issue,
    key_of,
    rpc_named,
    session,
    template,
    unclaimed,
)
from tests.support.banks import ServerProcess, prepare_bank, process_environment
from tests.support.collector import Collector, run_collector
from tests.support.doing import create_key
from tests.support.http import HttpClient
from tests.support.ledger import execute
from tests.support.programs import PROGRAM_ID, demo_program
from tests.support.stores import PEPPER, open_store

WRITTEN = ("member", "code", "session", "loyalty_transaction", "hold", "redemption")
READ = (
    *("member", "code", "session", "loyalty_transaction", "remembered_answer"),
    *("code_refusal", "account", "program_version", "webhook"),
)
REFUSED_ROW = "ALTER TABLE {0} ADD CONSTRAINT planted CHECK (false) NOT VALID"
"""A fault that makes PostgreSQL quote the row that it does not take."""

GONE = "ALTER TABLE {0} RENAME TO planted_{0}"
"""A fault that makes every call fail that asks for anything."""

ADMITTED = {"OK", "200"}
FAILED = {"INTERNAL", "500", "UNAVAILABLE", "503"}
ASK_NOTHING = {"IncentiveService/GetContent", "TokenService/IssueToken"}
"""Calls that are answered from memory, so that no fault of the database fails them."""

SERVED, REFUSED, BROKEN = "served", "refused", "failed inside"

ROUNDS = (3, 1)


@dataclass
class Visit:
    """
    A guest's visit in which every secret is known and unlike anything else.

    Attributes:
        secrets: By what they are.
        refused: What callers read of calls that failed.
        ends: How the calls of each name have ended.
    """

    doors: Doors
    key: str
    chance: random.Random
    secrets: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    ends: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def secret_for(self, path: Fields) -> str:
        """Give the secret of a field, the same wherever a message of its kind stands."""
        part = path[-1]
        name = f"{part.containing_type.name}.{part.name}"
        if name not in self.secrets:
            length = min(most_of(part), 40)
            start = "sec@example." if part.name == "email" else "sec-"
            self.secrets[name] = start + letters(self.chance, length - len(start))
        return self.secrets[name]

    async def call(self, name: str, request: Any, **headers: str) -> list[Seen]:
        """Make a call through both doors; what is refused must tell no secret."""
        sent = {"x-api-key": self.key, **headers}
        rpc = rpc_named(name)
        seen = [
            await self.doors.grpc(rpc, request, sent),
            await self.doors.json(rpc, request, sent),
        ]
        for answer in seen:
            self._keep(answer)
            self.ends[name].add(_end_of(answer))
        return seen

    async def post(self, url: str, body: bytes, method: str = "POST", **headers: str) -> None:
        """Send what no stub would."""
        sent = {"x-api-key": self.key, **headers}
        self._keep(await self.doors.send(method, url, body, sent))

    def _keep(self, answer: Seen) -> None:
        self.outcomes.append(answer.outcome)
        if answer.outcome not in ADMITTED:
            self.refused.append(answer.text)


def _end_of(answer: Seen) -> str:
    if answer.outcome in ADMITTED:
        return SERVED
    return BROKEN if answer.outcome in FAILED else REFUSED


ANY = 64
"""Characters of a text that may have any number of them."""


def letters(chance: random.Random, count: int) -> str:
    """Make up a text that is nowhere by accident."""
    return "".join(chance.choices("bcdfghjklmnpqrstvwxz", k=count))


def most_of(part: FieldDescriptor) -> int:
    """Tell how many characters a field takes of a text that is made up; 0 when of none such."""
    if part.cpp_type != FieldDescriptor.CPPTYPE_STRING:
        return 0
    rules = part.GetOptions().Extensions[validate_pb2.field].string
    if rules.uuid or len(getattr(rules, "in")):
        return 0
    # Of a text that nobody needs any number is taken.
    return int(rules.max_len) or (0 if rules.pattern else ANY)


def _words(chance: random.Random) -> dict[str, str]:
    """Make up the secrets of a visit."""
    return {
        "name": f"Zébulon {letters(chance, 8).title()}",
        "email": f"{letters(chance, 9)}@{letters(chance, 7)}.example.org",
        "birth date": f"19{chance.randrange(30, 99)}-03-{chance.randrange(10, 29)}",
        "phone": f"+1514555{chance.randrange(10**4):04d}",
        "operator": f"Quatremain {letters(chance, 8).title()}",
        "card": f"tok-{letters(chance, 16)}",
        "idempotency key": letters(chance, 24),
        "wrong key": f"lk_{letters(chance, 32)}",
        "wrong code": f"{chance.randrange(10**6):06d}",
        "wrong receipt": "2" + "".join(chance.choices(RECEIPT_ALPHABET, k=11)),
    }


async def _be_served(visit: Visit) -> str:
    """Enroll, take a code, show it, pay without a card, and claim the receipt."""
    secrets = visit.secrets
    request = members.EnrollMemberRequest(
        name=secrets["name"], email=secrets["email"], birth_date=secrets["birth date"]
    )
    guest = (await visit.call("MemberService/EnrollMember", request))[0].answer.member.loyalty_id
    seen = await visit.call("CodeService/IssueCode", issue(guest))
    secrets["code"], secrets["replaced code"] = seen[1].answer["otp"], seen[0].answer.otp
    for code in (secrets["code"], secrets["replaced code"], secrets["wrong code"]):
        await visit.call("CodeService/GetCode", codes.GetCodeRequest(otp=code))
        shown = identify(code)
        shown.pos_vendor.operator = secrets["operator"]
        shown.pos_vendor.terminal = secrets["phone"]
        await visit.call("IdentifyService/IdentifyMember", shown)
    order = unclaimed()
    order.transaction_details.payments[0].cc_token = secrets["card"]
    order.transaction_details.pos_vendor.operator = secrets["operator"]
    paid = await visit.call("TransactionService/RecordUnclaimedOrder", order)
    secrets["receipt"] = paid[0].answer.receipt_code
    secrets["other receipt"] = paid[1].answer["receiptCode"]
    for receipt in (secrets["receipt"], secrets["other receipt"], secrets["wrong receipt"]):
        claim = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=receipt)
        await visit.call("TransactionService/ClaimReceipt", claim)
    await visit.call("SessionService/StartAnonymousSession", session(f"session-{guest}"))
    return str(guest)


async def _be_refused(visit: Visit, guest: str) -> None:
    """Send the same secrets where they are not good: too long, of the wrong kind, cut short."""
    secrets = visit.secrets
    wrong = members.EnrollMemberRequest(
        name=f"{secrets['name']}\x07",
        email=f"{secrets['email']}@",
        birth_date=f"{secrets['birth date']}x",
        locale=secrets["operator"],
    )
    await visit.call("MemberService/EnrollMember", wrong)
    for identifier in (f"{secrets['code']}7", secrets["phone"], secrets["name"], "\x01"):
        shown = identify(identifier)
        shown.pos_vendor.operator = f"{secrets['operator']}\x07"
        await visit.call("IdentifyService/IdentifyMember", shown)
    await visit.call("CodeService/GetCode", codes.GetCodeRequest(otp=f"{secrets['code']}8"))
    bad = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=f"{secrets['receipt']}\x07")
    await visit.call("TransactionService/ClaimReceipt", bad)
    for headers in (
        {"x-api-key": secrets["wrong key"]},
        {"x-api-key": "", "authorization": f"Bearer {secrets['wrong key']}"},
        {"x-user-datetime": secrets["name"].encode("ascii", "ignore").decode()},
        {"x-region": secrets["phone"]},
    ):
        await visit.call("IdentifyService/IdentifyMember", identify(secrets["code"]), **headers)
    content = {name.replace(" ", ""): value for name, value in secrets.items()}
    text = json.dumps({**content, "birthDate": [secrets["birth date"]], "name": content})
    for body in (text, text[:-1], text.replace(":", ""), f'"{secrets["name"]}"', text + text):
        await visit.post("/loyalty/members", body.encode())
        await visit.post("/loyalty/identify", body.encode())
        await visit.post("/client/users/anonymous/sessions", body.encode())
    for header in headers_read():
        # What is no UTF-8 comes to the server all the same, with the secret beside it.
        wrong = {header: f"{secrets['idempotency key']}\xff"}
        await visit.post(f"/otp/{secrets['code']}", b"", "GET", **wrong)
    await visit.post(f"/otp/{secrets['code']}/{quote(secrets['name'])}", b"", "GET")
    await visit.post(f"/{secrets['code']}?otp={secrets['code']}&x={secrets['wrong key']}", b"{}")


def _places(rpc: Rpc) -> list[Fields]:
    """Give the fields of a call that can hold a secret."""
    return [path for path in leaves(rpc.request.DESCRIPTOR) if most_of(path[-1])]


def _fill(visit: Visit, request: Any, paths: Iterable[Fields], more: str = "") -> Any:
    """Put the secret of each field there, and more after it."""
    for path in paths:
        place, secret = holder(request, path), visit.secret_for(path) + more
        if path[-1].is_repeated:
            getattr(place, path[-1].name)[:] = [secret]
        else:
            setattr(place, path[-1].name, secret)
    return request


async def _be_driven(visit: Visit, guest: World, *, bad: bool) -> list[tuple[str, Any]]:
    """
    Make every call of the contract with secrets in its fields, good and bad.

    Only where *bad* is on with what is refused for its form, which never comes to a database.

    Returns:
        A good request of each call, with as many secrets as it can be served with.
    """
    filled = []
    for rpc in all_rpcs():
        harmless = []
        for path in _places(rpc):
            request = _fill(visit, await template(guest, rpc), [path])
            seen = await visit.call(rpc.name, request)
            if all(answer.outcome in ADMITTED for answer in seen):
                harmless.append(path)
            for more in ("\x07", "x" * most_of(path[-1])) if bad else ():
                request = _fill(visit, await template(guest, rpc), [path], more)
                await visit.call(rpc.name, request)
        request = _fill(visit, await template(guest, rpc), harmless)
        key = f"key-{visit.secrets['idempotency key']}-{rpc.name}"
        for headers in (
            {},
            {"idempotency-key": key},
            {"idempotency-key": key.ljust(256, "x")},
            {"x-api-key": visit.secrets["wrong key"]},
        ):
            await visit.call(rpc.name, request, **headers)
        filled.append((rpc.name, _fill(visit, await template(guest, rpc), harmless)))
    # The live program is told from memory; an earlier version is asked for.
    return [*filled, ("OperatorService/GetProgram", operators.GetProgramRequest(version=1))]


async def _guest_of(visit: Visit) -> World:
    """Make the things that requests of every call name."""
    guest = World(demo_program(), 0, visit.doors)
    for name in ("member", "other_member"):
        enrolled = await guest.call(
            "MemberService/EnrollMember", members.EnrollMemberRequest(name="Guest")
        )
        guest.things[name] = enrolled.member.loyalty_id
    issued = await guest.call("CodeService/IssueCode", issue(guest.things["member"]))
    guest.things["live_code"] = issued.otp
    guest.things["pending"] = await guest.open()
    return guest


async def _be_failed(visit: Visit, filled: Sequence[tuple[str, Any]]) -> None:
    """Make calls into a database that refuses them for no reason of the contract's."""
    for name, request in filled:
        await visit.call(name, request)


def spellings(kind: str, secret: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Give every way to write a secret that somebody could undo, and what finds it as a whole."""
    data = secret.encode()
    ways = {secret, quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], repr(data)[2:-1]}
    for shift in range(3):
        # Whatever stands before it moves a text within its base64.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            packed = encode(b"\0" * shift + data).decode()
            ways.add(packed[-(-shift * 4 // 3) + (shift > 0) : len(packed) - 4] or packed)
    ways |= {data.hex(), data.hex().upper()}
    for way in ways:
        if len(way) >= len(secret) and len(way) > 4:
            digits = way.isdigit() and "code" in kind
            whole = rf"(?<![\d.]){way}(?![\d.])" if digits else re.escape(way)
            yield way, re.compile(whole)


TOLD_BACK = (
    "OrderLine.incentive_id",
    "Discount.incentive_id",
    "SelectedIncentive.incentive_id",
    "idempotency key",  # Of IDEMPOTENCY_KEY_REUSED.
    # The partner's own name for what it does, and what it takes back.
    "IssueAdhocRedemptionRequest.external_reference_id",
    "IssueAdhocRewardRequest.external_reference_id",
    "VoidAdhocTransactionRequest.external_reference_id",
    "VoidAdhocTransactionRequest.original_transaction_id",
)
"""What a refusal names to whoever sent it, by contract; it may stand nowhere else."""


def told(secrets: Mapping[str, str], places: Mapping[str, str]) -> Iterator[str]:
    """Name each secret that stands somewhere, and the place with what is around it."""
    for kind, secret in secrets.items():
        for way, pattern in spellings(kind, secret):
            for place, text in places.items():
                if place.startswith("refusals") and kind.startswith(TOLD_BACK):
                    continue
                # Megabytes are soon looked through for a text, and slowly for a pattern.
                found = pattern.search(text) if way in text else None
                if found:
                    around = text[max(0, found.start() - 80) : found.end() + 40]
                    yield f"{kind} is in the {place}: {around!r}"


@asynccontextmanager
async def _everything_on(
    trial: Trial, url: str, collector: Collector, places: dict[str, str]
) -> AsyncIterator[tuple[Doors, str]]:
    """Run server and Envoy with all there is to log, measure and trace; keep what they told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        metrics_port = int(probe.getsockname()[1])
    settings = {
        "LOYALTY_LOG_LEVEL": "debug",
        "LOYALTY_METRICS_PORT": str(metrics_port),
        "LOYALTY_OTLP_ENDPOINT": collector.endpoint,
        "LOYALTY_TRACE_RATIO": "1",
    }
    process = await ServerProcess.start(process_environment(url, trial.folder, **settings))
    envoy = EnvoyProcess(
        folder=trial.folder / "envoy",
        grpc_port=int(process.address.rpartition(":")[2]),
        collector_port=collector.port,
        adapt=_trace_every_call_at_once,
    )
    try:
        async with AsyncExitStack() as cleanup:
            await cleanup.enter_async_context(envoy)
            channel = await cleanup.enter_async_context(grpc.aio.insecure_channel(process.address))
            yield Doors(channel, HttpClient("127.0.0.1", envoy.http_port)), process.address
            page = await HttpClient("127.0.0.1", metrics_port).request("GET", "/metrics", None, {})
            places["metrics page"] = page.body.decode()
            places["statistics of Envoy"] = await envoy.ask("/stats")
            edges = any(span.service == "loyalty-edge" for span in collector.spans)
            if not edges:
                await asyncio.to_thread(collector.await_that, lambda: bool(collector.spans))
        await process.stop(quiet=False)
    finally:
        await process.kill()
    places["log of the server"] = "\n".join(process.said)
    places["log of Envoy"] = envoy.log.read_text(encoding="utf-8", errors="replace")
    places["configuration of Envoy"] = json.dumps(envoy.render()["static_resources"])
    places["traces"] = "\n".join(map(str, collector.spans))
    places["measurements sent"] = "\n".join(map(str, collector.metrics.values()))


def _trace_every_call_at_once(config: dict[str, Any]) -> None:
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    manager["typed_config"]["tracing"]["random_sampling"] = {"value": 100.0}
    layer = {"tracing.opentelemetry.flush_interval_ms": 50}
    runtime = config.setdefault("layered_runtime", {"layers": []})
    runtime["layers"].append({"name": "test", "static_layer": layer})


async def _key_of(url: str) -> str:
    """Make keys as an operator does; the secret of one is known here and to nobody else."""
    secret = new_key()
    async with open_store(url) as store:
        for partner, text in (
            ("secretive", secret),
            ("acme", key_of(PROGRAM_ID, "acme", Role.ADMIN)),
        ):
            command = CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=text)
            await store.write(lambda unit, now_ms, made=command: create_key(unit, made, now_ms))
    return secret


async def run(trial: Trial) -> None:
    """Serve, refuse and fail guests with everything logged, then look for their secrets."""
    url = trial.new_database()
    await prepare_bank(url, [])
    key = await _key_of(url)
    places: dict[str, str] = {}
    visits, filled = [], []
    with run_collector() as collector:
        async with _everything_on(trial, url, collector, places) as (doors, _):
            for number in range(trial.choose(*ROUNDS)):
                chance = trial.chance(number)
                visit = Visit(doors, key, chance, _words(chance))
                visits.append(visit)
                await _be_refused(visit, await _be_served(visit))
                bad = trial.full or trial.kind != POSTGRESQL
                filled.append(await _be_driven(visit, await _guest_of(visit), bad=bad))
                broken = sorted(name for name, ends in visit.ends.items() if BROKEN in ends)
                trial.require(not broken, f"{broken} failed inside before there was a fault")
            faults = [GONE.format(table) for table in READ]
            if trial.kind == POSTGRESQL:
                faults = [*(REFUSED_ROW.format(table) for table in WRITTEN), "", *faults]
            for fault in [*faults, ""]:
                if fault:
                    execute(url, fault)
                    continue
                for visit, requests in zip(visits, filled, strict=True):
                    await _be_failed(visit, requests)
    known = {"api key": key, "pepper": PEPPER.decode()}
    password = Database.from_text(url).url.password
    if password:
        known["password of the database"] = str(password)
    for number, visit in enumerate(visits):
        known |= {f"{kind} {number}": secret for kind, secret in visit.secrets.items()}
        places[f"refusals {number}"] = "\n".join(visit.refused)
    trial.problems += told(known, places)
    outcomes = [outcome for visit in visits for outcome in visit.outcomes]
    for rpc in all_rpcs():
        for end in (SERVED, REFUSED, BROKEN):
            tried = all(end in visit.ends[rpc.name] for visit in visits) or (
                end == BROKEN and rpc.name in ASK_NOTHING
            )
            trial.require(tried, f"no {rpc.name} was {end}, so its secrets were not tried there")
    failed = sum(outcome in FAILED for outcome in outcomes)
    trial.require("Traceback" in places["log of the server"], "no traceback was logged")
    trial.require(collector.spans, "nothing was traced")
    # The path of a poll holds a code, so the shipped configuration writes no access log.
    trial.require("access_log" not in places["configuration of Envoy"], "Envoy logs paths")
    named = [rpc for rpc in all_rpcs() if any(rpc.name in text for text in places.values())]
    trial.figure("secrets", len(known))
    trial.figure("spellings", sum(len(list(spellings(*pair))) for pair in known.items()))
    trial.figure("calls", len(outcomes))
    trial.figure("refused", sum(len(visit.refused) for visit in visits))
    trial.figure("failed inside", failed)
    trial.figure("calls seen in what was told", len(named))
    trial.figure("bytes looked through", sum(map(len, places.values())))


GOALS = (
    Goal(
        "G26",
        "Secrets",
        "No code, key, name or address is in a log, metric, trace or error.",
        run,
    ),
)
