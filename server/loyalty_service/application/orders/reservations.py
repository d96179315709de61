"""
What open orders were accepted with: reserved while they are open, honoured when they are claimed.

A guest pays what the till was told. So what IdentifyMember or a report accepted stays accepted, in
its quantity and at its price, until the order ends or is reported without it. Rules that count uses
count it too, so that nobody else is promised the same last one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.errors import CodeRequiredError, MemberBlockedError
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Store
from loyalty_service.domain.records import Member, Reservation, Transaction
from loyalty_service.domain.rules import ORDER_RULES

Reservations = Mapping[str, Sequence[Reservation]]
"""What is reserved, by incentive, the cheapest first."""

FACTS_OF_THEN = frozenset(
    breach.value.code
    for breach in (
        Breach.LIMIT_PER_ORDER,
        Breach.MAXIMUM_REDEMPTIONS,
        Breach.DAY_OF_WEEK,
        Breach.TIME,
        Breach.BEFORE_START,
        Breach.AFTER_END,
        Breach.ENROLLED_BEFORE_START,
        Breach.ENROLLED_AFTER_END,
        Breach.SEGMENT,
        Breach.TIER,
        Breach.FIRST_ORDER,
        Breach.TRANSACTION_COUNT,
        Breach.DAYS_ENROLLED,
        Breach.BIRTHDAY,
        Breach.ANNIVERSARY,
        Breach.COOLDOWN,
        Breach.NOT_GRANTED,
        Breach.GRANT_NOT_ACTIVATED,
    )
)
"""Codes of rules that were known to hold when a use was accepted."""

FACTS_OF_THE_ORDER = frozenset(
    breach.value.code
    for breach in (
        Breach.SERVICE_MODE,
        Breach.CHANNEL,
        Breach.CART_REQUIREMENT,
        Breach.CART_EXCLUSION,
    )
)
"""Codes of rules about the order itself, which are judged again when the order has changed."""


def by_incentive(reservations: Iterable[Reservation]) -> Reservations:
    """Sort what is reserved by incentive, the cheapest first; what is over is left out."""
    found: defaultdict[str, list[Reservation]] = defaultdict(list)
    for one in sorted(reservations, key=lambda reserved: reserved.point_cost):
        if one.quantity:
            found[one.incentive_id].append(one)
    return found


def as_accepted(use: IncentiveUse, reserved: Reservations) -> IncentiveUse:
    """Take a use at the prices at which it was accepted, as far as it was."""
    prices = _accepted(use, reserved)
    points = sum(price * number for price, number in prices.items())
    return replace(use, accepted=sum(prices.values()), accepted_points=points)


def _accepted(use: IncentiveUse, reserved: Reservations) -> dict[int, int]:
    """Tell how many of a use were accepted at each price."""
    prices: dict[int, int] = {}
    left = use.quantity
    for one in reserved.get(use.incentive.incentive_id, ()):
        number = min(one.quantity, left)
        if number:
            prices[one.point_cost] = number
            left -= number
    return prices


def accepted_here(use: IncentiveUse, reserved: Reservations, store_id: int) -> bool:
    """Tell whether a whole use was accepted for this very store."""
    return use.accepted == use.quantity and all(
        one.store_id == store_id for one in reserved.get(use.incentive.incentive_id, ())
    )


def still_broken(
    failures: Sequence[RuleFailure],
    uses: Sequence[IncentiveUse],
    here: Collection[str],
    *,
    unchanged: bool,
    mode_untold: bool,
) -> tuple[RuleFailure, ...]:
    """
    Leave out the failures of facts that were known, and fine, when a use was accepted.

    *here* are the incentives accepted for this very store. *unchanged* is whether the order is the
    one that was reported last, *mode_untold* whether how it is handed over is not told.
    """
    accepted = {use.incentive.incentive_id for use in uses if use.accepted == use.quantity}
    whole = len(accepted) == len(uses)
    known = FACTS_OF_THEN | (FACTS_OF_THE_ORDER if unchanged else frozenset())
    known |= {Breach.SERVICE_MODE.value.code} if mode_untold else set()

    def was_fine(failure: RuleFailure) -> bool:
        if failure.rule_id == Breach.ORDER_LIMIT.value.rule_id:
            return whole
        if failure.code == Breach.STORE.value.code:
            return failure.incentive_id in here
        return failure.incentive_id in accepted and failure.code in known

    return tuple(failure for failure in failures if not was_fine(failure))


def reserve(
    unit: Unit,
    transaction: Transaction,
    key: ApiKey,
    store_id: int,
    uses: Iterable[IncentiveUse],
    now_ms: int,
) -> None:
    """Make what a transaction has reserved the uses that were just accepted."""
    reservations = unit.reservations(transaction)
    reserved = by_incentive(reservations)
    wanted: dict[tuple[str, int], int] = {}
    first_order: set[str] = set()
    for use in uses:
        incentive = use.incentive
        prices = Counter(_accepted(use, reserved))
        prices[incentive.point_cost] += use.quantity - sum(prices.values())
        wanted |= {(incentive.incentive_id, price): prices[price] for price in +prices}
        if any(isinstance(rule, ORDER_RULES) for rule in incentive.rules):
            first_order.add(incentive.incentive_id)
    for one in reservations:
        quantity = wanted.pop((one.incentive_id, one.point_cost), 0)
        if quantity and not one.quantity:
            # It was done without in between, so it is accepted again.
            first = int(one.incentive_id in first_order)
            unit.change(one, reserved_by=key.key_id, first_order=first, reserved_ms=now_ms)
        if (quantity, store_id) != (one.quantity, one.store_id):
            unit.change(one, quantity=quantity, store_id=store_id)
    for (incentive_id, price), quantity in wanted.items():
        unit.add(
            Reservation(
                transaction_id=transaction.transaction_id,
                incentive_id=incentive_id,
                point_cost=price,
                program_id=transaction.program_id,
                member_number=transaction.member_number or 0,
                reserved_by=key.key_id,
                store_id=store_id,
                quantity=quantity,
                first_order=int(incentive_id in first_order),
                reserved_ms=now_ms,
            )
        )


def give_back(unit: Unit, transaction: Transaction) -> None:
    """End what a transaction has reserved: it is claimed, or is not going to be."""
    for one in unit.reservations(transaction):
        if one.quantity:
            unit.change(one, quantity=0)


def accepted_on(
    unit: Unit, transaction: Transaction, use: IncentiveUse, store: Store
) -> date | None:
    """Tell on which day of the store an order was first accepted with a use; None if it was not."""
    reserved = [
        one.reserved_ms
        for one in unit.reservations(transaction)
        if use.accepted and one.incentive_id == use.incentive.incentive_id
    ]
    return day_of(min(reserved), store.time_zone) if reserved else None


def require_uses(member: Member, uses: Iterable[IncentiveUse], transaction: Transaction) -> None:
    """
    Refuse what a member may not use; what an open order was accepted with is honoured.

    Raises:
        MemberBlockedError: The member is kept from using rewards and offers.
        CodeRequiredError: The guest was identified by something that others may know.
    """
    if all(use.accepted >= use.quantity for use in uses):
        return
    if Blocked.REDEEM in member.kept_from:
        raise MemberBlockedError(Blocked.REDEEM.word)
    if transaction.earn_only:
        raise CodeRequiredError
