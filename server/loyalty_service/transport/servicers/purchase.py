"""PurchaseService: the purchases of sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.struct_pb2 import Struct

from loyalty.v1 import order_pb2
from loyalty.v1 import purchase_service_pb2 as pb
from loyalty_service.application.orders.report_offline_order import (
    OfflineOrderTaken,
    ReportOfflineOrder,
    report_offline_order,
)
from loyalty_service.application.purchases.adjust_purchase import (
    Adjusted,
    AdjustPurchase,
    adjust_purchase,
)
from loyalty_service.application.purchases.adjust_without_receipt import (
    AdjustedWithoutReceipt,
    AdjustWithoutReceipt,
    adjust_without_receipt,
)
from loyalty_service.application.purchases.award_purchase import (
    Awarded,
    AwardPurchase,
    award_purchase,
)
from loyalty_service.application.purchases.confirm_purchase import (
    Confirmed,
    ConfirmPurchase,
    confirm_purchase,
)
from loyalty_service.application.purchases.finalize_purchase import finalize_purchase
from loyalty_service.application.purchases.purchase import Purchase, Purchased
from loyalty_service.application.purchases.report_offline_purchase import (
    OfflinePurchase,
    report_offline_purchase,
)
from loyalty_service.application.purchases.try_purchase import try_purchase
from loyalty_service.domain.basket import basket_to_json
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.purchases import NearMiss
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.domain.texts import clean
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.order import point_of_sale, read_basket
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

    async def AwardPurchase(self, request: pb.AwardPurchaseRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = AwardPurchase(
            call.key, request.original_correlation_id, request.current_correlation_id
        )
        return await call.write(award_purchase, command, _awarded)

    async def AdjustPurchase(self, request: pb.AdjustPurchaseRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        reader = PurchaseReader(call.program)
        basket = reader.basket(request.reversal_line_items, Struct())
        call.mends += tuple(reader.mends)
        command = AdjustPurchase(
            call.key,
            request.original_transaction_id,
            request.current_correlation_id,
            tuple(ReturnedLine(one.reference_id, one.quantity) for one in basket.lines),
        )
        return await call.write(adjust_purchase, command, _adjusted, paid=True)

    async def AdjustWithoutReceipt(  # noqa: N802
        self, request: pb.AdjustWithoutReceiptRequest, call: Call
    ) -> bytes:
        """See the contract."""
        reader = PurchaseReader(call.program)
        basket = reader.basket(request.reversal_line_items, Struct())
        call.mends += tuple(reader.mends)
        command = AdjustWithoutReceipt(call.key, request.correlation_id, basket)
        return await call.write(adjust_without_receipt, command, _taken_back, paid=True)

    async def ConfirmPurchase(  # noqa: N802
        self, request: pb.ConfirmPurchaseRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = ConfirmPurchase(
            call.key,
            request.correlation_id,
            request.original_transaction_id,
            clean(request.mode, MODE_MAX).upper(),
        )
        return await call.write(confirm_purchase, command, _confirmed)

    async def ReportOfflineOrder(  # noqa: N802
        self, request: pb.ReportOfflineOrderRequest, call: Call
    ) -> bytes:
        """See the contract."""
        details = request.transaction_details
        basket, mends = read_basket(details, call.program, paid=True)
        reader = PurchaseReader(call.program)
        told_time = reader.time(request.order_time, "order_time")
        call.mends += (*mends, *reader.mends)
        command = ReportOfflineOrder(
            key=call.key,
            channel=order_pb2.TransactionDetails.Channel.Name(request.channel),
            service_mode=order_pb2.TransactionDetails.ServiceMode.Name(request.service_mode),
            point_of_sale=point_of_sale(details.pos_vendor),
            basket=basket,
            basket_json=basket_to_json(basket),
            told_time=told_time,
            loyalty_id=clean(request.loyalty_id, TOKEN_MAX).lower() or None,
            mends=call.mends,
        )
        return await call.write(report_offline_order, command, _taken, paid=True)


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


def _awarded(awarded: Awarded) -> bytes:
    return pb.AwardPurchaseResponse(
        loyalty_id=awarded.loyalty_id,
        original_transaction_id=awarded.original_id,
        points_earned=awarded.earned_points,
    ).SerializeToString()


def _adjusted(adjusted: Adjusted) -> bytes:
    return pb.AdjustPurchaseResponse(
        transaction_id=adjusted.current_id,
        original_transaction_id=adjusted.original_id,
        points_earned=adjusted.earned_points,
        points_balance=adjusted.points,
        available_points_balance=adjusted.available_points,
    ).SerializeToString()


def _taken_back(adjusted: AdjustedWithoutReceipt) -> bytes:
    return pb.AdjustWithoutReceiptResponse(
        transaction_id=adjusted.correlation_id,
        points_earned=adjusted.earned_points,
        points_balance=adjusted.points,
        available_points_balance=adjusted.available_points,
    ).SerializeToString()


def _confirmed(_: Confirmed) -> bytes:
    return pb.ConfirmPurchaseResponse(
        message="The transaction has been fully confirmed."
    ).SerializeToString()


def _taken(taken: OfflineOrderTaken) -> bytes:
    return pb.ReportOfflineOrderResponse(
        transaction_id=taken.transaction_id,
        loyalty_id=taken.loyalty_id,
        points=taken.available_points,
        points_earned=taken.earned_points,
        effective_time=timestamp(taken.effective_ms),
        record_time=timestamp(taken.recorded_ms),
    ).SerializeToString()


def _offer(one: PromotionPoints) -> pb.PurchaseOffer:
    return pb.PurchaseOffer(offer_code=one.promotion_id, state="COMPLETED", points=one.points)


def _near_miss(one: NearMiss, digits: int) -> pb.NearMiss:
    return pb.NearMiss(
        offer_code=one.promotion_id,
        dollars_to_threshold=None if one.amount is None else one.amount / 10**digits,
        quantity_to_threshold=one.quantity,
        points=one.points,
    )
