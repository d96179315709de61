"""
Have a member's orders earn in the order in which they were paid, though one was told of late.

What an order earns may depend on those before it: a first order, so many a day, a cap. So when one
comes late, the orders that were paid after it are taken out of all that is counted, the late one is
claimed, and they are counted again, one after the other, by the time of each. What one earns more
or less then is moved by a later transfer. So it does not matter in which order they come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loyalty_service.application.grant_names import named_by_grants
from loyalty_service.application.limits import within_an_order
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    count_earned,
    earned_by,
    earned_fields,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.goals import count_order, recount, take_back_given
from loyalty_service.application.points import earn, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import Event
from loyalty_service.domain.incentive_uses import as_catalogued
from loyalty_service.domain.ledger import Cause
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.promotions import COUNTED_AS, RECEIPTS, asks_about_past
from loyalty_service.domain.purchases import LAPSED
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.taken_off import as_money

ORDERS_MAX = 1_000
"""Orders that are judged again at most, the nearest to the late one first."""


@dataclass(frozen=True, slots=True)
class Later:
    """
    A member's orders that were paid after one that comes late, in the order of their payment.

    Attributes:
        orders: Those that are judged again.
    """

    every: tuple[Transaction, ...] = ()
    orders: tuple[Transaction, ...] = ()

    @property
    def points(self) -> int:
        """How many points they have."""
        return sum(one.points_left for one in self.orders)


NOTHING_LATER = Later()


def take_out_later(
    unit: Unit, program: Program, member: Member, late: Transaction, paid_ms: int, now_ms: int
) -> Later:
    """
    Take the orders that were paid after one out of all that is counted, until `judge_later`.

    Where a program asks nothing about earlier orders, they stay as they are.
    """
    if not asks_about_past(program.earning, program.promotions.values()) and not program.goals:
        return NOTHING_LATER
    if Blocked.EARN in member.kept_from:
        return NOTHING_LATER
    place = paid_ms, late.pos_transaction_id
    found = unit.orders_paid_since(member, paid_ms, ORDERS_MAX)
    every = tuple(sorted((one for one in found if _place(one) > place), key=_place))
    # Of one that was emptied nobody knows what was bought: it keeps what it has.
    again = tuple(one for one in every if one.basket is not None and _may_change(one))
    # The latest first: what a goal gave with an order is then lost with that very order.
    for one in reversed(again):
        for redemption in unit.redemptions_of(one):
            name = redemption.incentive_id
            if name.startswith(COUNTED_AS) and name != RECEIPTS:
                unit.change(redemption, voided_ms=now_ms)
                unit.count_redemption(member, name, -redemption.quantity)
        take_back_given(unit, program, recount(unit, program, one, member), now_ms)
    return Later(every, again)


def judge_later(
    unit: Unit, program: Program, member: Member, later: Later, now_ms: int
) -> tuple[Event, ...]:
    """Count orders again that were taken out, and correct what they have earned."""
    events: tuple[Event, ...] = ()
    # Kept while going on: summed up for each order, a thousand of them would hold the writer.
    places = {one.transaction_id: place for place, one in enumerate(later.every)}
    points_after = later.points
    for one in later.orders:
        after = len(later.every) - places[one.transaction_id]
        order = _paid_order(unit, program, one, after, points_after)
        points_after -= one.points_left
        worth = order_points(unit, order, member, one.transaction_id)
        worth = worth.within(within_an_order(program, worth.points))
        had, due = one.points_earned, worth.points
        if due > had:
            since_ms = order.now_ms
            due = had + earn(unit, member, one.owner, due - had, now_ms, effective_ms=since_ms)
        elif due < had:
            due = had - _take(unit, program, member, one, had - due, now_ms)
        worth = replace(worth.within(due), points=due)
        count_earned(unit, order, one, member, worth)
        events += count_order(unit, order, one, member, due, now_ms).events
        unit.change(
            one,
            points_earned=due,
            promotions=promotions_to_json(worth.promotions),
            updated_ms=now_ms,
            **earned_fields(unit, order, worth),
        )
    return events


def _take(
    unit: Unit, program: Program, member: Member, order: Transaction, points: int, now_ms: int
) -> int:
    """Take what an order earned too much; less where it is spent and the program makes no debts."""
    may_owe = program.void_spent == "debt"
    taken = points if may_owe else min(points, member.spendable)
    reverse(
        unit,
        member,
        order.owner,
        now_ms,
        earned=taken,
        burned=0,
        may_owe=may_owe,
        cause=Cause.CORRECT,
    )
    return taken


def _place(order: Transaction) -> tuple[int, str]:
    """Give when an order was paid; of two at one moment the number decides, whoever comes first."""
    return order.claimed_ms or 0, order.pos_transaction_id


def _may_change(order: Transaction) -> bool:
    """Tell whether an order is judged again: no receipt, and nothing of it is back or waits."""
    waits = order.points_waiting or order.confirmation == LAPSED
    return order.receipt_digest is None and order.returned is None and not waits


def _paid_order(
    unit: Unit, program: Program, order: Transaction, orders_after: int, points_after: int
) -> PaidOrder:
    """
    Give what an order earns by, as it did when it was claimed.

    *orders_after* and *points_after* count those that were not paid before it, itself too.
    """
    by = earned_by(unit, order)
    program = program if by is None else by.program
    store_id = order.store_id if order.paid_store_id is None else order.paid_store_id
    store = program.past_store(store_id) or Store(
        store_id, "", program.time_zone, loyalty_enabled=True
    )
    told = named_by_grants(unit, program, basket_from_json(order.basket or "{}"), None, None)
    return PaidOrder(
        program=program,
        store=store,
        basket=as_money(as_catalogued(told, program), program),
        not_held=frozenset() if by is None else by.not_held,
        service_mode=order.service_mode,
        channels=order.channels,
        local_time=None,
        now_ms=order.claimed_ms or order.created_ms,
        spent=order.points_redeemed,
        used=frozenset(one.incentive_id for one in unit.redemptions_of(order)) & program.granted,
        told_late=True,
        orders_after=orders_after,
        points_after=points_after,
    )
