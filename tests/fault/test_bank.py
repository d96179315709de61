"""
The bank test: many tills at a few members' points, and an auditor who looks on.

LOYALTY_FAULT_SECONDS is how long it runs on each storage (60 unless set), LOYALTY_FAULT_SEED makes
the clients decide as in an earlier run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import (
    code_service_pb2,
    member_service_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb
from tests.support.banks import SECRET, Bank, Query
from tests.support.ledger import audit
from tests.support.server import Caller, identify_request
from tests.support.transactions import (
    COFFEE,
    details,
    line,
    report_values,
    reward_line,
    transactions,
    unclaimed_request,
)

CLIENTS = 64
MEMBERS = 8
CHANNELS = 8
POINTS = 5000
PENDING_LIFETIME_S = 2
READ_PAUSE_S = 0.1
SANDWICH = "6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033"
COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
OPEN_MAX = 256

WEIGHTS = {
    "identify": 14,
    "issue_and_identify": 8,
    "validate": 6,
    "update_pending": 18,
    "update_claimed": 18,
    "void": 14,
    "repeat": 6,
    "unclaimed": 3,
    "claim_receipt": 4,
    "get_transaction": 3,
    "get_by_key": 2,
    "get_code": 1,
    "get_member": 1,
    "list_transfers": 1,
    "session": 1,
    "enroll": 1,
}
ANYWHERE = {"OK", "SERVER_BUSY", "DEADLINE_PASSED"}
REPORT = {"TRANSACTION_NOT_CLAIMABLE", "RULES_FAILED"}
DOCUMENTED = {
    "IssueCode": set(),
    "Identify": {"CODE_NOT_FOUND", "CODE_ALREADY_USED", "POINTS_INSUFFICIENT", "RULES_FAILED"},
    "Validate": REPORT,
    "Update": {*REPORT, "POINTS_INSUFFICIENT"},
    "Void": set(),
    "Unclaimed": set(),
    "ClaimReceipt": {"RECEIPT_ALREADY_CLAIMED", "RECEIPT_NOT_FOUND"},
    "GetTransaction": set(),
    "GetCode": {"CODE_NOT_FOUND"},
    "GetMember": set(),
    "ListTransfers": set(),
    "StartAnonymousSession": set(),
    "EnrollMember": set(),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client does next; *pick* chooses among what is open then."""

    kind: str
    member: int
    pick: int
    rewards: tuple[str, ...]
    price: int
    key: str


def decisions(seed: int, client: int) -> Iterator[Decision]:
    """Decide as a client does, from the seed alone."""
    chance = random.Random(f"{seed}/{client}")  # noqa: S311
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    number = 0
    while True:
        number += 1
        yield Decision(
            kind=chance.choices(kinds, weights)[0],
            member=chance.randrange(MEMBERS),
            pick=chance.randrange(OPEN_MAX),
            rewards=tuple(chance.sample([COFFEE, SANDWICH, COOKIE], chance.randrange(3))),
            price=chance.randrange(3000),
            key=f"{client}-{number}",
        )


@dataclass
class Ledgers:
    """What the clients know together, and the figures of the run."""

    bank: Bank
    opened: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    receipts: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    codes: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    keys: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reads: int = 0
    wrong: list[str] = field(default_factory=list)


