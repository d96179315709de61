"""Keep blocked members from what they may not do."""

from __future__ import annotations

from collections.abc import Iterable

from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import MemberBlockedError
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.records import Member


def require_may(member: Member, what: Blocked) -> None:
    """
    Refuse a member who is kept from this, or from all of it where it is several things.

    Raises:
        MemberBlockedError: The member is.
    """
    if member.kept_from & what == what:
        raise MemberBlockedError(what.word)


def require_uses(member: Member, uses: Iterable[IncentiveUse]) -> None:
    """
    Refuse what a blocked member would use; what an open order was accepted with is honoured.

    Raises:
        MemberBlockedError: The member is kept from using rewards and offers.
    """
    if Blocked.REDEEM in member.kept_from and any(use.accepted < use.quantity for use in uses):
        raise MemberBlockedError(Blocked.REDEEM.word)
