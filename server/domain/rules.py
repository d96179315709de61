"""
The rules of incentives: one small function a rule, every failure reported at once.

Facts that are not known yet fail nothing: at identify there is neither basket nor service mode,
and an order that is neither paid nor claimed may still grow, so that its payments and its
minimum spend are judged later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from server.domain.basket import Basket, IncentiveUse

Value = int | str | tuple[str, ...] | None
"""A JSON number, text, or array of texts; None is absent."""


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """
    One broken rule, in the words of the contract.

    Attributes:
        message: English, not for guests.
        current_value: What was seen: amounts in minor units, dates as in ISO 8601.
        target_value: What is allowed.
        incentive_id: Incentive concerned; absent when it is the order as a whole.
    """

    code: str
    rule_id: str
    message: str
    current_value: Value = None
    target_value: Value = None
    incentive_id: str | None = None


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """
    What rules ask about a member.

    Attributes:
        enrolled_on: Day of enrolment in the store's place.
        claimed_orders: Orders claimed so far, this one not counted.
        spendable_points: Points available and those that this transaction holds.
    """

    enrolled_on: date
    birth_date: date | None
    claimed_orders: int
    spendable_points: int


@dataclass(frozen=True, slots=True)
class History:
    """Earlier redemptions of one incentive, those of this transaction not counted."""

    member_redemptions: int = 0
    total_redemptions: int = 0
    last_redeemed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """
    The facts that rules are judged by.

    Attributes:
        local_time: Date and time in the store's place, without a zone.
        now_ms: The same instant by the server's clock.
        service_mode: Absent while not known.
        basket: Absent while not known, as at identify.
        member: Absent when nobody has identified.
        histories: By incentive ID, as far as `needs_history` asks; absent is none.
        claiming: Whether the till reports the order as complete.
        multiple_incentives: Whether the program allows several in one order.
    """

    local_time: datetime
    now_ms: int
    store_id: int
    service_mode: str | None
    basket: Basket | None
    member: MemberFacts | None
    histories: Mapping[str, History] = field(default_factory=dict)
    claiming: bool = False
    multiple_incentives: bool = True


@dataclass(frozen=True, slots=True)
class HistoryNeeds:
    """
    Which earlier deeds a set of rules asks for.

    Attributes:
        member: Incentives whose redemptions by this member count, or their last time.
        total: Incentives whose redemptions by all members count.
        claimed_orders: Whether the member's claimed orders count.
    """

    member: frozenset[str]
    total: frozenset[str]
    claimed_orders: bool


def needs_history(uses: tuple[IncentiveUse, ...]) -> HistoryNeeds:
    """Tell what `evaluate` needs to know of the past."""
    raise NotImplementedError


def evaluate(uses: tuple[IncentiveUse, ...], visit: Visit) -> tuple[RuleFailure, ...]:
    """
    Judge all uses and report every failure.

    The order is fixed: the uses as they stand in the basket, each with its rules in the order of
    `Rule`; then the order as a whole, several incentives before the point balance.
    """
    raise NotImplementedError
