"""Points that partners give or take in a session, outside of any order, and their voids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from loyalty_service.domain.ledger import Owner, OwnerKind


class AdhocKind(IntEnum):
    """Kinds of ad hoc transaction."""

    REWARD = 1
    REDEEM = 2
    VOID = 3


@dataclass(slots=True)
class AdhocTransaction:
    """
    An ad hoc transaction of a member.

    Attributes:
        points: How many came or, below zero, went.
        correlation_id: The session that it was made in.
        partner: That of the API key.
        reference: The partner's own name for it; absent where it has none.
        issuer_id, reward_id: Who gives what; of a reward alone.
        reservation_token: What held the points; of a redemption alone.
        original_id: What a void takes back.
        voided_ms: When it was taken back; absent while it was not.
    """

    adhoc_id: str
    program_id: str
    member_number: int
    kind: AdhocKind
    points: int
    correlation_id: str
    partner: str
    store_id: int | None
    created_ms: int
    channel: str | None = None
    business_unit: str | None = None
    reference: str | None = None
    issuer_id: str | None = None
    reward_id: str | None = None
    reservation_token: str | None = None
    original_id: str | None = None
    voided_ms: int | None = None

    @property
    def owner(self) -> Owner:
        """Give what the transfers of a reward or redemption name."""
        if self.reservation_token is not None:
            return Owner(OwnerKind.RESERVATION, self.reservation_token)
        return Owner(OwnerKind.ADHOC, self.adhoc_id)
