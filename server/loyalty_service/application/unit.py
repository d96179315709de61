"""What a use case may ask of the storage: one unit of work over one consistent state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from loyalty_service.application.catalogue_unit import CatalogueUnit
from loyalty_service.application.counting_unit import CountingUnit
from loyalty_service.application.merge_unit import MergeUnit
from loyalty_service.application.promo_code_unit import PromoCodeUnit
from loyalty_service.application.visit_unit import VisitUnit
from loyalty_service.application.webhook_unit import WebhookRecord, WebhookUnit
from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.events import Actor, Event
from loyalty_service.domain.expiry import Bucket, BucketPart
from loyalty_service.domain.gifts import PointsAssignment, PromoCode, PromoRedemption
from loyalty_service.domain.goal_cards import GoalAward, GoalCard
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.guessing import Wait
from loyalty_service.domain.ledger import Account, AccountKind, Origin, Owner
from loyalty_service.domain.member_terms import MemberEmail, MemberTerm
from loyalty_service.domain.merges import MemberMerge
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.program import Catalog, Program
from loyalty_service.domain.records import (
    Code,
    Hold,
    IncentiveUsage,
    KeptAnswer,
    KnownOrder,
    Member,
    Redemption,
    Reservation,
    Transaction,
)
from loyalty_service.domain.sessions import Session
from loyalty_service.domain.visit import History, HistoryNeeds

Record = (
    AdhocTransaction
    | Bucket
    | BucketPart
    | Code
    | GoalAward
    | GoalCard
    | Grant
    | Hold
    | IncentiveUsage
    | MemberEmail
    | MemberMerge
    | MemberTerm
    | PointsAssignment
    | PointsReservation
    | PromoCode
    | PromoRedemption
    | Redemption
    | KeptAnswer
    | Reservation
    | Session
    | Transaction
    | WebhookRecord
)


class Refused(Exception):  # noqa: N818 - it is no error that a call is refused.
    """
    Raised to refuse a call and yet keep what it wrote; any other error undoes that.

    `Store.write` raises its error once that is durable.

    Attributes:
        begun: Waits that it began, for the log.
    """

    def __init__(self, error: LoyaltyError, begun: tuple[Wait, ...] = ()) -> None:
        super().__init__(error)
        self.error = error
        self.begun = begun


class Unit(CatalogueUnit, CountingUnit, MergeUnit, PromoCodeUnit, VisitUnit, WebhookUnit, Protocol):
    """
    Typed queries and writes of one unit of work.

    A use case reads and decides first and writes last: an error is raised before the first
    write. What it writes is durable once `Store.write` answers.
    """

    catalog: Catalog
    as_of_ms: int
    """When it began: points whose day is over by then are gone, for all that it tells and does."""
    changes: int
    """Writes asked for so far."""
    rows: int
    """Rows added so far."""
    bytes_written: int
    """Bytes of the texts and answers in rows added or changed so far; numbers are not counted."""

    def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """Find a member, or whom they were merged into, and lock it until the unit ends."""

    def member_by_number(self, number: int) -> Member:
        """Find a member that another record names, as above, and lock it."""

    def member_email(self, program_id: str, email: str) -> MemberEmail | None:
        """Find who enrolled first with a folded e-mail address."""

    def bucket(self, bucket_id: str) -> Bucket | None:
        """Find a bucket of a locked member's points."""

    def past_buckets(self, member: Member) -> Sequence[Bucket]:
        """Give the buckets of a member whose day is over and that have points, in their order."""

    def full_buckets(self, member: Member, *, latest_first: bool = False) -> Iterator[Bucket]:
        """Give the buckets of a member that have points as they go, or the other way round."""

    def parts(self, owner: Owner) -> Sequence[BucketPart]:
        """Find what an owner brought into buckets and has out of them."""

    def awards(self, member: Member, goal_id: str) -> Sequence[GoalAward]:
        """Find what a goal gave a locked member."""

    def award_of(self, transaction: Transaction, goal_id: str) -> GoalAward | None:
        """Find what a goal gave with an order of a locked member, though all of it was lost."""

    def goal_card(self, member: Member) -> GoalCard | None:
        """Find what is counted of a locked member, also where the program has no goals any more."""

    def hold_card(self, member: Member, card: GoalCard) -> None:
        """Have a member's tiers be those of a card that was added or changed."""

    def overdue_buckets(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """
        Find buckets with points whose day is over, by time and ID; nothing is locked.

        Each comes with the program and the loyalty ID of its member.
        """

    def change_terms(self, old: Program | None, new: Program, now_ms: int) -> None:
        """
        Make the buckets of all members of a program those of new terms on which points go.

        It waits until nobody moves points by the old ones. What members have when points begin to
        go gets a bucket, and what they have when points go no more leaves its own. What tiers let
        be good for longer is good for longer.
        """

    def code_digest(self, program_id: str, code: str) -> bytes:
        """
        Digest a code with the current pepper, which never leaves the storage.

        What was kept under another pepper that the server knows is found by this digest too.
        """

    def code(self, program_id: str, digest: bytes) -> Code | None:
        """Find a code and lock it; of several with the same digits, the one that ends last."""

    def grant(self, grant_id: str) -> Grant | None:
        """Find a grant of a locked member, whatever has become of it."""

    def granted_incentive(self, program_id: str, grant_id: str) -> str | None:
        """Tell which incentive of a program a grant of anybody is for; nothing is locked."""

    def kept_grants(self, grant_ids: Collection[str]) -> Collection[str]:
        """Tell which of some grants of a locked member are kept, whatever has become of them."""

    def grants_bought(self, member: Member, transaction_id: str) -> Sequence[Grant]:
        """Find what an order of a locked member bought by itself and nobody has used."""

    def grants(
        self, member: Member, incentive_ids: Collection[str], since_day: str
    ) -> Sequence[Grant]:
        """Find the grants of a locked member that have uses left and do not end before a day."""

    def pending_codes(self, member: Member) -> Sequence[Code]:
        """Find the codes of a member that no till has used and none has replaced."""

    def has_paid_order(self, member: Member) -> bool:
        """Tell whether a member has a claimed order."""

    def session(self, program_id: str, correlation_id: str) -> Session | None:
        """Find a session and lock it."""

    def idle_sessions(
        self, program_id: str, before_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """
        Find open sessions of members that were last used before, by that time and correlation ID.

        They come *after* such a pair, the oldest first. They are not locked.
        """

    def write_records(self) -> None:
        """Write what was added and changed so far, so that rows of a lower rank can name it."""

    def transaction(self, transaction_id: str) -> Transaction | None:
        """Find a loyalty transaction and lock it."""

    def open_holds(self, owner: Owner) -> Sequence[Hold]:
        """Find the holds of an owner that are neither captured nor released."""

    def points_released(self, owner: Owner, ended_ms: int) -> int:
        """
        Tell how many points that an owner held were given back for good at a moment.

        An older version did not tell those holds from others that ended in the same millisecond.
        """

    def orders_paid_since(self, member: Member, since_ms: int, limit: int) -> Sequence[Transaction]:
        """
        Find the claimed orders of a locked member from a moment on, the earliest first.

        Who changes them has locked their member, so they are not locked besides.
        """

    def waiting_orders(
        self, program_id: str, before_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """
        Find orders paid before a moment whose points still wait, by that time and their ID.

        They come *after* such a pair, the oldest first. They are not locked.
        """

    def points_captured(self, owner: Owner) -> int:
        """Tell how many points that an owner held were burned."""

    def reservations(self, transaction: Transaction) -> Sequence[Reservation]:
        """Find what a transaction was accepted with, also what it does without by now."""

    def kept_answer(self, scope: str, idempotency_key: str) -> KeptAnswer | None:
        """Find the answer kept under an idempotency key."""

    def program_account(self, program_id: str, kind: AccountKind) -> Account:
        """Find and lock an account of a program: one of the shards into which it is split."""

    def accounts(self, member: Member) -> Mapping[AccountKind, Account]:
        """
        Find and lock all accounts that a member has, by kind.

        Those of a rare kind are asked for only here, so that a call that needs none of them does
        not pay for it. What is opened or moved afterwards is seen in what was returned.
        """

    def histories(
        self,
        program_id: str,
        member: Member | None,
        needs: HistoryNeeds,
        *,
        besides: str,
        reserving: str | None,
        lock: bool,
    ) -> dict[str, History]:
        """
        Count the redemptions that rules ask for, by incentive; those of nobody are none.

        What open orders have reserved counts as well, but for the transaction *besides*. Who adds
        to the counts of all members must *lock* them. *reserving* is the key whose call reserves
        more: what it has reserved already is told apart.
        """

    def reserved_by(
        self, member: Member, incentive_id: str, besides: str
    ) -> Sequence[tuple[int, int]]:
        """Tell when open orders of a member were accepted with an incentive, and how often."""

    def redeemed_between(self, member: Member, name: str, since_ms: int, until_ms: int) -> int:
        """
        Count a member's redemptions from one moment until before another.

        *name* is an incentive ID, or that of something else which is counted beside them.
        """

    def redemptions_of(self, transaction: Transaction) -> Sequence[Redemption]:
        """Find the redemptions of a claimed order that are not voided."""

    def claimed_orders(self, member: Member, besides: str) -> int:
        """Count a member's claimed orders, and open ones *besides* that take the first order."""

    def transaction_by_receipt(self, program_id: str, digest: bytes) -> Transaction | None:
        """Find the order that a receipt code was given out for, and lock it."""

    def orders_like(self, program_id: str, digest: bytes) -> Sequence[KnownOrder]:
        """
        Find the newest paid orders that look alike and are not void, the newest first.

        Until the unit ends no other unit looks for such orders, so that no two are both the first.
        """

    def overdue_transactions(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """Find open transactions past their time, by time and ID; nothing is locked."""

    def overdue_codes(
        self, now_ms: int, after: tuple[int, str, bytes], limit: int
    ) -> Sequence[tuple[int, str, bytes]]:
        """Find unused codes past their time, by time, program and digest; nothing is locked."""

    def open_account(self, member: Member, kind: AccountKind) -> Account:
        """Find a member's account of a kind, opened if there is none, and lock it."""

    def count_redemption(self, member: Member, incentive_id: str, quantity: int) -> None:
        """Add to the count of an incentive's redemptions, or below zero take back."""

    def add_member(self, member: Member) -> None:
        """Keep a new member, open the accounts that it has and set their numbers on it."""

    def members_known_by(self, program_id: str, kind: str, value: str) -> Sequence[int]:
        """Give the numbers of those to whom a `phone` or `card` leads, at most two, not locked."""

    def claim_identifier(self, program_id: str, kind: str, value: str) -> Sequence[int]:
        """Do so, and let nobody else claim it until the unit ends."""

    def change_member(self, member: Member, **values: Any) -> None:
        """Set fields of a member's own row and keep them."""

    def forget_email(self, member: Member, email: str) -> None:
        """Let others have a folded address that the member is the first holder of."""

    def erase_member(self, member: Member, email: str | None, now_ms: int) -> None:
        """Take out of a member's rows what names the person, and free their folded address."""

    def named_answers(self, limit: int) -> Sequence[tuple[str, str, str, bytes | None]]:
        """
        Find answers that an older version kept with the name of a member.

        Each has its scope, key, method and body, which is absent where no known pepper opens it.
        """

    def keep_nameless(self, scope: str, idempotency_key: str, body: bytes | None) -> None:
        """Keep an answer without what named somebody, in place of one of `named_answers`."""

    def put_code(self, code: Code, earlier: Code | None) -> None:
        """Keep a new code, over the dead *earlier* record of the same digits if there is one."""

    def add(self, record: Record) -> None:
        """Keep a new record."""

    def change(self, record: Record, **values: Any) -> None:
        """Set fields of a record and keep them."""

    def post(self, source: Account, destination: Account, points: int, origin: Origin) -> None:
        """
        Move points between two accounts and keep the transfer.

        Raises:
            LedgerBrokenError: The ledger's rules forbid it; callers check first.
        """

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """Keep an event, with the balances that its member has at this moment."""
