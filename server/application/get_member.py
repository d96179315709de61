"""Show a member and the points they have."""

from __future__ import annotations

from server.application.reading import Reader
from server.domain.errors import MemberNotFoundError
from server.domain.keys import ApiKey
from server.domain.records import Member


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
