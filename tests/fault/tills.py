"""Tills that call at random, each deciding from a seed alone, and what they know together."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    incentive_service_pb2,
    member_service_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.sandbox.fixed_codes import PROMO_CODE
from tests.fault import visit_tills
from tests.fault.visit_tills import Seen, VisitTill
from tests.support.banks import SOLD, Bank
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

Item = TypeVar("Item")

SANDWICH = "6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033"
COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
STORE_ID = 9999
OPEN_MAX = 256
PATIENCE_S = 30.0
"""Time after which a call that never succeeds is waited for no more."""

WEIGHTS = {
    "identify": 14,
    "issue_and_identify": 8,
    "scan_again": 6,
    "validate": 6,
    "update_pending": 18,
    "update_claimed": 18,
    "change_status": 6,
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
    "get_user": 1,
    "incentives": 1,
    "content": 1,
    "assign_points": 2,
    "redeem_promo_code": 2,
    "take_grant": 2,
    "search": 1,
    **visit_tills.WEIGHTS,
}
ANYWHERE = {"OK", "SERVER_BUSY", "DEADLINE_PASSED"}
REPORT = {"TRANSACTION_NOT_CLAIMABLE", "RULES_FAILED"}
DOCUMENTED = {
    "IssueCode": set(),
    "IdentifyMember": {
        "CODE_NOT_FOUND",
        "CODE_ALREADY_USED",
        "TOO_MANY_WRONG_CODES",
        "POINTS_INSUFFICIENT",
        "RULES_FAILED",
    },
    "IdentifyMemberAgain": {
        "CODE_NOT_FOUND",
        "CODE_ALREADY_USED",
        "TOO_MANY_WRONG_CODES",
        "TRANSACTION_NOT_CLAIMABLE",
    },
    "ValidateOrder": REPORT,
    "ChangeTransactionStatus": {*REPORT, "POINTS_INSUFFICIENT"},
    "ReportOrder": {*REPORT, "POINTS_INSUFFICIENT"},
    "VoidTransaction": set(),
    "RecordUnclaimedOrder": set(),
    "ClaimReceipt": {"RECEIPT_ALREADY_CLAIMED", "RECEIPT_NOT_FOUND"},
    "GetTransaction": set(),
    "GetOutcome": set(),
    "GetCode": {"CODE_NOT_FOUND", "TOO_MANY_WRONG_CODES"},
    "GetMember": set(),
    "GetUser": set(),
    "ListTransfers": set(),
    "ListIncentives": set(),
    "GetContent": set(),
    "AssignPoints": set(),
    "RedeemPromoCode": set(),
    "TakeGrant": {"POINTS_INSUFFICIENT"},
    "SearchTransactions": set(),
    "StartAnonymousSession": set(),
    "EnrollMember": set(),
    **visit_tills.DOCUMENTED,
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


def decisions(
    chance: random.Random, client: int, members: int, *, visits: bool = True
) -> Iterator[Decision]:
    """Decide as a client does, from chance alone; without *visits* it has no calls of sessions."""
    left_out = () if visits else visit_tills.WEIGHTS
    kinds = [kind for kind in WEIGHTS if kind not in left_out]
    weights = [WEIGHTS[kind] for kind in kinds]
    number = 0
    while True:
        number += 1
        yield Decision(
            kind=chance.choices(kinds, weights)[0],
            member=chance.randrange(members),
            pick=chance.randrange(OPEN_MAX),
            rewards=tuple(chance.sample([COFFEE, SANDWICH, COOKIE], chance.randrange(3))),
            price=chance.randrange(3000),
            key=f"{client}-{number}",
        )


@dataclass
class Ledgers:
    """
    What the clients know together, and the figures of the run.

    Attributes:
        identified: Transactions by their IDs, each with the loyalty ID of its guest.
        keys: The key of every answer, oldest first: none may ever be forgotten.
    """

    bank: Bank
    seen: list[Seen] = field(init=False)
    opened: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    identified: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    receipts: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    codes: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    keys: list[str] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    untried: set[str] = field(default_factory=lambda: set(DOCUMENTED))

    def __post_init__(self) -> None:
        """Know nothing of anybody yet."""
        self.seen = [Seen() for _ in range(len(self.bank.loyalty_ids) + 1)]


class Client(VisitTill):
    """One till: makes a call after another until it is time; without *visits* none of sessions."""

    def __init__(
        self,
        shared: Ledgers,
        caller: Caller,
        chance: random.Random,
        number: int,
        *,
        visits: bool = True,
    ) -> None:
        self._shared, self.seen = shared, shared.seen
        self._caller = caller
        self._stub = transactions(caller)
        members = len(shared.bank.loyalty_ids)
        self._decisions = decisions(chance, number, members, visits=visits)
        self._last: tuple[Any, Any, str, bytes, dict[str, str]] | None = None

    async def run(self, until: float) -> None:
        """Call until the clock says *until*, and until every call has succeeded once."""
        for decision in self._decisions:
            late_s = time.monotonic() - until
            if self._shared.wrong or late_s > PATIENCE_S:
                return
            if late_s >= 0 and not self._shared.untried:
                return
            await getattr(self, f"_{decision.kind}")(decision)

    async def _call(self, method: Any, request: Any, key: str = "", **extra: str) -> Any:
        extra |= {"idempotency_key": key} if key else {}
        name = method._method.decode().rpartition("/")[2]
        answer = None
        try:
            answer = await method(request, metadata=self._caller.metadata(**extra), timeout=10)
        except grpc.aio.AioRpcError as error:
            outcome = reason_of(error)
        else:
            outcome = "OK"
            self._shared.untried.discard(name)
            if key:
                told = answer.SerializeToString(deterministic=True)
                self._last = (method, request, key, told, extra)
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
        await self._open(decision, self._member(decision))

    async def _issue_and_identify(self, decision: Decision) -> None:
        code = await self._issue(decision, self._member(decision))
        if code is not None:
            await self._open(decision, code)

    async def _open(self, decision: Decision, identifier: str) -> None:
        request = identify_request(identifier, decision.key)
        answer = await self._call(self._caller.identifies.IdentifyMember, request, decision.key)
        if answer is not None:
            self._shared.opened.append(answer.transaction_id)
            self._shared.identified.append((answer.transaction_id, self._member(decision)))

    async def _issue(self, decision: Decision, loyalty_id: str) -> str | None:
        selected = [code_service_pb2.SelectedIncentive(incentive_id=n) for n in decision.rewards]
        request = code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id, order=selected)
        issued = await self._call(self._caller.codes.IssueCode, request, f"{decision.key}-code")
        if issued is None:
            return None
        self._shared.codes.append(issued.otp)
        code: str = issued.otp
        return code

    async def _scan_again(self, decision: Decision) -> None:
        """Show one more code of the guest whose order is open."""
        if self._shared.identified:
            transaction_id, guest = _pick(self._shared.identified, decision)
            code = await self._issue(decision, guest)
            if code is not None:
                request = identify_service_pb2.IdentifyMemberAgainRequest(
                    identifier=code, transaction_id=transaction_id
                )
                identifies = self._caller.identifies
                await self._call(identifies.IdentifyMemberAgain, request, decision.key)

    async def _validate(self, decision: Decision) -> None:
        values = self._report(decision, "CLAIMED")
        if values:
            await self._call(self._stub.ValidateOrder, pb.ValidateOrderRequest(**values))

    async def _update_pending(self, decision: Decision) -> None:
        values = self._report(decision, "PENDING")
        if values:
            await self._call(self._stub.ReportOrder, pb.ReportOrderRequest(**values), decision.key)

    async def _update_claimed(self, decision: Decision) -> None:
        values = self._report(decision, "CLAIMED")
        if values:
            await self._call(self._stub.ReportOrder, pb.ReportOrderRequest(**values), decision.key)

    async def _change_status(self, decision: Decision) -> None:
        if self._shared.opened:
            request = pb.ChangeTransactionStatusRequest(
                new_status="CLAIMED" if decision.price % 3 else "VOID",
                transaction_id=_pick(self._shared.opened, decision),
            )
            await self._call(self._stub.ChangeTransactionStatus, request, decision.key)

    async def _void(self, decision: Decision) -> None:
        if self._shared.opened:
            transaction_id = _pick(self._shared.opened, decision)
            request = pb.VoidTransactionRequest(loyalty_transaction_id=transaction_id)
            await self._call(self._stub.VoidTransaction, request, decision.key)

    async def _repeat(self, _: Decision) -> None:
        """Send the last answered request again: its key must get the same answer."""
        if self._last is None:
            return
        method, request, key, first, extra = self._last
        answer = await self._call(method, request, **extra)
        if answer is not None and answer.SerializeToString(deterministic=True) != first:
            self._shared.wrong.append(f"key {key} was answered another way")

    async def _unclaimed(self, decision: Decision) -> None:
        request = unclaimed_request(line(decision.price / 100))
        answer = await self._call(self._stub.RecordUnclaimedOrder, request, decision.key)
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
            request = pb.GetOutcomeRequest(idempotency_key=key)
            answer = await self._call(self._stub.GetOutcome, request)
            if answer is not None and answer.outcome != pb.GetOutcomeResponse.OUTCOME_COMMITTED:
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

    async def _get_user(self, decision: Decision) -> None:
        request = member_service_pb2.GetUserRequest(loyalty_id=self._member(decision))
        await self._call(self._caller.members.GetUser, request)

    async def _incentives(self, decision: Decision) -> None:
        request = incentive_service_pb2.ListIncentivesRequest(
            loyalty_id=self._member(decision), store_id=STORE_ID
        )
        await self._call(self._caller.incentives.ListIncentives, request)

    async def _content(self, _: Decision) -> None:
        request = incentive_service_pb2.GetContentRequest(page_size=1)
        await self._call(self._caller.incentives.GetContent, request)

    async def _assign_points(self, decision: Decision) -> None:
        """Give some, for what is taken may be spent already."""
        request = member_service_pb2.AssignPointsRequest(
            loyalty_id=self._member(decision),
            points=1 + decision.pick,
            partner="acme",
            reference=decision.key,
        )
        await self._call(self._caller.members.AssignPoints, request, decision.key)

    async def _redeem_promo_code(self, decision: Decision) -> None:
        request = incentive_service_pb2.RedeemPromoCodeRequest(
            loyalty_id=self._member(decision),
            promo_code=PROMO_CODE,
            pos_vendor={"store_id": STORE_ID},  # type: ignore[arg-type]
        )
        await self._call(self._caller.incentives.RedeemPromoCode, request, decision.key)

    async def _take_grant(self, decision: Decision) -> None:
        """Activate what the member was given, or buy what the bank's program sells."""
        request = incentive_service_pb2.TakeGrantRequest(
            loyalty_id=self._member(decision),
            grant="croissant" if decision.pick % 2 else SOLD,
        )
        await self._call(self._caller.incentives.TakeGrant, request, decision.key)

    async def _search(self, decision: Decision) -> None:
        request = pb.SearchTransactionsRequest(loyalty_id=self._member(decision))
        await self._call(self._stub.SearchTransactions, request)


def _pick(some: Sequence[Item], decision: Decision) -> Item:
    """Choose among the newest, so that clients meet."""
    return some[-1 - decision.pick % min(len(some), 16)]


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Give the reason of a refusal, or the status code of one that tells none."""
    trailers: Any = error.trailing_metadata() or ()
    for name, value in trailers:
        if name == "grpc-status-details-bin":
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(bytes(value)).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return str(error.code().name)
