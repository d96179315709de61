"""
What is kept: members, codes, transactions, holds; for sessions see `domain.sessions`.

Records are plain values with the same field names as their columns. A use case changes a record
only through its unit of work, which writes what was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.goal_cards import GoalCard, HeldTier
from loyalty_service.domain.ledger import Account, AccountKind, Owner, OwnerKind


class CodeStatus(IntEnum):
    """Life of a code."""

    PENDING = 1
    CLAIMED = 2
    REPLACED = 3
    EXPIRED = 4


class TransactionStatus(IntEnum):
    """Life of a loyalty transaction."""

    PENDING = 1
    CLAIMED = 2
    VOID = 3
    UNCLAIMED = 4


class HoldStatus(IntEnum):
    """
    Life of a hold: it ends exactly once.

    One is replaced when its owner goes on with others. What is released goes back to the member
    for good, as an order is cancelled; an older version called both so.
    """

    OPEN = 1
    CAPTURED = 2
    RELEASED = 3
    REPLACED = 4


ERASED = "erased"
"""What stands in place of the name of a member who was erased."""


@dataclass(slots=True)
class Member:
    """
    An enrolled guest with their accounts.

    Names, addresses and the day of birth stand in the row of the member and nowhere else.

    Attributes:
        number: The store's own key.
        segments: Names of the groups of members that an operator put it in, with commas between;
            absent where it is in none.
        accounts: The accounts by kind; one of a rare kind only once it was asked for and is open.
        past_points: Of the points in its account, those whose day is over and that are not booked
            as gone yet.
        goal_card: What is counted for goals; absent where nothing was counted yet.
        tiers: Those that it has, had or is about to have, the best first.
        erased_ms: When all that named the person was taken out; absent for all others.
        phone, card: As they were given; absent where none was.
        blocked: What an operator keeps it from; absent where from nothing.
        merged_into: Number of the member whom it leads to; absent unless it was merged.
        merged_numbers: Numbers of those who were merged into it, with commas between.
        blocked_ms: When the operator said so; absent where an older version did not keep that.
        locked_ms: When the member locked redemptions; absent where they are not locked.
    """

    number: int
    program_id: str
    loyalty_id: str
    name: str
    email: str | None
    locale: str | None
    birth_date: str | None
    created_ms: int
    segments: str | None
    accounts: dict[AccountKind, Account]
    past_points: int = 0
    goal_card: GoalCard | None = None
    tiers: tuple[HeldTier, ...] = ()
    erased_ms: int | None = None
    phone: str | None = None
    card: str | None = None
    blocked: int | None = None
    block_reason: str | None = None
    merged_into: int | None = None
    merged_numbers: str | None = None

    @property
    def others(self) -> tuple[int, ...]:
        """Numbers of the members who were merged into it."""
        return tuple(map(int, self.merged_numbers.split(","))) if self.merged_numbers else ()

    blocked_ms: int | None = None
    locked_ms: int | None = None
    lock_reason: str | None = None

    @property
    def kept_from(self) -> Blocked:
        """What it may not do; one who was erased may do nothing."""
        if self.erased_ms is not None:
            return Blocked.BOTH
        return Blocked(self.blocked or 0) | (Blocked.REDEEM if self.locked_ms else 0)

    @property
    def in_segments(self) -> tuple[str, ...]:
        """Names of the segments, each by itself."""
        return tuple(self.segments.split(",")) if self.segments else ()

    @property
    def available(self) -> Account:
        """Account of points to spend; see `spendable` for how many they are now."""
        return self.accounts[AccountKind.AVAILABLE]

    @property
    def spendable(self) -> int:
        """Points to spend, without those whose day is over, whether that is booked or not."""
        return self.available.balance - self.past_points

    @property
    def held(self) -> Account:
        """Points set aside."""
        return self.accounts[AccountKind.HELD]

    @property
    def whole(self) -> int:
        """All points: those to spend, those that are held, and those that wait to be confirmed."""
        waiting = self.accounts.get(AccountKind.UNCONFIRMED)
        return self.spendable + self.held.balance + (0 if waiting is None else waiting.balance)


@dataclass(slots=True)
class Code:
    """
    A one-time code, known by its digest alone.

    Attributes:
        selection: JSON list of `[kind, incentive_id, quantity]`.
        claim_key: Partner, till and order that claimed it, where an older version kept that.
        answer: What the claim answered, where an older version kept that.
        partner: Vendor whose app had it issued. Absent for a fixed code of the sandbox and for
            one that an older version issued: those are any partner's.
    """

    program_id: str
    digest: bytes
    member_number: int
    loyalty_id: str
    status: CodeStatus
    selection: str
    lifetime_s: int
    user_datetime: str | None
    created_ms: int
    updated_ms: int
    expires_ms: int
    store_id: int | None = None
    transaction_id: str | None = None
    claim_key: str | None = None
    answer: bytes | None = None
    partner: str | None = None

    @property
    def published(self) -> bool:
        """Whether it is a fixed code of the sandbox, which none that is issued outlives."""
        return self.expires_ms - self.created_ms > self.lifetime_s * 1000


@dataclass(slots=True)
class Transaction:
    """
    A loyalty transaction.

    Attributes:
        member_number: Absent while no guest is known.
        basket: The order as last reported, as JSON; absent until then.
        receipt_digest: Digest of the receipt code of an order without a guest.
        fingerprint: Hash of the last report's meaning, where an older version kept that.
        answer: What the last report was answered, where an older version kept that.
        refused_offers: JSON list of the offers that did not hold when an order without a guest was
            recorded; absent where they were not judged then.
        paid_store_id: Store where it was paid; absent until then, and where it was opened there.
        order_digest: Hash of what the order is known by, its day left out; absent until it is paid.
        business_day: Day of the order in the store's place, as YYYY-MM-DD.
        till_created: When its till says that it made the call which recorded an order without a
            guest; absent where it does not.
        promotions: JSON list of what promotions gave the order, each as `[promotion_id, name,
            times, points]`; absent where none did.
        counted: JSON list of the day of the order, as an ordinal, and what it counts for goals, by
            measure; absent where it counts for none.
        program_version: Version of the program by which it earned; absent where that is not known.
        earned_by: JSON object of what else it earned by; see `application.orders.earnings`.
        returned: JSON list of what came back, each as `[place, reference_id, quantity]` of a line;
            absent where nothing did.
        earn_only: 1 where the guest may not redeem; absent where they may.
        points_returned: Of the points earned, those taken back for it, or as nobody confirmed it.
        recorded_ms: When the server was told of it; absent where that is when it was paid.
        points_unconfirmed: Of the points earned, those that wait to be confirmed; absent for none.
        confirmation: `WAITS`, `CONFIRMED` or `LAPSED`; absent where it never was to be confirmed.
    """

    transaction_id: str
    program_id: str
    member_number: int | None
    status: TransactionStatus
    store_id: int
    pos_transaction_id: str
    pos_type: str
    supporting_pos: str | None
    terminal: str | None
    operator: str | None
    partner: str
    created_ms: int
    updated_ms: int
    expires_ms: int
    channel: str | None = None
    service_mode: str | None = None
    basket: str | None = None
    points_earned: int = 0
    points_redeemed: int = 0
    claimed_ms: int | None = None
    receipt_digest: bytes | None = None
    fingerprint: bytes | None = None
    answer: bytes | None = None
    refused_offers: str | None = None
    paid_store_id: int | None = None
    order_digest: bytes | None = None
    business_day: str | None = None
    till_created: str | None = None
    promotions: str | None = None
    counted: str | None = None
    program_version: int | None = None
    earned_by: str | None = None
    returned: str | None = None
    points_returned: int = 0
    earn_only: int | None = None
    recorded_ms: int | None = None
    points_unconfirmed: int | None = None
    confirmation: str | None = None

    @property
    def points_waiting(self) -> int:
        """Of the points earned, those that wait to be confirmed."""
        return self.points_unconfirmed or 0

    @property
    def points_left(self) -> int:
        """Of the points earned, those that were not taken back for what came back."""
        return self.points_earned - self.points_returned

    @property
    def owner(self) -> Owner:
        """Give what the holds and transfers of the order name."""
        return Owner(OwnerKind.TRANSACTION, self.transaction_id)

    @property
    def channels(self) -> tuple[str, ...]:
        """What the channel of the order is called: by the wire's word, and by its till's type."""
        names = (self.channel, self.supporting_pos, self.pos_type)
        return tuple(name for name in names if name)

    @property
    def stores(self) -> frozenset[int]:
        """Where it was opened and, once that is known, paid: it is for keys of all of these."""
        paid_in = self.store_id if self.paid_store_id is None else self.paid_store_id
        return frozenset({self.store_id, paid_in})

    @property
    def ordered_ms(self) -> int:
        """When the guest paid: for a receipt, when its order was recorded."""
        if self.claimed_ms is None or self.receipt_digest is not None:
            return self.created_ms
        return self.claimed_ms


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """What is known of a paid order that looks like another one, without a lock."""

    transaction_id: str
    status: TransactionStatus
    partner: str
    created_ms: int
    business_day: str | None
    till_created: str | None
    claimed_ms: int | None
    is_receipt: bool

    @property
    def paid_ms(self) -> int:
        """When the server was told that it is paid: for a receipt when it was recorded."""
        return self.created_ms if self.is_receipt else self.claimed_ms or self.created_ms


@dataclass(slots=True)
class Redemption:
    """
    Incentives that a claimed order used, for the rules that count them.

    Attributes:
        grant_id: The grant that they used; absent where they needed none, or there was none left.
    """

    redemption_id: str
    program_id: str
    incentive_id: str
    member_number: int
    transaction_id: str
    quantity: int
    redeemed_ms: int
    voided_ms: int | None = None
    grant_id: str | None = None


@dataclass(slots=True)
class IncentiveUsage:
    """One shard of the count of an incentive's redemptions by all members."""

    program_id: str
    incentive_id: str
    shard: int
    quantity: int


