"""Points that members set aside, are given and lose in sessions; locked with their member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlalchemy import bindparam, select, tuple_

from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.points_reservations import PointsReservation, ReservationStatus
from loyalty_service.domain.records import Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build, Records
from loyalty_service.storage.repositories.statements import Kept, Statements, constant, table_of

RESERVED = Kept(
    PointsReservation,
    t.PointsReservationTable,
    ("reservation_token",),
    Rank.POINTS_RESERVATIONS,
    status=ReservationStatus,
)
ADHOC = Kept(AdhocTransaction, t.AdhocTransactionTable, ("adhoc_id",), Rank.ADHOC_TRANSACTIONS)


class VisitStatements:
    """The statements about what members do in sessions."""

    def __init__(self, by: Statements) -> None:
        reserved, adhoc, member = RESERVED.table, ADHOC.table, table_of(t.MemberTable)
        self.reservation = by.compile(
            RESERVED.select()
            .where(
                reserved.c.reservation_token == bindparam("reservation_token"),
                reserved.c.member_number == bindparam("member_number"),
            )
            .with_for_update()
        )
        self.held = by.compile(
            RESERVED.select()
            .where(
                reserved.c.member_number == bindparam("member_number"),
                reserved.c.status == constant(ReservationStatus.HELD),
            )
            .order_by(reserved.c.reservation_token)
            .with_for_update()
        )
        # Not locked: it never changes, and may be of a member whom others have locked.
        self.member_of_adhoc = by.compile(
            select(adhoc.c.program_id, adhoc.c.member_number).where(
                adhoc.c.adhoc_id == bindparam("adhoc_id")
            )
        )
        session, order = table_of(t.SessionTable), table_of(t.TransactionTable)
        self.order_of_session = by.compile(
            select(session.c.member_number).where(
                session.c.program_id == bindparam("program_id"),
                session.c.correlation_id == bindparam("correlation_id"),
                session.c.transaction_id.is_not(None),
            )
        )
        self.member_of_order = by.compile(
            select(order.c.member_number).where(
                order.c.transaction_id == bindparam("transaction_id"),
                order.c.program_id == bindparam("program_id"),
            )
        )
        place = [reserved.c.expires_ms, reserved.c.reservation_token]
        last = [bindparam(f"after_{one.name}", type_=one.type) for one in place]
        self.overdue = by.compile(
            select(*place, member.c.program_id, member.c.loyalty_id)
            .join_from(reserved, member, member.c.number == reserved.c.member_number)
            .where(
                reserved.c.status == constant(ReservationStatus.HELD),
                reserved.c.expires_ms <= bindparam("now_ms"),
                tuple_(*place) > tuple_(*last),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )


class Visits(Records):
    """What members do in sessions, as a unit of work knows it."""

    KEPT: ClassVar[tuple[Kept, ...]] = (RESERVED, ADHOC)
    BUILT: ClassVar[tuple[Build, ...]] = (VisitStatements,)

    @property
    def _visits_by(self) -> VisitStatements:
        return self._statements.of(VisitStatements)

    def points_reservation(self, member: Member, token: str) -> PointsReservation | None:
        """See `Unit.points_reservation`."""
        known: PointsReservation | None = self._records.get((PointsReservation, token))
        if known is not None:
            return known if known.member_number == member.number else None
        by = self._visits_by.reservation
        given = {"reservation_token": token, "member_number": member.number}
        values = tuple(given[name] for name in by.names)
        found = self._query(PointsReservation, by, values, flush=False)
        return found[0] if found else None

    def held_reservations(self, member: Member) -> Sequence[PointsReservation]:
        """See `Unit.held_reservations`."""
        found = self._query(PointsReservation, self._visits_by.held, (member.number,))
        return [one for one in found if one.status is ReservationStatus.HELD]

    def overdue_reservations(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """See `Unit.overdue_reservations`."""
        self.write_records()  # Two looks of one batch must see what was ended between them.
        by = self._visits_by.overdue
        given = {
            "now_ms": now_ms,
            "after_expires_ms": after[0],
            "after_reservation_token": after[1],
            "limit_rows": limit,
        }
        return self._connection.execute(by.sql, [given[name] for name in by.names]).fetchall()

    def adhoc(self, adhoc_id: str) -> AdhocTransaction | None:
        """See `Unit.adhoc`."""
        found = self._record(AdhocTransaction, (adhoc_id,))
        if found is not None:
            found.kind = AdhocKind(found.kind)
        return found

    def member_of_paid(self, program_id: str, named: str) -> tuple[int | None, bool] | None:
        """See `Unit.member_of_paid`."""
        known: AdhocTransaction | None = self._records.get((AdhocTransaction, named))
        if known is not None and known.program_id == program_id:
            return known.member_number, False
        by = self._visits_by
        row = self._connection.execute(by.member_of_adhoc.sql, (named,)).fetchone()
        if row is not None:
            return (row[1], False) if row[0] == program_id else None
        for statement in (by.order_of_session, by.member_of_order):
            given = {"program_id": program_id, "correlation_id": named, "transaction_id": named}
            values = [given[name] for name in statement.names]
            row = self._connection.execute(statement.sql, values).fetchone()
            if row is not None:
                return row[0], True
        return None
