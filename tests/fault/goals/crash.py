"""G1: the server, or its database, is killed at any moment under load, and started again."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.goals.bank import unbalanced
from tests.fault.line import Answered, HungUpError, Line
from tests.fault.tills import Client, Ledgers
from tests.support.banks import SECRET, Bank, ServerProcess, prepare_bank, process_environment
from tests.support.http import HttpClient
from tests.support.ledger import rows
from tests.support.postgres import Postgres
from tests.support.server import Caller

CALLS_PER_S = 200.0
CALLS_PER_S_MIN = 180.0
CLIENTS = 24
MEMBERS = 8
POINTS = 5000
PENDING_LIFETIME_S = 2
REPEATED_AT_ONCE = 32
START_MAX_S = 5.0
SAID_MAX = 20

TOTALS = (
    "SELECT member.loyalty_id AS loyalty_id, sum(account.balance) AS points FROM account "
    "JOIN member ON member.number = account.member_number GROUP BY member.loyalty_id"
)
TRANSACTIONS = "SELECT transaction_id FROM loyalty_transaction"


@dataclass
class _Crashes:
    """
    A server that is killed again and again, and what its callers know.

    Attributes:
        outcomes: What became of the tills' calls.
        start_s: Time that the slowest start took.
        known: Answers that servers which are gone have given.
        served: Calls that were settled while a server was there.
        served_s: Time in which one was there.
    """

    trial: Trial
    url: str
    line: Line
    server: ServerProcess
    outcomes: Counter[tuple[str, str]]
    start_s: float = 0.0
    known: int = 0
    served: int = 0
    served_s: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.start_s = self.server.start_s

    async def round(self, number: int, chance: random.Random) -> None:
        """Kill something at a random moment, start it again, and ask for all that was answered."""
        before, began = self.outcomes.total(), time.monotonic()
        await self.line.until_answered(
            self.known + chance.randrange(10, self.trial.choose(400, 60))
        )
        await asyncio.sleep(chance.uniform(0, 0.02))
        self.served += self.outcomes.total() - before
        self.served_s += time.monotonic() - began
        victims = ["server"]
        if self.trial.kind == POSTGRESQL and self.trial.full:
            victims = chance.choice([["server"], ["server"], ["database"], ["server", "database"]])
        for victim in victims:
            self.killed[victim] += 1
        if "server" in victims:
            await self.server.kill()
        if "database" in victims:
            assert isinstance(self.trial.backend, Postgres)
            await asyncio.to_thread(self.trial.backend.crash)
        if "server" in victims:
            self.server = await ServerProcess.start(_environment(self.trial, self.url))
            self.start_s = max(self.start_s, self.server.start_s)
        # Before the new server is called, all that is known was answered by the one that is gone.
        answered = list(self.line.answers)[self.known :]
        self.known += len(answered)
        self.line.connect(self.server.address)
        await self.repeat(answered)
        self.trial.problems += await asyncio.to_thread(_broken, self.url)
        if number % 10 == 0:
            self.trial.say(f"round {number}: {self.known} answered calls are all there")

    async def repeat(self, keys: Iterable[str]) -> None:
        """Send answered calls again: each must be known, and answered in the same bytes."""
        waiting = iter(keys)

        async def work() -> None:
            for key in waiting:
                wrong = await self.line.repeat(key)
                self.trial.require(not wrong, str(wrong))

        await asyncio.gather(*(work() for _ in range(REPEATED_AT_ONCE)))


def _environment(trial: Trial, url: str) -> dict[str, str]:
    return process_environment(url, trial.folder, LOYALTY_SWEEP_INTERVAL_S="0.2")


def _broken(url: str) -> list[str]:
    """Name what is damaged in the file, and what does not balance."""
    found = []
    database = Database.from_text(url)
    if database.embedded:
        with closing(sqlite3.connect(f"file:{database.url.database}?mode=ro", uri=True)) as file:
            (verdict,) = file.execute("PRAGMA integrity_check(1)").fetchone()
        found += [] if verdict == "ok" else [f"integrity_check says {verdict}"]
    wrong: list[str] = Bank("", url, ()).read(unbalanced)
    return found + wrong


async def run(trial: Trial) -> None:
    """
    Kill under 200 writing calls a second, and compare with what the callers were answered.

    Callers send again, under the same key, what they got no answer for. In the end the
    transactions are those that were answered, and each member has the points that the answers
    make.
    """
    rounds = trial.choose(100, 1)
    url = trial.new_database()
    members = await prepare_bank(url, [POINTS] * MEMBERS, PENDING_LIFETIME_S)
    shared = Ledgers(Bank("", url, tuple(members)))
    line = Line(CALLS_PER_S)
    server = await ServerProcess.start(_environment(trial, url))
    crashes = _Crashes(trial, url, line, server, shared.outcomes)
    line.connect(crashes.server.address)
    caller = Caller(line, SECRET)  # type: ignore[arg-type]
    tills = [
        # What follows from the answers to calls of sessions is for G4 and G50 to say.
        asyncio.create_task(_till(Client(shared, caller, trial.chance(n), n, visits=False)))
        for n in range(CLIENTS)
    ]
    try:
        for number in range(1, rounds + 1):
            await crashes.round(number, trial.chance("round", number))
            if trial.problems:
                break
        line.hang_up()
        await asyncio.gather(*tills)
        await crashes.repeat(list(line.answers))
        await crashes.server.stop()
    finally:
        line.hang_up()
        for till in tills:
            till.cancel()
        await crashes.server.kill()
        await line.close()
        # Tills stop at the first wrong answer, which also ends the wait for more of them.
        trial.problems += shared.wrong
        if shared.wrong:
            trial.say("\n".join(crashes.server.said[-SAID_MAX:]))
    trial.problems += [f"{key} was answered in two ways" for key in line.changed]
    trial.problems += _differences(url, members, line.answers.values())
    findings = await asyncio.to_thread(audit, Database.from_text(url))
    trial.problems += [str(problem) for problem in findings.problems]
    _report(trial, crashes, line.answers.values())


async def _till(client: Client) -> None:
    try:
        await client.run(float("inf"))
    except HungUpError:
        return


@dataclass
class _Expected:
    """What follows from the answers alone: transactions, and the points of each member."""

    points: dict[str, int]
    opened: Counter[str] = field(default_factory=Counter)
    moved: dict[str, tuple[str, int]] = field(default_factory=dict)
    voided: set[str] = field(default_factory=set)

    def take(self, one: Answered) -> None:
        answer = one.answer
        match one.method:
            case "IdentifyMember" | "RecordUnclaimedOrder":
                self.opened[answer.transaction_id] += 1
            case "EnrollMember":
                self.points[answer.member.loyalty_id] = 0
            case "VoidTransaction":
                self.voided.add(one.request.loyalty_transaction_id)
            case "ChangeTransactionStatus" if one.request.new_status == pb.Transaction.VOID:
                self.voided.add(answer.transaction_id)
            case "ChangeTransactionStatus":
                net = answer.points_earned - answer.points_redeemed
                self.moved[answer.transaction_id] = (answer.loyalty_id, net)
            case "ClaimReceipt":
                self.moved[answer.transaction_id] = (one.request.loyalty_id, answer.points_earned)
            case "AssignPoints" | "RedeemPromoCode":
                self.points[one.request.loyalty_id] += answer.points_earned
            case "TakeGrant":
                self.points[one.request.loyalty_id] -= answer.points_used
            case "ReportOrder" if one.request.status == pb.Transaction.CLAIMED:
                net = answer.points_earned - answer.points_redeemed
                self.moved[answer.transaction_id] = (answer.loyalty_id, net)

    def final_points(self) -> dict[str, int]:
        """Add up what was moved and not cancelled."""
        points = Counter(self.points)
        for transaction_id, (member, net) in self.moved.items():
            if transaction_id not in self.voided:
                points[member] += net
        return dict(points)


def _differences(url: str, members: list[str], answers: Iterable[Answered]) -> list[str]:
    """Compare the store with what follows from the answers alone."""
    expected = _Expected(dict.fromkeys(members, POINTS))
    for answered in answers:
        expected.take(answered)
    points = expected.final_points()
    stored = {row.loyalty_id: int(row.points) for row in rows(url, TOTALS)}
    found = [
        f"member {member} has {stored.get(member)}, by the answers {points.get(member)}"
        for member in {*points, *stored}
        if points.get(member) != stored.get(member)
    ]
    opened = expected.opened
    kept = {row.transaction_id for row in rows(url, TRANSACTIONS)}
    found += [f"transaction {number} was answered and is gone" for number in {*opened} - kept]
    found += [f"transaction {number} was answered to nobody" for number in kept - {*opened}]
    found += [f"transaction {number} answers two orders" for number, n in opened.items() if n > 1]
    return found


def _report(trial: Trial, crashes: _Crashes, answers: Iterable[Answered]) -> None:
    calls_per_s = crashes.served / crashes.served_s
    sent_again = [one for one in answers if one.tries > 1]
    trial.figure("kills", sum(crashes.killed.values()))
    for victim, times in crashes.killed.items():
        trial.figure(f"of the {victim}", times)
    trial.figure("calls/s between the kills", round(calls_per_s))
    trial.figure("acknowledged writes", len(crashes.line.answers))
    trial.figure("sent again unanswered", len(sent_again))
    trial.figure("of them done before", sum(one.repeated for one in sent_again))
    trial.figure("slowest start", f"{crashes.start_s:.1f} s")
    if trial.full:
        slow = f"a start took {crashes.start_s:.1f} s, more than {START_MAX_S:.0f}"
        trial.require(crashes.start_s <= START_MAX_S, slow)
        trial.require(calls_per_s >= CALLS_PER_S_MIN, f"only {calls_per_s:.0f} calls/s were made")


CALLERS = 16


async def run_two(trial: Trial) -> None:
    """
    Kill one of two servers behind one Envoy, and send again what failed.

    No more calls fail than were under way, and every guest is enrolled once.
    """
    # Fewer than a key may enroll in a minute.
    calls = trial.choose(1000, 240)
    url = trial.new_database()
    await prepare_bank(url, [])
    starting = [ServerProcess.start(process_environment(url, trial.folder)) for _ in range(2)]
    servers = await asyncio.gather(*starting)
    try:
        ports = [int(server.address.rpartition(":")[2]) for server in servers]
        envoy = EnvoyProcess(folder=trial.folder, grpc_port=ports[0], other_grpc_ports=ports[1:])
        async with envoy:
            outcomes = await _enroll(envoy.http_port, calls, servers[0], calls // 4)
        await servers[1].stop()
    finally:
        for server in servers:
            await server.kill()
    failed = outcomes.total() - calls
    trial.require(outcomes[200] == calls, f"{outcomes[200]} of {calls} calls succeeded")
    trial.require(failed <= CALLERS, f"{failed} calls failed, and {CALLERS} were under way")
    (members,) = rows(url, "SELECT count(*) AS number FROM member")
    trial.require(members.number == calls, f"{members.number} members after {calls} calls")
    trial.problems += await asyncio.to_thread(_broken, url)
    trial.figure("calls", calls)
    trial.figure("failed at the kill and sent again", failed)


async def _enroll(http_port: int, calls: int, victim: ServerProcess, kill_at: int) -> Counter[int]:
    """Enroll members from many tills; a call that fails is sent again under the same key."""
    outcomes: Counter[int] = Counter()
    numbers = iter(range(calls))
    client = HttpClient("127.0.0.1", http_port)

    async def work() -> None:
        for number in numbers:
            if number == kill_at:
                await victim.kill()
            headers = {
                "x-api-key": SECRET,
                "content-type": "application/json",
                "idempotency-key": f"member-{number}",
            }
            status = 0
            while status != 200:
                body = f'{{"name": "Guest {number}"}}'
                answer = await client.request("POST", "/loyalty/members", body, headers)
                status = answer.status
                outcomes[status] += 1

    await asyncio.gather(*(work() for _ in range(CALLERS)))
    return outcomes


GOALS = (
    Goal(
        "G1",
        "Crash",
        "Whatever is killed at whatever moment, no answer is forgotten and nothing is done twice.",
        run,
    ),
    Goal(
        "G1",
        "One of two servers killed",
        "Of two servers behind one Envoy one is killed: only calls under way fail, none is lost.",
        run_two,
        (POSTGRESQL,),
    ),
)
