"""What an order earns: by its rate, and by the promotions that its guest has earned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_service.application.grant_names import engine_ids
from loyalty_service.application.grants import can_use, use_grants
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.clock import moment_ms, wall_clock
from loyalty_service.domain.earning import Earned, PromotionPoints, Won, earned
from loyalty_service.domain.earning_rules import EarnedAtMost, Promotion
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.periods import span_ms
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.promotions import (
    POINTS_OF_DAYS,
    asks_about_member,
    counted_as,
    of_earlier_orders,
    of_members_alone,
    of_the_order,
    periods,
    rate_of,
    reaches,
    times_met,
)
from loyalty_service.domain.records import Member, Redemption, Transaction
from loyalty_service.domain.rules import holds
from loyalty_service.domain.visit import MemberFacts, Visit


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """
    An order that earns.

    Attributes:
        not_held: Lines that earn nothing, by their places.
        local_time: The till's date and time in the store's place; absent where none is believed.
        now_ms: The same by the server's clock.
        spent: Points that it redeems.
        used: IDs of the incentives that it uses and that members are given.
        told_late: Whether the server was told of it late.
        orders_after, points_after: Claimed orders not paid before it then, and their points.
    """

    program: Program
    store: Store
    basket: Basket
    not_held: Collection[int]
    service_mode: str | None
    channels: tuple[str, ...]
    local_time: datetime | None
    now_ms: int
    spent: int = 0
    used: frozenset[str] = frozenset()
    told_late: bool = False
    orders_after: int = 0
    points_after: int = 0

    @property
    def since_ms(self) -> int | None:
        """When its points were earned; absent where that is now."""
        return self.now_ms if self.told_late else None

    @property
    def paid_at(self) -> datetime:
        """Date and time of the order in the store's place."""
        return wall_clock(self.local_time, ZoneInfo(self.store.time_zone), self.now_ms)

    @property
    def paid_ms(self) -> int:
        """When it was paid, as far as is known."""
        return moment_ms(self.local_time, self.store.time_zone, self.now_ms)


def granted_of(program: Program, uses: Sequence[IncentiveUse]) -> frozenset[str]:
    """Tell which of the incentives that an order uses are given to members."""
    granted = program.granted
    return granted & {use.incentive.incentive_id for use in uses} if granted else granted


def order_points(
    unit: Unit, order: PaidOrder, member: Member | None, transaction_id: str = ""
) -> Earned:
    """
    Tell what an order earns, for nobody or for a *member*, who is locked.

    A promotion never makes an order fail: one whose rules do not hold is not earned.
    """
    return _worth(unit, order, member, transaction_id).within(_most(unit, order, member))


def _worth(unit: Unit, order: PaidOrder, member: Member | None, transaction_id: str) -> Earned:
    """Tell what an order earns before caps."""
    program, store = order.program, order.store
    if not store.loyalty_enabled:
        return Earned(0)
    rules, rate, won = program.earning, None, []
    products = {(line.plu, line.category) for line in order.basket.lines}
    plus = {plu for plu, _ in products}
    asked = [one for one in program.promotions.values() if reaches(one, products, plus)]
    if rules.rates or asked:
        visit = visit_of(order, member)
        rate = rate_of(rules, visit)
        won = _won(unit, order, asked, member, visit, transaction_id)
    return earned(order.basket, rules, program.currency_digits, order.not_held, rate=rate, won=won)


def receipt_points(
    unit: Unit, order: PaidOrder, member: Member, transaction: Transaction, points: int
) -> Earned:
    """
    Tell what a receipt brings a member: the *points* it promised, and what only members earn.

    The promise is by the program of then; what is added to it is by the program of now. Where
    nothing is, the receipt goes on being worth what it was worth then, line by line.
    """
    kept = Earned(transaction.points_earned, kept_promotions(transaction)).within(points)
    program = order.program
    rows = any(asks_about_member(row.when) for row in program.earning.rates)
    if rows or any(map(of_members_alone, program.promotions.values())):
        nobody = order_points(unit, order, None)
        # As far as nobody's order is cut: what is the member's own is cut once, of the sum.
        known = _worth(unit, order, member, transaction.transaction_id)
        known = known.within(_most(unit, order, None))
        if known != nobody and known.points >= nobody.points:
            told = _with_gains(kept.promotions, known.promotions, nobody.promotions)
            kept = Earned(points + known.points - nobody.points, told, known.rate, known.won)
    return kept.within(_most(unit, order, member))


