"""Claim an order by what was reported of it last, or cancel it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.orders.order_review import MODE_UNTOLD, Order, find_transaction
from loyalty_service.application.orders.repeated_orders import (
    STATUS,
    last_answer,
    order_place,
    status_of,
)
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.contracts import RBI_V2, require_served
from loyalty_service.domain.errors import TransactionNotClaimableError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.visit import PointOfSale

CHANNEL_UNTOLD = "CHANNEL_UNSPECIFIED"


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """The transaction, and CLAIMED or VOID."""

    key: ApiKey
    transaction_id: str
    status: TransactionStatus

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = (self.transaction_id,)
        kept = order_place(self.key.program_id, self.transaction_id)
        voided = place if self.status is TransactionStatus.VOID else ()
        return Reads(transactions=place, voided=voided, kept_answers=(kept,))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.transaction_id, self.status.name


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """
    What the change did to the guest's points.

    Attributes:
        loyalty_id: Absent when nobody had identified.
        earned_points: What the order earned or, once it is void, what was taken back of it.
        redeemed_points: What was burned for it or, once it is void, what was given back.
    """

    loyalty_id: str | None
    transaction_id: str
    available_points: int
    earned_points: int
    redeemed_points: int


def change_status(unit: Unit, command: ChangeStatus, now_ms: int) -> Done[StatusChanged] | Repeated:
    """
    Bring a transaction to another status; the one that it has already gets the first answer.

    Raises:
        ContractNotServedError: The program does not serve this contract.
        TransactionNotFoundError: The program has no such transaction.
        TransactionNotClaimableError: It is to be claimed and is void, or no order was reported.
        LoyaltyError: What `report_order` and `void_transaction` raise.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, RBI_V2)
    transaction = find_transaction(unit, command.key, command.transaction_id)
    if transaction.status is command.status:
        kept = last_answer(unit, transaction)
        if kept is not None and kept.method == STATUS:
            return Repeated(kept.answer, transaction.stores)
        return Done(_as_it_is(unit, transaction), stores=transaction.stores)
    if command.status is TransactionStatus.VOID:
        return _voided(unit, command, transaction, now_ms)
    return _claimed(unit, command, transaction, now_ms)


def _claimed(
    unit: Unit, command: ChangeStatus, transaction: Transaction, now_ms: int
) -> Done[StatusChanged]:
    if transaction.basket is None or transaction.status is not TransactionStatus.PENDING:
        raise TransactionNotClaimableError(command.transaction_id, transaction.status.name)
    order = Order(
        key=command.key,
        transaction_id=command.transaction_id,
        loyalty_id=None,
        repeated_id=None,
        status=TransactionStatus.CLAIMED,
        channel=transaction.channel or CHANNEL_UNTOLD,
        service_mode=transaction.service_mode or MODE_UNTOLD,
        point_of_sale=PointOfSale.of(transaction),
        basket=basket_from_json(transaction.basket),
        basket_json=transaction.basket,
        local_time=None,
    )
    # Nobody could read it ahead, and it is locked before the counts of incentives.
    unit.orders_like(command.key.program_id, order.digest)
    done = report_order(unit, order, now_ms)
    if isinstance(done, Repeated):
        raise TypeError(f"transaction {transaction.transaction_id} was open")
    told = done.result
    changed = StatusChanged(
        told.loyalty_id,
        told.transaction_id,
        told.available_points,
        told.earned_points,
        told.redeemed_points,
    )
    return _told(done, changed, transaction)


def _voided(
    unit: Unit, command: ChangeStatus, transaction: Transaction, now_ms: int
) -> Done[StatusChanged]:
    done = void_transaction(unit, VoidTransaction(command.key, command.transaction_id), now_ms)
    if isinstance(done, Repeated):
        raise TypeError(f"transaction {transaction.transaction_id} was not void")
    told = done.result
    changed = StatusChanged(
        told.loyalty_id,
        told.transaction_id,
        told.available_points,
        told.earned_points,
        told.redeemed_points,
    )
    return _told(done, changed, transaction)


def _told(done: Done[Any], changed: StatusChanged, transaction: Transaction) -> Done[StatusChanged]:
    """Put a change's own result, and its place among kept answers, into what was done."""
    return replace(done, result=changed, kept_as=status_of(transaction))


def _as_it_is(unit: Unit, transaction: Transaction) -> StatusChanged:
    """Tell of a transaction that another call, or the sweeper, brought to its status."""
    if transaction.member_number is None:
        return StatusChanged(None, transaction.transaction_id, 0, 0, 0)
    member = unit.member_by_number(transaction.member_number)
    redeemed = transaction.points_redeemed
    if transaction.claimed_ms is None:
        redeemed = unit.points_released(transaction.owner, transaction.updated_ms)
    void = transaction.status is TransactionStatus.VOID
    return StatusChanged(
        member.loyalty_id,
        transaction.transaction_id,
        member.spendable,
        transaction.points_earned if void else transaction.points_left,
        redeemed,
    )
