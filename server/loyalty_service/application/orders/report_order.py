"""
Record a till's report of an order: hold its points while it is open, claim it when it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.aging import next_going
from loyalty_service.application.orders.claim_order import (
    Claim,
    Claimed,
    claim_order,
    worth_for,
)
from loyalty_service.application.orders.earnings import PaidOrder, granted_of
from loyalty_service.application.orders.goals import NOTHING_REACHED, Reached
from loyalty_service.application.orders.order_flags import (
    flag_taken_off,
    late_flags,
    mend_flags,
    offer_flags,
    removed_flags,
)
from loyalty_service.application.orders.order_review import (
    Order,
    Review,
    business_day,
    find_transaction,
    guest_of,
    refusal_of,
    require_report,
    require_same_guest,
    require_same_transaction,
    review_order,
)
from loyalty_service.application.orders.repeated_orders import (
    judge_repeated,
    last_answer,
    report_of,
)
from loyalty_service.application.orders.reservations import reserve
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import hold_only, prolong
from loyalty_service.application.unit import Unit
from loyalty_service.domain.earning import NOTHING_EARNED, Earned, PromotionPoints
from loyalty_service.domain.errors import TransactionNotClaimableError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import OFFER_UNKNOWN, Flag
from loyalty_service.domain.incentive_uses import lines_sold_as
from loyalty_service.domain.presentation import Presentation, claimed_presentation
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.taken_off import as_money, taken_off, told_of_money


@dataclass(frozen=True, slots=True)
class Reported:
    """
    What a report did to the guest's points.

    Attributes:
        redeemed_points: Points held while the order is open, burned once it is claimed.
        presentation: Texts for the receipt; absent while the order is open.
        promotions: What each promotion gave of the points that were earned.
        reached: How far goals have come with the order, and what they gave besides.
    """

    loyalty_id: str
    transaction_id: str
    available_points: int
    earned_points: int
    redeemed_points: int
    presentation: Presentation | None
    promotions: tuple[PromotionPoints, ...] = ()
    reached: Reached = NOTHING_REACHED


def report_order(unit: Unit, order: Order, now_ms: int) -> Done[Reported] | Repeated:
    """
    Take up the whole order of a transaction.

    Raises:
        TransactionNotFoundError: The program has no such transaction.
        TransactionNotClaimableError: It is void, or claimed with another order, or the report is
            neither PENDING nor CLAIMED.
        PointsInsufficientError: The rewards cost more than the guest has.
        RulesFailedError: With every rule the order breaks.
        OrderAlreadyClaimedError: The order looks like one that is claimed, and the program refuses
            that.
        LoyaltyError: What `review_order` raises.
    """
    transaction = find_transaction(unit, order.key, order.transaction_id)
    again = _again(unit, transaction, order, now_ms)
    if again is not None:
        return again
    review = review_order(unit, order, transaction, now_ms)
    if review.failures:
        raise refusal_of(review.failures, review.spendable_points, review.point_cost)
    paid = _paid_order(order, review, now_ms)
    worth = NOTHING_EARNED
    if order.claiming:
        worth = worth_for(unit, paid, review.member, transaction.transaction_id)
    known_by: dict[str, Any] = {}
    repeated: tuple[Flag, ...] = ()
    expires_ms = transaction.expires_ms
    if order.claiming:
        digest, day = order.digest, business_day(order.local_time, review.store, now_ms)
        repeated = judge_repeated(
            unit, review.program, order.key, transaction, digest, day, now_ms, claiming=True
        )
        known_by = {"order_digest": digest, "business_day": day}
    else:
        expires_ms = review.program.open_until_ms(transaction.created_ms, now_ms)
    unit.change(
        transaction,
        **known_by,
        expires_ms=expires_ms,
        updated_ms=now_ms,
        channel=order.channel,
        service_mode=order.service_mode,
        basket=order.basket_json,
    )
    costs: dict[str | None, int] = {
        use.incentive.incentive_id: use.point_cost for use in review.uses if use.point_cost
    }
    owner, ends_ms = transaction.owner, transaction.expires_ms
    hold_only(unit, review.member, owner, costs, now_ms, expires_ms=ends_ms)
    if not order.claiming:
        reserve(unit, transaction, order.key, review.store.store_id, review.uses, now_ms)
    if order.claiming:
        done = _claimed(unit, order, review, paid, worth, now_ms)
    else:
        done = _left_open(review)
    return replace(
        done,
        kept_as=report_of(transaction, order.fingerprint(review.program)),
        flags=done.flags
        + removed_flags(review.program, review.store.store_id, order.key, transaction)
        + repeated
        + late_flags(order.late_hours, order.key, transaction, order.point_of_sale.store_id),
        stores=frozenset({transaction.store_id, review.store.store_id}),
    )


def _claimed(
    unit: Unit, order: Order, review: Review, paid: PaidOrder, worth: Earned, now_ms: int
) -> Done[Reported]:
    """Claim an order, and flag what is to be looked at of it."""
    transaction, member, program = review.transaction, review.member, review.program
    claim = Claim(order.key, transaction, member, paid, worth, review.uses)
    claimed = claim_order(unit, claim, now_ms)
    unknown = dict.fromkeys(sorted(review.unknown), OFFER_UNKNOWN)
    flags = (
        *claimed.flags,
        *offer_flags(program, unknown, transaction),
        *mend_flags(order.mends, order.key, transaction, order.point_of_sale.store_id),
        *flag_taken_off(order.key, transaction, taken_off(review.basket, program, review.uses)),
    )
    detail = told_of_money(review.basket) if review.uses else ""
    events = (_reported(EventKind.ORDER_CLAIMED, review, detail), *claimed.events)
    return Done(_told(unit, review, claimed), flags=flags, events=events)


def _told(unit: Unit, review: Review, claimed: Claimed) -> Reported:
    """Tell what a claim did, with the texts for its receipt."""
    transaction, member = review.transaction, review.member
    available = member.spendable
    return Reported(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=available,
        earned_points=claimed.earned_points,
        redeemed_points=claimed.redeemed_points,
        presentation=claimed_presentation(
            review.program,
            member.locale,
            transaction.pos_type,
            transaction.transaction_id,
            claimed.earned_points,
            claimed.redeemed_points,
            available,
            next_going(unit, member),
        ),
        promotions=claimed.promotions,
        reached=claimed.reached,
    )


def _paid_order(order: Order, review: Review, now_ms: int) -> PaidOrder:
    """Give what an order earns by."""
    program, basket = review.program, review.basket
    if any(use.incentive.takes_off is not None for use in review.uses):
        basket = as_money(basket, program)
    return PaidOrder(
        program=program,
        store=review.store,
        basket=basket,
        not_held=lines_sold_as(basket, program, review.unknown),
        service_mode=order.service_mode,
        channels=order.point_of_sale.channels(order.channel),
        local_time=order.local_time,
        now_ms=now_ms,
        spent=review.point_cost,
        used=granted_of(program, review.uses),
    )


def _left_open(review: Review) -> Done[Reported]:
    """Tell what an order costs that is not claimed yet."""
    updated = Reported(
        loyalty_id=review.member.loyalty_id,
        transaction_id=review.transaction.transaction_id,
        available_points=review.member.spendable,
        earned_points=0,
        redeemed_points=review.point_cost,
        presentation=None,
    )
    return Done(updated, events=(_reported(EventKind.ORDER_REPORTED, review),))


def _reported(kind: EventKind, review: Review, detail: str = "") -> Event:
    """Describe a report that was accepted."""
    transaction = review.transaction
    return Event(
        kind,
        transaction.program_id,
        review.member,
        subject=transaction.transaction_id,
        before=TransactionStatus.PENDING,
        after=transaction.status,
        detail=detail,
    )


def _again(
    unit: Unit, transaction: Transaction, order: Order, now_ms: int
) -> Done[Reported] | Repeated | None:
    """
    Return the answer of a report that came before; None for another report.

    A claim is answered as the first time. An order that is still open stays so for longer, and its
    guest's points may have changed since.
    """
    require_report(order, transaction)
    if transaction.status not in {TransactionStatus.PENDING, TransactionStatus.CLAIMED}:
        raise TransactionNotClaimableError(order.transaction_id, transaction.status.name)
    kept = last_answer(unit, transaction)
    same = kept is not None and order.repeats(kept.fingerprint)
    stores = frozenset({transaction.store_id, order.point_of_sale.store_id})
    if kept is None or not same:
        if transaction.status is TransactionStatus.CLAIMED:
            raise TransactionNotClaimableError(order.transaction_id, transaction.status.name)
        return None
    require_same_transaction(order.transaction_id, order.repeated_id)
    order.key.require_stores(stores)
    member = guest_of(unit, transaction)
    require_same_guest(unit, member, order.loyalty_id)
    if transaction.status is TransactionStatus.CLAIMED:
        return Repeated(kept.answer, stores)
    keep_open(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)
    updated = Reported(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=member.spendable,
        earned_points=0,
        redeemed_points=sum(hold.points for hold in unit.open_holds(transaction.owner)),
        presentation=None,
    )
    return Done(updated, kept_as=report_of(transaction, kept.fingerprint), stores=stores)


def report_again(unit: Unit, order: Order, now_ms: int) -> None:
    """Keep an order open when its report is sent again under its idempotency key."""
    transaction = unit.transaction(order.transaction_id)
    if transaction is None or order.claiming:
        return
    if transaction.status is TransactionStatus.PENDING:
        keep_open(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)


def keep_open(unit: Unit, program: Program, transaction: Transaction, now_ms: int) -> None:
    """Give an open order, with its holds, as much time as a report of now gives it."""
    expires_ms = program.open_until_ms(transaction.created_ms, now_ms)
    unit.change(transaction, expires_ms=expires_ms)
    prolong(unit, transaction.owner, expires_ms)
