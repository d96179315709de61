"""What a use case that only reads may ask of the storage. Reads never wait for the writer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from loyalty_service.application.visit_reading import VisitReader
from loyalty_service.domain.events import EventPage, FeedPosition, RecordedEvent
from loyalty_service.domain.expiry import Going
from loyalty_service.domain.feed import EVERYTHING, Wanted
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.goal_cards import GoalCard
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.guessing import Wait
from loyalty_service.domain.ledger import AccountKind, Cause
from loyalty_service.domain.member_terms import TermKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import KeptAnswer, Member, Transaction, TransactionStatus
from loyalty_service.domain.reports import Liability
from loyalty_service.domain.sessions import Session
from loyalty_service.domain.webhooks import Delivery, DeliveryStatus, Webhook


@dataclass(frozen=True, slots=True)
class TransferEntry:
    """A transfer as a member's history shows it; without a transaction where none is behind it."""

    transfer_id: int
    source: AccountKind
    destination: AccountKind
    points: int
    cause: Cause
    transaction_id: str
    note: str
    effective_ms: int
    recorded_ms: int


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """A transaction with its guest, absent while nobody has identified, and what it holds."""

    transaction: Transaction
    loyalty_id: str | None
    held_points: int


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """
    An API key as listings show it: all but its secret.

    Attributes:
        used_ms: When the hour began in which it was last used; absent where it was not.
    """

    key_id: str
    program_id: str
    partner: str
    role: str
    stores: tuple[int, ...]
    created_ms: int
    revoked_ms: int | None
    label: str
    used_ms: int | None


@dataclass(frozen=True, slots=True)
class GoingMonth:
    """Points of members that go in a month, as YYYY-MM, if none of them does anything."""

    month: str
    points: int
    members: int


@dataclass(frozen=True, slots=True)
class PromoCodesEntry:
    """Promo codes that were made together, as listings show them: all but the codes."""

    label: str
    points: int
    begins_ms: int | None
    ends_ms: int | None
    codes: int
    uses: int
    most_uses: int


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """
    Which members are looked for: those in whom every word is found.

    Attributes:
        words: Folded, at least one.
        kinds: Where they are looked for.
        exact: Whether each is a whole term, and not the beginning of one.
    """

    program_id: str
    words: tuple[str, ...]
    kinds: frozenset[TermKind]
    exact: bool


