"""Find the member whom a call is about."""

from __future__ import annotations

from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.records import Member


def find_member(unit: Unit, program_id: str, loyalty_id: str) -> Member:
    """
    Find a member and lock it; one who was erased can't be found to begin anything with.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = unit.member(program_id, loyalty_id.lower())
    if member is None or member.erased_ms is not None:
        raise MemberNotFoundError(loyalty_id.lower())
    return member
