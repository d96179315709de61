"""
The request book: how each RPC is called, by a good request and a bad one.

Every suite that calls all RPCs takes its requests from here, so a new RPC is written down once.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.protobuf.message import Message

from loyalty.v1 import account_service_pb2 as accounts
from loyalty.v1 import code_service_pb2 as codes
from loyalty.v1 import event_service_pb2 as events
from loyalty.v1 import identify_service_pb2 as identifying
from loyalty.v1 import incentive_service_pb2 as incentives
from loyalty.v1 import member_service_pb2 as members
from loyalty.v1 import operator_service_pb2 as operators
from loyalty.v1 import order_pb2
from loyalty.v1 import purchase_service_pb2 as purchases
from loyalty.v1 import session_service_pb2 as sessions
from loyalty.v1 import token_service_pb2 as tokens
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.sandbox.fixed_codes import PROMO_CODE
from loyalty_service.transport.rpcs import RPCS, Effect

ANOTHER = "another order"
"""Number of an order that is not the first one."""


KEYED = frozenset({"MemberService/AdjustPoints", "MemberService/AssignPoints"})
"""Calls that are refused without an idempotency key."""


class Desk(Protocol):
    """Where requests are made ready."""

    @property
    def incentive_id(self) -> str:
        """An incentive that guests may select."""

    async def guest(self) -> str:
        """Give a member who can pay for the order."""

    async def ask(self, name: str, request: Message) -> Any:
        """Make a call that must succeed, as somebody who may make it."""

    def order(self, *, another: bool = False) -> order_pb2.TransactionDetails:
        """Give an order that a guest may claim, or *another* one."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    How an RPC is called.

    Attributes:
        rpc: `Service/Method`.
        good: Makes a request that succeeds, once what it needs is done.
        other: Makes one that succeeds and means something else, from the good one; a call that
            writes has one.
        bad: A request that is refused for its fields alone.
        broken: The fields that the refusal names.
    """

    rpc: str
    good: Callable[[Desk], Awaitable[Message]]
    bad: Message
    broken: frozenset[str]
    other: Callable[[Desk, Any], Awaitable[Message]] | None = field(default=None)


async def issue(desk: Desk, guest: str) -> str:
    """Issue a code for an incentive; return its digits."""
    selected = codes.SelectedIncentive(incentive_id=desk.incentive_id, quantity=1)
    request = codes.IssueCodeRequest(loyalty_id=guest, order=[selected])
    return str((await desk.ask("CodeService/IssueCode", request)).otp)


async def open_order(desk: Desk) -> str:
    """Identify a guest by a code; return the transaction."""
    request = identifying.IdentifyMemberRequest(
        identifier=await issue(desk, await desk.guest()), pos_vendor=desk.order().pos_vendor
    )
    return str((await desk.ask("IdentifyService/IdentifyMember", request)).transaction_id)


async def claim_order(desk: Desk) -> str:
    """Claim an order; return the transaction."""
    request = _report(pb.ReportOrderRequest, await open_order(desk), "CLAIMED", desk.order())
    await desk.ask("TransactionService/ReportOrder", request)
    return str(request.loyalty_transaction_id)


def _report(kind: Any, opened: str, status: str, order: order_pb2.TransactionDetails) -> Any:
    return kind(
        loyalty_transaction_id=opened,
        channel="RESTAURANT",
        created="2026-11-22T12:00:00Z",
        service_mode="EAT_IN",
        status=status,
        transaction_details=order,
    )


# --- SessionService -----------------------------------------------------------------------------


async def _session(_: Desk) -> Message:
    return sessions.StartAnonymousSessionRequest(correlation_id=str(uuid.uuid4()), locale="en-CA")


async def _other_session(_: Desk, first: Any) -> Message:
    return sessions.StartAnonymousSessionRequest(
        correlation_id=first.correlation_id, channel="KIOSK", locale="en-CA"
    )


async def _member_session(desk: Desk) -> Message:
    return sessions.StartSessionRequest(
        identifier=await desk.guest(),
        correlation_id=str(uuid.uuid4()),
        locale="en-CA",
        store_id=desk.order().pos_vendor.store_id,
    )


async def _other_member_session(_: Desk, first: Any) -> Message:
    return sessions.StartSessionRequest(
        identifier=first.identifier,
        correlation_id=first.correlation_id,
        channel="KIOSK",
        store_id=first.store_id,
    )


# --- PurchaseService ----------------------------------------------------------------------------

SOLD = purchases.SaleLineItem(sku="1", quantity=1, sale_amount=1000)


async def _visit(desk: Desk) -> str:
    """Open a session without a member; return its correlation ID."""
    request = sessions.StartAnonymousSessionRequest(correlation_id=str(uuid.uuid4()))
    await desk.ask("SessionService/StartAnonymousSession", request)
    return str(request.correlation_id)


async def _trial(desk: Desk) -> Message:
    return purchases.TryPurchaseRequest(correlation_id=await _visit(desk), sale_line_items=[SOLD])


async def _purchase(desk: Desk) -> purchases.FinalizePurchaseRequest:
    return purchases.FinalizePurchaseRequest(
        correlation_id=await _visit(desk), sale_line_items=[SOLD]
    )


async def _visit_of(desk: Desk) -> str:
    """Open a session of a member in the store of orders; return its correlation ID."""
    request = sessions.StartSessionRequest(
        identifier=await desk.guest(),
        correlation_id=str(uuid.uuid4()),
        store_id=desk.order().pos_vendor.store_id,
    )
    await desk.ask("SessionService/StartSession", request)
    return str(request.correlation_id)


async def _award(desk: Desk) -> Message:
    paid = await _purchase(desk)
    await desk.ask("PurchaseService/FinalizePurchase", paid)
    return purchases.AwardPurchaseRequest(
        original_correlation_id=paid.correlation_id, current_correlation_id=await _visit_of(desk)
    )


async def _other_award(desk: Desk, _: Any) -> Message:
    return await _award(desk)


async def _adjustment(desk: Desk) -> Message:
    paid = await _purchase(desk)
    await desk.ask("PurchaseService/FinalizePurchase", paid)
    return purchases.AdjustPurchaseRequest(
        original_transaction_id=paid.correlation_id,
        current_correlation_id=await _visit(desk),
        reversal_line_items=[SOLD],
    )


async def _other_adjustment(desk: Desk, _: Any) -> Message:
    return await _adjustment(desk)


async def _no_receipt(desk: Desk) -> Message:
    return purchases.AdjustWithoutReceiptRequest(
        correlation_id=await _visit_of(desk), reversal_line_items=[SOLD]
    )


async def _other_no_receipt(desk: Desk, _: Any) -> Message:
    return await _no_receipt(desk)


async def _confirmation(desk: Desk) -> Message:
    guest, paid, later = await desk.guest(), str(uuid.uuid4()), str(uuid.uuid4())
    for name in (paid, later):
        request = sessions.StartSessionRequest(identifier=guest, correlation_id=name)
        await desk.ask("SessionService/StartSession", request)
    waiting = purchases.FinalizePurchaseRequest(
        correlation_id=paid,
        sale_line_items=[SOLD],
        confirmation=purchases.Confirmation(mode="CART"),
    )
    await desk.ask("PurchaseService/FinalizePurchase", waiting)
    return purchases.ConfirmPurchaseRequest(
        correlation_id=later, original_transaction_id=paid, mode="CART"
    )


async def _other_confirmation(desk: Desk, _: Any) -> Message:
    return await _confirmation(desk)


async def _offline_order(desk: Desk) -> Message:
    return purchases.ReportOfflineOrderRequest(
        channel="RESTAURANT",
        order_time="2026-11-22T12:00:00Z",
        service_mode="EAT_IN",
        loyalty_id=await desk.guest(),
        transaction_details=desk.order(),
    )


async def _other_offline_order(desk: Desk, first: Any) -> Message:
    other = purchases.ReportOfflineOrderRequest()
    other.CopyFrom(first)
    other.transaction_details.CopyFrom(desk.order(another=True))
    return other


async def _offline(_: Desk) -> Message:
    return purchases.ReportOfflinePurchaseRequest(
        correlation_id=str(uuid.uuid4()), sale_line_items=[SOLD]
    )


async def _other_offline(desk: Desk, _: Any) -> Message:
    return await _offline(desk)


async def _other_purchase(desk: Desk, _: Any) -> Message:
    return await _purchase(desk)


# --- TokenService -------------------------------------------------------------------------------


async def _token(_: Desk) -> Message:
    return tokens.IssueTokenRequest(grant_type="client_credentials")


# --- AccountService -----------------------------------------------------------------------------

STEP = 25_000
"""Points of one step of the program's redemption rules."""

