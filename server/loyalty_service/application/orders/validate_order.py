"""Check a whole order against every rule; only the time for which it stays open changes."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.orders.order_review import (
    Order,
    find_transaction,
    require_report,
    review_order,
)
from loyalty_service.application.orders.report_order import keep_open
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import RulesFailedError, TransactionNotClaimableError
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.taken_off import TakenOff, taken_off


@dataclass(frozen=True, slots=True)
class Validated:
    """
    The guest and transaction whose order breaks no rule.

    Attributes:
        allowed: What its incentives may take off, as far as the program says it.
    """

    loyalty_id: str
    transaction_id: str
    allowed: tuple[TakenOff, ...] = ()


def validate_order(unit: Unit, order: Order, now_ms: int) -> Done[Validated]:
    """
    Check an order; whoever asks is still at it, so that it stays open for longer.

    Raises:
        Refused: It breaks rules, with `RulesFailedError` and every one of them.
        TransactionNotFoundError: The program has no such transaction.
        TransactionNotClaimableError: It is no longer open, or the report is neither PENDING nor
            CLAIMED.
        LoyaltyError: What `review_order` raises.
    """
    transaction = find_transaction(unit, order.key, order.transaction_id)
    require_report(order, transaction)
    if transaction.status is not TransactionStatus.PENDING:
        raise TransactionNotClaimableError(order.transaction_id, transaction.status.name)
    review = review_order(unit, order, transaction, now_ms, whole=True)
    keep_open(unit, review.program, transaction, now_ms)
    if review.failures:
        raise Refused(RulesFailedError(review.failures))
    allowed = taken_off(review.basket, review.program, review.uses)
    return Done(Validated(review.member.loyalty_id, order.transaction_id, allowed))
