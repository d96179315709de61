"""Sessions of shoppers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlalchemy import bindparam, select, tuple_

from loyalty_service.domain.sessions import Session, SessionStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build, Keys, Records, Step
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statements,
    constant,
    table_of,
)

SESSION = Kept(
    Session,
    t.SessionTable,
    ("program_id", "correlation_id"),
    Rank.SESSIONS,
    status=SessionStatus,
)


class SessionStatements:
    """The statements about sessions."""

    def __init__(self, by: Statements) -> None:
        session = SESSION.table
        place = session.c.updated_ms, session.c.correlation_id
        after = (
            bindparam("after_ms", type_=session.c.updated_ms.type),
            bindparam("after_id", type_=session.c.correlation_id.type),
        )
        self.idle = by.compile(
            select(*place)
            .where(
                session.c.status == constant(SessionStatus.OPEN),
                session.c.member_number.is_not(None),
                session.c.program_id == bindparam("program_id"),
                session.c.updated_ms < bindparam("before_ms"),
                tuple_(*place) > tuple_(*after),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        if by.bulk:
            member = table_of(t.MemberTable)
            shoppers = select(member.c.number, member.c.merged_into).join_from(
                session, member, member.c.number == session.c.member_number
            )
            self.member_numbers = by.among(shoppers, session, SESSION.key)
            self.orders = by.among(
                select(session.c.transaction_id).where(session.c.transaction_id.is_not(None)),
                session,
                SESSION.key,
            )


class Sessions(Records):
    """The sessions of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (SESSION,)
    BUILT: ClassVar[tuple[Build, ...]] = (SessionStatements,)

    def session(self, program_id: str, correlation_id: str) -> Session | None:
        """See `Unit.session`."""
        return self._record(Session, (program_id, correlation_id))

    def idle_sessions(
        self, program_id: str, before_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """See `Unit.idle_sessions`."""
        self.write_records()  # Two looks of one batch must see what was ended between them.
        statement = self._statements.of(SessionStatements).idle
        given = {
            "program_id": program_id,
            "before_ms": before_ms,
            "after_ms": after[0],
            "after_id": after[1],
            "limit_rows": limit,
        }
        values = [given[name] for name in statement.names]
        rows = self._connection.execute(statement.sql, values).fetchall()
        return [(row[0], row[1]) for row in rows]

    def sessions_ahead(self, keys: Keys) -> Step:
        """Read sessions and lock them."""
        return self._records_ahead(Session, keys)
