"""G26: what must stay secret is nowhere but where it belongs."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import grpc

from loyalty.v1 import code_service_pb2 as codes
from loyalty.v1 import member_service_pb2 as members
from loyalty.v1 import transaction_service_pb2 as pb
from server.application.create_key import CreateKey, create_key
from server.domain.codes import RECEIPT_ALPHABET
from server.domain.keys import Role, new_key
from server.sandbox.envoy_process import EnvoyProcess
from server.storage.databases import Database
from tests.fault.doors import Doors, Seen, all_rpcs
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.worlds import identify, issue, rpc_named, session, unclaimed
from tests.support.banks import ServerProcess, prepare_bank, process_environment
from tests.support.collector import Collector, run_collector
from tests.support.http import HttpClient
from tests.support.ledger import execute
from tests.support.programs import PROGRAM_ID
from tests.support.stores import PEPPER, open_store

NEVER_BEFORE = "ALTER TABLE member ADD CONSTRAINT planted CHECK (name = '') NOT VALID"
GONE = "ALTER TABLE member RENAME COLUMN name TO planted"
"""Faults that make every enrolment fail inside; the first quotes the row it refuses."""

ROUNDS = (3, 1)


@dataclass
class Visit:
    """
    A guest's visit in which every secret is known and unlike anything else.

    Attributes:
        secrets: By what they are.
        refused: What callers read of calls that failed.
    """

    doors: Doors
    key: str
    secrets: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

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
        return seen

    async def post(self, url: str, body: bytes, method: str = "POST") -> None:
        """Send what no stub would."""
        self._keep(await self.doors.send(method, url, body, {"x-api-key": self.key}))

    def _keep(self, answer: Seen) -> None:
        self.outcomes.append(answer.outcome)
        if answer.outcome not in {"OK", "200"}:
            self.refused.append(answer.text)


def _words(chance: Any) -> dict[str, str]:
    """Make up the secrets of a visit."""

    def letters(count: int) -> str:
        return "".join(chance.choices("bcdfghjklmnpqrstvwxz", k=count))

    return {
        "name": f"Zébulon {letters(8).title()}",
        "email": f"{letters(9)}@{letters(7)}.example.org",
        "birth date": f"19{chance.randrange(30, 99)}-03-{chance.randrange(10, 29)}",
        "phone": f"+1514555{chance.randrange(10**4):04d}",
        "operator": f"Quatremain {letters(8).title()}",
        "card": f"tok-{letters(16)}",
        "wrong key": f"lk_{letters(32)}",
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
        await visit.call("IdentifyService/Identify", shown)
    order = unclaimed()
    order.transaction_details.payments[0].cc_token = secrets["card"]
    order.transaction_details.pos_vendor.operator = secrets["operator"]
    paid = await visit.call("TransactionService/Unclaimed", order)
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
        await visit.call("IdentifyService/Identify", shown)
    await visit.call("CodeService/GetCode", codes.GetCodeRequest(otp=f"{secrets['code']}8"))
    bad = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=f"{secrets['receipt']}\x07")
    await visit.call("TransactionService/ClaimReceipt", bad)
    for headers in (
        {"x-api-key": secrets["wrong key"]},
        {"x-api-key": "", "authorization": f"Bearer {secrets['wrong key']}"},
        {"x-user-datetime": secrets["name"].encode("ascii", "ignore").decode()},
        {"x-region": secrets["phone"]},
    ):
        await visit.call("IdentifyService/Identify", identify(secrets["code"]), **headers)
    content = {name.replace(" ", ""): value for name, value in secrets.items()}
    text = json.dumps({**content, "birthDate": [secrets["birth date"]], "name": content})
    for body in (text, text[:-1], text.replace(":", ""), f'"{secrets["name"]}"', text + text):
        await visit.post("/loyalty/members", body.encode())
        await visit.post("/loyalty/identify", body.encode())
        await visit.post("/client/users/anonymous/sessions", body.encode())
    await visit.post(f"/otp/{secrets['code']}/{quote(secrets['name'])}", b"", "GET")
    await visit.post(f"/{secrets['code']}?otp={secrets['code']}&x={secrets['wrong key']}", b"{}")


async def _be_failed(visit: Visit, guest: str) -> None:
    """Make calls into a database that refuses them for no reason of the contract's."""
    secrets = visit.secrets
    enroll = members.EnrollMemberRequest(
        name=secrets["name"], email=secrets["email"], birth_date=secrets["birth date"]
    )
    await visit.call("MemberService/EnrollMember", enroll)
    await visit.call("MemberService/GetMember", members.GetMemberRequest(loyalty_id=guest))
    await visit.call("CodeService/IssueCode", issue(guest))