_TOO_LONG = "x" * 129


async def _of_rich_member(desk: Desk) -> str:
    """Open a session of a member who can redeem a step."""
    visit = await _visit_of(desk)
    for _ in range(3):
        await desk.ask("AccountService/IssueAdhocReward", _reward_of(visit, 10_000))
    return visit


def _reward_of(visit: str, points: int) -> accounts.IssueAdhocRewardRequest:
    return accounts.IssueAdhocRewardRequest(
        correlation_id=visit, issuer_id="AIRMILES", reward_id="WELCOME_500", reward_amount=points
    )


async def _reservation(desk: Desk) -> tuple[str, str]:
    """Reserve a step of a member; return the session and the token."""
    visit = await _of_rich_member(desk)
    request = accounts.ReservePointsRequest(correlation_id=visit, reservation_amount=STEP)
    reserved = await desk.ask("AccountService/ReservePoints", request)
    return visit, str(reserved.reservation_token)


async def _balance(desk: Desk) -> Message:
    return accounts.GetBalanceRequest(correlation_id=await _visit_of(desk))


async def _membership(desk: Desk) -> Message:
    return accounts.GetMembershipRequest(correlation_id=await _visit_of(desk))


async def _history(desk: Desk) -> Message:
    return accounts.ListVisitHistoryRequest(correlation_id=await _visit_of(desk))


