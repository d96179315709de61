"""AccountService: points of a session's member, moved and shown besides orders."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2

from loyalty.v1 import account_service_pb2 as pb
from loyalty_service.application.accounts.cancel_reservation import (
    Cancelled,
    CancelReservation,
    cancel_reservation,
)
from loyalty_service.application.accounts.get_balance import get_balance
from loyalty_service.application.accounts.get_membership import Membership, get_membership
from loyalty_service.application.accounts.issue_redemption import IssueRedemption, issue_redemption
from loyalty_service.application.accounts.issue_reward import IssueReward, issue_reward
from loyalty_service.application.accounts.list_history import (
    HistoryEntry,
    ListHistory,
    list_history,
)
from loyalty_service.application.accounts.lower_reservation import (
    LowerReservation,
    lower_reservation,
)
from loyalty_service.application.accounts.redemption_locks import (
    LockedBy,
    LockRedemption,
    RedemptionLock,
    list_locks,
    lock_redemption,
    unlock_redemption,
)
from loyalty_service.application.accounts.reserve_points import (
    Item,
    ReservePoints,
    reserve_points,
)
from loyalty_service.application.accounts.void_adhoc import VoidAdhoc, void_adhoc
from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.goal_cards import Progress
from loyalty_service.domain.goals import Count
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.program import Program
from loyalty_service.domain.redeeming import Balance, worth
from loyalty_service.transport.call import Call

NOT_YET = "Not Yet Qualified"
"""What the contract calls the tier of a member who has none."""

_LABELS = {
    LockedBy.MEMBER: "Redemption is locked",
    LockedBy.OPERATOR: "Redemption is blocked by an operator",
}


class AccountServicer:
    """Serves loyalty.v1.AccountService."""

    async def GetBalance(self, request: pb.GetBalanceRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        named = request.correlation_id
        async with call.read() as reader:
            balance = await get_balance(reader, call.program, call.key, named, call.now_ms)
        return _balance(balance, call.program).SerializeToString()

    async def GetMembership(  # noqa: N802
        self, request: pb.GetMembershipRequest, call: Call
    ) -> bytes:
        """See the contract."""
        named = request.correlation_id
        async with call.read() as reader:
            found = await get_membership(reader, call.program, call.key, named, call.now_ms)
        programs = struct_pb2.Struct()
        if found is not None:
            programs.update({found.program.program_id: _membership(found)})
        return pb.GetMembershipResponse(programs=programs).SerializeToString()

    async def ListVisitHistory(  # noqa: N802
        self, request: pb.ListVisitHistoryRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = ListHistory(
            key=call.key,
            correlation_id=request.correlation_id,
            limit=request.limit if request.HasField("limit") else None,
            after=request.transaction_id,
            from_ms=getattr(request, "from") if request.HasField("from") else None,
            to_ms=request.to if request.HasField("to") else None,
        )
        async with call.read() as reader:
            page = await list_history(reader, call.program, command, call.now_ms)
        return pb.ListVisitHistoryResponse(
            transactions=map(_entry, page.entries), has_more=page.more
        ).SerializeToString()

    async def ReservePoints(  # noqa: N802
        self, request: pb.ReservePointsRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = ReservePoints(
            key=call.key,
            correlation_id=request.correlation_id,
            points=request.reservation_amount if request.HasField("reservation_amount") else None,
            items=tuple(map(_item, request.catalogue_items)),
            business_unit=request.business_unit or None,
            redeemer_id=request.redeemer_id or None,
            redemption_id=request.redemption_id or None,
            has_email_key=bool(request.fulfillment_email_key.strip()),
        )
        return await call.write(reserve_points, command, _reserved(pb.ReservePointsResponse))

    async def LowerReservation(  # noqa: N802
        self, request: pb.LowerReservationRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = LowerReservation(
            key=call.key,
            correlation_id=request.correlation_id,
            reservation_token=request.reservation_token,
            points=request.reservation_amount,
        )
        return await call.write(lower_reservation, command, _reserved(pb.LowerReservationResponse))

    async def CancelReservation(  # noqa: N802
        self, request: pb.CancelReservationRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = CancelReservation(call.key, request.correlation_id, request.reservation_token)
        return await call.write(cancel_reservation, command, _cancelled)

    async def IssueAdhocRedemption(  # noqa: N802
        self, request: pb.IssueAdhocRedemptionRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = IssueRedemption(
            key=call.key,
            correlation_id=request.correlation_id,
            reservation_token=request.reservation_token,
            business_unit=request.business_unit or None,
            channel=request.channel or None,
            reference=request.external_reference_id or None,
        )
        return await call.write(
            issue_redemption,
            command,
            _adhoc(pb.IssueAdhocRedemptionResponse, "The redemption has been processed."),
        )

    async def IssueAdhocReward(  # noqa: N802
        self, request: pb.IssueAdhocRewardRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = IssueReward(
            key=call.key,
            correlation_id=request.correlation_id,
            issuer_id=request.issuer_id,
            reward_id=request.reward_id,
            points=request.reward_amount,
            business_unit=request.business_unit or None,
            channel=request.channel or None,
            reference=request.external_reference_id or None,
        )
        return await call.write(
            issue_reward,
            command,
            _adhoc(pb.IssueAdhocRewardResponse, "The reward has been issued."),
        )

    async def VoidAdhocTransaction(  # noqa: N802
        self, request: pb.VoidAdhocTransactionRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = VoidAdhoc(
            key=call.key,
            correlation_id=request.correlation_id,
            original_id=request.original_transaction_id,
            channel=request.channel or None,
            reference=request.external_reference_id or None,
        )
        return await call.write(
            void_adhoc,
            command,
            _adhoc(pb.VoidAdhocTransactionResponse, "The transaction has been voided."),
        )

    async def CreateRedemptionLock(  # noqa: N802
        self, request: pb.CreateRedemptionLockRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = LockRedemption(call.key, request.correlation_id, request.reason or None)
        return await call.write(
            lock_redemption,
            command,
            lambda lock: _lock(pb.CreateRedemptionLockResponse, lock).SerializeToString(),
        )

    async def ListRedemptionLocks(  # noqa: N802
        self, request: pb.ListRedemptionLocksRequest, call: Call
    ) -> bytes:
        """See the contract."""
        named = request.correlation_id
        async with call.read() as reader:
            locks = await list_locks(reader, call.program, call.key, named, call.now_ms)
        if request.entity not in {"", "ACCOUNT"} or request.context not in {"", "REDEMPTION"}:
            locks = ()
        return pb.ListRedemptionLocksResponse(
            locks=(_lock(pb.RedemptionLock, lock) for lock in locks)
        ).SerializeToString()

    async def DeleteRedemptionLock(  # noqa: N802
        self, request: pb.DeleteRedemptionLockRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = LockRedemption(call.key, request.correlation_id)
        return await call.write(unlock_redemption, command, _unlocked)


def _balance(balance: Balance, program: Program) -> pb.GetBalanceResponse:
    def dollars(points: int) -> float:
        if program.redemption is None:
            return 0.0
        # Whole minor units, divided at last: so it prints with no more digits than they have.
        return worth(program.redemption, points) / int(10**program.currency_digits)

    return pb.GetBalanceResponse(
        balance=dollars(balance.points),
        points_balance=balance.points,
        dollar_balance=dollars(balance.points),
        available_points_balance=balance.available,
        available_dollar_balance=dollars(balance.available),
        user_min_redeem_points=balance.least,
        user_max_redeem_points=balance.most,
        user_min_redeem_dollars=dollars(balance.least),
        user_max_redeem_dollars=dollars(balance.most),
    )


def _membership(found: Membership) -> dict[str, Any]:
    told: dict[str, Any] = {
        "programCode": found.program.program_id,
        "tierCode": found.tier.tier_id if found.tier else "",
        "tierName": found.tier.display_name if found.tier else NOT_YET,
    }
    if found.tier is not None:
        told["tierRank"] = found.rank
    if found.next_tier is not None:
        told["nextTier"] = {
            "id": found.next_tier.tier_id,
            "rank": found.next_rank,
            "tierName": found.next_tier.display_name,
        }
    return told | _contributions(found)


def _contributions(found: Membership) -> dict[str, Any]:
    """Tell how far the first goal has come that gives the next tier."""
    for one in found.towards:
        if one.goal.count is Count.POINTS:
            return {"pointsEarned": _progress(one, 1)}
        if one.goal.count is Count.SPEND:
            unit = int(10**found.program.currency_digits)
            return {"contributions": {"spend": _progress(one, unit)}}
        return {"contributions": {"unit": _progress(one, 1)}}
    return {}


def _progress(one: Progress, unit: int) -> dict[str, float]:
    return {"current": one.counts / unit, "required": one.goal.target / unit}


def _entry(entry: HistoryEntry) -> pb.VisitTransaction:
    return pb.VisitTransaction(
        transaction_id=entry.transaction_id,
        type=entry.kind,
        transaction_date=rfc3339(entry.made_ms),
        channel=entry.channel,
        business_unit=entry.business_unit,
        points_earned=entry.earned,
        points_redeemed=entry.redeemed,
        original_transaction_id=entry.original_id,
        voided=entry.voided,
    )


def _item(item: pb.CatalogueItem) -> Item:
    return Item(item.id, item.quantity if item.HasField("quantity") else 1, item.points)


def _reserved(answer: Any) -> Any:
    """Give what renders a reservation."""

    def render(reserved: PointsReservation) -> bytes:
        return bytes(
            answer(
                reservation_token=reserved.reservation_token,
                reservation_amount=reserved.points,
                expiration_timestamp=rfc3339(reserved.expires_ms),
            ).SerializeToString()
        )

    return render


def _cancelled(cancelled: Cancelled) -> bytes:
    return pb.CancelReservationResponse(
        status="CANCELLED",
        reservation_token=cancelled.reserved.reservation_token,
        session_id=cancelled.correlation_id,
    ).SerializeToString()


def _adhoc(answer: Any, message: str) -> Any:
    """Give what renders an ad hoc transaction."""

    def render(made: AdhocTransaction) -> bytes:
        return bytes(answer(transaction_id=made.adhoc_id, message=message).SerializeToString())

    return render


def _lock(answer: Any, lock: RedemptionLock) -> Any:
    return answer(
        account_id=lock.loyalty_id,
        entity="ACCOUNT",
        context="REDEMPTION",
        posture="BLOCK",
        start_timestamp="" if lock.since_ms is None else rfc3339(lock.since_ms),
        end_timestamp="",
        label=_LABELS[lock.by],
        channel=lock.by.value,
        source="LOYALTY",
    )


def _unlocked(_: None) -> bytes:
    return pb.DeleteRedemptionLockResponse(message="The lock has been removed.").SerializeToString()
