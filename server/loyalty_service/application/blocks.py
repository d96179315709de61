"""Keep blocked members from what they may not do."""

from __future__ import annotations

from collections.abc import Iterable

from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import CodeRequiredError, MemberBlockedError
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.records import Member, Transaction


def require_may(member: Member, what: Blocked) -> None:
    """
    Refuse a member who is kept from this, or from all of it where it is several things.

    Raises:
        MemberBlockedError: The member is.
    """
    if member.kept_from & what == what:
        raise MemberBlockedError(what.word)


def require_uses(member: Member, uses: Iterable[IncentiveUse], transaction: Transaction) -> None:
    """
    Refuse what a member may not use; what an open order was accepted with is honoured.

    Raises:
        MemberBlockedError: The member is kept from using rewards and offers.
        CodeRequiredError: The guest was identified by something that others may know.
    """
    if all(use.accepted >= use.quantity for use in uses):
        return
    if Blocked.REDEEM in member.kept_from:
        raise MemberBlockedError(Blocked.REDEEM.word)
    if transaction.earn_only:
        raise CodeRequiredError
