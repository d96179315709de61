"""Turn the receipt of an order without a guest into points for a member."""

from __future__ import annotations

from dataclasses import dataclass

from server.application.idempotency import Done
from server.application.limits import count_points, require_points
from server.application.reads import Reads
from server.application.unit import Unit
from server.application.update_transaction import earn
from server.domain.codes import plain_receipt_code
from server.domain.errors import (
    MemberNotFoundError,
    ReceiptAlreadyClaimedError,
    ReceiptNotFoundError,
)
from server.domain.keys import ApiKey
from server.domain.records import TransactionStatus


@dataclass(frozen=True, slots=True)
class ClaimReceipt:
    """The member, and the code as they typed it."""

    key: ApiKey
    loyalty_id: str
    receipt_code: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.key.program_id, self.loyalty_id.lower()),))


@dataclass(frozen=True, slots=True)
class ClaimedReceipt:
    """What the receipt brought."""

    loyalty_id: str
    transaction_id: str
    available_points: int
    earned_points: int


def claim_receipt(unit: Unit, command: ClaimReceipt, now_ms: int) -> Done[ClaimedReceipt]:
    """
    Give a member the points of an order, once.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        ReceiptNotFoundError: The code was never given out, or its order was cancelled.
        ReceiptAlreadyClaimedError: The receipt was turned into points before.
        StoreNotAllowedError: The key is limited to other stores than the order's.
        AmountBeyondLimitError: The order earns more points than one may.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    program = unit.catalog.programs[command.key.program_id]
    loyalty_id = command.loyalty_id.lower()
    member = unit.member(program.program_id, loyalty_id)
    if member is None:
        raise MemberNotFoundError(loyalty_id)
    plain = plain_receipt_code(command.receipt_code)
    digest = unit.code_digest(program.program_id, f"receipt:{plain}")
    transaction = unit.transaction_by_receipt(program.program_id, digest)
    if transaction is None or transaction.status is TransactionStatus.VOID:
        raise ReceiptNotFoundError
    command.key.require_store(transaction.store_id)
    if transaction.status is not TransactionStatus.UNCLAIMED:
        raise ReceiptAlreadyClaimedError
    require_points(unit, program, command.key, member, transaction.points_earned, now_ms)
    earned = earn(unit, program, transaction, member, transaction.points_earned, now_ms)
    count_points(unit, program, command.key, member, earned, now_ms)
    unit.change(
        transaction,
        status=TransactionStatus.CLAIMED,
        member_number=member.number,
        points_earned=earned,
        claimed_ms=now_ms,
        updated_ms=now_ms,
    )
    return Done(
        ClaimedReceipt(loyalty_id, transaction.transaction_id, member.available.balance, earned)
    )
