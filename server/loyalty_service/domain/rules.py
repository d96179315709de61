"""
The rules of incentives: one small function a rule, every failure reported at once.

Facts that are not known yet fail nothing: at identify there is neither basket nor service mode;
payments are judged once the order has some or is claimed; and the minimum spend of a reported
order is judged then too, because until then it may grow. A validation asks about the order as if
nothing were to be added, so that there only payments can still be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from loyalty_service.domain.breaches import Breach, RuleFailure, Value
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.program import Incentive
from loyalty_service.domain.restrictions import (
    WEEKDAYS,
    Birthday,
    CartExclusion,
    CartRequirement,
    Cooldown,
    DateSpan,
    DaysOfWeek,
    EnrollmentSpan,
    FirstOrder,
    LimitPerOrder,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Rule,
    ServiceModes,
    Stores,
)
from loyalty_service.domain.visit import History, HistoryNeeds, Visit

MEMBER_RULES = (MaximumRedemptions, EnrollmentSpan, FirstOrder, Birthday, Cooldown)
"""Rules that only a known member, or the latest counts, can break."""


def asking_about_member(use: IncentiveUse) -> IncentiveUse:
    """Keep of a use's rules those that were left open while nobody was logged in."""
    kept = tuple(rule for rule in use.incentive.rules if isinstance(rule, MEMBER_RULES))
    return replace(use, incentive=replace(use.incentive, rules=kept))


def not_logged_in(incentive_id: str) -> RuleFailure:
    """Tell that an incentive needs a member."""
    return replace(_failure(_Finding(Breach.NOT_LOGGED_IN), None), incentive_id=incentive_id)


def needs_history(uses: tuple[IncentiveUse, ...]) -> HistoryNeeds:
    """Tell what `evaluate` needs to know of the past."""
    named = [(use.incentive.incentive_id, rule) for use in uses for rule in use.incentive.rules]
    return HistoryNeeds(
        member=frozenset(name for name, rule in named if _counts_member(rule)),
        total=frozenset(
            use.incentive.incentive_id for use in uses if counted_for_all(use.incentive)
        ),
        claimed_orders=any(isinstance(rule, FirstOrder) for _, rule in named),
    )


def counted_for_all(incentive: Incentive) -> bool:
    """Tell whether the uses of an incentive are limited for all members together."""
    return any(
        isinstance(rule, MaximumRedemptions) and rule.total is not None for rule in incentive.rules
    )


def _counts_member(rule: Rule) -> bool:
    if isinstance(rule, MaximumRedemptions):
        return rule.per_member is not None
    return isinstance(rule, Cooldown)


def evaluate(uses: tuple[IncentiveUse, ...], visit: Visit) -> tuple[RuleFailure, ...]:
    """
    Judge all uses and report every failure.

    The order is fixed: the uses as they stand in the basket, each with its rules in the order of
    `Rule`; then the order as a whole: nobody logged in, several incentives, the point balance.
    What asks about a member is not judged while nobody is logged in.
    """
    failures = [
        _failure(finding, use)
        for use in uses
        for rule in use.incentive.rules
        for finding in _JUDGES[type(rule)](rule, use, visit)
    ]
    for judge in (_not_logged_in, _several_incentives, _point_balance):
        failures.extend(judge(uses, visit))
    return tuple(failures)


class _Finding(NamedTuple):
    breach: Breach
    current: Value = None
    target: Value = None


_Findings = Iterator[_Finding]


def _failure(finding: _Finding, use: IncentiveUse | None) -> RuleFailure:
    wording = finding.breach.value
    return RuleFailure(
        code=wording.code,
        rule_id=wording.rule_id,
        message=wording.message,
        current_value=finding.current,
        target_value=finding.target,
        incentive_id=use.incentive.incentive_id if use else None,
    )


# --- One function a rule ------------------------------------------------------------------------


def _limit_per_order(rule: LimitPerOrder, use: IncentiveUse, _: Visit) -> _Findings:
    if use.quantity > rule.quantity:
        yield _Finding(Breach.LIMIT_PER_ORDER, use.quantity, rule.quantity)


