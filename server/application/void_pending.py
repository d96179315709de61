"""End a transaction that nobody will claim, and give its held points back."""

from __future__ import annotations

from server.application.unit import Unit
from server.domain.ledger import Cause, Origin
from server.domain.records import HoldStatus, Transaction, TransactionStatus


def void_pending(unit: Unit, transaction: Transaction, now_ms: int) -> None:
    """Void a PENDING transaction and release each of its holds, once."""
    if transaction.member_number is not None:
        member = unit.member_by_number(transaction.member_number)
        origin = Origin(Cause.RELEASE, transaction.transaction_id, "", now_ms, now_ms)
        for hold in unit.open_holds(transaction):
            unit.post(member.held, member.available, hold.points, origin)
            unit.change(hold, status=HoldStatus.RELEASED, ended_ms=now_ms)
    unit.change(transaction, status=TransactionStatus.VOID, updated_ms=now_ms)
