"""A visit: the point of sale where it is, and the facts that rules of incentives are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loyalty_service.domain.basket import Basket, Cart
from loyalty_service.domain.goal_cards import HeldTier
from loyalty_service.domain.products import NONE, Products
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.restrictions import NO_ORDER_LIMITS, OrderLimits


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """
    What rules ask about a member.

    Attributes:
        enrolled_on: Day of enrolment in the store's place.
        claimed_orders: Orders claimed so far, this one not counted.
        spendable_points: Points available and those that this transaction holds.
        segments: Those that an operator put the member in.
        tiers: Those that the member has, had or is about to have, the best first.
    """

    enrolled_on: date
    birth_date: date | None
    claimed_orders: int
    spendable_points: int
    segments: tuple[str, ...] = ()
    tiers: tuple[HeldTier, ...] = ()

    @classmethod
    def of(
        cls, member: Member, zone: ZoneInfo, claimed_orders: int, own_holds: int = 0
    ) -> MemberFacts:
        """Tell them of a member, by the calendar of a store; *own_holds* can be spent as well."""
        return cls(
            enrolled_on=datetime.fromtimestamp(member.created_ms / 1000, zone).date(),
            birth_date=date.fromisoformat(member.birth_date) if member.birth_date else None,
            claimed_orders=claimed_orders,
            spendable_points=member.spendable + own_holds,
            segments=member.in_segments,
            tiers=member.tiers,
        )


@dataclass(frozen=True, slots=True)
class History:
    """
    Earlier redemptions of one incentive, those of this transaction not counted.

    What other open orders have reserved counts as redeemed.

    Attributes:
        member_reserved: How many of the member's are reserved by other open orders.
        reserved_by_key: How many of all are reserved by open orders of the API key that is about to
            reserve more; absent where nothing is going to be reserved.
    """

    member_redemptions: int = 0
    total_redemptions: int = 0
    last_redeemed_ms: int | None = None
    reserved_by_key: int | None = None
    member_reserved: int = 0


class GrantsLeft(NamedTuple):
    """
    How often a member may use what was given to them, on a day.

    Attributes:
        usable: At once.
        offered: Once it is activated.
        reserved: How many of the usable ones other open orders were accepted with.
    """

    usable: int
    offered: int
    reserved: int = 0


NO_GRANTS = GrantsLeft(0, 0)


@dataclass(frozen=True, slots=True)
class Visit:
    """
    The facts that rules are judged by.

    Attributes:
        local_time: Date and time in the store's place, without a zone.
        now_ms: The same moment, in milliseconds since 1970.
        service_mode: Absent while not known.
        store_groups: Groups that the store belongs to.
        channels: Where the order was placed, as the wire and the till call it; none while not
            known.
        basket: Absent while not known, as at identify.
        member: Absent when nobody has identified.
        histories: By incentive ID, as far as `needs_history` asks; absent is none.
        used_in: How often the member has used incentives in the periods of their limits, by
            incentive ID and by the name of the limit.
        grants: What the member was given, by incentive ID, as far as rules ask.
        claiming: Whether the till reports the order as complete.
        whole: Whether it asks about the basket as it would be claimed.
        order_limits: How many incentives one order may use.
        excluded_products: Products on which nothing counts as spent.
        cart: The basket as rules look at it.
    """

    local_time: datetime
    now_ms: int
    store_id: int
    service_mode: str | None
    basket: Basket | None
    member: MemberFacts | None
    histories: Mapping[str, History] = field(default_factory=dict)
    used_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    grants: Mapping[str, GrantsLeft] = field(default_factory=dict)
    claiming: bool = False
    whole: bool = False
    order_limits: OrderLimits = NO_ORDER_LIMITS
    excluded_products: Products = NONE
    store_groups: frozenset[str] = frozenset()
    channels: tuple[str, ...] = ()
    cart: Cart | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Count the basket, once for all rules."""
        cart = self.basket.cart(self.excluded_products) if self.basket else None
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
        total: Incentives whose redemptions by all members count, with how many there may be: of
            open orders no more are counted, since as many break the rule already.
        claimed_orders: Whether the member's claimed orders count.
        periods: Incentives whose uses by this member are limited in periods.
        granted: Incentives that only those may use who were given them.
    """

    member: frozenset[str]
    total: Mapping[str, int]
    claimed_orders: bool
    periods: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PointOfSale:
    """
    The point of sale or kiosk behind a request: the wire's `posVendor`.

    Attributes:
        transaction_id: The caller's own number for the order.
        pos_type: Vendor of the calling system.
        supporting_pos: Vendor of the store's own system when a kiosk calls.
    """

    transaction_id: str
    store_id: int
    pos_type: str
    supporting_pos: str | None
    terminal: str | None
    operator: str | None

    @classmethod
    def of(cls, transaction: Transaction) -> PointOfSale:
        """Give the one that opened a transaction."""
        return cls(
            transaction_id=transaction.pos_transaction_id,
            store_id=transaction.store_id,
            pos_type=transaction.pos_type,
            supporting_pos=transaction.supporting_pos,
            terminal=transaction.terminal,
            operator=transaction.operator,
        )

    @property
    def plu_vendors(self) -> tuple[str, ...]:
        """Vendors whose PLUs the answer carries, the store's own before the caller."""
        return (self.supporting_pos, self.pos_type) if self.supporting_pos else (self.pos_type,)

    def channels(self, channel: str) -> tuple[str, ...]:
        """Give what the channel of an order is called: by the wire's word, and by its till."""
        return (channel, *self.plu_vendors)
