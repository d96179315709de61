"""
The rules of incentives: one small function for each rule; all failures are reported at once.

What is not known yet breaks no rule. When a guest identifies, the basket and the service mode are
unknown. Payments are judged once the order has some or is claimed. The minimum spend of a reported
order is judged at the claim, because until then the order may grow. A validation asks about the
order as it is, so only payments can be unknown there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from loyalty_service.domain.basket import Cart
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.goal_cards import tier_id_on
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.order_limits import beyond_order_limits
from loyalty_service.domain.periods import PER_PERIOD
from loyalty_service.domain.program import Incentive
from loyalty_service.domain.restrictions import (
    WEEKDAYS,
    Anniversary,
    Birthday,
    CartExclusion,
    CartRequirement,
    Channels,
    Cooldown,
    DateSpan,
    DaysEnrolled,
    DaysOfWeek,
    EnrollmentSpan,
    FirstOrder,
    Granted,
    LimitPerOrder,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Rule,
    Segments,
    ServiceModes,
    StoreGroups,
    Stores,
    Tiers,
    Times,
    TransactionCount,
)
from loyalty_service.domain.texts import vendor_key
from loyalty_service.domain.uses_before import (
    Finding,
    Findings,
    cooldown,
    granted,
    maximum_redemptions,
)
from loyalty_service.domain.visit import HistoryNeeds, Visit
from loyalty_service.domain.yearly import celebrates

MEMBER_RULES = (
    MaximumRedemptions,
    EnrollmentSpan,
    DaysEnrolled,
    Segments,
    Tiers,
    FirstOrder,
    TransactionCount,
    Birthday,
    Anniversary,
    Cooldown,
    Granted,
)
"""Rules that only a known member, or the latest counts, can break."""

ORDER_RULES = (FirstOrder, TransactionCount)
"""Rules that ask how many orders a member has claimed."""


def asking_about_member(use: IncentiveUse) -> IncentiveUse:
    """Keep of a use's rules those that were left open while nobody was logged in."""
    kept = tuple(rule for rule in use.incentive.rules if isinstance(rule, MEMBER_RULES))
    return replace(use, incentive=replace(use.incentive, rules=kept))


def not_logged_in(incentive_id: str) -> RuleFailure:
    """Tell that an incentive needs a member."""
    return replace(_failure(Finding(Breach.NOT_LOGGED_IN), None), incentive_id=incentive_id)


def not_activated(incentive_id: str) -> RuleFailure:
    """Tell that a member was given an incentive, and has to activate it."""
    return replace(_failure(Finding(Breach.GRANT_NOT_ACTIVATED), None), incentive_id=incentive_id)


def needs_history(uses: tuple[IncentiveUse, ...]) -> HistoryNeeds:
    """Tell what `evaluate` needs to know of the past."""
    named = [(use.incentive.incentive_id, rule) for use in uses for rule in use.incentive.rules]
    return HistoryNeeds(
        member=frozenset(name for name, rule in named if _counts_member(rule)),
        total={
            name: rule.total
            for name, rule in named
            if isinstance(rule, MaximumRedemptions) and rule.total is not None
        },
        claimed_orders=any(isinstance(rule, ORDER_RULES) for _, rule in named),
        periods=frozenset(name for name, rule in named if counts_periods(rule)),
        granted=frozenset(name for name, rule in named if isinstance(rule, Granted)),
    )


def counts_periods(rule: Rule) -> bool:
    """Tell whether a rule limits the uses of one member in periods."""
    if not isinstance(rule, MaximumRedemptions):
        return False
    return rule.per_occasion is not None or any(
        getattr(rule, name) is not None for name in PER_PERIOD
    )


def counted_for_all(incentive: Incentive) -> bool:
    """Tell whether the uses of an incentive are limited for all members together."""
    return any(
        isinstance(rule, MaximumRedemptions) and rule.total is not None for rule in incentive.rules
    )


def _counts_member(rule: Rule) -> bool:
    if isinstance(rule, MaximumRedemptions):
        return rule.per_member is not None or counts_periods(rule)
    return isinstance(rule, Cooldown | Granted)


def evaluate(uses: tuple[IncentiveUse, ...], visit: Visit) -> tuple[RuleFailure, ...]:
    """
    Judge all uses and report every failure.

    The order is fixed: the uses as they stand in the basket, each with its rules in the order of
    `Rule`; then the order as a whole: nobody logged in, its limits, the point balance.
    What asks about a member is not judged while nobody is logged in.
    """
    failures = [
        _failure(finding, use)
        for use in uses
        for rule in use.incentive.rules
        for finding in _JUDGES[type(rule)](rule, use, visit)
    ]
    for judge in (_not_logged_in, _order_limits, _point_balance):
        failures.extend(judge(uses, visit))
    return tuple(failures)


