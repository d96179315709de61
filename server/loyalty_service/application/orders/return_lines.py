"""Take back lines of a claimed order, and the points that they earned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.bought_grants import bought_unused, take_back_bought
from loyalty_service.application.grant_names import named_by_grants
from loyalty_service.application.limits import uncount_points
from loyalty_service.application.orders.earnings import earned_by, promotions_to_json
from loyalty_service.application.orders.goal_amounts import Amounts, amounts_left
from loyalty_service.application.orders.goals import (
    NOTHING_REACHED,
    Reached,
    recount,
    take_back_given,
)
from loyalty_service.application.orders.order_flags import points_cut
from loyalty_service.application.orders.order_review import find_transaction
from loyalty_service.application.orders.repeated_orders import RETURN, returns_scope
from loyalty_service.application.orders.void_transaction import (
    end_claimed,
    flags_of_another,
    mark_void,
    voided_events,
)
from loyalty_service.application.perform import Done, NaturalKey, Repeated
from loyalty_service.application.points import require_returnable, reverse
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.earning import Earned
from loyalty_service.domain.errors import ReturnTooLateError, TransactionNotReturnableError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import CUT_REFUND
from loyalty_service.domain.incentive_uses import as_catalogued
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import Cause
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.promotions import (
    COUNTED_AS,
    POINTS_OF_DAYS,
    RECEIPTS,
    counted_by_id,
)
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.returns import (
    Kept,
    ReturnedLine,
    returned_from_json,
    returned_to_json,
    take_back,
    worth_of,
)
from loyalty_service.domain.taken_off import as_money


@dataclass(frozen=True, slots=True)
class ReturnLines:
    """
    The order, and what came back of it.

    Attributes:
        created: When its till says that it made the call; absent where it does not.
        keyed: Whether the call has an idempotency key, by which it is known when it is repeated.
    """

    key: ApiKey
    transaction_id: str
    lines: tuple[ReturnedLine, ...]
    created: str | None
    keyed: bool

    @property
    def natural_key(self) -> NaturalKey:
        """Name the return by what it says: the same again without another key is a repeated one."""
        told = [self.created, sorted((one.reference_id, one.quantity or 0) for one in self.lines)]
        text = json.dumps(told, separators=(",", ":"))
        place = f"{self.transaction_id}/{hashlib.sha256(text.encode()).hexdigest()}"
        return NaturalKey(returns_scope(self.key.program_id), place, RETURN)

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        natural = self.natural_key
        place = (self.transaction_id,)
        kept = () if self.keyed else ((natural.scope, natural.key),)
        return Reads(transactions=place, voided=place, kept_answers=kept)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.transaction_id, [[one.reference_id, one.quantity] for one in self.lines]


@dataclass(frozen=True, slots=True)
class LinesReturned:
    """
    What a return did to the guest's points.

    Attributes:
        loyalty_id: Absent when nobody had identified.
        status: CLAIMED or UNCLAIMED, or VOID once all of the order came back.
        earned_points: What the order still earns.
        returned_points: Points that were taken back by this return.
        redeemed_points: Burned points that came back, because all of the order did.
        reached: How far goals have come with what is left, and what they took back besides.
        events: What else happened because all of the order came back.
    """

    loyalty_id: str | None
    transaction_id: str
    status: TransactionStatus
    available_points: int
    earned_points: int
    returned_points: int
    redeemed_points: int
    reached: Reached = NOTHING_REACHED
    events: tuple[Event, ...] = ()


def return_lines(unit: Unit, command: ReturnLines, now_ms: int) -> Done[LinesReturned] | Repeated:
    """
    Take back lines of a claimed order, with what they earned more than the rest does.

    A receipt that nobody has claimed is worth less. When all has come back, the order is void, and
    what was burned for it comes back.

    Raises:
        TransactionNotFoundError: The program has no such transaction, or another partner has it
            and the program refuses that.
        StoreNotAllowedError: The key is limited to other stores than the order's.
        TransactionNotReturnableError: The order is not paid, or void.
        ReturnTooLateError: It is older than the program lets anything of it come back.
        RequestInvalidError: It has no such lines, or less is left of them.
        PointsInsufficientError: The points are spent and the program makes no debts, or none so
            large.
    """
    program = unit.catalog.programs[command.key.program_id]
    transaction = find_transaction(unit, command.key, command.transaction_id)
    natural, stores = command.natural_key, transaction.stores
    if not command.keyed:
        kept = unit.kept_answer(natural.scope, natural.key)
        if kept is not None:
            return Repeated(kept.answer, stores)
    if transaction.status not in {TransactionStatus.CLAIMED, TransactionStatus.UNCLAIMED}:
        status = transaction.status.name
        raise TransactionNotReturnableError(transaction.transaction_id, status)
    # What it bought may be gone, though the program has been given more days since.
    gone = transaction.basket is None
    if gone or now_ms - transaction.ordered_ms > program.return_days * DAY_MS:
        raise ReturnTooLateError(transaction.transaction_id, program.return_days)
    before, member = transaction.status, None
    if transaction.member_number is not None:
        member = unit.member_by_number(transaction.member_number)
    flags = flags_of_another(program, transaction, command.key, member)
    back = _back(unit, command, program, transaction)
    if member is None:
        done = _lower_receipt(unit, transaction, back, now_ms)
    else:
        done = _take(unit, program, transaction, member, back, now_ms)
    events: tuple[Event, ...] = (_told(transaction, member, before),)
    if done.status is TransactionStatus.VOID:
        events += voided_events(unit, transaction, before)
    if done.status is TransactionStatus.VOID and member is not None:
        due, given = transaction.points_redeemed, done.redeemed_points
        cut = points_cut(command.key, transaction, member, CUT_REFUND, due, given)
        flags, events = flags + cut[0], events + cut[1]
    kept_as = None if command.keyed else natural
    return Done(done, kept_as, flags=flags, stores=stores, events=(*events, *done.events))


@dataclass(frozen=True, slots=True)
class _Back:
    """
    An order with what comes back of it.

    Attributes:
        nothing_left: Whether all of it has come back.
        returned: All that came back so far, as it is kept.
        worth: What the rest earns.
        counted: What the rest counts for goals.
    """

    nothing_left: bool
    returned: str
    worth: Earned
    counted: Amounts


def _back(unit: Unit, command: ReturnLines, program: Program, transaction: Transaction) -> _Back:
    basket = basket_from_json(transaction.basket or "{}")
    before = returned_from_json(transaction.returned)
    returned = take_back(basket, before, command.lines)
    kept = Kept.of(basket, returned)
    worth = Earned(0)
    if not kept.nothing:
        worth = _worth(unit, program, transaction, Kept.of(basket, before), kept)
    counted = _counted(program, transaction, kept, worth)
    return _Back(kept.nothing, returned_to_json(basket, returned), worth, counted)


def _lower_receipt(unit: Unit, transaction: Transaction, back: _Back, now_ms: int) -> LinesReturned:
    """Let a receipt that nobody has claimed promise what is kept of its order."""
    taken = transaction.points_earned - back.worth.points
    unit.change(
        transaction,
        returned=back.returned,
        points_earned=back.worth.points,
        promotions=promotions_to_json(back.worth.promotions),
        updated_ms=now_ms,
    )
    if back.nothing_left:
        mark_void(unit, transaction, now_ms)
    return LinesReturned(
        loyalty_id=None,
        transaction_id=transaction.transaction_id,
        status=transaction.status,
        available_points=0,
        earned_points=transaction.points_earned,
        returned_points=taken,
        redeemed_points=0,
    )


def _take(
    unit: Unit,
    program: Program,
    transaction: Transaction,
    member: Member,
    back: _Back,
    now_ms: int,
) -> LinesReturned:
    """Take from the guest what came back of a claimed order; all of it is a void."""
    taken = transaction.points_left - back.worth.points
    waiting = min(taken, transaction.points_waiting)
    lost = recount(unit, program, transaction, member, back.counted)
    burned = transaction.points_redeemed if back.nothing_left else 0
    may_owe = program.void_spent == "debt"
    due = taken - waiting + lost.points
    lacked = None if back.nothing_left else due
    bought = bought_unused(unit, member, transaction.transaction_id, lacked)
    require_returnable(unit, member, due, burned + bought.points_back, may_owe=may_owe)
    # Before its points are taken: what they bought may be all that the member has.
    events = take_back_bought(unit, member, bought, now_ms)
    redeemed = reverse(
        unit,
        member,
        transaction.owner,
        now_ms,
        earned=taken - waiting,
        burned=burned,
        may_owe=may_owe,
        unconfirmed=waiting,
        cause=Cause.RETURN,
    )
    unit.change(
        transaction,
        returned=back.returned,
        points_returned=transaction.points_returned + taken,
        points_unconfirmed=(transaction.points_waiting - waiting) or None,
        promotions=promotions_to_json(back.worth.promotions),
        updated_ms=now_ms,
    )
    reached = take_back_given(unit, program, lost, now_ms)
    uncount_points(unit, member, taken, transaction.claimed_ms or 0, now_ms)
    events += reached.events
    if back.nothing_left:
        events += end_claimed(unit, program, member, transaction, now_ms)
    else:
        _count_less(unit, member, transaction, back.worth, now_ms)
    return LinesReturned(
        loyalty_id=member.loyalty_id,
        transaction_id=transaction.transaction_id,
        status=transaction.status,
        available_points=member.spendable,
        earned_points=transaction.points_left,
        returned_points=taken,
        redeemed_points=redeemed,
        reached=reached,
        events=events,
    )


def _counted(program: Program, transaction: Transaction, kept: Kept, worth: Earned) -> Amounts:
    """Tell what an order still counts for goals."""
    if kept.nothing or transaction.counted is None:
        return {}
    cart = Kept(as_catalogued(kept.basket, program), kept.shares).cart(program)
    return amounts_left(program, transaction, cart, worth.points)


def _worth(
    unit: Unit, program: Program, transaction: Transaction, before: Kept, kept: Kept
) -> Earned:
    """
    Tell what is kept of an order earns: no more than it does so far, whatever came back.

    A receipt's points may be by two versions of a program, and those of an older version by one
    that is not known: these are lowered as much as the rest is worth less than what was left.
    """
    left = transaction.points_left
    by = earned_by(unit, transaction)
    old = program if by is None else by.program
    worth = Earned(0) if by is None else by.worth
    not_held = frozenset[int]() if by is None else by.not_held
    named = named_by_grants(unit, old, kept.basket, None, None)
    basket = as_money(as_catalogued(named, old), old)
    rest = worth_of(replace(kept, basket=basket), old, worth, not_held)
    if by is None or transaction.receipt_digest is not None:
        whole = worth_of(replace(before, basket=basket), old, worth, not_held).points
        points = left * rest.points // whole if whole else left
        return Earned(points, rest.promotions).within(min(points, left))
    return rest.within(left)


def _count_less(
    unit: Unit, member: Member, transaction: Transaction, worth: Earned, now_ms: int
) -> None:
    """Let limits of its member count an order for what it still earns."""
    times: Mapping[str, int] = {
        counted_by_id(one.promotion_id): one.times for one in worth.promotions
    } | {POINTS_OF_DAYS: worth.points, RECEIPTS: 1}
    for redemption in unit.redemptions_of(transaction):
        name, before = redemption.incentive_id, redemption.quantity
        still = times.get(name, 0) if name.startswith(COUNTED_AS) else before
        if still >= before:
            continue
        if still:
            unit.change(redemption, quantity=still)
        else:
            unit.change(redemption, voided_ms=now_ms)
        unit.count_redemption(member, name, still - before)


def _told(transaction: Transaction, member: Member | None, before: TransactionStatus) -> Event:
    return Event(
        EventKind.LINES_RETURNED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=before,
        after=transaction.status,
    )
