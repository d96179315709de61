"""PurchaseService: the purchases of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loyalty.v1 import purchase_service_pb2 as pb
from loyalty_service.application.purchases.finalize_purchase import finalize_purchase
from loyalty_service.application.purchases.purchase import Purchase, Purchased
from loyalty_service.application.purchases.report_offline_purchase import (
    OfflinePurchase,
    report_offline_purchase,
)
from loyalty_service.application.purchases.try_purchase import try_purchase
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.purchases import NearMiss
from loyalty_service.domain.texts import clean
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.purchase_reading import PurchaseReader
from loyalty_service.transport.servicers.timestamps import timestamp

CALL_ID_MAX = 128
CHANNEL_MAX = 64
TOKEN_MAX = 128
MODE_MAX = 32


class PurchaseServicer:
    """Serves loyalty.v1.PurchaseService."""

    async def TryPurchase(self, request: pb.TryPurchaseRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        return await call.decide(try_purchase, _purchase(request, call), _renderer(call, _tried))

    async def FinalizePurchase(  # noqa: N802
        self, request: pb.FinalizePurchaseRequest, call: Call
    ) -> bytes:
        """See the contract."""
        purchase = _purchase(request, call)
        render = _renderer(call, _finalized)
        return await call.write(finalize_purchase, purchase, render, paid=True)

    async def ReportOfflinePurchase(  # noqa: N802
        self, request: pb.ReportOfflinePurchaseRequest, call: Call
    ) -> bytes:
        """See the contract."""
        loyalty_id = clean(request.loyalty_id, TOKEN_MAX).lower() or None
        command = OfflinePurchase(_purchase(request, call), loyalty_id)
        render = _renderer(call, _reported)
        return await call.write(report_offline_purchase, command, render, paid=True)


Request = pb.TryPurchaseRequest | pb.FinalizePurchaseRequest | pb.ReportOfflinePurchaseRequest


def _purchase(request: Request, call: Call) -> Purchase:
    reader = PurchaseReader(call.program)
    basket = reader.basket(request.sale_line_items, request.tender)
    told_time = reader.time(request.transaction_date)
    call.mends += tuple(reader.mends)
    return Purchase(
        key=call.key,
        correlation_id=request.correlation_id,
        basket=basket,
        call_id=clean(request.call_id, CALL_ID_MAX) or None,
        channel=clean(request.channel, CHANNEL_MAX) or None,
        locale=request.locale or None,
        told_time=told_time,
        reservation_token=clean(request.reservation_token, TOKEN_MAX) or None,
        mends=call.mends,
        confirmation_mode=clean(request.confirmation.mode, MODE_MAX).upper() or None,
    )


def _renderer(
    call: Call, render: Callable[[Purchased, int], bytes]
) -> Callable[[Purchased], bytes]:
    """Give what renders an answer in the currency of the call's program."""
    digits = call.program.currency_digits
    return lambda purchased: render(purchased, digits)


def _tried(tried: Purchased, digits: int) -> bytes:
    bonus = sum(one.points for one in tried.promotions)
    return pb.TryPurchaseResponse(
        session_correlation_id=tried.correlation_id,
        call_id=tried.call_id,
        points_earned=tried.earned_points,
        base_points=tried.earned_points - bonus,
        bonus_points=bonus,
        points_balance=tried.points,
        available_points_balance=tried.available_points,
        offers=map(_offer, tried.promotions),
        near_miss=(_near_miss(one, digits) for one in tried.near_misses),
        prompt=tried.prompt.code,
        prompt_message=tried.prompt.message,
        receipt_message=tried.prompt.receipt,
    ).SerializeToString()


def _finalized(purchased: Purchased, digits: int) -> bytes:
    return pb.FinalizePurchaseResponse(**_paid(purchased, digits)).SerializeToString()


def _reported(purchased: Purchased, digits: int) -> bytes:
    told = pb.ReportOfflinePurchaseResponse(**_paid(purchased, digits))
    if purchased.times is not None:
        paid_ms, recorded_ms = purchased.times
        told.effective_time.CopyFrom(timestamp(paid_ms))
        told.record_time.CopyFrom(timestamp(recorded_ms))
    return told.SerializeToString()


def _paid(purchased: Purchased, digits: int) -> dict[str, Any]:
    """Give the fields that answers about a paid purchase have in common."""
    bonus = sum(one.points for one in purchased.promotions)
    confirmation = None
    if purchased.confirmation is not None:
        mode, confirmed = purchased.confirmation
        confirmation = pb.ConfirmationDetails(confirmed=confirmed, mode=mode)
    return {
        "session_correlation_id": purchased.correlation_id,
        "call_id": purchased.call_id,
        "transaction_id": purchased.transaction_id or "",
        "points_earned": purchased.earned_points,
        "base_points": purchased.earned_points - bonus,
        "bonus_points": bonus,
        "points_redeemed": purchased.redeemed_points,
        "points_balance": purchased.points,
        "available_points_balance": purchased.available_points,
        "offers": [*map(_offer, purchased.promotions)],
        "near_miss": [_near_miss(one, digits) for one in purchased.near_misses],
        "prompt": purchased.prompt.code,
        "prompt_message": purchased.prompt.message,
        "receipt_message": purchased.prompt.receipt,
        "receipt_code": purchased.receipt_code,
        "confirmation_details": confirmation,
    }


def _offer(one: PromotionPoints) -> pb.PurchaseOffer:
    return pb.PurchaseOffer(offer_code=one.promotion_id, state="COMPLETED", points=one.points)


def _near_miss(one: NearMiss, digits: int) -> pb.NearMiss:
    return pb.NearMiss(
        offer_code=one.promotion_id,
        dollars_to_threshold=None if one.amount is None else one.amount / 10**digits,
        quantity_to_threshold=one.quantity,
        points=one.points,
    )