async def _reserve(desk: Desk) -> Message:
    visit = await _of_rich_member(desk)
    return accounts.ReservePointsRequest(correlation_id=visit, reservation_amount=STEP)


async def _other_reserve(desk: Desk, _: Any) -> Message:
    return await _reserve(desk)


async def _lower(desk: Desk) -> Message:
    visit, token = await _reservation(desk)
    return accounts.LowerReservationRequest(
        correlation_id=visit, reservation_token=token, reservation_amount=STEP
    )


async def _other_lower(desk: Desk, _: Any) -> Message:
    return await _lower(desk)


async def _cancel(desk: Desk) -> Message:
    visit, token = await _reservation(desk)
    return accounts.CancelReservationRequest(correlation_id=visit, reservation_token=token)


async def _other_cancel(desk: Desk, _: Any) -> Message:
    return await _cancel(desk)


async def _redemption(desk: Desk) -> Message:
    visit, token = await _reservation(desk)
    return accounts.IssueAdhocRedemptionRequest(correlation_id=visit, reservation_token=token)


async def _other_redemption(desk: Desk, _: Any) -> Message:
    return await _redemption(desk)


async def _adhoc_reward(desk: Desk) -> Message:
    return _reward_of(await _visit_of(desk), 500)


async def _other_adhoc_reward(_: Desk, first: Any) -> Message:
    return _reward_of(first.correlation_id, 501)


async def _void_adhoc(desk: Desk) -> Message:
    visit = await _visit_of(desk)
    given = await desk.ask("AccountService/IssueAdhocReward", _reward_of(visit, 500))
    return accounts.VoidAdhocTransactionRequest(
        correlation_id=visit, original_transaction_id=given.transaction_id
    )


async def _other_void_adhoc(desk: Desk, _: Any) -> Message:
    return await _void_adhoc(desk)


async def _lock(desk: Desk) -> Message:
    return accounts.CreateRedemptionLockRequest(
        correlation_id=await _visit_of(desk), entity="ACCOUNT", context="REDEMPTION"
    )


async def _other_lock(_: Desk, first: Any) -> Message:
    return accounts.CreateRedemptionLockRequest(
        correlation_id=first.correlation_id,
        entity="ACCOUNT",
        context="REDEMPTION",
        reason="Card reported stolen",
    )


async def _locks(desk: Desk) -> Message:
    return accounts.ListRedemptionLocksRequest(correlation_id=await _visit_of(desk))


async def _unlock(desk: Desk) -> Message:
    return accounts.DeleteRedemptionLockRequest(
        correlation_id=await _visit_of(desk), entity="ACCOUNT", context="REDEMPTION"
    )


async def _other_unlock(desk: Desk, _: Any) -> Message:
    return await _unlock(desk)


# --- IdentifyService ----------------------------------------------------------------------------


async def _identify(desk: Desk) -> Message:
    return identifying.IdentifyMemberRequest(
        identifier=await desk.guest(), pos_vendor=desk.order().pos_vendor
    )


async def _other_identify(_: Desk, first: Any) -> Message:
    other = identifying.IdentifyMemberRequest()
    other.CopyFrom(first)
    other.pos_vendor.transaction_id = ANOTHER
    return other


async def _again(desk: Desk) -> Message:
    guest = await desk.guest()
    first = identifying.IdentifyMemberRequest(
        identifier=await issue(desk, guest), pos_vendor=desk.order().pos_vendor
    )
    opened = await desk.ask("IdentifyService/IdentifyMember", first)
    return identifying.IdentifyMemberAgainRequest(
        identifier=await issue(desk, guest), transaction_id=opened.transaction_id
    )


async def _other_again(desk: Desk, _first: Any) -> Message:
    return await _again(desk)


# --- CodeService --------------------------------------------------------------------------------


async def _issue(desk: Desk) -> Message:
    selected = codes.SelectedIncentive(incentive_id=desk.incentive_id, quantity=1)
    return codes.IssueCodeRequest(loyalty_id=await desk.guest(), order=[selected])


async def _other_issue(_: Desk, first: Any) -> Message:
    return codes.IssueCodeRequest(loyalty_id=first.loyalty_id)


async def _code(desk: Desk) -> Message:
    return codes.GetCodeRequest(otp=await issue(desk, await desk.guest()))


# --- MemberService ------------------------------------------------------------------------------


async def _enroll(_: Desk) -> Message:
    return members.EnrollMemberRequest(name="Guest")


async def _other_enroll(_: Desk, _first: Any) -> Message:
    return members.EnrollMemberRequest(name="Another guest")


async def _member(desk: Desk) -> Message:
    return members.GetMemberRequest(loyalty_id=await desk.guest())


async def _user(desk: Desk) -> Message:
    return members.GetUserRequest(loyalty_id=await desk.guest())


