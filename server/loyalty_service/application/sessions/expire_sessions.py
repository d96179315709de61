"""
End sessions of members that nobody uses any more.

A session without a member is left as it is: nothing waits for its end, and whoever looks at it sees
how old it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import end_of_session
from loyalty_service.application.unit import Unit
from loyalty_service.domain.sessions import SessionStatus


@dataclass(frozen=True, slots=True)
class OverdueSession:
    """A session that was idle for too long when it was looked for."""

    program_id: str
    updated_ms: int
    correlation_id: str

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(sessions=((self.program_id, self.correlation_id),))


def find_overdue_sessions(
    unit: Unit, after: OverdueSession | None, limit: int, now_ms: int
) -> Sequence[OverdueSession]:
    """Find at most *limit* idle sessions that come *after* another, program by program."""
    found: list[OverdueSession] = []
    for program_id, program in sorted(unit.catalog.programs.items()):
        if after is not None and program_id < after.program_id:
            continue
        last = (0, "")
        if after is not None and program_id == after.program_id:
            last = (after.updated_ms, after.correlation_id)
        before_ms = now_ms - program.es.session_lifetime_s * 1000
        rows = unit.idle_sessions(program_id, before_ms, last, limit - len(found))
        found += [OverdueSession(program_id, *row) for row in rows]
        if len(found) >= limit:
            break
    return found


def expire_session(unit: Unit, overdue: OverdueSession, now_ms: int) -> Done[bool]:
    """Expire a session unless it has ended or was used meanwhile; tells whether it did."""
    program = unit.catalog.programs[overdue.program_id]
    session = unit.session(overdue.program_id, overdue.correlation_id)
    if session is None or session.status is not SessionStatus.OPEN:
        return Done(False)  # noqa: FBT003 - the result is one word.
    if session.status_at(now_ms, program.es.session_lifetime_s) is SessionStatus.OPEN:
        return Done(False)  # noqa: FBT003
    # Before the session changes: what is reserved in it goes back to its member.
    events = end_of_session(unit, session, now_ms)
    unit.change(session, status=SessionStatus.EXPIRED)
    return Done(True, events=events)  # noqa: FBT003
