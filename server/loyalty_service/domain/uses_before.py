"""The rules that ask how often an incentive was used, or may be: one function for each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from loyalty_service.domain.breaches import Breach, Value
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.periods import limited_spans
from loyalty_service.domain.program import Incentive
from loyalty_service.domain.restrictions import (
    Anniversary,
    Birthday,
    Cooldown,
    Granted,
    MaximumRedemptions,
)
from loyalty_service.domain.visit import NO_GRANTS, History, MemberFacts, Visit
from loyalty_service.domain.yearly import occasion


class Finding(NamedTuple):
    """How a rule is broken: what was seen, what is allowed, and what the order lacks."""

    breach: Breach
    current: Value = None
    target: Value = None
    missing: int | None = None


Findings = Iterator[Finding]

Span = tuple[str, date, date]
"""Days in which something counts: the name of the limit, the first day and the last."""


def maximum_redemptions(rule: MaximumRedemptions, use: IncentiveUse, visit: Visit) -> Findings:
    """Count this order's as well, so that the current value exceeds the target."""
    history = _history(use, visit)
    counts: tuple[tuple[int | None, int], ...] = (
        (rule.per_member if visit.member else None, history.member_redemptions),
        (rule.total, history.total_redemptions),
    )
    if visit.member:
        used_in = visit.used_in.get(use.incentive.incentive_id, {})
        counts += tuple((getattr(rule, name), earlier) for name, earlier in used_in.items())
    for limit, earlier in counts:
        if limit is not None and earlier + use.quantity > limit:
            yield Finding(Breach.MAXIMUM_REDEMPTIONS, earlier + use.quantity, limit)
    if rule.total is not None and history.reserved_by_key is not None:
        reserved = history.reserved_by_key + use.quantity
        share = share_of_key(rule.total, history.total_redemptions - history.reserved_by_key)
        fits_total = history.total_redemptions + use.quantity <= rule.total
        if fits_total and reserved > share:
            yield Finding(Breach.MAXIMUM_REDEMPTIONS, reserved, share)


def counted_spans(incentive: Incentive, member: MemberFacts, day: date) -> Iterator[Span]:
    """Give the days in which a member's uses of an incentive count, by the names of its limits."""
    limits = next((one for one in incentive.rules if isinstance(one, MaximumRedemptions)), None)
    if limits is None:
        return
    for name, _, start, end in limited_spans(limits, day):
        yield name, start, end
    if limits.per_occasion is None:
        return
    for rule in incentive.rules:
        found = None
        if isinstance(rule, Birthday) and member.birth_date is not None:
            found = occasion(rule.span, member.birth_date, day)
        elif isinstance(rule, Anniversary):
            first_year = member.enrolled_on.year + 1
            found = occasion(rule.span, member.enrolled_on, day, first_year)
        if found is not None:
            yield "per_occasion", *found


def share_of_key(total: int, used_by_others: int) -> int:
    """
    Tell how many uses the open orders of one key may reserve, of a limit for all members.

    It is half of those that are left, or the last one: whoever opens orders that nobody pays for
    never takes a limited incentive away from the guests of all other keys.
    """
    return (total - used_by_others + 1) // 2


def cooldown(rule: Cooldown, use: IncentiveUse, visit: Visit) -> Findings:
    """
    Look at the member's last use, or the last that is reserved, by the times of the orders.

    An order may come late, so that the last use is after it: it must be as far away.
    """
    last_ms = _history(use, visit).last_redeemed_ms
    if visit.member is None or last_ms is None:
        return
    elapsed_ms = abs(visit.now_ms - last_ms)
    if elapsed_ms < rule.seconds * 1000:
        yield Finding(Breach.COOLDOWN, elapsed_ms // 1000, rule.seconds)


def granted(_: Granted, use: IncentiveUse, visit: Visit) -> Findings:
    """
    Look at what the member was given, without what other open orders have reserved.

    One who was given enough, but has to activate it first, is told that.
    """
    if visit.member is None:
        return
    given = visit.grants.get(use.incentive.incentive_id, NO_GRANTS)
    left = max(0, given.usable - given.reserved)
    if use.quantity <= left:
        return
    activated = use.quantity <= given.usable + given.offered - given.reserved
    breach = Breach.GRANT_NOT_ACTIVATED if activated else Breach.NOT_GRANTED
    yield Finding(breach, use.quantity, left)


def _history(use: IncentiveUse, visit: Visit) -> History:
    return visit.histories.get(use.incentive.incentive_id, _NO_HISTORY)


_NO_HISTORY = History()
