"""Take the paid purchase of a session, and close the session with it."""

from __future__ import annotations

from dataclasses import replace

from loyalty_service.application.limits import flag_order
from loyalty_service.application.orders.claim_order import Claim, claim_order, worth_for
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    earned_fields,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.order_flags import late_flags, mend_flags, removed_flags
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.purchases.prompting import receipt_of, said_of
from loyalty_service.application.purchases.purchase import (
    CART,
    Purchase,
    Purchased,
    member_of,
    new_order,
    paid_at,
    paid_order,
    points_of,
    store_of,
)
from loyalty_service.application.purchases.redeeming import reserved_for
from loyalty_service.application.reserved_points import spend_reserved
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_session,
    closing_key,
    open_session,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.codes import digested_receipt, new_receipt_code
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.sessions import Session

FINALIZE = "PurchaseService/FinalizePurchase"
"""Word under which kept answers tell what they answer. It is kept for ever."""


def finalize_purchase(unit: Unit, purchase: Purchase, now_ms: int) -> Done[Purchased] | Repeated:
    """
    Take a paid purchase; the same again is answered as the first time.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed by another call, or has expired.
        StoreNotAllowedError: The key is limited to other stores than the session's.
        RedemptionNotAllowedError: It is to be paid with points that the member may not redeem.
        ReservationInvalidError: Its token is of no reservation that still holds points.
    """
    program = unit.catalog.programs[purchase.key.program_id]
    require_served(program.contracts, ES)
    again = answer_of_close(unit, program, purchase.correlation_id, FINALIZE, purchase)
    if again is not None:
        return again
    session = open_session(unit, program, purchase.key, purchase.correlation_id, now_ms)
    store = store_of(program, session, purchase.key)
    member = member_of(unit, session)
    token = purchase.reservation_token
    reserved = None if token is None else reserved_for(unit, session, member, token, now_ms)
    local_time, late_hours = paid_at(purchase, store, now_ms)
    order = paid_order(purchase, program, store, session, now_ms, local_time)
    transaction = new_order(purchase, session, order, member, now_ms)
    if member is None:
        done = record(unit, purchase, session, order, transaction)
    else:
        done = claim(unit, purchase, session, order, transaction, member, reserved, now_ms)
    close_session(unit, session, transaction.transaction_id, now_ms)
    key = purchase.key
    return replace(
        done,
        kept_as=closing_key(program, session.correlation_id, FINALIZE, purchase),
        flags=(
            *done.flags,
            *mend_flags(purchase.mends, key, transaction, store.store_id),
            *removed_flags(program, store.store_id, key, transaction),
            *late_flags(late_hours, key, transaction, store.store_id),
        ),
        stores=frozenset({store.store_id}),
    )


def claim(
    unit: Unit,
    purchase: Purchase,
    session: Session,
    order: PaidOrder,
    transaction: Transaction,
    member: Member,
    reserved: PointsReservation | None,
    now_ms: int,
) -> Done[Purchased]:
    """Let a member earn for a purchase, and spend what was reserved for it."""
    worth = worth_for(unit, order, member, transaction.transaction_id)
    prompt, near = said_of(unit, purchase, session, order, member, worth)
    unit.add(transaction)
    unit.write_records()  # What a goal gives names the order, and is written before orders are.
    spent, used = 0, tuple[Event, ...]()
    if reserved is not None:
        spent = reserved.points
        used = (spend_reserved(unit, member, reserved, transaction.transaction_id, now_ms),)
    claim_it = Claim(purchase.key, transaction, member, order, worth, waits=purchase.waits)
    claimed = claim_order(unit, claim_it, now_ms)
    receipt = receipt_of(unit, purchase, session, order, member, claimed.earned_points, spent)
    points, available = points_of(unit, member)
    purchased = Purchased(
        correlation_id=session.correlation_id,
        call_id=purchase.call_id or new_id(now_ms),
        transaction_id=session.correlation_id,
        earned_points=claimed.earned_points,
        redeemed_points=spent,
        points=points,
        available_points=available,
        promotions=claimed.promotions,
        near_misses=near,
        prompt=replace(prompt, receipt=receipt),
        confirmation=(CART, False) if purchase.waits else None,
    )
    told = _told(EventKind.ORDER_CLAIMED, transaction, member)
    return Done(purchased, flags=claimed.flags, events=(told, *used, *claimed.events))


def record(
    unit: Unit,
    purchase: Purchase,
    session: Session,
    order: PaidOrder,
    transaction: Transaction,
) -> Done[Purchased]:
    """Keep the purchase of a shopper without a loyalty ID, for a member to claim."""
    program, code = order.program, new_receipt_code()
    worth = order_points(unit, order, None)
    prompt, near = said_of(unit, purchase, session, order, None, worth)
    transaction.points_earned = worth.points
    transaction.promotions = promotions_to_json(worth.promotions)
    transaction.refused_offers = "[]"
    transaction.receipt_digest = unit.code_digest(program.program_id, digested_receipt(code))
    for name, value in earned_fields(unit, order, worth).items():
        setattr(transaction, name, value)
    unit.add(transaction)
    purchased = Purchased(
        correlation_id=session.correlation_id,
        call_id=purchase.call_id or new_id(transaction.created_ms),
        transaction_id=session.correlation_id,
        earned_points=worth.points,
        redeemed_points=0,
        points=0,
        available_points=0,
        promotions=worth.promotions,
        near_misses=near,
        prompt=prompt,
        receipt_code=code,
    )
    return Done(
        purchased,
        flags=flag_order(program, purchase.key, worth.points, transaction),
        events=(_told(EventKind.ORDER_RECORDED, transaction, None),),
    )


def _told(kind: EventKind, transaction: Transaction, member: Member | None) -> Event:
    return Event(
        kind,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=None if member is None else TransactionStatus.PENDING,
        after=transaction.status,
    )
