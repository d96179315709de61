"""What a use case may ask of the storage about points that members move in sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.records import Member


class VisitUnit(Protocol):
    """The part of a unit of work that is about reservations of points and ad hoc transactions."""

    def points_reservation(self, member: Member, token: str) -> PointsReservation | None:
        """Find what a locked member reserved under a token, whatever has become of it."""

    def held_reservations(self, member: Member) -> Sequence[PointsReservation]:
        """Find the reservations of a locked member that hold points, overdue or not."""

    def overdue_reservations(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """
        Find reservations past their time, by time and token; nothing is locked.

        Each comes with the program and the loyalty ID of its member.
        """

    def adhoc(self, adhoc_id: str) -> AdhocTransaction | None:
        """Find an ad hoc transaction of a locked member; see `member_of_paid`."""

    def member_of_paid(self, program_id: str, named: str) -> tuple[int | None, bool] | None:
        """
        Tell whose an ad hoc transaction or an order is, and whether it is an order.

        An order is named by its own ID, or by the correlation ID of the session that it closed.
        The number is absent where nobody has identified. Nothing is locked.
        """
