"""End what nobody came back for: open transactions with their holds, and unused codes."""

from __future__ import annotations

from dataclasses import dataclass

from server.application.unit import Unit
from server.application.void_transaction import void
from server.domain.records import CodeStatus


@dataclass(frozen=True, slots=True)
class Expired:
    """How much was ended, and which transactions."""

    transaction_ids: tuple[str, ...]
    codes: int

    @property
    def count(self) -> int:
        """All that was ended."""
        return len(self.transaction_ids) + self.codes


def expire_overdue(unit: Unit, limit: int, now_ms: int) -> Expired:
    """Void at most *limit* overdue transactions and expire as many codes."""
    transactions = unit.overdue_transactions(now_ms, limit)
    for transaction in transactions:
        void(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)
    codes = unit.overdue_codes(now_ms, limit)
    for code in codes:
        unit.change(code, status=CodeStatus.EXPIRED, updated_ms=now_ms)
    return Expired(tuple(t.transaction_id for t in transactions), len(codes))
