"""
Take an order that a till reports later, because it could not when the order was paid.

It earns as of the moment when it was paid, and only earns: what it would have spent was not asked
for. Nothing about it is refused. In which order such orders come, and how often, changes nothing:
see `judge_again`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loyalty_service.application.orders.claim_order import Claim, claim_order, worth_for
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    earned_fields,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.judge_again import judge_later, take_out_later
from loyalty_service.application.orders.order_flags import about_order
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.codes import digested_receipt, new_receipt_code
from loyalty_service.domain.earning import NOTHING_EARNED, PromotionPoints
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import (
    NO_MEMBER_YET,
    REDEMPTION_LEFT_OUT,
    TIME_AHEAD,
    TOO_OLD,
    Flag,
    FlagKind,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Store
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.till_time import till_time

AHEAD_MS = 300_000
"""How far the time of an order may be ahead of the server's clock and be that of a clock."""


class PaidWhen(NamedTuple):
    """
    When an order was paid, as far as that is believed.

    Attributes:
        paid_ms: The moment; that of the call where the till tells none that can be.
        odd: What is odd of it; absent where nothing is.
    """

    paid_ms: int
    odd: str | None = None


@dataclass(frozen=True, slots=True)
class OfflineOrder:
    """
    An order that was paid while its till could not call.

    Attributes:
        transaction: Its record, which is not kept yet.
        order: What it earns by.
        member: Absent for a shopper whom the till did not know.
        odd: What is odd of its time; absent where nothing is.
        redeems: Whether it asks to spend points.
        waits: Whether its points wait until it is confirmed.
    """

    key: ApiKey
    transaction: Transaction
    order: PaidOrder
    member: Member | None
    odd: str | None
    redeems: bool
    waits: bool = False


@dataclass(frozen=True, slots=True)
class OfflineTaken:
    """What an order earned that came late, with what operators are told of it."""

    earned_points: int
    promotions: tuple[PromotionPoints, ...]
    flags: tuple[Flag, ...]
    events: tuple[Event, ...]


def paid_when(told: datetime | None, store: Store, window_days: int, now_ms: int) -> PaidWhen:
    """Tell when an order was paid, by the time that its till tells."""
    if told is None:
        return PaidWhen(now_ms)
    found = till_time(told, ZoneInfo(store.time_zone), now_ms)
    if found is None or found.off_ms > AHEAD_MS:
        return PaidWhen(now_ms, TIME_AHEAD)
    paid_ms = min(now_ms, now_ms + found.off_ms)
    if now_ms - paid_ms > window_days * DAY_MS:
        return PaidWhen(paid_ms, TOO_OLD)
    return PaidWhen(paid_ms)


def take_offline(unit: Unit, offline: OfflineOrder, now_ms: int) -> OfflineTaken:
    """
    Keep an order that was paid before, and let its member earn for it.

    One that is older than the program takes, or from before its member enrolled, is kept as one
    that nobody has claimed and earns nothing.
    """
    member, paid_ms, odd = offline.member, offline.order.now_ms, offline.odd
    if member is not None and odd is None and paid_ms < member.created_ms:
        odd = NO_MEMBER_YET
    if odd in {TOO_OLD, NO_MEMBER_YET}:
        member = None
    if member is None:
        taken = _record(unit, offline, worthless=odd == TOO_OLD)
    else:
        taken = _claim(unit, offline, member, now_ms)
    reasons = filter(None, (odd, REDEMPTION_LEFT_OUT if offline.redeems else None))
    about = about_order(offline.key, offline.transaction)
    flags = tuple(Flag(FlagKind.OFFLINE_ORDER, reason, about) for reason in reasons)
    return replace(taken, flags=(*flags, *taken.flags))


def _claim(unit: Unit, offline: OfflineOrder, member: Member, now_ms: int) -> OfflineTaken:
    transaction, program = offline.transaction, offline.order.program
    transaction.member_number = member.number
    transaction.status = TransactionStatus.PENDING
    later = take_out_later(unit, program, member, transaction, offline.order.now_ms, now_ms)
    order = replace(
        offline.order,
        told_late=True,
        orders_after=len(later.every),
        points_after=later.points,
    )
    worth = worth_for(unit, order, member, transaction.transaction_id)
    unit.add(transaction)
    unit.write_records()  # What a goal gives names the order, and is written before orders are.
    claim = Claim(offline.key, transaction, member, order, worth, waits=offline.waits)
    claimed = claim_order(unit, claim, now_ms)
    events = judge_later(unit, program, member, later, now_ms)
    told = _told(EventKind.ORDER_CLAIMED, transaction, member)
    return OfflineTaken(
        claimed.earned_points,
        claimed.promotions,
        claimed.flags,
        (told, *claimed.events, *events),
    )


def _record(unit: Unit, offline: OfflineOrder, *, worthless: bool) -> OfflineTaken:
    transaction, order = offline.transaction, offline.order
    transaction.member_number = None
    transaction.status = TransactionStatus.UNCLAIMED
    worth = NOTHING_EARNED if worthless else order_points(unit, order, None)
    transaction.points_earned = worth.points
    transaction.promotions = promotions_to_json(worth.promotions)
    transaction.refused_offers = "[]"
    # Nobody is told the code: the shopper has gone.
    code = digested_receipt(new_receipt_code())
    transaction.receipt_digest = unit.code_digest(transaction.program_id, code)
    for name, value in earned_fields(unit, order, worth).items():
        setattr(transaction, name, value)
    unit.add(transaction)
    return OfflineTaken(0, (), (), (_told(EventKind.ORDER_RECORDED, transaction, None),))


def _told(kind: EventKind, transaction: Transaction, member: Member | None) -> Event:
    return Event(
        kind,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=None if member is None else TransactionStatus.PENDING,
        after=transaction.status,
        effective_ms=transaction.created_ms,
    )
