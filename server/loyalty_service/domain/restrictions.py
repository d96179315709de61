"""
What an operator may restrict an incentive to: one class for each rule, with its values only.

`rules.py` checks them. Days and dates are those of the store's time zone. A list keeps its order
for people; a list that may be long is also kept as a set, because it is searched often.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Literal

from loyalty_service.domain.products import Products

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Names of the days by `datetime.weekday()`."""

SERVICE_MODES = ("EAT_IN", "TAKEOUT", "DRIVE_THRU", "CURBSIDE", "TABLE_SERVICE", "DELIVERY")
"""Ways an order is handed over, as the wire names them."""


SEGMENT_FORM = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
"""How the name of a segment of members is written."""


@dataclass(frozen=True, slots=True)
class LimitPerOrder:
    """At most *quantity* of it in one order."""

    quantity: int


@dataclass(frozen=True, slots=True)
class MaximumRedemptions:
    """
    At most so many redemptions: by one member, ever and in periods, and by all together.

    None is no limit. Days are those of the store's place.

    Attributes:
        per_occasion: Of one birthday, or of what else the incentive is around each year.
    """

    per_member: int | None = None
    total: int | None = None
    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    per_year: int | None = None
    per_occasion: int | None = None


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """Only on these days, in the order of the week."""

    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """Only from *start* until before *end*, by the clock; an earlier *end* is that of tomorrow."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Only from *start* until *end*, both included; None is open."""

    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentSpan:
    """Only for members enrolled from *start* until *end*, both included; None is open."""

    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Segments:
    """Only for members of one of these segments."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tiers:
    """Only for members who have one of these tiers."""

    tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceModes:
    """Only in these service modes."""

    modes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stores:
    """Only in these stores."""

    store_ids: tuple[int, ...]
    stores: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make a set of the stores."""
        object.__setattr__(self, "stores", frozenset(self.store_ids))


@dataclass(frozen=True, slots=True)
class StoreGroups:
    """Only in stores of one of these groups."""

    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Channels:
    """Only by one of these channels: the wire's words, or types of till as they call themselves."""

    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MinimumSpend:
    """
    Only when enough is spent.

    Attributes:
        amount: The least subtotal, in minor units of the currency.
        of: The products on which it is to be spent; absent for all that count.
    """

    amount: int
    of: Products | None = None


@dataclass(frozen=True, slots=True)
class PaymentMethods:
    """Only when every payment is of one of these types, in upper case."""

    types: tuple[str, ...]
    allowed: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make a set of the types."""
        object.__setattr__(self, "allowed", frozenset(self.types))


@dataclass(frozen=True, slots=True)
class FirstOrder:
    """Only with a member's first order."""


@dataclass(frozen=True, slots=True)
class TransactionCount:
    """
    Only when the order is a certain one of the member, counting those claimed before.

    Exactly one is given.

    Attributes:
        on: It is this one.
        between: It is one of these, both included.
        every: It is each of so many: with 10 the tenth, the twentieth and so on.
    """

    on: int | None = None
    between: tuple[int, int] | None = None
    every: int | None = None

    def holds(self, number: int) -> bool:
        """Tell whether the order of this number, from 1, is one of them."""
        if self.on is not None:
            return number == self.on
        if self.between is not None:
            return self.between[0] <= number <= self.between[1]
        return self.every is not None and number % self.every == 0


@dataclass(frozen=True, slots=True)
class DayWindow:
    """Days after a day, both included, below 0 before it; None is open."""

    start: int | None = None
    end: int | None = None

    def holds(self, days: int) -> bool:
        """Tell whether so many days after it is one of them."""
        return (self.start is None or days >= self.start) and (self.end is None or days <= self.end)


YearlySpan = Literal["week", "month"] | DayWindow
"""Around a day of each year: its week, which begins on Sunday, its month, or days around it."""


@dataclass(frozen=True, slots=True)
class DaysEnrolled:
    """Only so many days after the member enrolled."""

    window: DayWindow


@dataclass(frozen=True, slots=True)
class Birthday:
    """Only around the member's birthday; both ends of a window are given."""

    span: YearlySpan


@dataclass(frozen=True, slots=True)
class Anniversary:
    """Only around the day on which the member enrolled, from the year after; see `Birthday`."""

    span: YearlySpan


@dataclass(frozen=True, slots=True)
class CartDemand:
    """
    At least *quantity* of these products, taken together.

    Attributes:
        amount: What is to be spent on them besides, in minor units; absent for any amount.
    """

    any_of: Products
    quantity: int = 1
    amount: int | None = None

    def times(self, quantity: int, spent: int) -> int:
        """Tell how often so many products for so much money are enough."""
        met = quantity // self.quantity
        if self.amount is None or not met:
            return met
        # One product is what any order for them has: the money alone says how often.
        often = max(0, spent // self.amount)
        return often if self.quantity == 1 else min(met, often)


@dataclass(frozen=True, slots=True)
class CartRequirement:
    """Only when the order buys what every demand asks for."""

    demands: tuple[CartDemand, ...]
    asking: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    searching: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """
        Note which demands ask for a product, so that an order is read once for all of them.

        Those that ask for prefixes or categories search the order, each by itself.
        """
        asking: dict[str, tuple[int, ...]] = {}
        searching = []
        for number, demand in enumerate(self.demands):
            if not demand.any_of.only_listed:
                searching.append(number)
                continue
            for plu in demand.any_of.listed:
                asking[plu] = (*asking.get(plu, ()), number)
        object.__setattr__(self, "asking", asking)
        object.__setattr__(self, "searching", tuple(searching))


@dataclass(frozen=True, slots=True)
class CartExclusion:
    """Only when the order has none of these products."""

    products: Products


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Only *seconds* after the member's last redemption of it."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Granted:
    """Only for members who were given it: see `grants`."""


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """
    How many incentives one order may use, each counted as often as it is used; None is no limit.

    Attributes:
        incentives: Rewards and offers together.
        same_offer: Of one offer.
    """

    offers: int | None = None
    rewards: int | None = None
    incentives: int | None = None
    same_offer: int | None = None


NO_ORDER_LIMITS = OrderLimits()


@dataclass(frozen=True, slots=True)
class ReceiptLimits:
    """How many receipts one member may claim in each period; None is no limit."""

    per_day: int | None = None
    per_week: int | None = None
    per_month: int | None = None
    per_year: int | None = None


NO_RECEIPT_LIMITS = ReceiptLimits()

Rule = (
    LimitPerOrder
    | MaximumRedemptions
    | DaysOfWeek
    | Times
    | DateSpan
    | EnrollmentSpan
    | DaysEnrolled
    | Segments
    | Tiers
    | ServiceModes
    | Stores
    | StoreGroups
    | Channels
    | MinimumSpend
    | PaymentMethods
    | FirstOrder
    | TransactionCount
    | Birthday
    | Anniversary
    | CartRequirement
    | CartExclusion
    | Cooldown
    | Granted
)