class Client:
    """One till: makes a call after another until it is time."""

    def __init__(self, shared: Ledgers, caller: Caller, seed: int, number: int) -> None:
        self._shared = shared
        self._caller = caller
        self._stub = transactions(caller)
        self._decisions = decisions(seed, number)
        self._last: tuple[Any, Any, str, bytes] | None = None

    async def run(self, until: float) -> None:
        """Call until the clock says *until*."""
        for decision in self._decisions:
            if time.monotonic() >= until or self._shared.wrong:
                return
            await getattr(self, f"_{decision.kind}")(decision)

    async def _call(self, method: Any, request: Any, key: str = "") -> Any:
        extra = {"idempotency_key": key} if key else {}
        name = method._method.decode().rpartition("/")[2]
        answer = None
        try:
            answer = await method(request, metadata=self._caller.metadata(**extra), timeout=10)
        except grpc.aio.AioRpcError as error:
            outcome = _reason(error)
        else:
            outcome = "OK"
            if key:
                self._last = (method, request, key, answer.SerializeToString(deterministic=True))
                self._shared.keys.append(key)
        self._shared.outcomes[name, outcome] += 1
        if outcome not in ANYWHERE | DOCUMENTED[name]:
            self._shared.wrong.append(f"{name} answered {outcome}")
        return answer

    def _member(self, decision: Decision) -> str:
        return self._shared.bank.loyalty_ids[decision.member]

    def _report(self, decision: Decision, status: str) -> dict[str, Any] | None:
        if not self._shared.opened:
            return None
        lines = [line(decision.price / 100), *(reward_line(name) for name in decision.rewards)]
        return report_values(_pick(self._shared.opened, decision), status, details(*lines))

    async def _identify(self, decision: Decision) -> None:
        request = identify_request(self._member(decision), decision.key)
        answer = await self._call(self._caller.identifies.Identify, request, decision.key)
        if answer is not None:
            self._shared.opened.append(answer.transaction_id)

    async def _issue_and_identify(self, decision: Decision) -> None:
        selected = [code_service_pb2.SelectedIncentive(incentive_id=n) for n in decision.rewards]
        request = code_service_pb2.IssueCodeRequest(
            loyalty_id=self._member(decision), order=selected
        )
        issued = await self._call(self._caller.codes.IssueCode, request, f"{decision.key}-code")
        if issued is not None:
            self._shared.codes.append(issued.otp)
            scanned = identify_request(issued.otp, decision.key)
            answer = await self._call(self._caller.identifies.Identify, scanned, decision.key)
            if answer is not None:
                self._shared.opened.append(answer.transaction_id)

    async def _validate(self, decision: Decision) -> None:
        values = self._report(decision, "CLAIMED")
        if values:
            await self._call(self._stub.Validate, pb.ValidateRequest(**values))

    async def _update_pending(self, decision: Decision) -> None:
        values = self._report(decision, "PENDING")
        if values:
            await self._call(self._stub.Update, pb.UpdateRequest(**values), decision.key)

    async def _update_claimed(self, decision: Decision) -> None:
        values = self._report(decision, "CLAIMED")
        if values:
            await self._call(self._stub.Update, pb.UpdateRequest(**values), decision.key)

    async def _void(self, decision: Decision) -> None:
        if self._shared.opened:
            transaction_id = _pick(self._shared.opened, decision)
            request = pb.VoidRequest(loyalty_transaction_id=transaction_id)
            await self._call(self._stub.Void, request, decision.key)

    async def _repeat(self, _: Decision) -> None:
        """Send the last answered request again: its key must get the same answer."""
        if self._last is None:
            return
        method, request, key, first = self._last
        answer = await self._call(method, request, key)
        if answer is not None and answer.SerializeToString(deterministic=True) != first:
            self._shared.wrong.append(f"key {key} was answered anew")

    async def _unclaimed(self, decision: Decision) -> None:
        request = unclaimed_request(line(decision.price / 100))
        answer = await self._call(self._stub.Unclaimed, request, decision.key)
        if answer is not None:
            self._shared.receipts.append(answer.receipt_code)
            if decision.pick % 4 == 0:
                self._shared.opened.append(answer.transaction_id)

    async def _claim_receipt(self, decision: Decision) -> None:
        if self._shared.receipts:
            code = _pick(self._shared.receipts, decision)
            request = pb.ClaimReceiptRequest(loyalty_id=self._member(decision), receipt_code=code)
            await self._call(self._stub.ClaimReceipt, request, decision.key)

    async def _get_transaction(self, decision: Decision) -> None:
        if self._shared.opened:
            transaction_id = _pick(self._shared.opened, decision)
            request = pb.GetTransactionRequest(loyalty_transaction_id=transaction_id)
            await self._call(self._stub.GetTransaction, request)

    async def _get_by_key(self, decision: Decision) -> None:
        """A key that was answered is known from then on."""
        if self._shared.keys:
            key = _pick(self._shared.keys, decision)
            request = pb.GetTransactionRequest(idempotency_key=key)
            answer = await self._call(self._stub.GetTransaction, request)
            if answer is not None and answer.outcome != pb.GetTransactionResponse.OUTCOME_COMMITTED:
                self._shared.wrong.append(f"key {key} was forgotten")

    async def _get_code(self, decision: Decision) -> None:
        if self._shared.codes:
            request = code_service_pb2.GetCodeRequest(otp=_pick(self._shared.codes, decision))
            await self._call(self._caller.codes.GetCode, request)

    async def _get_member(self, decision: Decision) -> None:
        request = member_service_pb2.GetMemberRequest(loyalty_id=self._member(decision))
        await self._call(self._caller.members.GetMember, request)

    async def _list_transfers(self, decision: Decision) -> None:
        request = member_service_pb2.ListTransfersRequest(loyalty_id=self._member(decision))
        await self._call(self._caller.members.ListTransfers, request)

    async def _session(self, decision: Decision) -> None:
        request = session_service_pb2.StartAnonymousSessionRequest(correlation_id=decision.key)
        await self._call(self._caller.sessions.StartAnonymousSession, request, decision.key)

    async def _enroll(self, decision: Decision) -> None:
        request = member_service_pb2.EnrollMemberRequest(name="Guest")
        await self._call(self._caller.members.EnrollMember, request, decision.key)


def _pick(some: deque[str], decision: Decision) -> str:
    """Choose among the newest, so that clients meet."""
    return some[-1 - decision.pick % min(len(some), 16)]