async def _erase(desk: Desk) -> Message:
    # One of its own, because others go on with the guest.
    request = members.EnrollMemberRequest(name="Somebody who goes")
    enrolled = await desk.ask("MemberService/EnrollMember", request)
    return members.EraseMemberRequest(loyalty_id=enrolled.member.loyalty_id, reason="Asked.")


async def _other_erase(desk: Desk, _first: Any) -> Message:
    return await _erase(desk)


async def _update(desk: Desk) -> Message:
    return members.UpdateMemberRequest(loyalty_id=await desk.guest(), name="Guest by now")


async def _other_update(_: Desk, first: Any) -> Message:
    return members.UpdateMemberRequest(loyalty_id=first.loyalty_id, name="Guest again")


async def _block(desk: Desk) -> Message:
    # One of its own, because others go on with the guest.
    request = members.EnrollMemberRequest(name="Somebody")
    enrolled = await desk.ask("MemberService/EnrollMember", request)
    loyalty_id = enrolled.member.loyalty_id
    return members.BlockMemberRequest(loyalty_id=loyalty_id, redeem=True, reason="Stolen phone")


async def _other_block(_: Desk, first: Any) -> Message:
    return members.BlockMemberRequest(loyalty_id=first.loyalty_id, reason="It was found")


async def _two(desk: Desk) -> list[str]:
    # Two of their own, because others go on with the guest.
    found = []
    for name in ("Guest", "The same guest"):
        request = members.EnrollMemberRequest(name=name)
        enrolled = await desk.ask("MemberService/EnrollMember", request)
        found.append(enrolled.member.loyalty_id)
    return found


async def _merge(desk: Desk) -> Message:
    one, other = await _two(desk)
    return members.MergeMembersRequest(
        loyalty_id=one, merged_loyalty_id=other, reason="Enrolled twice"
    )


async def _other_merge(desk: Desk, _first: Any) -> Message:
    return await _merge(desk)


async def _unmerge(desk: Desk) -> Message:
    request: Any = await _merge(desk)
    await desk.ask("MemberService/MergeMembers", request)
    return members.UnmergeMembersRequest(
        loyalty_id=request.loyalty_id,
        merged_loyalty_id=request.merged_loyalty_id,
        reason="They are two",
    )


async def _other_unmerge(desk: Desk, _first: Any) -> Message:
    return await _unmerge(desk)


async def _export(desk: Desk) -> Message:
    return members.ExportMemberRequest(loyalty_id=await desk.guest())


async def _assign(desk: Desk) -> Message:
    guest = await desk.guest()
    return members.AssignPointsRequest(
        loyalty_id=guest, points=1, partner="acme", reference="A game"
    )


async def _other_assign(_: Desk, first: Any) -> Message:
    return members.AssignPointsRequest(
        loyalty_id=first.loyalty_id, points=2, partner="acme", reference="A game"
    )


async def _adjust(desk: Desk) -> Message:
    return members.AdjustPointsRequest(loyalty_id=await desk.guest(), points=1, reason="A gift")


async def _other_adjust(_: Desk, first: Any) -> Message:
    return members.AdjustPointsRequest(
        loyalty_id=first.loyalty_id, points=2, reason="A gift", allow_debt=True
    )


async def _search_members(_: Desk) -> Message:
    return members.SearchMembersRequest(query="guest", page_size=1)


async def _transfers(desk: Desk) -> Message:
    return members.ListTransfersRequest(loyalty_id=await desk.guest(), page_size=1)


# --- EventService -------------------------------------------------------------------------------


async def _events(desk: Desk) -> Message:
    return events.ListEventsRequest(loyalty_id=await desk.guest(), page_size=1)


# --- IncentiveService ---------------------------------------------------------------------------


async def _incentives(desk: Desk) -> Message:
    store_id = desk.order().pos_vendor.store_id
    return incentives.ListIncentivesRequest(loyalty_id=await desk.guest(), store_id=store_id)


async def _content(_: Desk) -> Message:
    return incentives.GetContentRequest(page_size=1)


async def _redeem(desk: Desk) -> Message:
    return incentives.RedeemPromoCodeRequest(
        loyalty_id=await desk.guest(),
        promo_code=PROMO_CODE,
        pos_vendor={"store_id": desk.order().pos_vendor.store_id},
    )


async def _other_redeem(desk: Desk, first: Any) -> Message:
    other = incentives.RedeemPromoCodeRequest()
    other.CopyFrom(first)
    other.loyalty_id = await desk.guest()
    other.pos_vendor.terminal = ANOTHER
    return other


async def _take(desk: Desk) -> Message:
    return incentives.TakeGrantRequest(loyalty_id=await desk.guest(), grant="croissant")


async def _other_take(desk: Desk, _first: Any) -> Message:
    return await _take(desk)


# --- OperatorService ----------------------------------------------------------------------------


async def _program(_: Desk) -> Message:
    return operators.GetProgramRequest()


async def _versions(_: Desk) -> Message:
    return operators.ListProgramVersionsRequest(page_size=1)