def _with_gains(
    kept: Sequence[PromotionPoints],
    known: Sequence[PromotionPoints],
    nobody: Sequence[PromotionPoints],
) -> tuple[PromotionPoints, ...]:
    """Tell what promotions gave that are *kept*, and what they give a member more than nobody."""
    gains = Counter({one.promotion_id: one.points for one in known})
    gains.subtract({one.promotion_id: one.points for one in nobody})
    before = {one.promotion_id for one in kept}
    new = (replace(one, points=0) for one in known if one.promotion_id not in before)
    told = []
    for one in (*kept, *new):
        # In whose place a better one of the member's comes gave nothing, and not less.
        points = one.points + max(gains[one.promotion_id], -max(0, one.points))
        if points:
            told.append(replace(one, points=points))
    return tuple(told)


def count_earned(
    unit: Unit, order: PaidOrder, transaction: Transaction, member: Member, won: Earned
) -> None:
    """
    Keep what an order earned as far as limits of its member count it, until it is voided.

    What the member was given for it is used up: one use, however many promotions ask for it.
    """
    program = order.program
    counted: dict[str, list[tuple[str | None, int]]] = {}
    for one in won.promotions:
        if (promotion := program.promotions.get(one.promotion_id)) is None:
            continue
        if promotion.at_most.counts_member:
            counted[counted_as(promotion)] = [(None, one.times)]
        granted = promotion.granted
        if granted is not None and granted not in order.used and granted not in counted:
            day, named = order.paid_at.date(), engine_ids(order.basket)
            counted[granted] = use_grants(unit, member, granted, 1, day, named)
    if program.earning.counts_orders and won.points:
        counted[POINTS_OF_DAYS] = [(None, won.points)]
    for name, paid in counted.items():
        keep_use(unit, order, transaction, member, name, paid)


def keep_use(
    unit: Unit,
    order: PaidOrder,
    transaction: Transaction,
    member: Member,
    name: str,
    paid: Sequence[tuple[str | None, int]],
) -> None:
    """
    Keep what an order used of something that rules count, by the time of the order.

    *name* is an incentive's ID, or what `domain.promotions` counts by. *paid* tells how many each
    grant pays for, and under None how many need none.
    """
    for grant_id, quantity in paid:
        unit.add(
            Redemption(
                redemption_id=new_id(order.paid_ms),
                program_id=member.program_id,
                incentive_id=name,
                member_number=member.number,
                transaction_id=transaction.transaction_id,
                quantity=quantity,
                redeemed_ms=order.paid_ms,
                grant_id=grant_id,
            )
        )
    unit.count_redemption(member, name, sum(quantity for _, quantity in paid))


def promotions_to_json(promotions: tuple[PromotionPoints, ...]) -> str | None:
    """Write what promotions gave an order as the text to keep with it; absent where none did."""
    told = [[one.promotion_id, one.name, one.times, one.points] for one in promotions]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) if told else None


def kept_promotions(transaction: Transaction) -> tuple[PromotionPoints, ...]:
    """Read what promotions gave an order."""
    told = transaction.promotions
    return () if told is None else tuple(PromotionPoints(*one) for one in json.loads(told))


@dataclass(frozen=True, slots=True)
class EarnedBy:
    """
    By what an order earned.

    Attributes:
        program: The program as it was then.
        worth: Its rate and promotions; its points are not those of the order.
        not_held: Lines that earned nothing, by their places.
    """

    program: Program
    worth: Earned
    not_held: frozenset[int]


def earned_fields(unit: Unit, order: PaidOrder, worth: Earned) -> dict[str, Any]:
    """Give the fields of an order that keep by what it earned."""
    told: dict[str, Any] = {}
    if worth.rate is not None:
        told["rate"] = str(worth.rate)
    if worth.won:
        told["won"] = [[one.promotion.promotion_id, one.times] for one in worth.won]
    if order.not_held:
        told["not_held"] = sorted(order.not_held)
    return {
        "program_version": unit.catalog.versions.get(order.program.program_id),
        "earned_by": json.dumps(told, separators=(",", ":")) if told else None,
    }


def claimed_fields(
    unit: Unit, order: PaidOrder, transaction: Transaction, worth: Earned
) -> dict[str, Any]:
    """
    Give the same fields of a receipt that is claimed.

    Only what its member brought is by the program of now; else all is as it was recorded, but for
    lines that do not hold for this member.
    """
    if worth.rate is not None or worth.won or transaction.program_version is None:
        return earned_fields(unit, order, worth)
    if not order.not_held:
        return {}
    told = json.loads(transaction.earned_by or "{}") | {"not_held": sorted(order.not_held)}
    return {"earned_by": json.dumps(told, separators=(",", ":"))}


