"""Tell what the purchase of a session would earn."""

from __future__ import annotations

from loyalty_service.application.orders.claim_order import worth_for
from loyalty_service.application.orders.earnings import order_points
from loyalty_service.application.perform import Done
from loyalty_service.application.purchases.prompting import said_of
from loyalty_service.application.purchases.purchase import (
    Purchase,
    Purchased,
    member_of,
    paid_at,
    paid_order,
    points_of,
    store_of,
)
from loyalty_service.application.sessions.open_session import open_session
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.identifiers import new_id


def try_purchase(unit: Unit, purchase: Purchase, now_ms: int) -> Done[Purchased]:
    """
    Judge a purchase as if it were paid now.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        StoreNotAllowedError: The key is limited to other stores than the session's.
    """
    program = unit.catalog.programs[purchase.key.program_id]
    require_served(program.contracts, ES)
    session = open_session(unit, program, purchase.key, purchase.correlation_id, now_ms)
    store = store_of(program, session, purchase.key)
    member = member_of(unit, session)
    local_time = paid_at(purchase, store, now_ms).local_time
    order = paid_order(purchase, program, store, session, now_ms, local_time)
    if member is None:
        worth = order_points(unit, order, None)
    else:
        worth = worth_for(unit, order, member, "")
    prompt, near = said_of(unit, purchase, session, order, member, worth)
    points, available = points_of(unit, member)
    tried = Purchased(
        correlation_id=session.correlation_id,
        call_id=purchase.call_id or new_id(now_ms),
        transaction_id=None,
        earned_points=worth.points,
        redeemed_points=0,
        points=points,
        available_points=available,
        promotions=worth.promotions,
        near_misses=near,
        prompt=prompt,
    )
    return Done(tried, stores=frozenset({store.store_id}))
