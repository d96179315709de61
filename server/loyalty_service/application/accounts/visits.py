"""The session that a call of a visit is in, for calls that write and for those that read."""

from __future__ import annotations

from loyalty_service.application.reading import Reader
from loyalty_service.application.sessions.open_session import open_session, read_session
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.domain.sessions import Session


def visit(unit: Unit, key: ApiKey, correlation_id: str, now_ms: int) -> tuple[Program, Session]:
    """
    Find the open session of a call that writes.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        StoreNotAllowedError: It is in a store that the key is not for.
    """
    program = unit.catalog.programs[key.program_id]
    require_served(program.contracts, ES)
    return program, open_session(unit, program, key, correlation_id, now_ms)


async def read_visit(
    reader: Reader, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> tuple[Session, Member | None]:
    """
    Find the open session of a call that reads, and its member if it has one.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        StoreNotAllowedError: It is in a store that the key is not for.
    """
    require_served(program.contracts, ES)
    session = await read_session(reader, program, key, correlation_id, now_ms)
    if session.member_number is None:
        return session, None
    member = await reader.member_by_number(session.member_number)
    if member is not None and program.expiry.ages:
        member.past_points = await reader.past_points(member, now_ms)
    return session, member
