"""G37: no answer rests on what a synchronous standby does not have."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import grpc

from loyalty.v1 import member_service_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.line import UNANSWERED
from tests.support.banks import open_callers, prepare_bank, run_here
from tests.support.server import Caller, identify_request
from tests.support.standby import Pair, run_pair
from tests.support.transactions import line, transactions, update_request

TILLS = 12
RECOVERY_S = 30.0
PAUSE_S = 0.02
HOWS = ("pg_cancel_backend", "pg_terminate_backend")


async def run(trial: Trial) -> None:
    """
    Stall the standby, interrupt the commits that wait for it, kill the primary, and promote.

    Meanwhile tills claim orders, send again what failed, and ask what became of it and how many
    points their members have. All that they were told must be so on the promoted standby, before
    they send anything again; then they go on.
    """
    figures: Counter[str] = Counter()
    for number in range(trial.choose(8, 1)):
        with run_pair() as pair:
            figures += await _fail_over(trial, pair, trial.choose(5.0, 0.7), number)
        trial.say(f"promotion {number + 1}: {figures['acknowledged']} acknowledged")
        if trial.problems:
            break
    for name, value in figures.items():
        trial.figure(name, value)
    for needed in ("acknowledged", "interrupted", "asked meanwhile"):
        trial.require(figures[needed], f"none were {needed}")


async def _fail_over(trial: Trial, pair: Pair, stalled_s: float, number: int) -> Counter[str]:
    members = await prepare_bank(pair.url, [0] * TILLS)
    folder = trial.folder / str(number)
    folder.mkdir()
    figures: Counter[str] = Counter({"promotions": 1})
    async with (
        run_here(pair.url, folder) as address,
        open_callers([address], TILLS) as callers,
    ):
        # What they wait for an answer before they ask what became of their call.
        patience_s = trial.choose(1.0, 0.2)
        tills = [_Till(*both, patience_s) for both in zip(callers, members, strict=True)]
        working = [asyncio.create_task(till.run()) for till in tills]
        try:
            await _each(tills, 1)
            await asyncio.to_thread(pair.stall)
            answered = sum(till.told for till in tills)
            figures["interrupted"] = await _interrupt(pair, stalled_s)
            figures["answered while stalled"] = sum(till.told for till in tills) - answered
            await _cancel(working)
            await asyncio.to_thread(pair.promote)
            figures["acknowledged"] = sum(len(till.answers) for till in tills)
            figures["told to be committed"] = sum(len(till.committed) for till in tills)
            figures["asked meanwhile"] = sum(till.asked for till in tills)
            looks = await asyncio.gather(*(till.lacking() for till in tills))
            trial.problems += [lack for lacks in looks for lack in lacks]
            # The same server goes on with the promoted standby.
            working = [asyncio.create_task(till.run()) for till in tills]
            await _each(tills, max(till.orders for till in tills) + 1)
        finally:
            await _cancel(working)
    trial.problems += [wrong for till in tills for wrong in till.wrong]
    findings = await asyncio.to_thread(audit, Database.from_text(pair.standby_url))
    trial.problems += [str(problem) for problem in findings.problems]
    return figures


async def _cancel(working: list[asyncio.Task[None]]) -> None:
    for till in working:
        till.cancel()
    await asyncio.gather(*working, return_exceptions=True)


async def _each(tills: list[_Till], orders: int) -> None:
    """Wait until every till has claimed so many orders."""
    async with asyncio.timeout(RECOVERY_S):
        for till in tills:
            await till.until(orders)


async def _interrupt(pair: Pair, seconds: float) -> int:
    """Cancel and end whoever waits for the standby, in turn, again and again; counts them."""
    until = time.monotonic() + seconds
    interrupted = turn = 0
    while time.monotonic() < until or not interrupted:
        found = await asyncio.to_thread(pair.interrupt, HOWS[turn % len(HOWS)])
        interrupted += found
        turn += found > 0
        await asyncio.sleep(PAUSE_S)
    return interrupted


@dataclass
class _Till:
    """
    Claims an order after another, for a member of its own.

    Attributes:
        orders: Orders that it was told are claimed.
        answers: The first answer under each key, with what was sent.
        committed: Keys of which it was told that they are committed.
        points: The most points that it was told its member has; nobody takes any.
        asked: How often it asked what became of a call.
        told: How often it was told anything.
    """

    caller: Caller
    member: str
    patience_s: float
    orders: int = 0
    answers: dict[str, tuple[Any, Any, bytes]] = field(default_factory=dict)
    committed: set[str] = field(default_factory=set)
    points: int = 0
    asked: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stub = transactions(self.caller)
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Claim orders until it is cancelled."""
        while not self.wrong:
            number = self.orders
            seen = identify_request(self.member, f"{self.member}-{number}")
            opened = await self._sent(self.caller.identifies.IdentifyMember, seen, f"open-{number}")
            claim = update_request(opened.transaction_id, "CLAIMED", line(10))
            await self._sent(self._stub.ReportOrder, claim, f"claim-{number}")
            self.orders += 1
            self._more.set()

    async def until(self, orders: int) -> None:
        """Wait until so many orders are claimed."""
        while self.orders < orders and not self.wrong:
            self._more.clear()
            await self._more.wait()

    async def lacking(self) -> list[str]:
        """
        Look for all that was told so far; tells what is gone.

        What is sent again comes last, since it brings back what was lost.
        """
        lost = []
        for key in self.committed:
            asked = pb.GetOutcomeRequest(idempotency_key=self._named(key))
            answer = await (await self._patiently(self._stub.GetOutcome, asked))
            if answer.outcome != pb.GetOutcomeResponse.OUTCOME_COMMITTED:
                lost.append(f"{key} was told to be committed and is gone after the promotion")
        member = member_service_pb2.GetMemberRequest(loyalty_id=self.member)
        answer = await (await self._patiently(self.caller.members.GetMember, member))
        if answer.member.available_points < self.points:
            lost.append(f"a member was told of {self.points} points and has fewer")
        for key, (method, request, first) in self.answers.items():
            again = await self._patiently(method, request, self._named(key))
            if again is None:
                lost.append(f"{key} was answered and is refused after the promotion")
            elif dict(await again.initial_metadata()).get("idempotent-replayed") != "true":
                lost.append(f"{key} was answered and is done again after the promotion")
            elif (await again).SerializeToString(deterministic=True) != first:
                lost.append(f"{key} is answered in other bytes after the promotion")
        return lost

    async def _sent(self, method: Any, request: Any, key: str) -> Any:
        """Send a call until it is answered; ask what became of it each time it is not."""
        while True:
            answer = await self._try(method, request, self._named(key))
            if answer is not None:
                first = answer.SerializeToString(deterministic=True)
                self.answers.setdefault(key, (method, request, first))
                return answer
            await self._ask(key)
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, key: str) -> None:
        self.asked += 1
        by_key = pb.GetOutcomeRequest(idempotency_key=self._named(key))
        answer = await self._try(self._stub.GetOutcome, by_key)
        if answer is not None and answer.outcome == pb.GetOutcomeResponse.OUTCOME_COMMITTED:
            self.committed.add(key)
        member = member_service_pb2.GetMemberRequest(loyalty_id=self.member)
        answer = await self._try(self.caller.members.GetMember, member)
        if answer is not None:
            self.points = max(self.points, answer.member.available_points)

    def _named(self, key: str) -> str:
        return f"{self.member}-{key}"

    async def _try(self, method: Any, request: Any, key: str = "") -> Any:
        """Send a call once; returns nothing when it is open what became of it."""
        named = {"idempotency_key": key} if key else {}
        try:
            answer = await method(
                request, metadata=self.caller.metadata(**named), timeout=self.patience_s
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in UNANSWERED:
                self.wrong.append(f"a call was refused: {error.code()} {error.details()}")
                raise
            return None
        self.told += 1
        return answer

    async def _patiently(self, method: Any, request: Any, key: str = "") -> Any:
        """Send a call until it is answered; returns the call, or nothing when it is refused."""
        named = {"idempotency_key": key} if key else {}
        until = time.monotonic() + RECOVERY_S
        while True:
            call = method(request, metadata=self.caller.metadata(**named), timeout=5)
            try:
                await call
            except grpc.aio.AioRpcError as error:
                if error.code() not in UNANSWERED:
                    return None
            else:
                return call
            assert time.monotonic() < until, "nobody answers after the promotion"
            await asyncio.sleep(PAUSE_S)


GOALS = (
    Goal(
        "G37",
        "Standby",
        "No answer rests on what a synchronous standby does not have, whatever ends the wait.",
        run,
        (POSTGRESQL,),
    ),
)