def earned_by(unit: Unit, transaction: Transaction) -> EarnedBy | None:
    """Find by what an order earned; None where that is not known, as of an older version."""
    version = transaction.program_version
    if version is None:
        return None
    program = unit.program_of(transaction.program_id, version)
    if program is None:
        return None
    told = json.loads(transaction.earned_by or "{}")
    won = tuple(
        Won(program.promotions[name], times)
        for name, times in told.get("won", ())
        if name in program.promotions
    )
    rate = told.get("rate")
    worth = Earned(0, rate=None if rate is None else Fraction(rate), won=won)
    return EarnedBy(program, worth, frozenset(told.get("not_held", ())))


def visit_of(order: PaidOrder, member: Member | None, *, basket: bool = True) -> Visit:
    """
    Give what is known of a paid order, or all but its *basket*, which takes longer to look at.

    Whether it is the member's first one is asked for elsewhere.
    """
    zone = ZoneInfo(order.store.time_zone)
    facts = None
    if member is not None:
        facts = MemberFacts(
            enrolled_on=datetime.fromtimestamp(member.created_ms / 1000, zone).date(),
            birth_date=date.fromisoformat(member.birth_date) if member.birth_date else None,
            claimed_orders=0,
            spendable_points=member.spendable,
            segments=member.in_segments,
            tiers=member.tiers,
        )
    return Visit(
        local_time=order.paid_at,
        now_ms=order.paid_ms,
        store_id=order.store.store_id,
        store_groups=frozenset(order.store.groups),
        service_mode=order.service_mode,
        channels=order.channels,
        basket=order.basket if basket else None,
        member=facts,
        claiming=True,
        excluded_products=order.program.earning.excluded_products,
    )


def _won(
    unit: Unit,
    order: PaidOrder,
    asked: Sequence[Promotion],
    member: Member | None,
    visit: Visit,
    transaction_id: str,
) -> list[Won]:
    """Tell which promotions an order has earned, and how often; the past is asked about last."""
    known: Visit | None = None
    found = []
    for promotion in asked:
        if member is None and of_members_alone(promotion):
            continue
        if visit.cart is None or not holds(of_the_order(promotion), visit):
            continue
        granted = promotion.granted
        if granted and not _has_grant(unit, order, member, granted, transaction_id):
            continue
        times = times_met(promotion, visit.cart)
        if member is not None and times:
            if rules := of_earlier_orders(promotion):
                known = known or _with_orders(unit, order, visit, member, transaction_id)
                times = times if holds(rules, known) else 0
            times = times and min(times, times_left(unit, order, member, promotion))
        if times > 0:
            found.append(Won(promotion, times))
    return found


def _has_grant(
    unit: Unit, order: PaidOrder, member: Member | None, incentive_id: str, transaction_id: str
) -> bool:
    """Tell whether an order uses what its member was given, or can."""
    if member is None or incentive_id in order.used:
        return member is not None
    place = order.paid_at.date(), order.store.time_zone
    return can_use(unit, member, incentive_id, place, transaction_id)


def _with_orders(
    unit: Unit, order: PaidOrder, visit: Visit, member: Member, transaction_id: str
) -> Visit:
    """Tell besides how many orders the member has claimed before."""
    claimed = unit.claimed_orders(member, transaction_id) - order.orders_after
    return replace(visit, member=visit.member and replace(visit.member, claimed_orders=claimed))


def times_left(unit: Unit, order: PaidOrder, member: Member, promotion: Promotion) -> int:
    """Tell how often a member may still earn a promotion, by the limits of its periods."""
    left = POINTS_MAX
    for limit, start, end in periods(promotion.at_most, order.paid_at.date()):
        since, until = span_ms(order.store.time_zone, start, end)
        left = min(left, limit - unit.redeemed_between(member, counted_as(promotion), since, until))
    return max(0, left)


def _most(unit: Unit, order: PaidOrder, member: Member | None) -> int:
    """Tell how many points an order may earn by the caps of its program; soon again, none."""
    caps, cooldown_s = order.program.earning.caps, order.program.earning.cooldown_s
    if member is not None and cooldown_s is not None:
        since, until = order.paid_ms + 1 - cooldown_s * 1000, order.paid_ms + 1
        if unit.redeemed_between(member, POINTS_OF_DAYS, since, until):
            return 0
    most = [POINTS_MAX if caps.per_order is None else caps.per_order]
    if member is not None and caps.per_day is not None:
        for limit, start, end in periods(EarnedAtMost(per_day=caps.per_day), order.paid_at.date()):
            since, until = span_ms(order.store.time_zone, start, end)
            most.append(limit - unit.redeemed_between(member, POINTS_OF_DAYS, since, until))
    if member is not None and caps.balance is not None:
        most.append(caps.balance - member.spendable - member.held.balance + order.spent)
        most[-1] += order.points_after
    return max(0, min(most))