def _maximum_redemptions(rule: MaximumRedemptions, use: IncentiveUse, visit: Visit) -> _Findings:
    """Count this order's as well, so that the current value exceeds the target."""
    history = _history(use, visit)
    counts = (
        (rule.per_member if visit.member else None, history.member_redemptions),
        (rule.total, history.total_redemptions),
    )
    for limit, earlier in counts:
        if limit is not None and earlier + use.quantity > limit:
            yield _Finding(Breach.MAXIMUM_REDEMPTIONS, earlier + use.quantity, limit)
    if rule.total is not None and history.reserved_by_key is not None:
        reserved = history.reserved_by_key + use.quantity
        share = share_of_key(rule.total, history.total_redemptions - history.reserved_by_key)
        fits_total = history.total_redemptions + use.quantity <= rule.total
        if fits_total and reserved > share:
            yield _Finding(Breach.MAXIMUM_REDEMPTIONS, reserved, share)


def share_of_key(total: int, used_by_others: int) -> int:
    """
    Tell how many uses the open orders of one key may reserve, of a limit for all members.

    It is half of those that are left, or the last one: whoever opens orders that nobody pays for
    never takes a limited incentive away from the guests of all other keys.
    """
    return (total - used_by_others + 1) // 2


def _days_of_week(rule: DaysOfWeek, _: IncentiveUse, visit: Visit) -> _Findings:
    today = WEEKDAYS[visit.local_time.weekday()]
    if today not in rule.days:
        yield _Finding(Breach.DAY_OF_WEEK, today, rule.days)


def _date_span(rule: DateSpan, _: IncentiveUse, visit: Visit) -> _Findings:
    return _outside(
        rule, visit.local_time.date(), before=Breach.BEFORE_START, after=Breach.AFTER_END
    )


def _enrollment_span(rule: EnrollmentSpan, _: IncentiveUse, visit: Visit) -> _Findings:
    if visit.member:
        yield from _outside(
            rule,
            visit.member.enrolled_on,
            before=Breach.ENROLLED_BEFORE_START,
            after=Breach.ENROLLED_AFTER_END,
        )


def _outside(
    span: DateSpan | EnrollmentSpan, day: date, *, before: Breach, after: Breach
) -> _Findings:
    if span.start and day < span.start:
        yield _Finding(before, day.isoformat(), (span.start.isoformat(),))
    if span.end and day > span.end:
        yield _Finding(after, day.isoformat(), (span.end.isoformat(),))


def _service_modes(rule: ServiceModes, _: IncentiveUse, visit: Visit) -> _Findings:
    if visit.service_mode is not None and visit.service_mode not in rule.modes:
        yield _Finding(Breach.SERVICE_MODE, visit.service_mode, rule.modes)


def _stores(rule: Stores, _: IncentiveUse, visit: Visit) -> _Findings:
    if visit.store_id not in rule.stores:
        # Written as text only as far as it is shown: there may be a thousand of each of many.
        yield _Finding(Breach.STORE, str(visit.store_id), rule.store_ids)


def _minimum_spend(rule: MinimumSpend, _: IncentiveUse, visit: Visit) -> _Findings:
    cart = visit.whole_cart
    if cart and cart.subtotal < rule.amount:
        yield _Finding(Breach.MINIMUM_SPEND, cart.subtotal, rule.amount)


def _payment_methods(rule: PaymentMethods, _: IncentiveUse, visit: Visit) -> _Findings:
    cart = visit.settled_cart
    if cart is None:
        return
    wrong = next((kind for kind in cart.paid if kind not in rule.allowed), None)
    if wrong is not None or not cart.paid:
        yield _Finding(Breach.PAYMENT_METHOD, wrong, rule.types)


def _first_order(_: FirstOrder, __: IncentiveUse, visit: Visit) -> _Findings:
    if visit.member and visit.member.claimed_orders:
        yield _Finding(Breach.FIRST_ORDER, visit.member.claimed_orders, 0)


