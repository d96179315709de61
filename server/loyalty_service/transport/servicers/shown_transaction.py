"""A transaction, and how its points came about, as the contract tells them."""

from __future__ import annotations

from collections.abc import Sequence

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.orders.earnings import kept_promotions
from loyalty_service.application.reading import TransactionEntry
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.returns import returned_lines
from loyalty_service.transport.servicers.taken_off import render_given_away
from loyalty_service.transport.servicers.timestamps import timestamp


def render_transaction(entry: TransactionEntry) -> pb.Transaction:
    """Tell of a transaction as it is now."""
    record = entry.transaction
    void = record.status is TransactionStatus.VOID
    return pb.Transaction(
        transaction_id=record.transaction_id,
        loyalty_id=entry.loyalty_id,
        status=record.status.name,
        store_id=record.store_id,
        pos_transaction_id=record.pos_transaction_id,
        points_held=entry.held_points,
        points_earned=0 if void else record.points_left,
        points_redeemed=0 if void else record.points_redeemed,
        create_time=timestamp(record.created_ms),
        update_time=timestamp(record.updated_ms),
        expire_time=timestamp(record.expires_ms),
        earning=None if void else render_earning(record.points_left, kept_promotions(record)),
        returned=_returned(record),
        taken_off=render_given_away(record),
    )


def _returned(record: Transaction) -> pb.Returned | None:
    if record.returned is None:
        return None
    lines = [
        pb.ReturnedLine(reference_id=one.reference_id, quantity=one.quantity)
        for one in returned_lines(record.returned)
    ]
    return pb.Returned(points=record.points_returned, lines=lines)


def render_earning(points: int, promotions: Sequence[PromotionPoints]) -> pb.Earning | None:
    """Tell how points came about; nothing where no promotion gave any."""
    if not promotions:
        return None
    return pb.Earning(
        base_points=points - sum(one.points for one in promotions),
        promotions=[
            pb.PromotionPoints(
                promotion_id=one.promotion_id, name=one.name, times=one.times, points=one.points
            )
            for one in promotions
        ],
    )
