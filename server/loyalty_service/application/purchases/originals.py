"""Find the order of an earlier purchase, by the correlation ID of the session that it closed."""

from __future__ import annotations

from loyalty_service.application.purchases.purchase import member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.purchase_errors import (
    OriginalOfAnotherMemberError,
    PurchaseNotFoundError,
)
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.sessions import Session


def order_of(
    unit: Unit, key: ApiKey, session: Session, original_id: str
) -> tuple[Transaction, Member | None]:
    """
    Find the order of a purchase for a session of its member, or of nobody for nobody's.

    Raises:
        PurchaseNotFoundError: There is no such purchase, or all of it came back.
        StoreNotAllowedError: The key is limited to other stores than the order's.
        OriginalOfAnotherMemberError: It is another member's.
    """
    original = unit.session(session.program_id, original_id)
    order_id = None if original is None else original.transaction_id
    transaction = None if order_id is None else unit.transaction(order_id)
    if transaction is None or transaction.status is TransactionStatus.VOID:
        raise PurchaseNotFoundError
    key.require_stores(transaction.stores)
    number, member = transaction.member_number, member_of(unit, session)
    # Whoever was merged into another one has their orders still.
    if (None if number is None else unit.member_by_number(number)) is not member:
        raise OriginalOfAnotherMemberError(original_id)
    return transaction, member