async def _waits(desk: Desk) -> Message:
    return operators.ListCodeWaitsRequest(store_id=desk.order().pos_vendor.store_id)


async def _webhooks(_: Desk) -> Message:
    return operators.ListWebhooksRequest(max_messages=1)


async def _liability(_: Desk) -> Message:
    return operators.GetLiabilityRequest()


# --- TransactionService -------------------------------------------------------------------------


async def _validate(desk: Desk) -> Message:
    opened = await open_order(desk)
    request: Message = _report(pb.ValidateOrderRequest, opened, "CLAIMED", desk.order())
    return request


async def _pending(desk: Desk) -> Message:
    opened = await open_order(desk)
    request: Message = _report(pb.ReportOrderRequest, opened, "PENDING", desk.order())
    return request


async def _claimed(desk: Desk) -> Message:
    opened = await open_order(desk)
    request: Message = _report(pb.ReportOrderRequest, opened, "CLAIMED", desk.order())
    return request


async def _other_report(desk: Desk, first: Any) -> Message:
    other = pb.ReportOrderRequest()
    other.CopyFrom(first)
    other.transaction_details.CopyFrom(desk.order(another=True))
    return other


async def _void(desk: Desk) -> Message:
    return pb.VoidTransactionRequest(loyalty_transaction_id=await claim_order(desk))


async def _other_void(desk: Desk, _first: Any) -> Message:
    return pb.VoidTransactionRequest(loyalty_transaction_id=await open_order(desk))


async def _return(desk: Desk) -> Message:
    return _returned(desk, await claim_order(desk))


async def _other_return(desk: Desk, first: Any) -> Message:
    del first
    return _returned(desk, await claim_order(desk))


def _returned(desk: Desk, order: str) -> Message:
    line = next(line for line in reversed(desk.order().order) if not line.parent_reference_id)
    return pb.ReturnLinesRequest(
        loyalty_transaction_id=order, lines=[pb.ReturnedLine(reference_id=line.reference_id)]
    )


async def _status(desk: Desk) -> Message:
    pending: Any = await _pending(desk)
    await desk.ask("TransactionService/ReportOrder", pending)
    return pb.ChangeTransactionStatusRequest(
        new_status="CLAIMED", transaction_id=pending.loyalty_transaction_id
    )


async def _other_status(_: Desk, first: Any) -> Message:
    return pb.ChangeTransactionStatusRequest(new_status="VOID", transaction_id=first.transaction_id)


async def _unclaimed(desk: Desk) -> Message:
    return pb.RecordUnclaimedOrderRequest(
        channel="RESTAURANT", service_mode="EAT_IN", transaction_details=desk.order(another=True)
    )


async def _other_unclaimed(_: Desk, first: Any) -> Message:
    other = pb.RecordUnclaimedOrderRequest()
    other.CopyFrom(first)
    other.transaction_details.order[-1].price += 1
    return other


async def _receipt(desk: Desk) -> Message:
    recorded = await desk.ask("TransactionService/RecordUnclaimedOrder", await _unclaimed(desk))
    return pb.ClaimReceiptRequest(loyalty_id=await desk.guest(), receipt_code=recorded.receipt_code)


async def _other_receipt(desk: Desk, first: Any) -> Message:
    return pb.ClaimReceiptRequest(loyalty_id=await desk.guest(), receipt_code=first.receipt_code)


async def _transaction(desk: Desk) -> Message:
    return pb.GetTransactionRequest(loyalty_transaction_id=await open_order(desk))


async def _search(desk: Desk) -> Message:
    return pb.SearchTransactionsRequest(loyalty_id=await desk.guest(), page_size=1)


async def _search_orders(desk: Desk) -> Message:
    guest = await desk.guest()
    store_id = desk.order().pos_vendor.store_id
    return pb.SearchOrdersRequest(loyalty_id=guest, store_id=store_id, page_size=1)


async def _outcome(_: Desk) -> Message:
    return pb.GetOutcomeRequest(idempotency_key="a key")


_NO_ORDER = frozenset(
    {"loyalty_transaction_id", "channel", "service_mode", "status", "transaction_details"}
)

