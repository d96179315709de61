"""
Record a till's report of an order: hold its points while it is open, claim it when it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.aging import next_going
from loyalty_service.application.bought_grants import buy_by_itself
from loyalty_service.application.grant_names import engine_ids
from loyalty_service.application.grants import (
    give_for_first_order,
    use_grants,
)
from loyalty_service.application.limits import (
    count_points,
    flag_order,
    flag_points,
    flag_uses,
    reason_of_cut,
    uses_counted,
    within_an_order,
)
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    count_earned,
    earned_fields,
    granted_of,
    keep_use,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.goals import NOTHING_REACHED, Reached, count_order
from loyalty_service.application.orders.order_flags import (
    flag_blocked,
    flag_other_partner,
    flag_taken_off,
    late_flags,
    mend_flags,
    offer_flags,
    points_cut,
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
from loyalty_service.application.orders.reservations import accepted_on, give_back, reserve
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import (
    capture,
    earn,
    hold_only,
    keep_alive,
    prolong,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.earning import NOTHING_EARNED, Earned, PromotionPoints
from loyalty_service.domain.errors import TransactionNotClaimableError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import Activity
from loyalty_service.domain.flags import OFFER_UNKNOWN, Flag
from loyalty_service.domain.incentive_uses import IncentiveUse, lines_sold_as
from loyalty_service.domain.presentation import Presentation, claimed_presentation
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import (
    Member,
    Transaction,
    TransactionStatus,
)
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
    if order.claiming and Blocked.EARN not in review.member.kept_from:
        worth = order_points(unit, paid, review.member, transaction.transaction_id)
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
    transaction = review.transaction
    other = flag_other_partner(order.key, transaction, review.member)
    due = worth.points
    given = worth.within(within_an_order(review.program, due))
    member, program = review.member, review.program
    claimed, grants = _claim(unit, review, paid, given, now_ms)
    large = flag_order(program, order.key, due, transaction, member)
    points = claimed.earned_points + claimed.reached.points
    beyond = flag_points(unit, program, order.key, member, points, now_ms, transaction)
    count_points(unit, order.key, member, points, now_ms)
    used = flag_uses(program, order.key, review.uses, transaction, member)
    reason = reason_of_cut(program, due)
    cut_flags, cut_events = points_cut(
        order.key, transaction, member, reason, due, claimed.earned_points
    )
    unknown = dict.fromkeys(sorted(review.unknown), OFFER_UNKNOWN)
    flags = (
        *flag_blocked(order.key, transaction, member),
        *(*other, *large, *cut_flags, *beyond, *used),
        *offer_flags(program, unknown, transaction),
        *mend_flags(order.mends, order.key, transaction, order.point_of_sale.store_id),
        *flag_taken_off(order.key, transaction, taken_off(review.basket, program, review.uses)),
    )
    detail = told_of_money(review.basket) if review.uses else ""
    events = (_reported(EventKind.ORDER_CLAIMED, review, detail), *cut_events, *grants)
    return Done(claimed, flags=flags, events=(*events, *claimed.reached.events))


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


def _claim(
    unit: Unit, review: Review, order: PaidOrder, worth: Earned, now_ms: int
) -> tuple[Reported, tuple[Event, ...]]:
    """Claim an order; tell besides what its guest was given by it."""
    transaction, member, program = review.transaction, review.member, review.program
    owner = transaction.owner
    may_earn = Blocked.EARN not in member.kept_from
    gives = program.gives_with_orders and may_earn
    given = give_for_first_order(unit, program, member, now_ms) if gives else ()
    keep_alive(unit, member, Activity.ORDER, now_ms)
    redeemed = capture(unit, member, owner, now_ms)
    earned = earn(unit, member, owner, worth.points, now_ms)
    worth = worth.within(earned)
    give_back(unit, transaction)
    count_uses(unit, transaction, member, review.uses, order)
    count_earned(unit, order, transaction, member, worth)
    reached = NOTHING_REACHED
    if may_earn:
        reached = count_order(unit, order, transaction, member, earned, now_ms)
    paid_in = review.store.store_id
    unit.change(
        transaction,
        status=TransactionStatus.CLAIMED,
        claimed_ms=now_ms,
        paid_store_id=None if paid_in == transaction.store_id else paid_in,
        points_earned=earned,
        points_redeemed=redeemed,
        promotions=promotions_to_json(worth.promotions),
        **earned_fields(unit, order, worth),
    )
    if gives:
        given += buy_by_itself(unit, program, member, transaction.transaction_id, now_ms)
    available = member.spendable
    reported = Reported(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=available,
        earned_points=earned,
        redeemed_points=redeemed,
        presentation=claimed_presentation(
            program,
            member.locale,
            transaction.pos_type,
            transaction.transaction_id,
            earned,
            redeemed,
            available,
            next_going(unit, member),
        ),
        promotions=worth.promotions,
        reached=reached,
    )
    return reported, given


def count_uses(
    unit: Unit,
    transaction: Transaction,
    member: Member,
    uses: tuple[IncentiveUse, ...],
    order: PaidOrder,
) -> None:
    """
    Keep what an order used, as far as it counts, for the rules that count it.

    They count by the time of the order, whenever the server was told of it.
    """
    program = unit.catalog.programs[member.program_id]
    for use in uses:
        incentive_id, quantity = use.incentive.incentive_id, uses_counted(program, use)
        paid: list[tuple[str | None, int]] = [(None, quantity)]
        if incentive_id in program.granted:
            day, named = order.paid_at.date(), engine_ids(order.basket)
            accepted = accepted_on(unit, transaction, use, order.store)
            paid = use_grants(unit, member, incentive_id, quantity, day, named, accepted)
        keep_use(unit, order, transaction, member, incentive_id, paid)
