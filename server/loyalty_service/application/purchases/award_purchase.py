"""Give a member the points of a purchase that was paid without a member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.blocks import require_may
from loyalty_service.application.orders.claim_receipt import (
    claim_recorded,
    require_receipts_left,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.purchases.purchase import member_of
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_place,
    close_session,
    closing_key,
    open_session,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.errors import (
    ReceiptAlreadyClaimedError,
    ReceiptExpiredError,
)
from loyalty_service.domain.es_errors import AccountNotFoundError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.purchase_errors import (
    OriginalOfAnotherMemberError,
    PurchaseNotFoundError,
)
from loyalty_service.domain.records import Transaction, TransactionStatus

AWARD = "PurchaseService/AwardPurchase"
"""Word under which kept answers tell what they answer. It is kept for ever."""


@dataclass(frozen=True, slots=True)
class AwardPurchase:
    """The purchase, and the session of the member, each by its correlation ID."""

    key: ApiKey
    original_id: str
    current_id: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        current = self.key.program_id, self.current_id
        original = self.key.program_id, self.original_id
        return Reads(sessions=(current, original), kept_answers=(close_place(*current),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.original_id, self.current_id


@dataclass(frozen=True, slots=True)
class Awarded:
    """What the purchase brought."""

    loyalty_id: str
    original_id: str
    earned_points: int


def award_purchase(unit: Unit, command: AwardPurchase, now_ms: int) -> Done[Awarded] | Repeated:
    """
    Give a member the points of a purchase, once, as those of a receipt.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session of a member.
        StoreNotAllowedError: It or the order is in a store that the key is not for.
        SessionClosedError: It is closed by another call, or has expired.
        AccountNotFoundError: It is of a shopper without a loyalty ID.
        PurchaseNotFoundError: There is no such purchase, or all of it came back.
        OriginalOfAnotherMemberError: It was paid by a member.
        ReceiptAlreadyClaimedError: A member has got its points.
        ReceiptExpiredError: It is older than the program lets receipts be claimed.
        LoyaltyError: What `claim_recorded` and `require_receipts_left` raise.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    again = answer_of_close(unit, program, command.current_id, AWARD, command)
    if again is not None:
        return again
    session = open_session(unit, program, command.key, command.current_id, now_ms)
    member = member_of(unit, session)
    if member is None:
        raise AccountNotFoundError
    transaction = _unclaimed(unit, program, command, now_ms)
    require_may(member, Blocked.EARN)
    require_receipts_left(unit, program, transaction, member, now_ms)
    digest = transaction.receipt_digest
    done = claim_recorded(unit, command.key, transaction, member, now_ms, digest)
    close_session(unit, session, transaction.transaction_id, now_ms)
    awarded = Awarded(member.loyalty_id, command.original_id, done.result.earned_points)
    kept_as = closing_key(program, command.current_id, AWARD, command)
    return Done(awarded, kept_as, flags=done.flags, stores=done.stores, events=done.events)


def _unclaimed(unit: Unit, program: Program, command: AwardPurchase, now_ms: int) -> Transaction:
    """Find the order of a purchase that nobody has claimed; see `award_purchase`."""
    original = unit.session(program.program_id, command.original_id)
    order_id = None if original is None else original.transaction_id
    transaction = None if order_id is None else unit.transaction(order_id)
    if transaction is None or transaction.status is TransactionStatus.VOID:
        raise PurchaseNotFoundError
    command.key.require_stores(transaction.stores)
    if transaction.status is not TransactionStatus.UNCLAIMED:
        if transaction.receipt_digest is None:
            raise OriginalOfAnotherMemberError(command.original_id)
        raise ReceiptAlreadyClaimedError
    gone = transaction.basket is None
    if gone or now_ms - transaction.created_ms > program.receipt_days * DAY_MS:
        raise ReceiptExpiredError(program.receipt_days)
    return transaction