BOOK: Mapping[str, Page] = {
    "StartAnonymousSession": Page(
        "SessionService/StartAnonymousSession",
        _session,
        sessions.StartAnonymousSessionRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
        _other_session,
    ),
    "StartSession": Page(
        "SessionService/StartSession",
        _member_session,
        sessions.StartSessionRequest(correlation_id="a/b", channel=" "),
        frozenset({"identifier", "correlation_id", "channel"}),
        _other_member_session,
    ),
    "TryPurchase": Page(
        "PurchaseService/TryPurchase",
        _trial,
        purchases.TryPurchaseRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
    ),
    "FinalizePurchase": Page(
        "PurchaseService/FinalizePurchase",
        _purchase,
        purchases.FinalizePurchaseRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
        _other_purchase,
    ),
    "ReportOfflinePurchase": Page(
        "PurchaseService/ReportOfflinePurchase",
        _offline,
        purchases.ReportOfflinePurchaseRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
        _other_offline,
    ),
    "AwardPurchase": Page(
        "PurchaseService/AwardPurchase",
        _award,
        purchases.AwardPurchaseRequest(original_correlation_id="a/b"),
        frozenset({"original_correlation_id", "current_correlation_id"}),
        _other_award,
    ),
    "AdjustPurchase": Page(
        "PurchaseService/AdjustPurchase",
        _adjustment,
        purchases.AdjustPurchaseRequest(original_transaction_id="a/b"),
        frozenset({"original_transaction_id", "current_correlation_id", "reversal_line_items"}),
        _other_adjustment,
    ),
    "AdjustWithoutReceipt": Page(
        "PurchaseService/AdjustWithoutReceipt",
        _no_receipt,
        purchases.AdjustWithoutReceiptRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "reversal_line_items"}),
        _other_no_receipt,
    ),
    "ConfirmPurchase": Page(
        "PurchaseService/ConfirmPurchase",
        _confirmation,
        purchases.ConfirmPurchaseRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "original_transaction_id"}),
        _other_confirmation,
    ),
    "ReportOfflineOrder": Page(
        "PurchaseService/ReportOfflineOrder",
        _offline_order,
        purchases.ReportOfflineOrderRequest(),
        frozenset({"transaction_details"}),
        _other_offline_order,
    ),
    "GetBalance": Page(
        "AccountService/GetBalance",
        _balance,
        accounts.GetBalanceRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
    ),
    "GetMembership": Page(
        "AccountService/GetMembership",
        _membership,
        accounts.GetMembershipRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
    ),
    "ListVisitHistory": Page(
        "AccountService/ListVisitHistory",
        _history,
        accounts.ListVisitHistoryRequest(correlation_id="a/b", limit=151, to=-1),
        frozenset({"correlation_id", "limit", "to"}),
    ),
    "ReservePoints": Page(
        "AccountService/ReservePoints",
        _reserve,
        accounts.ReservePointsRequest(correlation_id="a/b", redeemer_id=_TOO_LONG),
        frozenset({"correlation_id", "redeemer_id"}),
        _other_reserve,
    ),
    "LowerReservation": Page(
        "AccountService/LowerReservation",
        _lower,
        accounts.LowerReservationRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "reservation_token", "reservation_amount"}),
        _other_lower,
    ),
    "CancelReservation": Page(
        "AccountService/CancelReservation",
        _cancel,
        accounts.CancelReservationRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "reservation_token"}),
        _other_cancel,
    ),
    "IssueAdhocRedemption": Page(
        "AccountService/IssueAdhocRedemption",
        _redemption,
        accounts.IssueAdhocRedemptionRequest(correlation_id="a/b", channel=_TOO_LONG),
        frozenset({"correlation_id", "reservation_token", "channel"}),
        _other_redemption,
    ),
    "IssueAdhocReward": Page(
        "AccountService/IssueAdhocReward",
        _adhoc_reward,
        accounts.IssueAdhocRewardRequest(correlation_id="a/b", issuer_id=" "),
        frozenset({"correlation_id", "issuer_id", "reward_id", "reward_amount"}),
        _other_adhoc_reward,
    ),
    "VoidAdhocTransaction": Page(
        "AccountService/VoidAdhocTransaction",
        _void_adhoc,
        accounts.VoidAdhocTransactionRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "original_transaction_id"}),
        _other_void_adhoc,
    ),
    "CreateRedemptionLock": Page(
        "AccountService/CreateRedemptionLock",
        _lock,
        accounts.CreateRedemptionLockRequest(correlation_id="a/b", entity="CARD"),
        frozenset({"correlation_id", "entity", "context"}),
        _other_lock,
    ),
    "ListRedemptionLocks": Page(
        "AccountService/ListRedemptionLocks",
        _locks,
        accounts.ListRedemptionLocksRequest(correlation_id="a/b"),
        frozenset({"correlation_id"}),
    ),
    "DeleteRedemptionLock": Page(
        "AccountService/DeleteRedemptionLock",
        _unlock,
        accounts.DeleteRedemptionLockRequest(correlation_id="a/b"),
        frozenset({"correlation_id", "entity", "context"}),
        _other_unlock,
    ),
    "IdentifyMember": Page(
        "IdentifyService/IdentifyMember",
        _identify,
        identifying.IdentifyMemberRequest(),
        frozenset({"identifier", "pos_vendor"}),
        _other_identify,
    ),
    "IdentifyMemberAgain": Page(
        "IdentifyService/IdentifyMemberAgain",
        _again,
        identifying.IdentifyMemberAgainRequest(transaction_id="x"),
        frozenset({"identifier", "transaction_id"}),
        _other_again,
    ),
    "IssueToken": Page(
        "TokenService/IssueToken",
        _token,
        tokens.IssueTokenRequest(),
        frozenset({"grant_type"}),
    ),
    "IssueCode": Page(
        "CodeService/IssueCode",
        _issue,
        codes.IssueCodeRequest(loyalty_id="x"),
        frozenset({"loyalty_id"}),
        _other_issue,
    ),
    "GetCode": Page(
        "CodeService/GetCode", _code, codes.GetCodeRequest(otp="12345x"), frozenset({"otp"})
    ),
    "EnrollMember": Page(
        "MemberService/EnrollMember",
        _enroll,
        members.EnrollMemberRequest(name=" ", birth_date="2021-02-29T"),
        frozenset({"name", "birth_date"}),
        _other_enroll,
    ),
    "GetMember": Page(
        "MemberService/GetMember",
        _member,
        members.GetMemberRequest(loyalty_id="x"),
        frozenset({"loyalty_id"}),
    ),
    "GetUser": Page(
        "MemberService/GetUser",
        _user,
        members.GetUserRequest(loyalty_id="x"),
        frozenset({"loyalty_id"}),
    ),
    "AssignPoints": Page(
        "MemberService/AssignPoints",
        _assign,
        members.AssignPointsRequest(loyalty_id="x", partner=" ", reference="x" * 256),
        frozenset({"loyalty_id", "points", "partner", "reference"}),
        _other_assign,
    ),
    "AdjustPoints": Page(
        "MemberService/AdjustPoints",
        _adjust,
        members.AdjustPointsRequest(loyalty_id="x", reason=" "),
        frozenset({"loyalty_id", "points", "reason"}),
        _other_adjust,
    ),
    "SearchMembers": Page(
        "MemberService/SearchMembers",
        _search_members,
        members.SearchMembersRequest(query=" ", page_size=-1, page_token="x" * 1001),
        frozenset({"query", "page_size", "page_token"}),
    ),
    "UpdateMember": Page(
        "MemberService/UpdateMember",
        _update,
        members.UpdateMemberRequest(
            loyalty_id="x", name=" ", email="x", phone="1", birth_date="x", locale="x", card="-"
        ),
        frozenset({"loyalty_id", "name", "email", "phone", "birth_date", "locale", "card"}),
        _other_update,
    ),
    "BlockMember": Page(
        "MemberService/BlockMember",
        _block,
        members.BlockMemberRequest(loyalty_id="x", reason=" "),
        frozenset({"loyalty_id", "reason"}),
        _other_block,
    ),
    "EraseMember": Page(
        "MemberService/EraseMember",
        _erase,
        members.EraseMemberRequest(loyalty_id="x", reason=" "),
        frozenset({"loyalty_id", "reason"}),
        _other_erase,
    ),
    "MergeMembers": Page(
        "MemberService/MergeMembers",
        _merge,
        members.MergeMembersRequest(loyalty_id="x", merged_loyalty_id="x", reason=" "),
        frozenset({"loyalty_id", "merged_loyalty_id", "reason"}),
        _other_merge,
    ),
    "UnmergeMembers": Page(
        "MemberService/UnmergeMembers",
        _unmerge,
        members.UnmergeMembersRequest(loyalty_id="x", merged_loyalty_id="x", reason=" "),
        frozenset({"loyalty_id", "merged_loyalty_id", "reason"}),
        _other_unmerge,
    ),
    "ExportMember": Page(
        "MemberService/ExportMember",
        _export,
        members.ExportMemberRequest(loyalty_id="x", page_size=-1, page_token="x" * 201),
        frozenset({"loyalty_id", "page_size", "page_token"}),
    ),
    "ListTransfers": Page(
        "MemberService/ListTransfers",
        _transfers,
        members.ListTransfersRequest(loyalty_id="x", page_size=-1, page_token="x" * 201),
        frozenset({"loyalty_id", "page_size", "page_token"}),
    ),
    "ListEvents": Page(
        "EventService/ListEvents",
        _events,
        events.ListEventsRequest(
            types=["x" * 65], loyalty_id="x", page_size=-1, page_token="x" * 201
        ),
        frozenset({"types[0]", "loyalty_id", "page_size", "page_token"}),
    ),
    "ListIncentives": Page(
        "IncentiveService/ListIncentives",
        _incentives,
        incentives.ListIncentivesRequest(
            loyalty_id="x", store_id=0, subtotal_amount=-1, page_size=-1, page_token="x" * 129
        ),
        frozenset({"loyalty_id", "store_id", "subtotal_amount", "page_size", "page_token"}),
    ),
    "GetContent": Page(
        "IncentiveService/GetContent",
        _content,
        incentives.GetContentRequest(pos_type="x" * 65, page_size=-1),
        frozenset({"pos_type", "page_size"}),
    ),
    "RedeemPromoCode": Page(
        "IncentiveService/RedeemPromoCode",
        _redeem,
        incentives.RedeemPromoCodeRequest(loyalty_id="x", promo_code="a b"),
        frozenset({"loyalty_id", "promo_code", "pos_vendor"}),
        _other_redeem,
    ),
    "TakeGrant": Page(
        "IncentiveService/TakeGrant",
        _take,
        incentives.TakeGrantRequest(loyalty_id="x"),
        frozenset({"loyalty_id", "grant"}),
        _other_take,
    ),
    "GetProgram": Page(
        "OperatorService/GetProgram",
        _program,
        operators.GetProgramRequest(version=0),
        frozenset({"version"}),
    ),
    "ListProgramVersions": Page(
        "OperatorService/ListProgramVersions",
        _versions,
        operators.ListProgramVersionsRequest(page_size=-1, page_token="x" * 201),
        frozenset({"page_size", "page_token"}),
    ),
    "ListCodeWaits": Page(
        "OperatorService/ListCodeWaits",
        _waits,
        operators.ListCodeWaitsRequest(store_id=0),
        frozenset({"store_id"}),
    ),
    "ListWebhooks": Page(
        "OperatorService/ListWebhooks",
        _webhooks,
        operators.ListWebhooksRequest(max_messages=-1),
        frozenset({"max_messages"}),
    ),
    "GetLiability": Page(
        "OperatorService/GetLiability",
        _liability,
        operators.GetLiabilityRequest(months=-1),
        frozenset({"months"}),
    ),
    "ValidateOrder": Page(
        "TransactionService/ValidateOrder", _validate, pb.ValidateOrderRequest(), _NO_ORDER
    ),
    "ReportOrderPending": Page(
        "TransactionService/ReportOrder",
        _pending,
        pb.ReportOrderRequest(),
        _NO_ORDER,
        _other_report,
    ),
    "ReportOrderClaimed": Page(
        "TransactionService/ReportOrder",
        _claimed,
        pb.ReportOrderRequest(status="CLAIMED"),
        frozenset({"loyalty_transaction_id", "transaction_details"}),
        _other_report,
    ),
    "VoidTransaction": Page(
        "TransactionService/VoidTransaction",
        _void,
        pb.VoidTransactionRequest(loyalty_transaction_id="x"),
        frozenset({"loyalty_transaction_id"}),
        _other_void,
    ),
    "ReturnLines": Page(
        "TransactionService/ReturnLines",
        _return,
        pb.ReturnLinesRequest(
            loyalty_transaction_id="x", lines=[pb.ReturnedLine(reference_id="1", quantity=0)]
        ),
        frozenset({"loyalty_transaction_id", "lines[0].quantity"}),
        _other_return,
    ),
    "ChangeTransactionStatus": Page(
        "TransactionService/ChangeTransactionStatus",
        _status,
        pb.ChangeTransactionStatusRequest(new_status="PENDING", transaction_id="x"),
        frozenset({"new_status", "transaction_id"}),
        _other_status,
    ),
    "RecordUnclaimedOrder": Page(
        "TransactionService/RecordUnclaimedOrder",
        _unclaimed,
        pb.RecordUnclaimedOrderRequest(),
        frozenset({"transaction_details"}),
        _other_unclaimed,
    ),
    "ClaimReceipt": Page(
        "TransactionService/ClaimReceipt",
        _receipt,
        pb.ClaimReceiptRequest(loyalty_id="x", receipt_code=" "),
        frozenset({"loyalty_id", "receipt_code"}),
        _other_receipt,
    ),
    "GetTransaction": Page(
        "TransactionService/GetTransaction",
        _transaction,
        pb.GetTransactionRequest(loyalty_transaction_id="x"),
        frozenset({"loyalty_transaction_id"}),
    ),
    "SearchOrders": Page(
        "TransactionService/SearchOrders",
        _search_orders,
        pb.SearchOrdersRequest(
            loyalty_id="x", store_id=-1, first_day="today", page_size=-1, page_token="x" * 201
        ),
        frozenset({"loyalty_id", "store_id", "first_day", "page_size", "page_token"}),
    ),
    "SearchTransactions": Page(
        "TransactionService/SearchTransactions",
        _search,
        pb.SearchTransactionsRequest(loyalty_id="x", cursor="x", page_size=-1),
        frozenset({"loyalty_id", "cursor", "page_size"}),
    ),
    "GetOutcome": Page(
        "TransactionService/GetOutcome",
        _outcome,
        pb.GetOutcomeRequest(),
        frozenset({"idempotency_key"}),
    ),
}
"""Every way to call an RPC that suites tell apart, by its name."""


def pages_of(rpc: str) -> tuple[Page, ...]:
    """Give the pages of an RPC, the first of which is its simplest call."""
    return tuple(page for page in BOOK.values() if page.rpc == rpc)


def missing_pages() -> list[str]:
    """Name what the book lacks: an RPC without a page, or a writing one without another request."""
    return [
        f"{rpc.name} is not in tests/book/pages.py"
        for rpc in RPCS.values()
        if not pages_of(rpc.name)
    ] + [
        f"{name} has no other request in tests/book/pages.py"
        for name, page in BOOK.items()
        if (page.other is None) is (RPCS[page.rpc].effect is Effect.WRITES)
    ]


WRITING: Mapping[str, Page] = {
    name: page for name, page in BOOK.items() if RPCS[page.rpc].effect is Effect.WRITES
}
"""The pages of calls that write."""