def holds(rules: tuple[Rule, ...], visit: Visit) -> bool:
    """Tell whether rules hold that nothing uses: those of a rate or a promotion."""
    return not any(True for rule in rules for _ in _JUDGES[type(rule)](rule, _NOTHING_USED, visit))


def _failure(finding: Finding, use: IncentiveUse | None) -> RuleFailure:
    wording = finding.breach.value
    return RuleFailure(
        code=wording.code,
        rule_id=wording.rule_id,
        message=wording.message,
        current_value=finding.current,
        target_value=finding.target,
        incentive_id=use.incentive.incentive_id if use else None,
        missing=finding.missing,
    )


# --- One function a rule ------------------------------------------------------------------------


def _limit_per_order(rule: LimitPerOrder, use: IncentiveUse, _: Visit) -> Findings:
    if use.quantity > rule.quantity:
        yield Finding(Breach.LIMIT_PER_ORDER, use.quantity, rule.quantity)


def _days_of_week(rule: DaysOfWeek, _: IncentiveUse, visit: Visit) -> Findings:
    today = WEEKDAYS[visit.local_time.weekday()]
    if today not in rule.days:
        yield Finding(Breach.DAY_OF_WEEK, today, rule.days)


def _times(rule: Times, _: IncentiveUse, visit: Visit) -> Findings:
    now = visit.local_time.time()
    after_start, before_end = rule.start <= now, now < rule.end
    over_midnight = rule.end <= rule.start
    if not (after_start or before_end if over_midnight else after_start and before_end):
        ends = rule.start, rule.end
        yield Finding(Breach.TIME, f"{now:%H:%M}", tuple(f"{end:%H:%M}" for end in ends))


def _date_span(rule: DateSpan, _: IncentiveUse, visit: Visit) -> Findings:
    return _outside(
        rule, visit.local_time.date(), before=Breach.BEFORE_START, after=Breach.AFTER_END
    )


