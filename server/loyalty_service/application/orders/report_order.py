"""Take up a till's report of an order: hold its points while it is open, claim it when done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.idempotency import Done, Repeated
from loyalty_service.application.limits import count_points, flag_order
from loyalty_service.application.member_points import give_points, room_for_points
from loyalty_service.application.orders.mended_orders import mend_flags
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
from loyalty_service.application.orders.order_stores import removed_flags
from loyalty_service.application.orders.repeated_orders import judge_repeated
from loyalty_service.application.orders.reservations import give_back, reserve
from loyalty_service.application.orders.unclaimed_offers import offer_flags
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import IncentiveUse, lines_sold_as
from loyalty_service.domain.earning import points_earned
from loyalty_service.domain.errors import (
    TransactionNotClaimableError,
)
from loyalty_service.domain.flags import OFFER_UNKNOWN, Flag
from loyalty_service.domain.ids import new_id
from loyalty_service.domain.ledger import AccountKind, Cause, Origin
from loyalty_service.domain.presentation import Presentation, claimed_presentation
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import (
    Hold,
    HoldStatus,
    Member,
    Redemption,
    Transaction,
    TransactionStatus,
)


@dataclass(frozen=True, slots=True)
class Reported:
    """
    What a report did to the guest's points.

    Attributes:
        redeemed_points: Points held while the order is open, burned once it is claimed.
        presentation: Texts for the receipt; absent while the order is open.
    """

    loyalty_id: str
    transaction_id: str
    available_points: int
    earned_points: int
    redeemed_points: int
    presentation: Presentation | None


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
    known_by: dict[str, Any] = {}
    repeated: tuple[Flag, ...] = ()
    if order.claiming:
        digest, day = order.digest, business_day(order.local_time, review.store, now_ms)
        repeated = judge_repeated(
            unit, review.program, order.key, transaction, digest, day, claiming=True
        )
        known_by = {"order_digest": digest, "business_day": day}
    expires_ms = review.program.open_until_ms(transaction.created_ms, now_ms)
    unit.change(
        transaction,
        **known_by,
        expires_ms=transaction.expires_ms if order.claiming else expires_ms,
        updated_ms=now_ms,
        channel=order.channel,
        service_mode=order.service_mode,
        basket=order.basket_json,
        fingerprint=order.fingerprint(review.program),
    )
    hold_rewards(unit, review, now_ms)
    if not order.claiming:
        reserve(unit, transaction, order.key, review.store.store_id, review.uses, now_ms)
    stores = frozenset({transaction.store_id, review.store.store_id})
    if order.claiming:
        claimed = _claim(unit, review, now_ms)
        flags = flag_order(
            review.program, order.key, claimed.earned_points, transaction, review.member
        )
        flags += count_points(
            unit,
            review.program,
            order.key,
            review.member,
            claimed.earned_points,
            now_ms,
            transaction,
        )
        flags += offer_flags(
            review.program, dict.fromkeys(sorted(review.unknown), OFFER_UNKNOWN), transaction
        )
        flags += mend_flags(order.mends, order.key, transaction, order.point_of_sale.store_id)
        flags += removed_flags(review.program, review.store.store_id, order.key, transaction)
        return Done(claimed, kept_with=transaction, flags=flags + repeated, stores=stores)
    updated = Reported(
        loyalty_id=review.member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=review.member.available.balance,
        earned_points=0,
        redeemed_points=review.point_cost,
        presentation=None,
    )
    flags = removed_flags(review.program, review.store.store_id, order.key, transaction)
    return Done(updated, kept_with=transaction, flags=flags, stores=stores)


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
    same = transaction.answer is not None and order.repeats(transaction.fingerprint or b"")
    stores = frozenset({transaction.store_id, order.point_of_sale.store_id})
    if not same:
        if transaction.status is TransactionStatus.CLAIMED:
            raise TransactionNotClaimableError(order.transaction_id, transaction.status.name)
        return None
    require_same_transaction(order.transaction_id, order.repeated_id)
    order.key.require_stores(stores)
    member = guest_of(unit, transaction)
    require_same_guest(unit, member, order.loyalty_id)
    if transaction.status is TransactionStatus.CLAIMED:
        return Repeated(transaction.answer or b"", stores)
    keep_open(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)
    updated = Reported(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=member.available.balance,
        earned_points=0,
        redeemed_points=sum(hold.points for hold in unit.open_holds(transaction)),
        presentation=None,
    )
    return Done(updated, kept_with=transaction, stores=stores)


def report_again(unit: Unit, order: Order, now_ms: int) -> None:
    """Keep an order open whose report came again under its idempotency key."""
    transaction = unit.transaction(order.transaction_id)
    if transaction is None or order.claiming:
        return
    if transaction.status is TransactionStatus.PENDING:
        keep_open(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)


def keep_open(unit: Unit, program: Program, transaction: Transaction, now_ms: int) -> None:
    """Give an open order, with its holds, as much time as a report of now gives it."""
    expires_ms = program.open_until_ms(transaction.created_ms, now_ms)
    unit.change(transaction, expires_ms=expires_ms)
    for hold in unit.open_holds(transaction):
        unit.change(hold, expires_ms=expires_ms)


def hold_rewards(unit: Unit, review: Review, now_ms: int) -> None:
    """
    Make the open holds those of the rewards in the order.

    Only the difference moves: points that a new hold needs do not pay a debt in between.
    """
    wanted = {use.incentive.incentive_id: use.point_cost for use in review.uses if use.point_cost}
    ended = []
    for hold in review.holds:
        if wanted.get(hold.incentive_id) == hold.points:
            del wanted[hold.incentive_id]
            unit.change(hold, expires_ms=review.transaction.expires_ms)
        else:
            ended.append(hold)
    more = sum(wanted.values()) - sum(hold.points for hold in ended)
    if more > 0:
        _set_aside(unit, review.member, review.transaction, more, now_ms)
    else:
        _give_back(unit, review.member, review.transaction, -more, now_ms)
    for hold in ended:
        unit.change(hold, status=HoldStatus.RELEASED, ended_ms=now_ms)
    for incentive_id, points in wanted.items():
        _keep_hold(unit, review.member, review.transaction, incentive_id, points, now_ms)


def hold_points(
    unit: Unit,
    member: Member,
    transaction: Transaction,
    incentive_id: str,
    points: int,
    now_ms: int,
) -> None:
    """Set points aside for a reward of a transaction."""
    _set_aside(unit, member, transaction, points, now_ms)
    _keep_hold(unit, member, transaction, incentive_id, points, now_ms)


def release_holds(unit: Unit, member: Member, transaction: Transaction, now_ms: int) -> int:
    """End the open holds of a transaction; returns the points given back."""
    holds = unit.open_holds(transaction)
    points = sum(hold.points for hold in holds)
    _give_back(unit, member, transaction, points, now_ms)
    for hold in holds:
        unit.change(hold, status=HoldStatus.RELEASED, ended_ms=now_ms)
    return points


def _set_aside(
    unit: Unit, member: Member, transaction: Transaction, points: int, now_ms: int
) -> None:
    origin = Origin(Cause.HOLD, transaction.transaction_id, "", now_ms, now_ms)
    unit.post(member.available, member.held, points, origin)


def _give_back(
    unit: Unit, member: Member, transaction: Transaction, points: int, now_ms: int
) -> None:
    origin = Origin(Cause.RELEASE, transaction.transaction_id, "", now_ms, now_ms)
    give_points(unit, member, member.held, points, origin)


def _keep_hold(
    unit: Unit,
    member: Member,
    transaction: Transaction,
    incentive_id: str,
    points: int,
    now_ms: int,
) -> None:
    unit.add(
        Hold(
            hold_id=new_id(now_ms),
            transaction_id=transaction.transaction_id,
            member_number=member.number,
            incentive_id=incentive_id,
            points=points,
            status=HoldStatus.OPEN,
            created_ms=now_ms,
            expires_ms=transaction.expires_ms,
        )
    )


def _claim(unit: Unit, review: Review, now_ms: int) -> Reported:
    transaction, member, program = review.transaction, review.member, review.program
    redeemed = _capture(unit, transaction, member, now_ms)
    earned = 0
    if review.store.loyalty_enabled:
        not_held = lines_sold_as(review.basket, program, review.unknown)
        points = points_earned(review.basket, program.earning, program.currency_digits, not_held)
        earned = earn(unit, program, transaction, member, points, now_ms)
    give_back(unit, transaction)
    count_uses(unit, transaction, member, review.uses, now_ms)
    paid_in = review.store.store_id
    unit.change(
        transaction,
        status=TransactionStatus.CLAIMED,
        claimed_ms=now_ms,
        paid_store_id=None if paid_in == transaction.store_id else paid_in,
        points_earned=earned,
        points_redeemed=redeemed,
    )
    available = member.available.balance
    return Reported(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        available_points=available,
        earned_points=earned,
        redeemed_points=redeemed,
        presentation=claimed_presentation(
            program.name,
            member.locale or program.locale,
            transaction.transaction_id,
            earned,
            redeemed,
            available,
        ),
    )


def _capture(unit: Unit, transaction: Transaction, member: Member, now_ms: int) -> int:
    """Burn what the transaction holds; answers how much."""
    holds = unit.open_holds(transaction)
    origin = Origin(Cause.REDEEM, transaction.transaction_id, "", now_ms, now_ms)
    for hold in holds:
        redeemed = unit.program_account(member.program_id, AccountKind.REDEEMED)
        unit.post(member.held, redeemed, hold.points, origin)
        unit.change(hold, status=HoldStatus.CAPTURED, ended_ms=now_ms)
    return sum(hold.points for hold in holds)


def earn(
    unit: Unit,
    program: Program,
    transaction: Transaction,
    member: Member,
    points: int,
    now_ms: int,
) -> int:
    """
    Give a member points, a debt first; returns how many.

    They are fewer than *points* only when the member would have more than the ledger carries.
    """
    earned = min(points, room_for_points(member))
    if earned <= 0:
        return 0
    issued = unit.program_account(program.program_id, AccountKind.ISSUED)
    origin = Origin(Cause.EARN, transaction.transaction_id, "", now_ms, now_ms)
    give_points(unit, member, issued, earned, origin)
    return earned


def count_uses(
    unit: Unit,
    transaction: Transaction,
    member: Member,
    uses: tuple[IncentiveUse, ...],
    used_ms: int,
) -> None:
    """Keep what an order used, for the rules that count it."""
    for use in uses:
        incentive_id = use.incentive.incentive_id
        unit.add(
            Redemption(
                redemption_id=new_id(used_ms),
                program_id=member.program_id,
                incentive_id=incentive_id,
                member_number=member.number,
                transaction_id=transaction.transaction_id,
                quantity=use.quantity,
                redeemed_ms=used_ms,
            )
        )
        unit.count_redemption(member, incentive_id, use.quantity)
