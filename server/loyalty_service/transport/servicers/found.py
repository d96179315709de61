"""What a search found, in the words of apps that were built for RBI's middleware."""

from __future__ import annotations

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.members.assign_points import short_id
from loyalty_service.application.orders.earnings import kept_promotions
from loyalty_service.application.orders.search_orders import OrderPage, SearchOrders
from loyalty_service.application.orders.search_transactions import GIVEN, ORDERED, Found
from loyalty_service.application.reading import FoundOrder
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Transaction, TransactionStatus

_LOOKED_FOR = (
    "loyalty_id",
    "store_id",
    "first_day",
    "last_day",
    "pos_transaction_id",
    "partner",
    "operator",
)
"""Fields of a search for orders that may be absent, each of which is one of the command's."""


def orders_wanted(request: pb.SearchOrdersRequest, key: ApiKey) -> SearchOrders:
    """Tell what a help desk looks for."""
    given = {name: getattr(request, name) for name in _LOOKED_FOR if request.HasField(name)}
    return SearchOrders(
        **given,
        statuses=frozenset(map(TransactionStatus, request.statuses)),
        stores=key.stores,
        page_size=request.page_size,
        page_token=request.page_token,
    )


def render_found(found: Found) -> bytes:
    """Render what was found, newest first."""
    return pb.SearchTransactionsResponse(
        transactions=[
            _given(entry, found.loyalty_id)
            if isinstance(entry, PointsAssignment)
            else _ordered(entry, found.loyalty_id)
            for entry in found.entries
        ]
    ).SerializeToString()


def render_orders(page: OrderPage) -> bytes:
    """Render a page of orders for a help desk."""
    return pb.SearchOrdersResponse(
        orders=map(_at_the_till, page.orders), next_page_token=page.next_page_token
    ).SerializeToString()


def _at_the_till(found: FoundOrder) -> pb.FoundTransaction:
    order = found.transaction
    told = _ordered(order, found.loyalty_id or "")
    told.metadata.MergeFrom(
        pb.FoundTransaction.Metadata(
            terminal=order.terminal, operator=order.operator, opened_by=order.partner
        )
    )
    return told


def _ordered(order: Transaction, loyalty_id: str) -> pb.FoundTransaction:
    void = order.status is TransactionStatus.VOID
    bonus = 0 if void else sum(one.points for one in kept_promotions(order))
    return pb.FoundTransaction(
        id=order.transaction_id,
        loyalty_id=loyalty_id,
        channel=order.channel or ORDERED,
        status=order.status.name,
        created_at=rfc3339(order.created_ms),
        claimed_at=None if order.claimed_ms is None else rfc3339(order.claimed_ms),
        date_updated=rfc3339(order.updated_ms),
        points_earned=0 if void else order.points_left - bonus,
        bonus_points_earned=bonus,
        points_used=0 if void else order.points_redeemed,
        metadata=pb.FoundTransaction.Metadata(
            store_id=str(order.store_id), pos_transaction_id=order.pos_transaction_id
        ),
    )


def _given(given: PointsAssignment, loyalty_id: str) -> pb.FoundTransaction:
    time = rfc3339(given.created_ms)
    return pb.FoundTransaction(
        id=given.assignment_id,
        short_id=short_id(given.assignment_id),
        loyalty_id=loyalty_id,
        channel=GIVEN,
        status=TransactionStatus.CLAIMED.name,
        created_at=time,
        claimed_at=time,
        date_updated=time,
        points_earned=max(given.points, 0),
        points_deducted=-given.points if given.points < 0 else None,
        metadata=pb.FoundTransaction.Metadata(partner=given.partner, reference=given.reference),
    )
