"""G5: many tills at one code, one hold, one balance, one receipt, all at the same instant."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from loyalty.v1 import code_service_pb2, member_service_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.goals.bank import unbalanced
from tests.fault.tills import reason_of
from tests.support.banks import Bank, open_bank_on, open_callers
from tests.support.ledger import all_balances, audit, rows
from tests.support.server import Caller, identify_request
from tests.support.transactions import (
    COFFEE,
    line,
    reward_line,
    transactions,
    unclaimed_request,
    update_request,
)

AT_ONCE = 200
CHANNELS = 8
POINTS = 10_000_000
COFFEE_POINTS = 800
LIFETIME_S = 86_400
PATIENCE_S = 20.0
UNDECIDED = {"SERVER_BUSY", "DEADLINE_PASSED", "STORAGE_UNAVAILABLE"}
"""Answers that tell a till to send the same again, with the same key."""

COUNTS = "SELECT count(*) AS opened FROM loyalty_transaction"
REDEEMED = "SELECT count(*) AS number FROM redemption WHERE voided_ms IS NULL"


@dataclass
class Ring:
    """Where the tills stand, and what is due at the end of it all."""

    bank: Bank
    callers: Sequence[Caller]
    at_once: int
    points: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    redeemed: int = 0
    sent_again: int = 0
    wrong: list[str] = field(default_factory=list)

    def caller(self, number: int) -> Caller:
        """Give a till's connection; neighbours are at different servers."""
        return self.callers[number % len(self.callers)]

    def guest(self, number: int) -> str:
        """Give one of the members in turn."""
        return self.bank.loyalty_ids[number % len(self.bank.loyalty_ids)]

    async def call(self, number: int, method: str, request: Any, key: str) -> Any:
        """
        Call as a till does, which sends again what may or may not have happened.

        Answers the response, or the reason of the refusal.
        """
        service, name = method.split("/")
        caller = self.caller(number)
        stubs = {
            "codes": caller.codes,
            "identifies": caller.identifies,
            "members": caller.members,
            "transactions": transactions(caller),
        }
        send = getattr(stubs[service], name)
        metadata = caller.metadata(idempotency_key=key)
        while True:
            try:
                return await send(request, metadata=metadata, timeout=PATIENCE_S)
            except grpc.aio.AioRpcError as error:
                reason = reason_of(error)
            if reason not in UNDECIDED:
                return reason
            self.sent_again += 1

    async def must(self, method: str, request: Any, key: str) -> Any:
        """Make a call that has no rival."""
        answer = await self.call(0, method, request, key)
        if isinstance(answer, str):
            raise TypeError(f"{method} was refused: {answer}")
        return answer


@dataclass(frozen=True, slots=True)
class Contest:
    """
    A thing that one of many can get.

    Attributes:
        prepare: Makes it; returns the method and the requests of all who want it.
        refusal: The documented reason that all but one get.
        won: Books what is due once the winner is known, by the winner's number.
        rounds: How often it is held in the full form.
    """

    name: str
    refusal: str
    prepare: Callable[[Ring, int], Awaitable[tuple[str, list[Any]]]]
    won: Callable[[Ring, int, int, Any], None]
    rounds: int


async def _code(ring: Ring, number: int) -> tuple[str, list[Any]]:
    selected = code_service_pb2.SelectedIncentive(incentive_id=COFFEE)
    request = code_service_pb2.IssueCodeRequest(loyalty_id=ring.guest(number), order=[selected])
    issued = await ring.must("codes/IssueCode", request, f"code-{number}")
    orders = [f"code-{number}-{n}" for n in range(ring.at_once)]
    return "identifies/IdentifyMember", [identify_request(issued.otp, order) for order in orders]


def _code_won(ring: Ring, _number: int, _winner: int, _answer: Any) -> None:
    ring.opened += 1


async def _hold(ring: Ring, number: int) -> tuple[str, list[Any]]:
    method, requests = await _code(ring, number)
    held = await ring.must(method, requests[0], f"hold-{number}")
    ring.opened += 1
    return "transactions/ReportOrder", [
        update_request(held.transaction_id, "CLAIMED", reward_line(), line(n + 1))
        for n in range(ring.at_once)
    ]


def _hold_won(ring: Ring, number: int, winner: int, answer: Any) -> None:
    ring.redeemed += 1
    ring.points[ring.guest(number)] += 10 * (winner + 1) - COFFEE_POINTS
    if (answer.points_redeemed, answer.points_earned) != (COFFEE_POINTS, 10 * (winner + 1)):
        ring.wrong.append(f"round {number}: the claim was answered as another's")


async def _balance(ring: Ring, number: int) -> tuple[str, list[Any]]:
    """Give a new member what one coffee costs, and let them open many orders."""
    request = member_service_pb2.EnrollMemberRequest(name="Guest")
    member = (await ring.must("members/EnrollMember", request, f"new-{number}")).member
    order = unclaimed_request(line(COFFEE_POINTS / 10))
    recorded = await ring.must("transactions/RecordUnclaimedOrder", order, f"pay-{number}")
    claim = pb.ClaimReceiptRequest(loyalty_id=member.loyalty_id, receipt_code=recorded.receipt_code)
    await ring.must("transactions/ClaimReceipt", claim, f"paid-{number}")
    orders = [f"open-{number}-{n}" for n in range(ring.at_once)]
    opened = await asyncio.gather(
        *(
            ring.call(
                n, "identifies/IdentifyMember", identify_request(member.loyalty_id, order), order
            )
            for n, order in enumerate(orders)
        )
    )
    ring.opened += ring.at_once + 1
    ring.points[member.loyalty_id] = COFFEE_POINTS
    return "transactions/ReportOrder", [
        update_request(one.transaction_id, "CLAIMED", reward_line()) for one in opened
    ]


