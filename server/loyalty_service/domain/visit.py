"""The facts of a visit that the rules of incentives are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from loyalty_service.domain.basket import Basket, Cart


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
    """
    Earlier redemptions of one incentive, those of this transaction not counted.

    What other open orders have reserved counts as redeemed.

    Attributes:
        reserved_by_key: How many of all are reserved by open orders of the API key that is about to
            reserve more; absent where nothing is going to be reserved.
    """

    member_redemptions: int = 0
    total_redemptions: int = 0
    last_redeemed_ms: int | None = None
    reserved_by_key: int | None = None


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
        whole: Whether it asks about the basket as it would be claimed.
        multiple_incentives: Whether the program allows several in one order.
        excluded_products: PLUs on which nothing counts as spent.
        cart: The basket as rules look at it.
    """

    local_time: datetime
    now_ms: int
    store_id: int
    service_mode: str | None
    basket: Basket | None
    member: MemberFacts | None
    histories: Mapping[str, History] = field(default_factory=dict)
    claiming: bool = False
    whole: bool = False
    multiple_incentives: bool = True
    excluded_products: frozenset[str] = frozenset()
    cart: Cart | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Count the basket, once for all rules."""
        cart = Cart.of(self.basket, self.excluded_products) if self.basket else None
        object.__setattr__(self, "cart", cart)

    @property
    def whole_cart(self) -> Cart | None:
        """The basket once nothing is to be added to it."""
        return self.cart if self.whole else self.settled_cart

    @property
    def settled_cart(self) -> Cart | None:
        """The basket once its payments are known: the till reports some, or claims."""
        if self.cart and (self.claiming or self.cart.paid):
            return self.cart
        return None


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
