"""What a use case that only reads may ask about points that members move in sessions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.records import Member, Transaction


@dataclass(frozen=True, slots=True)
class HistorySpan:
    """
    Which part of a member's history is asked for.

    Attributes:
        from_ms: Up to when, that moment included.
        to_ms: Since when.
        before: ID of what came last on the page before; absent at first.
    """

    from_ms: int
    to_ms: int
    before: str | None


class VisitReader(Protocol):
    """The part of a reader that is about reservations of points and ad hoc transactions."""

    async def overdue_reserved(self, member: Member, now_ms: int) -> int:
        """Count the points of a member's reservations that are past their time and not ended."""

    async def history_of(
        self, member: Member, span: HistorySpan, limit: int
    ) -> Sequence[Transaction | AdhocTransaction | PointsAssignment]:
        """List paid orders, ad hoc transactions and what partners gave besides, newest first."""

    async def named_by_sessions(
        self, member: Member, transaction_ids: Collection[str]
    ) -> Mapping[str, str]:
        """Give the correlation IDs of a member's sessions that were closed by some orders."""

    async def redeemed_by(self, transaction_ids: Collection[str]) -> Mapping[str, int]:
        """Tell how many points of reservations some orders took."""
