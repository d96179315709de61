"""What a till of the ES contract does at random, beside others at the same members' points."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loyalty.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    purchase_service_pb2,
    purchase_service_pb2_grpc,
    session_service_pb2,
)
from tests.support.banks import STEP
from tests.support.server import Caller, stub_on

if TYPE_CHECKING:
    from tests.fault.tills import Decision

OPEN_MAX = 64
WEIGHTS = {
    "visit": 4,
    "reserve": 4,
    "lower": 1,
    "cancel": 2,
    "pay": 3,
    "pay_reserved": 3,
    "pay_nobody": 2,
    "award": 2,
    "adjust": 3,
    "confirm": 2,
    "give": 1,
    "redeem": 2,
    "void_made": 2,
}
ENDED = {"SESSION_CLOSED"}
TOKEN = {*ENDED, "RESERVATION_INVALID"}
TAKEN_BACK = {"PURCHASE_NOT_FOUND", "REQUEST_INVALID"}
DOCUMENTED: dict[str, set[str]] = {
    "StartSession": {"CORRELATION_ID_INVALID"},
    "ReservePoints": {*ENDED, "REDEMPTION_NOT_ALLOWED"},
    "LowerReservation": {*TOKEN, "RESERVATION_RAISED"},
    "CancelReservation": TOKEN,
    "FinalizePurchase": TOKEN,
    "AwardPurchase": {*ENDED, "PURCHASE_NOT_FOUND", "RECEIPT_ALREADY_CLAIMED"},
    "AdjustPurchase": {*ENDED, *TAKEN_BACK},
    "ConfirmPurchase": {*ENDED, "PURCHASE_NOT_FOUND", "CONFIRMATION_DONE"},
    "IssueAdhocReward": ENDED,
    "IssueAdhocRedemption": TOKEN,
    "VoidAdhocTransaction": {*ENDED, "ALREADY_VOIDED"},
}


@dataclass
class Seen:
    """
    What tills of sessions know of one member, or of shoppers without a loyalty ID.

    Attributes:
        visits: Correlation IDs of sessions.
        tokens: Of reservations.
        paid, waiting: Purchases by their correlation IDs, and those to be confirmed.
        made: Ad hoc transactions.
    """

    visits: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    tokens: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    paid: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    waiting: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))
    made: deque[str] = field(default_factory=lambda: deque(maxlen=OPEN_MAX))


class VisitTill:
    """
    The calls of a till of sessions; a client has them beside its others.

    Attributes:
        seen: What all tills know, by member; that of nobody is the last.
    """

    seen: Sequence[Seen]
    _caller: Caller

    async def _call(self, method: Any, request: Any, key: str = "", **extra: str) -> Any:
        raise NotImplementedError

    def _member(self, decision: Decision) -> str:
        raise NotImplementedError

    @cached_property
    def _accounts(self) -> Any:
        return stub_on(account_service_pb2_grpc.AccountServiceStub, self._caller.channel)

    @cached_property
    def _purchases(self) -> Any:
        return stub_on(purchase_service_pb2_grpc.PurchaseServiceStub, self._caller.channel)

    def _of(self, decision: Decision, name: str) -> tuple[str, str] | None:
        """Choose a session of a member, and something that is known of the member."""
        seen = self.seen[decision.member]
        some: deque[str] = getattr(seen, name)
        if not seen.visits or not some:
            return None
        # The newest, so that tills meet.
        return seen.visits[-1 - decision.pick % min(len(seen.visits), 3)], some[
            -1 - decision.pick % min(len(some), 4)
        ]

    async def _visit(self, decision: Decision) -> None:
        request = session_service_pb2.StartSessionRequest(
            identifier=self._member(decision), correlation_id=decision.key
        )
        method = self._caller.sessions.StartSession
        if await self._call(method, request, decision.key, x_identifier_type="LOYALTY_ID"):
            self.seen[decision.member].visits.append(decision.key)

    async def _reserve(self, decision: Decision) -> None:
        if chosen := self._of(decision, "visits"):
            request = account_service_pb2.ReservePointsRequest(
                correlation_id=chosen[0], reservation_amount=STEP * (1 + decision.pick % 3)
            )
            told = await self._call(self._accounts.ReservePoints, request, decision.key)
            if told is not None:
                self.seen[decision.member].tokens.append(told.reservation_token)

    async def _lower(self, decision: Decision) -> None:
        if chosen := self._of(decision, "tokens"):
            request = account_service_pb2.LowerReservationRequest(
                correlation_id=chosen[0], reservation_token=chosen[1], reservation_amount=STEP
            )
            await self._call(self._accounts.LowerReservation, request, decision.key)

    async def _cancel(self, decision: Decision) -> None:
        if chosen := self._of(decision, "tokens"):
            request = account_service_pb2.CancelReservationRequest(
                correlation_id=chosen[0], reservation_token=chosen[1]
            )
            await self._call(self._accounts.CancelReservation, request, decision.key)

    async def _pay(self, decision: Decision) -> None:
        """Pay, every other time so that the points wait to be confirmed."""
        if chosen := self._of(decision, "visits"):
            await self._finalize(decision, chosen[0], waits=decision.price % 2 == 0)

    async def _pay_reserved(self, decision: Decision) -> None:
        if chosen := self._of(decision, "tokens"):
            await self._finalize(decision, chosen[0], token=chosen[1])

    async def _pay_nobody(self, decision: Decision) -> None:
        request = session_service_pb2.StartAnonymousSessionRequest(correlation_id=decision.key)
        if await self._call(self._caller.sessions.StartAnonymousSession, request):
            await self._finalize(decision, decision.key, nobodys=True)

    async def _finalize(
        self,
        decision: Decision,
        visit: str,
        *,
        token: str = "",
        waits: bool = False,
        nobodys: bool = False,
    ) -> None:
        line = {"sku": "1", "quantity": 2, "sale_amount": decision.price / 100}
        request = purchase_service_pb2.FinalizePurchaseRequest(
            correlation_id=visit,
            sale_line_items=[line],  # type: ignore[list-item]
            reservation_token=token,
            confirmation={"mode": "CART" if waits else ""},  # type: ignore[arg-type]
        )
        told = await self._call(self._purchases.FinalizePurchase, request, f"{decision.key}-paid")
        if told is not None:
            seen = self.seen[-1 if nobodys else decision.member]
            (seen.waiting if waits else seen.paid).append(visit)

    async def _award(self, decision: Decision) -> None:
        chosen, nobodys = self._of(decision, "visits"), self.seen[-1].paid
        if chosen and nobodys:
            request = purchase_service_pb2.AwardPurchaseRequest(
                original_correlation_id=nobodys[-1 - decision.pick % min(len(nobodys), 4)],
                current_correlation_id=chosen[0],
            )
            await self._call(self._purchases.AwardPurchase, request, decision.key)

    async def _adjust(self, decision: Decision) -> None:
        """Take one of two back, or both."""
        some = "waiting" if decision.price % 2 == 0 else "paid"
        if chosen := self._of(decision, some):
            line = {"sku": "1", "quantity": 1 + decision.pick % 2}
            request = purchase_service_pb2.AdjustPurchaseRequest(
                original_transaction_id=chosen[1],
                current_correlation_id=chosen[0],
                reversal_line_items=[line],  # type: ignore[list-item]
            )
            await self._call(self._purchases.AdjustPurchase, request, decision.key)

    async def _confirm(self, decision: Decision) -> None:
        if chosen := self._of(decision, "waiting"):
            request = purchase_service_pb2.ConfirmPurchaseRequest(
                correlation_id=chosen[0], original_transaction_id=chosen[1], mode="CART"
            )
            await self._call(self._purchases.ConfirmPurchase, request, decision.key)

    async def _give(self, decision: Decision) -> None:
        if chosen := self._of(decision, "visits"):
            request = account_service_pb2.IssueAdhocRewardRequest(
                correlation_id=chosen[0],
                issuer_id="AIRMILES",
                reward_id="WELCOME",
                reward_amount=1 + decision.pick,
            )
            await self._make(decision, self._accounts.IssueAdhocReward, request)

    async def _redeem(self, decision: Decision) -> None:
        if chosen := self._of(decision, "tokens"):
            request = account_service_pb2.IssueAdhocRedemptionRequest(
                correlation_id=chosen[0], reservation_token=chosen[1]
            )
            await self._make(decision, self._accounts.IssueAdhocRedemption, request)

    async def _make(self, decision: Decision, method: Any, request: Any) -> None:
        told = await self._call(method, request, decision.key)
        if told is not None:
            self.seen[decision.member].made.append(told.transaction_id)

    async def _void_made(self, decision: Decision) -> None:
        if chosen := self._of(decision, "made"):
            request = account_service_pb2.VoidAdhocTransactionRequest(
                correlation_id=chosen[0], original_transaction_id=chosen[1]
            )
            await self._call(self._accounts.VoidAdhocTransaction, request, decision.key)
