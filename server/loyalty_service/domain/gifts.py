"""Records of what members are given beside orders: points of partners, and promo codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PointsAssignment:
    """
    Points that a partner gave a member, or below zero took, beside any order.

    Attributes:
        reference: Why, in the partner's words.
    """

    assignment_id: str
    program_id: str
    member_number: int
    points: int
    partner: str
    reference: str
    created_ms: int


@dataclass(slots=True)
class PromoCode:
    """
    A code that gives points, an incentive or both to whoever types it, known by its digest alone.

    Attributes:
        label: What operators call the codes that were made together.
        most_uses: How often it can be used by all members together.
        most_per_member: How often each member can use it.
        uses: How often it was used by all.
        begins_ms: When it can be used at first; absent for at once.
        ends_ms: When it can be used no more; absent for never.
        stores: JSON list of the stores that it can be used in; empty for all.
        incentive_id: What it gives besides the points, of which there may be none then.
        grant_uses: How often that may be used; absent for once.
        grant_days: For how many days, from the day on; absent for good.
    """

    program_id: str
    digest: bytes
    label: str
    points: int
    most_uses: int
    most_per_member: int
    uses: int
    begins_ms: int | None
    ends_ms: int | None
    stores: str
    created_ms: int
    incentive_id: str | None = None
    grant_uses: int | None = None
    grant_days: int | None = None


@dataclass(slots=True)
class PromoRedemption:
    """
    How often a member used a promo code.

    Attributes:
        uses: Without those that an operator took back.
        redeemed_ms: When it was used last.
    """

    program_id: str
    digest: bytes
    member_number: int
    uses: int
    redeemed_ms: int