def _reason(error: grpc.aio.AioRpcError) -> str:
    """Give the reason of a refusal, or the status code of one that tells none."""
    trailers: Any = error.trailing_metadata() or ()
    for name, value in trailers:
        if name == "grpc-status-details-bin":
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(bytes(value)).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return str(error.code().name)


ACCOUNTS = "SELECT account_id, kind, member_number, balance FROM account"
POSTED = (
    "SELECT account_id, sum(points) FROM ("
    "SELECT destination_id AS account_id, points FROM transfer UNION ALL "
    "SELECT source_id, -points FROM transfer) AS moves GROUP BY account_id"
)
SWEPT = "SELECT count(*) FROM loyalty_transaction WHERE status = 3 AND answer IS NULL"
HOLDS = "SELECT member_number, sum(points) FROM hold WHERE status = 1 GROUP BY member_number"


def unbalanced(query: Query) -> list[str]:
    """Read everything, in one state, and name what does not balance."""
    accounts = query(ACCOUNTS)
    posted = {number: int(points) for number, points in query(POSTED)}
    holds = {member: int(points) for member, points in query(HOLDS)}
    found = []
    if sum(balance for *_, balance in accounts):
        found.append("the accounts do not sum to 0")
    for number, kind, member, balance in accounts:
        if balance != posted.get(number, 0):
            found.append(f"account {number} has {balance}, posted {posted.get(number, 0)}")
        if kind in {1, 2} and balance < 0:
            found.append(f"account {number} of member {member} is below 0")
        if kind == 2 and balance != holds.get(member, 0):
            found.append(f"member {member} has {balance} held, holds {holds.get(member, 0)}")
    return found


async def _look_on(shared: Ledgers, done: asyncio.Event) -> None:
    """Read the whole ledger again and again, until it is over and once more."""
    while True:
        last = done.is_set()
        shared.wrong += await asyncio.to_thread(shared.bank.read, unbalanced)
        shared.reads += 1
        if last or shared.wrong:
            return
        await asyncio.sleep(READ_PAUSE_S)


def _figures(shared: Ledgers, elapsed_s: float) -> Iterator[str]:
    """Word what was done, call by call."""
    calls = sum(shared.outcomes.values())
    rate = calls / elapsed_s
    yield f"{calls} calls in {elapsed_s:.1f} s, {rate:.0f}/s; {shared.reads} full reads"
    for name in DOCUMENTED:
        found = {what: n for (call, what), n in sorted(shared.outcomes.items()) if call == name}
        yield f"  {name:22}{sum(found.values()):7}  {json.dumps(found)}"
    (swept,) = shared.bank.read(lambda query: query(SWEPT))
    yield f"  {'voided by the sweeper':22}{swept[0]:7}"


def _say(*lines: str) -> None:
    """Print for the person who runs `make fault`."""
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()


async def test_every_read_balances(
    open_bank: Callable[[Sequence[int], int], AbstractAsyncContextManager[Bank]],
) -> None:
    """
    Whatever 64 tills do at once to 8 members, every state that can be read balances.

    All accounts sum to zero, each is what was posted to it, none of a member's is below zero, and
    held points are those of the open holds; no call gets an undocumented outcome.
    """
    seed = int(os.environ.get("LOYALTY_FAULT_SEED") or secrets.randbelow(2**32))
    seconds = float(os.environ.get("LOYALTY_FAULT_SECONDS", "60"))
    _say(f"LOYALTY_FAULT_SEED={seed} LOYALTY_FAULT_SECONDS={seconds:g}")
    async with open_bank([POINTS] * MEMBERS, PENDING_LIFETIME_S) as bank:
        shared = Ledgers(bank)
        # One pool of subchannels would put all clients on one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            grpc.aio.insecure_channel(bank.address, options=options) for _ in range(CHANNELS)
        ]
        done = asyncio.Event()
        started = time.monotonic()
        auditor = asyncio.create_task(_look_on(shared, done))
        await asyncio.gather(
            *(
                Client(shared, Caller(channels[n % CHANNELS], SECRET), seed, n).run(
                    started + seconds
                )
                for n in range(CLIENTS)
            )
        )
        elapsed_s = time.monotonic() - started
        done.set()
        await auditor
        for channel in channels:
            await channel.close(None)
        _say(*_figures(shared, elapsed_s))
    assert shared.wrong == []
    audit(bank.database_url)
    assert _kinds_met(shared) == set(DOCUMENTED)


def _kinds_met(shared: Ledgers) -> set[str]:
    return {name for name, outcome in shared.outcomes if outcome == "OK"}


def test_seed_replays_the_decisions() -> None:
    """A client decides the same from the same seed, and otherwise from another."""

    def some(seed: int, client: int) -> Sequence[Decision]:
        return list(islice(decisions(seed, client), 50))

    assert some(1, 2) == some(1, 2)
    assert some(1, 2) != some(2, 2)
    assert some(1, 2) != some(1, 3)
