"""Cancel a transaction and give its points back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.application.idempotency import Done, Repeated
from server.application.meaning import Read
from server.application.order_review import (
    find_transaction,
    require_same_guest,
    require_same_transaction,
    require_store,
)
from server.application.reads import Reads
from server.application.reservations import give_back
from server.application.unit import Unit
from server.application.update_transaction import release, room_for_points
from server.domain.clock import DAY_MS
from server.domain.errors import PointsInsufficientError, VoidTooLateError
from server.domain.flags import DAYS_PASSED, Flag, FlagKind
from server.domain.keys import ApiKey
from server.domain.ledger import POINTS_MAX, AccountKind, Cause, Origin
from server.domain.program import Program
from server.domain.records import Member, Transaction, TransactionStatus


@dataclass(frozen=True, slots=True)
class VoidTransaction:
    """The transaction, with what the body repeats; absent where it does not."""

    key: ApiKey
    transaction_id: str
    loyalty_id: str | None = None
    repeated_id: str | None = None
    store_id: int | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(transactions=(self.transaction_id,))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return (self.transaction_id,)


@dataclass(frozen=True, slots=True)
class Voided:
    """
    What the cancellation did.

    Attributes:
        loyalty_id: Absent when nobody had identified.
        earned_points: Earned points that were taken back.
        redeemed_points: Held or burned points that were given back.
    """

    loyalty_id: str | None
    transaction_id: str
    available_points: int
    earned_points: int
    redeemed_points: int


def void_transaction(unit: Unit, command: VoidTransaction, now_ms: int) -> Done[Voided] | Repeated:
    """
    Cancel a transaction, whatever its state; a second time answers as the first.

    Raises:
        TransactionNotFoundError: The program has no such transaction.
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores than where the order was opened
            and paid, or than the till's.
        MemberNotFoundError: The till names a guest who is no member.
        RequestInvalidError: The till names another guest or transaction.
        PointsInsufficientError: The earned points are spent and the program makes no debts, or
            none so large.
        VoidTooLateError: The order is older than the program lets orders be cancelled.
    """
    program = unit.catalog.programs[command.key.program_id]
    transaction = find_transaction(unit, command.key, command.transaction_id)
    if command.store_id is not None:
        require_store(program, command.key, command.store_id)
    require_same_transaction(command.transaction_id, command.repeated_id)
    if transaction.member_number is not None:
        member = unit.member_by_number(transaction.member_number)
        require_same_guest(unit, member, command.loyalty_id)
    stores = transaction.stores | {command.store_id or transaction.store_id}
    if transaction.status is TransactionStatus.VOID and transaction.answer is not None:
        return Repeated(transaction.answer, stores)
    flags = _lateness(program, transaction, command.key, now_ms)
    voided = void(unit, program, transaction, now_ms)
    return Done(voided, kept_with=transaction, flags=flags, stores=stores)


def _lateness(
    program: Program, transaction: Transaction, key: ApiKey, now_ms: int
) -> tuple[Flag, ...]:
    """
    Flag the void of an order that is older than the program lets orders be cancelled.

    An open transaction is no order yet, and one that is void already loses nothing more.

    Raises:
        VoidTooLateError: The program refuses it.
    """
    ordered = transaction.status in {TransactionStatus.CLAIMED, TransactionStatus.UNCLAIMED}
    late_ms = now_ms - transaction.ordered_ms - program.void_days * DAY_MS
    if not ordered or late_ms <= 0:
        return ()
    if program.late_void == "refuse":
        raise VoidTooLateError(transaction.transaction_id, program.void_days)
    about = {
        "program_id": program.program_id,
        "store_id": transaction.store_id,
        "partner": key.partner,
        "key_id": key.key_id,
        "transaction_id": transaction.transaction_id,
        "status": transaction.status.name,
        "days": (now_ms - transaction.ordered_ms) // DAY_MS,
    }
    return (Flag(FlagKind.VOID_LATE, DAYS_PASSED, about),)


def void(unit: Unit, program: Program, transaction: Transaction, now_ms: int) -> Voided:
    """
    Cancel a transaction.

    Raises:
        PointsInsufficientError: The earned points are spent and the program makes no debts, or
            none so large.
    """
    if transaction.member_number is None:
        _mark_void(unit, transaction, now_ms)
        return Voided(None, transaction.transaction_id, 0, 0, 0)
    member = unit.member_by_number(transaction.member_number)
    earned = redeemed = 0
    if transaction.status is TransactionStatus.PENDING:
        for hold in unit.open_holds(transaction):
            release(unit, member, hold, now_ms)
            redeemed += hold.points
        give_back(unit, transaction)
    elif transaction.status is TransactionStatus.CLAIMED:
        earned = transaction.points_earned
        redeemed = _reverse(unit, program, transaction, member, now_ms)
    _mark_void(unit, transaction, now_ms)
    return Voided(
        member.loyalty_id, transaction.transaction_id, member.available.balance, earned, redeemed
    )


def _mark_void(unit: Unit, transaction: Transaction, now_ms: int) -> None:
    # The answer of an earlier report must not be taken for the cancellation's.
    unit.change(
        transaction, status=TransactionStatus.VOID, updated_ms=now_ms, fingerprint=None, answer=None
    )


def _reverse(
    unit: Unit, program: Program, transaction: Transaction, member: Member, now_ms: int
) -> int:
    """
    Give burned points back, then take earned ones; what is spent already becomes a debt.

    Answers the points given back: fewer than were burned only when the member would have more
    than the ledger carries.
    """
    earned = transaction.points_earned
    burned = min(transaction.points_redeemed, room_for_points(member))
    spendable = member.available.balance + burned
    short = max(0, earned - spendable)
    if short and (program.void_spent == "refuse" or short > _room_for_debt(unit, member)):
        raise PointsInsufficientError(spendable, earned)
    if burned:
        redeemed = unit.program_account(program.program_id, AccountKind.REDEEMED)
        origin = Origin(Cause.REFUND, transaction.transaction_id, "", now_ms, now_ms)
        unit.post(redeemed, member.available, burned, origin)
    origin = Origin(Cause.REVERSE, transaction.transaction_id, "", now_ms, now_ms)
    issued = unit.program_account(program.program_id, AccountKind.ISSUED)
    if earned > short:
        unit.post(member.available, issued, earned - short, origin)
    if short:
        unit.post(unit.open_debt(member), issued, short, origin)
    for redemption in unit.redemptions_of(transaction):
        unit.change(redemption, voided_ms=now_ms)
        unit.count_redemption(member, redemption.incentive_id, -redemption.quantity)
    return burned


def _room_for_debt(unit: Unit, member: Member) -> int:
    """Tell how many more points the ledger lets a member owe."""
    debt = unit.debt(member)
    return POINTS_MAX if debt is None else POINTS_MAX + debt.balance
