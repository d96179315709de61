"""Cancel a transaction and give its points back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.bought_grants import bought_unused, take_back_bought
from loyalty_service.application.grants import return_grant, take_back_without_order
from loyalty_service.application.limits import uncount_points
from loyalty_service.application.orders.goals import (
    NOTHING_REACHED,
    Reached,
    recount,
    take_back_given,
)
from loyalty_service.application.orders.order_flags import (
    about_order,
    flag_other_partner,
    points_cut,
)
from loyalty_service.application.orders.order_review import (
    find_transaction,
    require_same_guest,
    require_same_transaction,
)
from loyalty_service.application.orders.repeated_orders import (
    VOID,
    last_answer,
    order_place,
    void_of,
)
from loyalty_service.application.orders.reservations import give_back
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import release, require_returnable, reverse
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.errors import TransactionNotFoundError, VoidTooLateError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import CUT_REFUND, DAYS_PASSED, VOIDED_BY_OTHER, Flag, FlagKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction, TransactionStatus


@dataclass(frozen=True, slots=True)
class VoidTransaction:
    """The transaction, with what the body repeats; absent where it does not."""

    key: ApiKey
    transaction_id: str
    loyalty_id: str | None = None
    repeated_id: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = (self.transaction_id,)
        kept = order_place(self.key.program_id, self.transaction_id)
        return Reads(transactions=place, voided=place, kept_answers=(kept,))

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
        reached: How far goals have come without the order, and what they took back besides.
        events: What happened besides.
    """

    loyalty_id: str | None
    transaction_id: str
    available_points: int
    earned_points: int
    redeemed_points: int
    reached: Reached = NOTHING_REACHED
    events: tuple[Event, ...] = ()


def void_transaction(unit: Unit, command: VoidTransaction, now_ms: int) -> Done[Voided] | Repeated:
    """
    Cancel a transaction, whatever its state; a second time answers as the first.

    Raises:
        TransactionNotFoundError: The program has no such transaction, or another partner has it
            and the program refuses that.
        StoreNotAllowedError: The key is limited to other stores than where the order was opened
            and paid.
        MemberNotFoundError: The till names a guest who is no member.
        RequestInvalidError: The till names another guest or transaction.
        PointsInsufficientError: The earned points are spent and the program makes no debts, or
            none so large.
        VoidTooLateError: The order is older than the program lets orders be cancelled.
    """
    program = unit.catalog.programs[command.key.program_id]
    transaction = find_transaction(unit, command.key, command.transaction_id)
    require_same_transaction(command.transaction_id, command.repeated_id)
    member = None
    if transaction.member_number is not None:
        member = unit.member_by_number(transaction.member_number)
        require_same_guest(unit, member, command.loyalty_id)
    stores = transaction.stores
    kept = last_answer(unit, transaction)
    if transaction.status is TransactionStatus.VOID and kept is not None and kept.method == VOID:
        return Repeated(kept.answer, stores)
    flags = _lateness(program, transaction, command.key, now_ms)
    flags += flags_of_another(program, transaction, command.key, member)
    before = transaction.status
    voided = void(unit, program, transaction, now_ms)
    events = voided_events(unit, transaction, before) + voided.events
    if before is TransactionStatus.CLAIMED and member is not None:
        due, given = transaction.points_redeemed, voided.redeemed_points
        cut = points_cut(command.key, transaction, member, CUT_REFUND, due, given)
        flags, events = flags + cut[0], events + cut[1]
    kept_as = void_of(transaction)
    return Done(voided, kept_as, flags=flags, stores=stores, events=events)


def voided_events(
    unit: Unit, transaction: Transaction, before: TransactionStatus
) -> tuple[Event, ...]:
    """Tell of a cancelled order, unless it was so *before*."""
    if before is TransactionStatus.VOID:
        return ()
    number = transaction.member_number
    voided = Event(
        EventKind.ORDER_VOIDED,
        transaction.program_id,
        None if number is None else unit.member_by_number(number),
        subject=transaction.transaction_id,
        before=before,
        after=TransactionStatus.VOID,
    )
    return (voided,)


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
    about = about_order(key, transaction) | {
        "status": transaction.status.name,
        "days": (now_ms - transaction.ordered_ms) // DAY_MS,
    }
    return (Flag(FlagKind.VOID_LATE, DAYS_PASSED, about),)