def _birthday(rule: Birthday, _: IncentiveUse, visit: Visit) -> _Findings:
    """Tell neither value: a birth date is nothing for a till to read."""
    if visit.member and not _celebrates(rule, visit.member.birth_date, visit.local_time.date()):
        yield _Finding(Breach.BIRTHDAY)


def _celebrates(rule: Birthday, birth_date: date | None, today: date) -> bool:
    if birth_date is None:
        return False
    if rule.within_days is None:
        return birth_date.month == today.month
    # A birthday near New Year may be that of the year before or after.
    years = range(max(today.year - 1, date.min.year), min(today.year + 1, date.max.year) + 1)
    return any(
        abs((_birthday_in(year, birth_date) - today).days) <= rule.within_days for year in years
    )


def _birthday_in(year: int, birth_date: date) -> date:
    """Find the birthday of a year; one on 29 February is on the 28th of common years."""
    try:
        return birth_date.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _cart_requirement(rule: CartRequirement, _: IncentiveUse, visit: Visit) -> _Findings:
    """Count what the order buys: rewards and offers don't qualify one another."""
    cart = visit.cart
    if cart is None:
        return
    quantities = [0] * len(rule.demands)
    for plu, quantity in cart.bought.items():
        for number in rule.asking.get(plu, ()):
            quantities[number] += quantity
    for demand, quantity in zip(rule.demands, quantities, strict=True):
        if quantity < demand.quantity:
            yield _Finding(Breach.CART_REQUIREMENT, quantity, demand.any_of)


def _cart_exclusion(rule: CartExclusion, _: IncentiveUse, visit: Visit) -> _Findings:
    """Look at everything, for another incentive's PLU may be what excludes this one."""
    cart = visit.cart
    if cart is None or rule.plus.isdisjoint(cart.reported_set):
        return
    found = next(plu for plu in cart.reported if plu in rule.plus)
    yield _Finding(Breach.CART_EXCLUSION, found, rule.products)


def _cooldown(rule: Cooldown, use: IncentiveUse, visit: Visit) -> _Findings:
    last_ms = _history(use, visit).last_redeemed_ms
    if visit.member is None or last_ms is None:
        return
    elapsed_ms = max(visit.now_ms - last_ms, 0)
    if elapsed_ms < rule.seconds * 1000:
        yield _Finding(Breach.COOLDOWN, elapsed_ms // 1000, rule.seconds)


def _history(use: IncentiveUse, visit: Visit) -> History:
    return visit.histories.get(use.incentive.incentive_id, _NO_HISTORY)


_NO_HISTORY = History()

_JUDGES: Mapping[type[Rule], Callable[[Any, IncentiveUse, Visit], _Findings]] = {
    LimitPerOrder: _limit_per_order,
    MaximumRedemptions: _maximum_redemptions,
    DaysOfWeek: _days_of_week,
    DateSpan: _date_span,
    EnrollmentSpan: _enrollment_span,
    ServiceModes: _service_modes,
    Stores: _stores,
    MinimumSpend: _minimum_spend,
    PaymentMethods: _payment_methods,
    FirstOrder: _first_order,
    Birthday: _birthday,
    CartRequirement: _cart_requirement,
    CartExclusion: _cart_exclusion,
    Cooldown: _cooldown,
}


# --- The order as a whole -----------------------------------------------------------------------


def _not_logged_in(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    if uses and visit.member is None:
        yield _failure(_Finding(Breach.NOT_LOGGED_IN), None)


def _several_incentives(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    """Name the second; several of the same one are what `LimitPerOrder` is for."""
    if len(uses) > 1 and not visit.multiple_incentives:
        yield _failure(_Finding(Breach.SEVERAL_INCENTIVES, len(uses), 1), uses[1])


def _point_balance(uses: tuple[IncentiveUse, ...], visit: Visit) -> Iterator[RuleFailure]:
    """Name the first reward that no longer fits, with what the ones before it leave."""
    if visit.member is None:
        return
    left = visit.member.spendable_points
    for use in uses:
        if use.point_cost > left:
            yield _failure(_Finding(Breach.POINT_BALANCE, left, use.point_cost), use)
            return
        left -= use.point_cost
