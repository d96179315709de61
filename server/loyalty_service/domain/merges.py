"""
Members who were merged into others: what is kept of it, so that it can be undone.

Whoever was merged leads to the other one from then on: by loyalty ID, phone, card and code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.expiry import ending
from loyalty_service.domain.ledger import Owner, OwnerKind

UNMERGE_DAYS = 30
"""Days within which a merge can be undone."""

MERGED_MAX = 20
"""Members who can be merged into one."""


@dataclass(slots=True)
class MemberMerge:
    """
    One member merged into another.

    Attributes:
        into_number: Who goes on.
        merged_number: Who leads to them.
        undone_ms: When it was undone; absent where it holds.
        kept: JSON object of what undoing it starts from: see `Standing`.
    """

    merge_id: str
    program_id: str
    into_number: int
    merged_number: int
    merged_ms: int
    undone_ms: int | None
    kept: str

    @property
    def owner(self) -> Owner:
        """Give what the transfers of the merge name."""
        return Owner(OwnerKind.MERGE, self.merge_id)

    @property
    def until_ms(self) -> int:
        """Tell until when it can be undone."""
        return self.merged_ms + UNMERGE_DAYS * DAY_MS


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How two members stood as they were merged.

    Attributes:
        points: Points that the merged one brought, held ones too, less what it owed.
        waiting: Points that it brought which are not confirmed yet.
        marks: Transfers that had touched the other one's accounts once these were moved, by kind.
        cards: What was counted of both for goals, the merged one last: counts and tiers; absent
            where nothing was.
    """

    points: int
    waiting: int
    marks: Mapping[str, int]
    cards: tuple[tuple[str, str | None] | None, tuple[str, str | None] | None]


def bucket_of_other(bucket_id: str, number: int, other: int) -> str:
    """Name the bucket of one member for points of another's bucket, which stay apart."""
    return f"{other}{bucket_id.removeprefix(str(number))}{ending(number)}"


def own_bucket(bucket_id: str, number: int, own: int) -> str:
    """Name the bucket of a member for points that are in a bucket of another."""
    return f"{own}{bucket_id.removeprefix(str(number)).removesuffix(ending(own))}"
