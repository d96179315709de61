"""
What an operator may restrict an incentive to: one class a rule, values only.

`rules.py` judges them. Days and dates are those of the store's place. A list keeps its order, for
people; one that may be long is a set besides, because an order is looked up in it again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Names of the days by `datetime.weekday()`."""

SERVICE_MODES = ("EAT_IN", "TAKEOUT", "DRIVE_THRU", "CURBSIDE", "TABLE_SERVICE")
"""Ways an order is handed over, as the wire names them."""


@dataclass(frozen=True, slots=True)
class LimitPerOrder:
    """At most *quantity* of it in one order."""

    quantity: int


@dataclass(frozen=True, slots=True)
class MaximumRedemptions:
    """At most so many redemptions: by one member, and by all together; None is no limit."""

    per_member: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class DaysOfWeek:
    """Only on these days, in the order of the week."""

    days: tuple[str, ...]


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
class MinimumSpend:
    """Only when the subtotal is at least *amount*, in minor units of the currency."""

    amount: int


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
class Birthday:
    """
    Only around a member's birthday.

    Attributes:
        within_days: Days before and after it that count too, so 0 is the day alone; None is the
            whole month of birth.
    """

    within_days: int | None = 0


@dataclass(frozen=True, slots=True)
class CartDemand:
    """At least *quantity* of these products, by PLU, taken together."""

    any_of: tuple[str, ...]
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class CartRequirement:
    """Only when the order buys what every demand asks for."""

    demands: tuple[CartDemand, ...]
    asking: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note which demands ask for a product, so that an order is gone through once for all."""
        asking: dict[str, tuple[int, ...]] = {}
        for number, demand in enumerate(self.demands):
            for plu in dict.fromkeys(demand.any_of):
                asking[plu] = (*asking.get(plu, ()), number)
        object.__setattr__(self, "asking", asking)


@dataclass(frozen=True, slots=True)
class CartExclusion:
    """Only when the order has none of these products, by PLU."""

    products: tuple[str, ...]
    plus: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make a set of the products."""
        object.__setattr__(self, "plus", frozenset(self.products))


@dataclass(frozen=True, slots=True)
class Cooldown:
    """Only *seconds* after the member's last redemption of it."""

    seconds: int


Rule = (
    LimitPerOrder
    | MaximumRedemptions
    | DaysOfWeek
    | DateSpan
    | EnrollmentSpan
    | ServiceModes
    | Stores
    | MinimumSpend
    | PaymentMethods
    | FirstOrder
    | Birthday
    | CartRequirement
    | CartExclusion
    | Cooldown
)