def _balance_won(ring: Ring, _number: int, _winner: int, answer: Any) -> None:
    ring.redeemed += 1
    ring.points[answer.loyalty_id] -= COFFEE_POINTS
    if answer.points:
        ring.wrong.append(f"{answer.loyalty_id} has {answer.points} after spending all")


async def _receipt(ring: Ring, number: int) -> tuple[str, list[Any]]:
    order = unclaimed_request(line(7))
    recorded = await ring.must("transactions/RecordUnclaimedOrder", order, f"receipt-{number}")
    ring.opened += 1
    return "transactions/ClaimReceipt", [
        pb.ClaimReceiptRequest(loyalty_id=ring.guest(n), receipt_code=recorded.receipt_code)
        for n in range(ring.at_once)
    ]


def _receipt_won(ring: Ring, _number: int, winner: int, _answer: Any) -> None:
    ring.points[ring.guest(winner)] += 70


CONTESTS = (
    Contest("code", "CODE_ALREADY_USED", _code, _code_won, 500),
    Contest("hold", "TRANSACTION_NOT_CLAIMABLE", _hold, _hold_won, 500),
    Contest("receipt", "RECEIPT_ALREADY_CLAIMED", _receipt, _receipt_won, 100),
    Contest("balance", "POINTS_INSUFFICIENT", _balance, _balance_won, 100),
)


async def _hold_contest(ring: Ring, contest: Contest, number: int) -> None:
    """Let all who want it call at once: one gets it, all others hear why they do not."""
    method, requests = await contest.prepare(ring, number)
    answers = await asyncio.gather(
        *(
            ring.call(n, method, request, f"{contest.name}-{number}-{n}")
            for n, request in enumerate(requests)
        )
    )
    winners = [n for n, answer in enumerate(answers) if not isinstance(answer, str)]
    refused = Counter(answer for answer in answers if isinstance(answer, str))
    if len(winners) != 1:
        ring.wrong.append(f"{contest.name} round {number}: {len(winners)} winners")
    if set(refused) != {contest.refusal}:
        ring.wrong.append(f"{contest.name} round {number}: refused as {dict(refused)}")
    for winner in winners:
        contest.won(ring, number, winner, answers[winner])


async def run(trial: Trial) -> None:
    """
    Let 200 tills want one thing at once, again and again.

    One of them gets it, all others hear the documented reason, and in the end every balance is
    what the winners alone make of it. On PostgreSQL the tills are shared out between two servers.
    """
    rounds = {contest.name: trial.choose(contest.rounds, 1) for contest in CONTESTS}
    at_once = trial.choose(AT_ONCE, 50)
    opened = open_bank_on(
        trial.new_database(),
        trial.folder,
        [POINTS] * trial.choose(AT_ONCE, 8),
        LIFETIME_S,
        servers=1 if trial.kind == SQLITE else 2,
        processes=trial.full,
    )
    async with opened as bank, open_callers(bank.addresses, CHANNELS) as callers:
        ring = Ring(bank, callers, at_once, Counter(dict.fromkeys(bank.loyalty_ids, POINTS)))
        order = [contest for contest in CONTESTS for _ in range(rounds[contest.name])]
        trial.chance("order").shuffle(order)
        for number, contest in enumerate(order):
            await _hold_contest(ring, contest, number)
            if number % 200 == 199:
                trial.say(f"{number + 1} of {len(order)} rounds")
            if ring.wrong:
                break
        ring.wrong += bank.read(unbalanced)
    trial.problems += ring.wrong[:10]
    _judge(trial, ring)
    for contest in CONTESTS:
        trial.figure(f"rounds for a {contest.name}", rounds[contest.name])
    trial.figure("at once", at_once)
    trial.figure("sent again", ring.sent_again)


def _judge(trial: Trial, ring: Ring) -> None:
    """Hold what is stored against what the winners make of it."""
    url = ring.bank.database_url
    audit(url)
    (opened,) = rows(url, COUNTS)
    trial.require(
        opened.opened == ring.opened, f"{opened.opened} transactions where {ring.opened} are due"
    )
    (redeemed,) = rows(url, REDEEMED)
    trial.require(
        redeemed.number == ring.redeemed, f"{redeemed.number} redeemed, {ring.redeemed} due"
    )
    points = all_balances(url)
    for loyalty_id, due in ring.points.items():
        found = sum(points[loyalty_id])
        trial.require(found == due, f"{loyalty_id} has {found} points where {due} are due")


GOALS = (
    Goal(
        "G5",
        "Double spend",
        "Of 200 who claim one code, hold, receipt or last points at once, exactly one gets it.",
        run,
    ),
)
