"""Claim a paid order for a member: burn what it holds, earn for it, count it, and give by it."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.bought_grants import buy_by_itself
from loyalty_service.application.grant_names import engine_ids
from loyalty_service.application.grants import give_for_first_order, use_grants
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
    keep_use,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.goals import NOTHING_REACHED, Reached, count_order
from loyalty_service.application.orders.order_flags import (
    flag_blocked,
    flag_other_partner,
    points_cut,
)
from loyalty_service.application.orders.reservations import accepted_on, give_back
from loyalty_service.application.points import capture, earn, keep_alive
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.earning import NOTHING_EARNED, Earned, PromotionPoints
from loyalty_service.domain.events import Event
from loyalty_service.domain.expiry import Activity
from loyalty_service.domain.flags import Flag
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.purchases import WAITS
from loyalty_service.domain.records import Member, Transaction, TransactionStatus


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A paid order that is to be claimed.

    Attributes:
        key: Whose call it is.
        order: What it earns by.
        due: What it is worth: see `worth_for`.
        uses: Incentives that it uses.
        waits: Whether what it earns can be spent only once it is confirmed.
    """

    key: ApiKey
    transaction: Transaction
    member: Member
    order: PaidOrder
    due: Earned
    uses: tuple[IncentiveUse, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """
    What a claim did to its member's points.

    Attributes:
        promotions: What each promotion gave of what was earned.
        reached: How far goals have come with the order, and what they gave besides.
        flags: What is to be looked at of it.
        events: What happened besides the claim itself.
    """

    earned_points: int
    redeemed_points: int
    promotions: tuple[PromotionPoints, ...]
    reached: Reached
    flags: tuple[Flag, ...]
    events: tuple[Event, ...]


def worth_for(unit: Unit, order: PaidOrder, member: Member, transaction_id: str) -> Earned:
    """Tell what an order is worth for a member, who may be kept from earning."""
    if Blocked.EARN in member.kept_from:
        return NOTHING_EARNED
    return order_points(unit, order, member, transaction_id)


def claim_order(unit: Unit, claim: Claim, now_ms: int) -> Claimed:
    """Claim an order whose points are held, and flag what is to be looked at of it."""
    key, program, due = claim.key, claim.order.program, claim.due.points
    transaction, member = claim.transaction, claim.member
    other = flag_other_partner(key, transaction, member)
    worth = claim.due.within(within_an_order(program, due))
    given = _give(unit, claim, now_ms)
    redeemed = capture(unit, member, transaction.owner, now_ms)
    earned = earn(
        unit,
        member,
        transaction.owner,
        worth.points,
        now_ms,
        confirmed=not claim.waits,
        effective_ms=claim.order.since_ms,
    )
    worth = worth.within(earned)
    reached = _count(unit, claim, worth, now_ms)
    _keep(unit, claim, worth, redeemed, now_ms)
    if _may_get(claim):
        given += buy_by_itself(unit, program, member, transaction.transaction_id, now_ms)
    large = flag_order(program, key, due, transaction, member)
    points = earned + reached.points
    beyond = flag_points(unit, program, key, member, points, now_ms, transaction)
    count_points(unit, key, member, points, now_ms)
    used = flag_uses(program, key, claim.uses, transaction, member)
    reason = reason_of_cut(program, due)
    cut_flags, cut_events = points_cut(key, transaction, member, reason, due, earned)
    return Claimed(
        earned_points=earned,
        redeemed_points=redeemed,
        promotions=worth.promotions,
        reached=reached,
        flags=(
            *flag_blocked(key, transaction, member),
            *(*other, *large, *cut_flags, *beyond, *used),
        ),
        events=(*cut_events, *given, *reached.events),
    )


def _may_get(claim: Claim) -> bool:
    """Tell whether orders give their members something to use, and this one may."""
    may_earn = Blocked.EARN not in claim.member.kept_from
    return claim.order.program.gives_with_orders and may_earn


def _give(unit: Unit, claim: Claim, now_ms: int) -> tuple[Event, ...]:
    """Give what a first order gives, before it is counted, and keep the member's points alive."""
    member = claim.member
    given: tuple[Event, ...] = ()
    if _may_get(claim):
        given = give_for_first_order(unit, claim.order.program, member, now_ms)
    keep_alive(unit, member, Activity.ORDER, now_ms, claim.order.since_ms)
    return given


def _count(unit: Unit, claim: Claim, worth: Earned, now_ms: int) -> Reached:
    """Keep what the order used and earned, and count it for goals."""
    transaction, member, order = claim.transaction, claim.member, claim.order
    give_back(unit, transaction)
    count_uses(unit, transaction, member, claim.uses, order)
    count_earned(unit, order, transaction, member, worth)
    if Blocked.EARN in member.kept_from:
        return NOTHING_REACHED
    return count_order(unit, order, transaction, member, worth.points, now_ms)


def _keep(unit: Unit, claim: Claim, worth: Earned, redeemed: int, now_ms: int) -> None:
    """Make the order a claimed one."""
    transaction, order = claim.transaction, claim.order
    paid_in = order.store.store_id
    unit.change(
        transaction,
        status=TransactionStatus.CLAIMED,
        claimed_ms=order.since_ms or now_ms,
        paid_store_id=None if paid_in == transaction.store_id else paid_in,
        points_earned=worth.points,
        points_unconfirmed=(worth.points or None) if claim.waits else None,
        confirmation=WAITS if claim.waits else None,
        points_redeemed=redeemed,
        promotions=promotions_to_json(worth.promotions),
        **earned_fields(unit, order, worth),
    )


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