def spellings(kind: str, secret: str) -> Iterator[re.Pattern[str]]:
    """Give every way to write a secret that somebody could undo."""
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
            yield re.compile(rf"(?<![\d.]){way}(?![\d.])" if digits else re.escape(way))


def told(secrets: Mapping[str, str], places: Mapping[str, str]) -> Iterator[str]:
    """Name each secret that stands somewhere, and the place with what is around it."""
    for kind, secret in secrets.items():
        for pattern in spellings(kind, secret):
            for place, text in places.items():
                found = pattern.search(text)
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
            admin = HttpClient("127.0.0.1", envoy.admin_port)
            places["statistics of Envoy"] = (
                await admin.request("GET", "/stats", None, {})
            ).body.decode()
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
    """Make a key as an operator does; its secret is known here and to nobody else."""
    secret = new_key()
    async with open_store(url) as store:
        command = CreateKey(PROGRAM_ID, "secretive", Role.ADMIN, secret=secret)
        await store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
    return secret


async def run(trial: Trial) -> None:
    """Serve, refuse and fail guests with everything logged, then look for their secrets."""
    url = trial.new_database()
    await prepare_bank(url, [])
    key = await _key_of(url)
    places: dict[str, str] = {}
    visits = []
    with run_collector() as collector:
        async with _everything_on(trial, url, collector, places) as (doors, _):
            for number in range(trial.choose(*ROUNDS)):
                visit = Visit(doors, key, _words(trial.chance(number)))
                visits.append((visit, await _be_served(visit)))
                await _be_refused(visit, visits[-1][1])
            execute(url, NEVER_BEFORE if trial.kind == POSTGRESQL else GONE)
            for visit, guest in visits:
                await _be_failed(visit, guest)
    known = {"api key": key, "pepper": PEPPER.decode()}
    password = Database.from_text(url).url.password
    if password:
        known["password of the database"] = str(password)
    for number, (visit, _) in enumerate(visits):
        known |= {f"{kind} {number}": secret for kind, secret in visit.secrets.items()}
        places[f"refusals {number}"] = "\n".join(visit.refused)
    trial.problems += told(known, places)
    outcomes = [outcome for visit, _ in visits for outcome in visit.outcomes]
    failed = sum(outcome in {"INTERNAL", "500"} for outcome in outcomes)
    trial.require(failed >= 2, "nothing failed inside, so no traceback was looked through")
    trial.require("Traceback" in places["log of the server"], "no traceback was logged")
    trial.require(collector.spans, "nothing was traced")
    # The path of a poll holds a code, so the shipped configuration writes no access log.
    trial.require("access_log" not in places["configuration of Envoy"], "Envoy logs paths")
    named = {seen for rpc in all_rpcs() for seen in [rpc.name] if rpc.name in str(places)}
    trial.figure("secrets", len(known))
    trial.figure("spellings", sum(len(list(spellings(*pair))) for pair in known.items()))
    trial.figure("calls", len(outcomes))
    trial.figure("refused", sum(len(visit.refused) for visit, _ in visits))
    trial.figure("failed inside", failed)
    trial.figure("calls seen in what was told", len(named))
    trial.figure("bytes looked through", sum(map(len, places.values())))


GOALS = (
    Goal(
        "G26",
        "Secrets",
        "No code, key, name or address is in a log, measurement, trace or refusal.",
        run,
    ),
)
