"""What tills are told about a broken rule: one row for every way to break one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import NamedTuple


class Source(StrEnum):
    """Where the words of a failure come from."""

    DOCUMENTED = "documented"
    INFERRED = "inferred by symmetry with a documented one"
    OWN = "the contract has no words for it, and perhaps no such case"


class Wording(NamedTuple):
    """What tills are told about a broken rule."""

    code: str
    rule_id: str
    message: str
    source: Source


_SPAN = "Invalid Incentive Object Provided. Does not fall within"


class Breach(Enum):
    """Every way to break a rule, in the words of the contract's table of rule codes."""

    LIMIT_PER_ORDER = Wording(
        "exceeds-limit-per-order",
        "limit-per-order",
        "Limit per order exceeded",
        Source.DOCUMENTED,
    )
    MAXIMUM_REDEMPTIONS = Wording(
        "exceeds-max-redemption",
        "max-redemption",
        "Invalid Incentive Object Provided. Max redemptions limit reached",
        Source.DOCUMENTED,
    )
    DAY_OF_WEEK = Wording(
        "invalid-day-of-the-week",
        "day-of-the-week",
        "Promotion was not redeemed on a valid weekday",
        Source.DOCUMENTED,
    )
    TIME = Wording("invalid-time", "time-span", "Time is outside of the valid hours", Source.OWN)
    BEFORE_START = Wording(
        "invalid-start-date", "date-span", f"{_SPAN} start date parameters", Source.DOCUMENTED
    )
    AFTER_END = Wording(
        "invalid-end-date", "date-span", f"{_SPAN} end date parameters", Source.DOCUMENTED
    )
    ENROLLED_BEFORE_START = Wording(
        "invalid-enrollment-start-date",
        "user-enrollment",
        f"{_SPAN} user enrollment start date",
        Source.DOCUMENTED,
    )
    ENROLLED_AFTER_END = Wording(
        "invalid-enrollment-end-date",
        "user-enrollment",
        f"{_SPAN} user enrollment end date",
        Source.INFERRED,
    )
    SEGMENT = Wording(
        "invalid-segment", "segment", "User is not in the list of valid segments", Source.OWN
    )
    TIER = Wording("invalid-tier", "tier", "User is not in one of the valid tiers", Source.OWN)
    SERVICE_MODE = Wording(
        "invalid-service-mode",
        "service-mode",
        "Service mode is not in the list of valid modes",
        Source.DOCUMENTED,
    )
    STORE = Wording(
        "invalid-store-id",
        "store-restrictions",
        "Store is not in the list of valid stores",
        Source.DOCUMENTED,
    )
    CHANNEL = Wording(
        "invalid-channel", "channel", "Channel is not in the list of valid channels", Source.OWN
    )
    MINIMUM_SPEND = Wording(
        "minimum-spend-not-met",
        "minimum-spend",
        "Subtotal is under the minimum spend",
        Source.OWN,
    )
    PAYMENT_METHOD = Wording(
        "invalid-payment-method",
        "payment-method",
        "Payment method is not in the list of valid methods",
        Source.OWN,
    )
    FIRST_ORDER = Wording(
        "not-first-order", "first-order", "Order is not the first of the user", Source.OWN
    )
    TRANSACTION_COUNT = Wording(
        "invalid-transaction-count",
        "transaction-count",
        "Order is not one of the valid orders of the user",
        Source.OWN,
    )
    DAYS_ENROLLED = Wording(
        "invalid-days-since-enrollment",
        "days-since-enrollment",
        "User enrolled too recently or too long ago",
        Source.OWN,
    )
    BIRTHDAY = Wording(
        "not-birthday", "birthday", "Promotion was not redeemed on the user's birthday", Source.OWN
    )
    ANNIVERSARY = Wording(
        "not-anniversary",
        "anniversary",
        "Promotion was not redeemed on the anniversary of the user's enrollment",
        Source.OWN,
    )
    CART_REQUIREMENT = Wording(
        "cart-requirements-not-met",
        "cart-requirements",
        "Cart does not have the required products",
        Source.OWN,
    )
    CART_EXCLUSION = Wording(
        "cart-requirements-exclusion",
        "cart-requirements-exclusion",
        "Cart has products that exclude the incentive",
        Source.OWN,
    )
    COOLDOWN = Wording(
        "inside-cooldown-period",
        "cooldown-period",
        "Incentive was redeemed too short a time ago",
        Source.OWN,
    )
    NOT_GRANTED = Wording(
        "not-granted", "required-assignment", "Incentive was not given to the user", Source.OWN
    )
    GRANT_NOT_ACTIVATED = Wording(
        "grant-not-activated",
        "required-activation",
        "User has to activate the incentive first",
        Source.OWN,
    )
    NOT_LOGGED_IN = Wording(
        "user-not-logged-in", "user-logged-in", "User is not logged in", Source.OWN
    )
    ORDER_LIMIT = Wording(
        "exceeds-limit-per-order",
        "incentives-per-order",
        "Limit of incentives in an order exceeded",
        Source.INFERRED,
    )
    POINT_BALANCE = Wording(
        "insufficient-point-balance",
        "point-balance",
        "User does not have sufficient funds to redeem reward",
        Source.DOCUMENTED,
    )


Value = int | str | tuple[str, ...] | tuple[int, ...] | None
"""A JSON number, text or array, whose numbers the contract writes as texts; None is absent."""


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """
    One broken rule, in the words of the contract.

    Attributes:
        message: English, not for guests.
        current_value: What was seen: amounts in minor units, dates as in ISO 8601.
        target_value: What is allowed.
        incentive_id: Incentive concerned; absent when it is the order as a whole.
        missing: What the order lacks, where that is a number: minor units, products or points.
    """

    code: str
    rule_id: str
    message: str
    current_value: Value = None
    target_value: Value = None
    incentive_id: str | None = None
    missing: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class OwnWords:
    """Words of a program's own for a way to break a rule; absent ones are ours."""

    code: str | None = None
    rule_id: str | None = None
    message: str | None = None


BREACHES: Mapping[str, Breach] = {breach.name.lower(): breach for breach in Breach}
"""Every way to break a rule, by its name in a program file."""

_NAMES = {(one.value.code, one.value.rule_id): name for name, one in BREACHES.items()}


def in_own_words(failure: RuleFailure, own: Mapping[str, OwnWords]) -> RuleFailure:
    """Word a failure as a program's file does, at the edge: inside, rules are known by ours."""
    words = own.get(_NAMES.get((failure.code, failure.rule_id), ""))
    if words is None:
        return failure
    return replace(
        failure,
        code=words.code or failure.code,
        rule_id=words.rule_id or failure.rule_id,
        message=words.message or failure.message,
    )
