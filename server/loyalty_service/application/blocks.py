"""Keep blocked members from what they may not do."""

from __future__ import annotations

from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import MemberBlockedError
from loyalty_service.domain.records import Member


def require_may(member: Member, what: Blocked) -> None:
    """
    Refuse a member who is kept from this, or from all of it where it is several things.

    Raises:
        MemberBlockedError: The member is.
    """
    if member.kept_from & what == what:
        raise MemberBlockedError(what.word)