@dataclass(slots=True)
class Hold:
    """
    Points set aside for an owner.

    Attributes:
        incentive_id: What they are to pay for; absent where the owner as a whole is.
    """

    hold_id: str
    owner_kind: OwnerKind
    owner_id: str
    member_number: int
    incentive_id: str | None
    points: int
    status: HoldStatus
    created_ms: int
    expires_ms: int
    ended_ms: int | None = None


@dataclass(slots=True)
class Reservation:
    """
    Uses of an incentive that an open order was accepted with, at one price.

    They are counted by the rules that count redemptions, and honoured when the order is claimed.

    Attributes:
        point_cost: Points that one costs, as of when it was accepted.
        reserved_by: API key whose call they were accepted in; empty where that is not known.
        store_id: Store for which they were accepted last.
        quantity: 0 once the order was claimed or has ended, or does without.
        first_order: 1 where it takes the member's first order, else 0.
    """

    transaction_id: str
    incentive_id: str
    point_cost: int
    program_id: str
    member_number: int
    reserved_by: str
    store_id: int
    quantity: int
    first_order: int
    reserved_ms: int


@dataclass(slots=True)
class KeptAnswer:
    """
    An answer kept under an idempotency key or a natural key.

    Attributes:
        method: The RPC that gave it.
        stores: JSON list of the stores that the call acted in; absent where an older version kept
            the answer.
    """

    scope: str
    idempotency_key: str
    method: str
    fingerprint: bytes
    answer: bytes
    created_ms: int
    stores: str | None = None
