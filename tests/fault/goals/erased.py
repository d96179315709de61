"""G44: members erased under load, and searched for everywhere afterwards."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from google.protobuf.message import Message

from loyalty.v1 import code_service_pb2, identify_service_pb2, member_service_pb2
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.transport.persons import PLACES
from loyalty_service.transport.rpcs import RPCS
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.planted import Bug, planted
from tests.fault.senders import GrpcSender, LostError
from tests.support.banks import (
    ServerProcess,
    open_callers,
    prepare_bank,
    process_environment,
    run_here,
)
from tests.support.ledger import rows
from tests.support.personal import found_in
from tests.support.server import Caller, identify_request
from tests.support.stores import PEPPER
from tests.support.transactions import line, update_request

CLIENTS = 8
BORN = "1907-03-09"
"""The birthday of all who are erased, and of nobody else."""

TRIES_MAX = 50
ROWS = ("member", "loyalty_transaction", "transfer", "code", "remembered_answer", "event")

KEPT_WITH_NAMES = Bug("names kept in answers", "nameless", "person.ClearField(field)", "str(field)")


@dataclass
class Kept:
    """A call that was answered under a key, before its member was erased."""

    method: str
    request: Message
    key: str
    answer: Message


@dataclass
class Life:
    """
    A guest from the enrolment on.

    Attributes:
        goes: Whether they are erased.
    """

    name: str
    email: str
    birth_date: str
    goes: bool
    loyalty_id: str = ""
    kept: list[Kept] = field(default_factory=list)


def _lives(chance: Random, count: int, gone: str, stays: str) -> list[Life]:
    """Make up guests, of whom every second one is erased; their names begin with these words."""
    made = []
    for number in range(count):
        goes = number % 2 == 0
        word = gone if goes else stays
        email = f"{word}.{number}@Example.com" if chance.random() < 0.9 else ""
        born = BORN if goes else "1990-01-01"
        made.append(Life(f"{word.title()} {number}", email, born, goes))
    return made


class _Tills:
    """Apps and tills of one program."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._senders = [GrpcSender(caller) for caller in callers]
        self.calls = 0

    async def send(self, life: Life, method: str, request: Message) -> Any:
        """Make a call under a key of its own until it is answered; absent where it is refused."""
        key = str(uuid.uuid4())
        answer = await self.again(method, request, key, number=self.calls)
        if answer is not None:
            life.kept.append(Kept(method, request, key, answer[0]))
        return None if answer is None else answer[0]

    async def again(
        self, method: str, request: Message, key: str, number: int = 0
    ) -> tuple[Any, bool] | None:
        """Make a call under a key; tell its answer, and whether that was an earlier one."""
        sender = self._senders[number % len(self._senders)]
        for _ in range(TRIES_MAX):
            try:
                sent = await sender.send(method, request, key)
            except LostError:
                continue
            self.calls += 1
            if sent.reason:
                return None
            return RPCS[method].answer_class.FromString(sent.body), sent.repeated
        raise LostError(f"{method} was answered by nobody")


async def _live(tills: _Tills, chance: Random, life: Life) -> None:
    """Enroll, order, and perhaps be erased while the next call is under way."""
    request = member_service_pb2.EnrollMemberRequest(name=life.name, birth_date=life.birth_date)
    if life.email:
        request.email = life.email
    enrolled = await tills.send(life, "MemberService/EnrollMember", request)
    life.loyalty_id = enrolled.member.loyalty_id
    for _ in range(chance.randint(1, 3)):
        await _order(tills, chance, life)
    if not life.goes:
        return
    erase = member_service_pb2.EraseMemberRequest(loyalty_id=life.loyalty_id, reason="G44")
    await asyncio.gather(
        tills.send(life, "MemberService/EraseMember", erase),
        *(_order(tills, chance, life) for _ in range(chance.randint(0, 2))),
    )


async def _order(tills: _Tills, chance: Random, life: Life) -> None:
    """Show a code or the loyalty ID, and pay; whoever is erased meanwhile may be unknown."""
    shown = life.loyalty_id
    if chance.random() < 0.7:
        issue = code_service_pb2.IssueCodeRequest(loyalty_id=life.loyalty_id)
        issued = await tills.send(life, "CodeService/IssueCode", issue)
        if issued is None:
            return
        shown = issued.otp
    identify: identify_service_pb2.IdentifyMemberRequest = identify_request(shown)
    opened = await tills.send(life, "IdentifyService/IdentifyMember", identify)
    if opened is not None and chance.random() < 0.9:
        report = update_request(opened.transaction_id, "CLAIMED", line(5))
        await tills.send(life, "TransactionService/ReportOrder", report)


def _count(url: str) -> list[Any]:
    counts = ", ".join(f"(SELECT count(*) FROM {name})" for name in ROWS)  # noqa: S608
    return [tuple(row) for row in rows(url, f"SELECT {counts}")]


