"""What use cases about merged members may ask of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loyalty_service.domain.ledger import Account
from loyalty_service.domain.merges import MemberMerge
from loyalty_service.domain.records import Member


class MergeUnit(Protocol):
    """The part of a unit of work that knows who was merged into whom."""

    def own_member(self, program_id: str, loyalty_id: str) -> Member | None:
        """Find a member by its own loyalty ID, also one that leads to another; lock it."""

    def merged_members(self, member: Member) -> Sequence[Member]:
        """Find those who were merged into a locked member."""

    def merge_of(self, member: Member) -> MemberMerge | None:
        """Find the merge by which a member leads to another one."""

    def hand_over(self, merge: MemberMerge, source: Member, target: Member) -> None:
        """
        Make orders, awards and grants of a locked member another one's, with all that goes along.

        At a merge these are all; where it is undone, those that it brought and that were not open.
        """

    def drop_card(self, member: Member) -> None:
        """Forget what is counted of a locked member for goals."""

    def moved_since(self, merge: MemberMerge, account: Account, mark: int, *, held: bool) -> int:
        """
        Tell how many points came to an account after a mark for what a merge brought, or went.

        Of open orders that it brought only what they burned counts, which left *held* points, and
        what of it came back.
        """

    def still_open(self, merge: MemberMerge) -> Sequence[str]:
        """Name the orders that were open when they were merged, and are still."""

    def counted_orders(self, member: Member) -> Sequence[str]:
        """Give what each claimed order of a member counts for goals: see `Transaction.counted`."""

    def awards_left(self, member: Member) -> Sequence[tuple[str, int, int, str | None, int, int]]:
        """
        Give what goals gave a member and was not taken back.

        Each has the goal, the period, how often it was reached, the tier, the day and the time.
        """

    def archived_since(self, since_ms: int) -> bool:
        """Tell whether transfers left the ledger that came after a moment."""
