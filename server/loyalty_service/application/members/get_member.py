"""Show a member and the points they have."""

from __future__ import annotations

from loyalty_service.application.reading import Reader
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Member


async def get_member(reader: Reader, key: ApiKey, loyalty_id: str) -> Member:
    """
    Find a member of the key's program.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await reader.member(key.program_id, loyalty_id.lower())
    if member is None:
        raise MemberNotFoundError(loyalty_id.lower())
    return member