def flags_of_another(
    program: Program, transaction: Transaction, key: ApiKey, member: Member | None
) -> tuple[Flag, ...]:
    """
    Flag the void or return of another partner's order; one that is void already loses nothing more.

    Raises:
        TransactionNotFoundError: The program refuses it: its orders are its partner's alone.
    """
    if transaction.status is TransactionStatus.VOID:
        return ()
    flags = flag_other_partner(key, transaction, member, VOIDED_BY_OTHER)
    if flags and program.void_by_other_partner == "refuse":
        raise TransactionNotFoundError(transaction.transaction_id)
    return flags


def void(unit: Unit, program: Program, transaction: Transaction, now_ms: int) -> Voided:
    """
    Cancel a transaction.

    Raises:
        PointsInsufficientError: The earned points are spent and the program makes no debts, or
            none so large.
    """
    if transaction.member_number is None:
        mark_void(unit, transaction, now_ms)
        return Voided(None, transaction.transaction_id, 0, 0, 0)
    member = unit.member_by_number(transaction.member_number)
    earned = redeemed = 0
    events: tuple[Event, ...] = ()
    reached = NOTHING_REACHED
    if transaction.status is TransactionStatus.PENDING:
        redeemed = release(unit, member, transaction.owner, now_ms)
        give_back(unit, transaction)
    elif transaction.status is TransactionStatus.VOID:
        # The sweeper's; whoever cancels the order is told the same as if they had come first.
        redeemed = unit.points_released(transaction.owner, transaction.updated_ms)
    elif transaction.status is TransactionStatus.CLAIMED:
        waiting = transaction.points_waiting
        earned, may_owe = transaction.points_left, program.void_spent == "debt"
        lost = recount(unit, program, transaction, member)
        burned = transaction.points_redeemed
        bought = bought_unused(unit, member, transaction.transaction_id)
        given = burned + bought.points_back
        due = earned - waiting + lost.points
        require_returnable(unit, member, due, given, may_owe=may_owe)
        # Before its points are taken: what they bought may be all that the member has.
        events = take_back_bought(unit, member, bought, now_ms)
        redeemed = reverse(
            unit,
            member,
            transaction.owner,
            now_ms,
            earned=earned - waiting,
            burned=burned,
            may_owe=may_owe,
            unconfirmed=waiting,
        )
        unit.change(transaction, points_unconfirmed=None)
        reached = take_back_given(unit, program, lost, now_ms)
        events += reached.events
        uncount_points(unit, member, earned, transaction.claimed_ms or 0, now_ms)
    if transaction.status is TransactionStatus.CLAIMED:
        events += end_claimed(unit, program, member, transaction, now_ms)
    else:
        mark_void(unit, transaction, now_ms)
    voided = transaction.transaction_id
    balance = member.spendable
    return Voided(member.loyalty_id, voided, balance, earned, redeemed, reached, events)


def end_claimed(
    unit: Unit, program: Program, member: Member, transaction: Transaction, now_ms: int
) -> tuple[Event, ...]:
    """Make a claimed order void, once its points have been moved: it counts for nothing more."""
    _uncount(unit, member, transaction, now_ms)
    mark_void(unit, transaction, now_ms)
    return take_back_without_order(unit, program, member, transaction, now_ms)


def mark_void(unit: Unit, transaction: Transaction, now_ms: int) -> None:
    """Make a transaction void; the answer of an earlier report is no more its last one."""
    unit.change(
        transaction, status=TransactionStatus.VOID, updated_ms=now_ms, fingerprint=None, answer=None
    )


def _uncount(unit: Unit, member: Member, transaction: Transaction, now_ms: int) -> None:
    """Give back the uses of incentives that a claimed order counts for."""
    for redemption in unit.redemptions_of(transaction):
        unit.change(redemption, voided_ms=now_ms)
        return_grant(unit, redemption)
        unit.count_redemption(member, redemption.incentive_id, -redemption.quantity)