async def _require_answers(trial: Trial, tills: _Tills, lives: Sequence[Life], url: str) -> None:
    """Send every call again: it does nothing, and is answered as before but for the names."""
    before = _count(url)
    again = wrong = 0
    for life in lives:
        for kept in life.kept:
            answer = await tills.again(kept.method, kept.request, kept.key)
            again += 1
            place = PLACES.get(RPCS[kept.method].kept_as)
            if answer is None or not answer[1]:
                wrong += 1
                continue
            if place is not None and life.goes:
                person, first = getattr(answer[0], place), getattr(kept.answer, place)
                wrong += person.name != "erased" or BORN in str(person)
                for name in ("name", "email", "birth_date"):
                    if name in person.DESCRIPTOR.fields_by_name:
                        person.ClearField(name)
                        first.ClearField(name)
            wrong += answer[0] != kept.answer
    trial.figure("calls sent again", again)
    trial.figure("of them answered otherwise, or done again", wrong)
    trial.require(not wrong, f"{wrong} calls that were sent again got another answer")
    trial.require(_count(url) == before, "calls that were sent again added rows")


async def run(trial: Trial) -> None:
    """
    Erase every second guest while they and others order, and search for them everywhere.

    They are looked for in every value of every row, in kept answers, which are opened, in the
    files of an embedded database, in a backup that is taken afterwards and in the server's log of
    everything. All that they did before must be answered again as it was, but for their names.
    """
    url = trial.new_database()
    await prepare_bank(url, [1000])
    chance = trial.chance("lives")
    gone, stays = (f"{word}{chance.randrange(10**9, 10**10)}" for word in ("gone", "stays"))
    lives = _lives(chance, trial.choose(400, 60), gone, stays)
    settings = {"LOYALTY_LOG_LEVEL": "debug", "LOYALTY_SWEEP_INTERVAL_S": "0.2"}
    environment = process_environment(url, trial.folder, **settings)
    server = await ServerProcess.start(environment)
    try:
        async with open_callers([server.address], CLIENTS) as callers:
            tills = _Tills(callers)
            waiting = iter(lives)

            async def client(number: int) -> None:
                for life in waiting:
                    await _live(tills, trial.chance("life", number, life.name), life)

            await asyncio.gather(*(client(number) for number in range(2 * CLIENTS)))
            await _search(trial, url, gone, stays)
            await _require_answers(trial, tills, lives, url)
        await _search(trial, url, gone, stays)
        trial.figure("calls", tills.calls)
        await server.stop(quiet=False)
    finally:
        await server.kill()
    trial.figure("members erased", sum(life.goes for life in lives))
    said = "\n".join(server.said).lower()
    trial.figure("lines of the log", len(server.said))
    trial.require(gone not in said and BORN not in said, "the log names somebody who was erased")
    findings = await asyncio.to_thread(audit, Database.from_text(url))
    trial.require(findings.all_hold, f"the audit fails: {findings.problems[:1]}")
    backup = trial.folder / "later.backup"
    await asyncio.to_thread(back_up, Database.from_text(url), backup, PEPPER)
    saved = backup.read_bytes().lower()
    hits = saved.count(gone.encode()) + saved.count(BORN.encode())
    trial.figure("hits in a later backup", hits)
    trial.require(not hits, "a backup that was taken afterwards names somebody")
    trial.require(stays.encode() in saved, "the search finds nobody at all in a backup")
    await _require_control(trial)


async def _search(trial: Trial, url: str, gone: str, stays: str) -> None:
    """Look for those who are gone, and for the others so that it is known what a search finds."""
    found: list[str] = []
    for _ in range(TRIES_MAX):
        found = await asyncio.to_thread(found_in, url, [PEPPER], [gone, BORN])
        if not found or trial.kind != SQLITE:
            break
        # The log is emptied by the next sweep where somebody was reading it.
        await asyncio.sleep(0.1)
    trial.figure("hits in rows, kept answers and files", len(found))
    trial.require(not found, f"{len(found)} places name somebody who was erased: {found[:3]}")
    others = await asyncio.to_thread(found_in, url, [PEPPER], [stays])
    trial.require(others, "the search finds nobody at all")
    answers = [place for place in others if "answer" in place]
    trial.require(not answers, f"kept answers have names: {answers[:3]}")


async def _require_control(trial: Trial) -> None:
    """Erase somebody on a server that keeps names in answers: the search must find them there."""
    url = trial.new_database()
    await prepare_bank(url, [1000])
    life = Life("Control Person", "control@example.com", BORN, goes=True)
    with planted(KEPT_WITH_NAMES):
        async with (
            run_here(url, trial.folder / "control") as address,
            open_callers([address], 1) as callers,
        ):
            await _live(_Tills(callers), trial.chance("control"), life)
    found = found_in(url, [PEPPER], [life.name])
    trial.require(found, "a name that is kept in an answer is not found")


GOALS = (
    Goal(
        "G44",
        "Erased members",
        "Of a member who was erased no row, kept answer, file, later backup or log tells the name, "
        "the address or the birthday; the ledger still sums, and old keys still act once.",
        run,
    ),
)