@dataclass(frozen=True, slots=True)
class FoundMember:
    """A member as searches show it. *balance* counts points too whose day has just ended."""

    loyalty_id: str
    name: str
    email: str | None
    phone: str | None
    card: str | None
    created_ms: int
    balance: int


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """How far a search for members has come: the term that was found, and whose it is."""

    term: str
    member_number: int


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """
    Which orders of a program are looked for; what is absent is not looked at.

    Attributes:
        from_ms: When they were opened at the earliest.
        until_ms: Before when they were opened.
    """

    program_id: str
    member_number: int | None = None
    store_id: int | None = None
    pos_transaction_id: str | None = None
    operator: str | None = None
    partner: str | None = None
    statuses: frozenset[TransactionStatus] = frozenset()
    stores: frozenset[int] = frozenset()
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order, and whose it is; absent while nobody has identified."""

    transaction: Transaction
    loyalty_id: str | None


class Tail(Protocol):
    """
    Tells that there are more events.

    Attributes:
        count: How many there were at the last look.
    """

    count: int

    async def more_than(self, count: int, timeout_s: float) -> int:
        """Wait until there are not *count* events any more, or the time is over."""


class Reader(VisitReader, Protocol):
    """Typed queries over one consistent state."""

    async def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """Find a member with all accounts that are open."""

    async def past_points(self, member: Member, now_ms: int) -> int:
        """Count a member's points whose day is over, and that are not booked as gone yet."""

    async def points_going(self, member: Member, now_ms: int, limit: int) -> Sequence[Going]:
        """Give at most *limit* last days of a member's points, the nearest first, with how many."""

    async def would_go(self, old: Program, new: Program, now_ms: int) -> Sequence[GoingMonth]:
        """Tell by month what would go if a program's terms became those of *new*."""

    async def goal_card(self, member: Member) -> GoalCard | None:
        """Find what is counted of a member for goals."""

    async def code_waits(self) -> Sequence[Wait]:
        """Find who must or had to wait for showing wrong codes."""

    async def transfers(
        self, accounts: Sequence[int], before: int | None, limit: int
    ) -> Sequence[TransferEntry]:
        """List transfers of accounts, newest first, older than the transfer *before*."""

    async def pruned_ms(self) -> int:
        """Tell when `loyalty prune` last came to its end; 0 where it never did."""

    async def archived_until_ms(self) -> int | None:
        """Tell when the last transfer was recorded that is in an archive; absent for none."""

    async def promo_codes(self, program_id: str) -> Sequence[PromoCodesEntry]:
        """List the promo codes of a program by what they are called, the oldest first."""

    async def program_versions(self, program_id: str) -> Sequence[tuple[int, int]]:
        """List the versions of a program and when they were applied, the newest first."""

    async def program_version(self, program_id: str, version: int) -> Program | None:
        """Find a version of a program; absent where none of the number is kept."""

    async def applied_by(self, program_id: str, applied_ms: int) -> tuple[str, str]:
        """Tell who applied a program at a moment, and why; empty where no event tells."""

    async def liability(self, program: Program, now_ms: int, *, ages: bool) -> Liability:
        """
        Tell what a program owes its members: reads all accounts.

        With *ages* it tells when that came, and reads all transfers too.
        """

    async def api_keys(self) -> Sequence[KeyEntry]:
        """List all API keys, the oldest first."""

    async def transaction(self, transaction_id: str) -> TransactionEntry | None:
        """Find a transaction."""

    async def transactions_of(
        self,
        member: Member,
        statuses: Collection[TransactionStatus],
        excluded_channels: Collection[str],
        before: str | None,
        limit: int,
    ) -> Sequence[Transaction]:
        """
        List transactions of a member, newest first, older than the transaction *before*.

        Those in any state where no *statuses* are given. A channel that is not told is RESTAURANT.
        """

    async def assignments_of(
        self, member: Member, before: str | None, limit: int
    ) -> Sequence[PointsAssignment]:
        """List what partners gave a member, newest first, older than *before*."""

    async def members_found(
        self, wanted: MemberFilter, after: MemberPlace | None, limit: int
    ) -> tuple[Sequence[FoundMember], MemberPlace | None]:
        """
        Find at most *limit* members, each once, in the order of their terms.

        It looks at a bounded number of them at a time. The place tells how far it came; it is
        absent at the end.
        """

    async def orders_found(
        self, wanted: OrderFilter, before: str | None, limit: int
    ) -> tuple[Sequence[FoundOrder], str | None]:
        """
        Find at most *limit* orders, newest first, older than the one with the ID *before*.

        It looks at a bounded number of them at a time. The ID tells how far it came; it is absent
        at the end.
        """

    async def transfers_of_order(
        self, transaction: Transaction, limit: int
    ) -> Sequence[TransferEntry]:
        """List what an order moved, the oldest first."""

    def place_token(self, listing: str, place: str) -> str:
        """Write down where a page of a *listing* ended, for this store alone to read."""

    def read_place_token(self, token: str, listing: str) -> str | None:
        """Read a token of `place_token`; absent when it is not one of this listing's."""

    async def grants_of(self, member: Member, limit: int) -> Sequence[Grant]:
        """List what a member was given, what ends last first."""

    async def has_archived_transfers(self, transaction_id: str) -> bool:
        """Tell whether transfers of an order are in archives."""

    async def kept_about(
        self, member: Member, part: str, after: str, limit: int, *, whole: bool = False
    ) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """
        Give rows of one part of what is kept about a member, in one order, after one of them.

        Each comes with what it is found by again; see `application.members.export_member`. Of
        events those that repeat what codes and orders say come only where the *whole* is asked
        for, and no index finds them.
        """

    async def member_by_number(self, number: int) -> Member | None:
        """Find a member that another record names."""

    async def session_named(self, program_id: str, correlation_id: str) -> Session | None:
        """Find a session by its correlation ID."""

    async def kept_answer(self, scope: str, idempotency_key: str) -> KeptAnswer | None:
        """Find the answer kept under an idempotency key."""

    def page_token(self, listing: str, last: int) -> str:
        """Write down which row a page of a *listing* ended with, for this store alone to read."""

    def read_page_token(self, token: str, listing: str) -> int | None:
        """Read a token of `page_token`; absent when it is not one of this listing's."""

    async def events(
        self, after: FeedPosition, limit: int, wanted: Wanted = EVERYTHING
    ) -> EventPage:
        """
        Give at most *limit* wanted events that come after a position; see `FeedPosition`.

        Those of one lane and those of one member are in the order of their commits, all of them
        nearly in that of their times. Whoever reads on from the position that comes with them
        misses none, and gets none twice. There may be none although there is more.
        """

    async def events_of(self, event_ids: Collection[int]) -> Sequence[RecordedEvent]:
        """Find events by their IDs; those that are not kept any more are left out."""

    async def webhooks(self) -> Sequence[Webhook]:
        """List all webhooks, with their secrets sealed."""

    async def webhook(self, webhook_id: str) -> Webhook | None:
        """Find a webhook that is not removed."""

    async def deliveries(
        self, webhook_id: str, statuses: Sequence[DeliveryStatus], limit: int
    ) -> Sequence[Delivery]:
        """List messages of a webhook that did not arrive at once, in their order."""

    async def newest_events(self) -> FeedPosition:
        """Give the position after all events that there are."""

    def feed_token(self, program_id: str, position: FeedPosition) -> str:
        """Write a position down, for this store alone to read, and for this program's events."""

    def read_feed_token(self, token: str, program_id: str) -> FeedPosition | None:
        """Read a token of `feed_token`; absent when it is not one of this program's."""

    async def program_at(self, program_id: str, time_ms: int) -> Program | None:
        """Find a program as it was in force at a moment; absent where that is not known."""
