"""
What every call of a session does with it: find it open, and close it with the call's answer.

A correlation ID is also the ID of the one order of its session. So a call that closes a session and
comes again gets the first answer, if it means the same, with no idempotency key; any other call is
told that the session is closed.
"""

from __future__ import annotations

import json

from loyalty_service.application.perform import NaturalKey, Repeated
from loyalty_service.application.reading import Reader
from loyalty_service.application.unit import Unit
from loyalty_service.domain.es_errors import SessionClosedError, SessionNotFoundError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Meant, fingerprint, read_by
from loyalty_service.domain.program import Program
from loyalty_service.domain.sessions import Session, SessionStatus

TOUCHED_MS = 60_000
"""How old the time of a session's last use may be: a write for each call would be too many."""


def open_session(
    unit: Unit, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> Session:
    """
    Find an open session, and note that it is used.

    Raises:
        SessionNotFoundError: There is no such session.
        StoreNotAllowedError: It is in a store that the key is not for.
        SessionClosedError: It is closed or has expired.
    """
    session = _open(unit.session(program.program_id, correlation_id), program, key, now_ms)
    if now_ms - session.updated_ms > TOUCHED_MS:
        unit.change(session, updated_ms=now_ms)
    return session


async def read_session(
    reader: Reader, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> Session:
    """
    Find an open session for a call that only reads; that it is used is not noted.

    Raises:
        SessionNotFoundError: There is no such session.
        StoreNotAllowedError: It is in a store that the key is not for.
        SessionClosedError: It is closed or has expired.
    """
    session = await reader.session_named(program.program_id, correlation_id)
    return _open(session, program, key, now_ms)


def _open(session: Session | None, program: Program, key: ApiKey, now_ms: int) -> Session:
    if session is None:
        raise SessionNotFoundError
    key.require_stores(session.stores)
    if session.status_at(now_ms, program.es.session_lifetime_s) is not SessionStatus.OPEN:
        raise SessionClosedError
    return session


def answer_of_close(
    unit: Unit, program: Program, correlation_id: str, method: str, command: Meant
) -> Repeated | None:
    """
    Give the answer of the call that closed a session, where this one is the same again.

    *method* is the word under which the answers of the call are kept for ever, as
    `Service/Method`. Look for it before `open_session`, which refuses a closed session.
    """
    kept = unit.kept_answer(*close_place(program.program_id, correlation_id))
    if kept is None or kept.method != method:
        return None
    if kept.fingerprint != fingerprint(method, command, read_by(program, command)):
        return None
    return Repeated(kept.answer, frozenset(json.loads(kept.stores or "[]")))


def close_place(program_id: str, correlation_id: str) -> tuple[str, str]:
    """Tell where the answer of the call that closed a session is kept, to be read ahead."""
    return _scope(program_id), correlation_id


def close_session(unit: Unit, session: Session, transaction_id: str | None, now_ms: int) -> None:
    """Close a session with the order that it was for, where there is one."""
    unit.change(
        session,
        status=SessionStatus.CLOSED,
        transaction_id=transaction_id,
        updated_ms=now_ms,
    )


def closing_key(program: Program, correlation_id: str, method: str, command: Meant) -> NaturalKey:
    """Name the answer of a call that closes a session, as `Done.kept_as`; a session has one."""
    told = fingerprint(method, command, read_by(program, command))
    return NaturalKey(_scope(program.program_id), correlation_id, method, told, fresh=True)


def _scope(program_id: str) -> str:
    # No partner's scope has a colon before its slash: a program's ID has none.
    return f"session:{program_id}"