def _enrollment_span(rule: EnrollmentSpan, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.member:
        yield from _outside(
            rule,
            visit.member.enrolled_on,
            before=Breach.ENROLLED_BEFORE_START,
            after=Breach.ENROLLED_AFTER_END,
        )


def _segments(rule: Segments, _: IncentiveUse, visit: Visit) -> Findings:
    """Tell neither value: what an operator knows of a guest is nothing for a till to read."""
    if visit.member and not set(rule.segments).intersection(visit.member.segments):
        yield Finding(Breach.SEGMENT)


def _tiers(rule: Tiers, _: IncentiveUse, visit: Visit) -> Findings:
    held = visit.member.tiers if visit.member else ()
    if visit.member and (tier := tier_id_on(held, visit.local_time.date())) not in rule.tiers:
        yield Finding(Breach.TIER, tier, rule.tiers)


def _outside(
    span: DateSpan | EnrollmentSpan, day: date, *, before: Breach, after: Breach
) -> Findings:
    if span.start and day < span.start:
        yield Finding(before, day.isoformat(), (span.start.isoformat(),))
    if span.end and day > span.end:
        yield Finding(after, day.isoformat(), (span.end.isoformat(),))


def _service_modes(rule: ServiceModes, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.service_mode is not None and visit.service_mode not in rule.modes:
        yield Finding(Breach.SERVICE_MODE, visit.service_mode, rule.modes)


def _stores(rule: Stores, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.store_id not in rule.stores:
        # Written as text only as far as it is shown: there may be a thousand of each of many.
        yield Finding(Breach.STORE, str(visit.store_id), rule.store_ids)


def _store_groups(rule: StoreGroups, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.store_groups.isdisjoint(rule.groups):
        yield Finding(Breach.STORE, str(visit.store_id), rule.groups)


def _channels(rule: Channels, _: IncentiveUse, visit: Visit) -> Findings:
    allowed = {vendor_key(name) for name in rule.channels}
    if visit.channels and not any(vendor_key(name) in allowed for name in visit.channels):
        yield Finding(Breach.CHANNEL, visit.channels[0], rule.channels)


def _minimum_spend(rule: MinimumSpend, _: IncentiveUse, visit: Visit) -> Findings:
    cart = visit.whole_cart
    if cart is None:
        return
    spent = cart.spent_as(rule)
    if spent < rule.amount:
        yield Finding(Breach.MINIMUM_SPEND, spent, rule.amount, rule.amount - spent)


def _payment_methods(rule: PaymentMethods, _: IncentiveUse, visit: Visit) -> Findings:
    cart = visit.settled_cart
    if cart is None:
        return
    wrong = next((kind for kind in cart.paid if kind not in rule.allowed), None)
    if wrong is not None or not cart.paid:
        yield Finding(Breach.PAYMENT_METHOD, wrong, rule.types)


def _first_order(_: FirstOrder, __: IncentiveUse, visit: Visit) -> Findings:
    if visit.member and visit.member.claimed_orders:
        yield Finding(Breach.FIRST_ORDER, visit.member.claimed_orders, 0)


def _transaction_count(rule: TransactionCount, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.member and not rule.holds(number := visit.member.claimed_orders + 1):
        yield Finding(Breach.TRANSACTION_COUNT, number, rule.on or rule.every or rule.between)


def _days_enrolled(rule: DaysEnrolled, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.member:
        days = (visit.local_time.date() - visit.member.enrolled_on).days
        if not rule.window.holds(days):
            yield Finding(Breach.DAYS_ENROLLED, days)


def _birthday(rule: Birthday, _: IncentiveUse, visit: Visit) -> Findings:
    """Tell neither value: a birth date is nothing for a till to read."""
    if visit.member is None:
        return
    birth_date = visit.member.birth_date
    if birth_date is None or not celebrates(rule.span, birth_date, visit.local_time.date()):
        yield Finding(Breach.BIRTHDAY)


def _anniversary(rule: Anniversary, _: IncentiveUse, visit: Visit) -> Findings:
    if visit.member is None:
        return
    first, today = visit.member.enrolled_on, visit.local_time.date()
    if not celebrates(rule.span, first, today, first_year=first.year + 1):
        yield Finding(Breach.ANNIVERSARY, today.isoformat())


def _cart_requirement(rule: CartRequirement, _: IncentiveUse, visit: Visit) -> Findings:
    """Count what the order buys: rewards and offers don't qualify one another."""
    cart = visit.cart
    if cart is None:
        return
    for demand, quantity in zip(rule.demands, quantities_bought(rule, cart), strict=True):
        if quantity < demand.quantity:
            missing = demand.quantity - quantity
            yield Finding(Breach.CART_REQUIREMENT, quantity, demand.any_of.told, missing)
        elif demand.amount is not None:
            spent = cart.spent_on(demand.any_of)
            if spent < demand.amount:
                yield Finding(Breach.CART_REQUIREMENT, spent, demand.any_of.told)


def demands_met(rule: CartRequirement, cart: Cart) -> list[int]:
    """Tell how often the order buys what each demand asks for."""
    return [
        demand.times(quantity, 0 if demand.amount is None else cart.spent_on(demand.any_of))
        for demand, quantity in zip(rule.demands, quantities_bought(rule, cart), strict=True)
    ]


def quantities_bought(rule: CartRequirement, cart: Cart) -> list[int]:
    """Tell how many the order buys of what each demand asks for."""
    quantities = [0] * len(rule.demands)
    for plu, quantity in cart.bought.items():
        for number in rule.asking.get(plu, ()):
            quantities[number] += quantity
    for number in rule.searching:
        quantities[number] = cart.quantity_of(rule.demands[number].any_of)
    return quantities


def _cart_exclusion(rule: CartExclusion, _: IncentiveUse, visit: Visit) -> Findings:
    """Look at everything, for another incentive's PLU may be what excludes this one."""
    found = visit.cart.first_of(rule.products) if visit.cart else None
    if found is not None:
        yield Finding(Breach.CART_EXCLUSION, found, rule.products.told)


_NOTHING_USED: Any = None

_JUDGES: Mapping[type[Rule], Callable[[Any, IncentiveUse, Visit], Findings]] = {
    LimitPerOrder: _limit_per_order,
    MaximumRedemptions: maximum_redemptions,
    DaysOfWeek: _days_of_week,
    Times: _times,
    DateSpan: _date_span,
    EnrollmentSpan: _enrollment_span,
    DaysEnrolled: _days_enrolled,
    Segments: _segments,
    Tiers: _tiers,
    ServiceModes: _service_modes,
    Stores: _stores,
    StoreGroups: _store_groups,
    Channels: _channels,
    MinimumSpend: _minimum_spend,
    PaymentMethods: _payment_methods,
    FirstOrder: _first_order,
    TransactionCount: _transaction_count,
    Birthday: _birthday,
    Anniversary: _anniversary,
    CartRequirement: _cart_requirement,
    CartExclusion: _cart_exclusion,
    Cooldown: cooldown,
    Granted: granted,
}


# --- The order as a whole -----------------------------------------------------------------------


def _not_logged_in(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    if uses and visit.member is None:
        yield _failure(Finding(Breach.NOT_LOGGED_IN), None)


def _order_limits(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    """Name each use that does not fit beside those before it which do."""
    for use, count, limit in beyond_order_limits(uses, visit.order_limits):
        yield _failure(Finding(Breach.ORDER_LIMIT, count, limit), use)


def _point_balance(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    """Name the first reward that no longer fits, with what the ones before it leave."""
    if visit.member is None:
        return
    left = visit.member.spendable_points
    for use in uses:
        if use.point_cost > left:
            missing = use.point_cost - left
            yield _failure(Finding(Breach.POINT_BALANCE, left, use.point_cost, missing), use)
            return
        left -= use.point_cost
