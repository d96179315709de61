"""Make two members of one again, who were merged by mistake."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loyalty_service.application.members.merge_members import (
    Merged,
    events_of_both,
    keep_card,
    points_of,
    two_members,
)
from loyalty_service.application.members.merged_points import (
    book_both,
    give_back,
    give_back_waiting,
)
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.events import EventKind
from loyalty_service.domain.goal_cards import Counts, GoalCard
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.merged_cards import Awarded, parted_card
from loyalty_service.domain.merges import UNMERGE_DAYS, MemberMerge
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

_TOLD_MAX = 3


@dataclass(frozen=True, slots=True)
class UnmergeMembers:
    """Who goes on, who was merged into them, and why they part."""

    program_id: str
    loyalty_id: str
    merged_loyalty_id: str
    reason: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        both = (self.loyalty_id, self.merged_loyalty_id)
        return Reads(members=tuple((self.program_id, one.lower()) for one in both))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), self.merged_loyalty_id.lower()


def unmerge_members(unit: Unit, command: UnmergeMembers, now_ms: int) -> Done[Merged]:
    """
    Give a member back what was theirs: orders, grants, goals, tiers and points.

    Of the points that is what they brought, with what their own orders gave and took since, less
    what went on its day, as far as there are as many: what was spent was the other one's first.

    Raises:
        MemberNotFoundError: No member has one of the loyalty IDs, or was erased.
        RequestInvalidError: One was not merged into the other, or too long ago; or an order that
            was open then is still.
    """
    program = unit.catalog.programs[command.program_id]
    into, merged = two_members(unit, command)
    merge = _require_undoable(unit, into, merged, now_ms)
    before = [points_of(unit, one) for one in (into, merged)]
    book_both(unit, (into, merged), now_ms)
    kept = json.loads(merge.kept)
    waiting = kept["waiting"] + _moved(unit, merge, into, kept, AccountKind.UNCONFIRMED)
    points = give_back(unit, merge, into, merged, _due(unit, merge, into, kept), now_ms)
    give_back_waiting(unit, merge, into, merged, waiting, now_ms)
    unit.change(merge, undone_ms=now_ms)
    unit.hand_over(merge, into, merged)
    for member, told in zip((into, merged), kept["cards"], strict=True):
        _count_alone(unit, program, merge, member, told)
    unit.change_member(merged, merged_into=None)
    numbers = [number for number in into.others if number != merged.number]
    unit.change_member(into, merged_numbers=",".join(map(str, numbers)) or None)
    events = events_of_both(
        unit, EventKind.MEMBER_UNMERGED, merge, (into, merged), before, command.reason
    )
    return Done(Merged(into, merged, points, merge), events=events)


def _require_undoable(unit: Unit, into: Member, merged: Member, now_ms: int) -> MemberMerge:
    merge = unit.merge_of(merged)
    if merge is None or merge.into_number != into.number:
        raise _refused("is not merged into the member of loyalty_id")
    if now_ms > merge.until_ms:
        raise _refused(f"was merged more than {UNMERGE_DAYS} days ago, which stays")
    if unit.archived_since(merge.merged_ms):
        raise _refused("was merged before transfers were archived, which stays")
    still_open = unit.still_open(merge)
    if still_open:
        told = ", ".join(still_open[:_TOLD_MAX])
        raise _refused(
            f"brought orders or reservations that are still open, end them first: {told}"
        )
    return merge


def _refused(words: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation("merged_loyalty_id", words),))


def _due(unit: Unit, merge: MemberMerge, into: Member, kept: dict[str, Any]) -> int:
    """Tell how many points are the merged member's, whether or not they are there."""
    kinds = (AccountKind.AVAILABLE, AccountKind.DEBT, AccountKind.HELD)
    return int(kept["points"]) + sum(_moved(unit, merge, into, kept, kind) for kind in kinds)


def _moved(
    unit: Unit, merge: MemberMerge, into: Member, kept: dict[str, Any], kind: AccountKind
) -> int:
    """Tell how many points came to an account since, or went, for what was brought."""
    account = unit.accounts(into).get(kind)
    if account is None:
        return 0
    mark = kept["marks"].get(str(int(kind)), 0)
    return unit.moved_since(merge, account, mark, held=kind is AccountKind.HELD)


def _count_alone(
    unit: Unit, program: Program, merge: MemberMerge, member: Member, told: list[Any] | None
) -> None:
    """Count for goals what a member has ordered, and not what the other one has."""
    orders = unit.counted_orders(member)
    if told is None and not orders and unit.goal_card(member) is None:
        return
    counts, tiers = (Counts().text(), None) if told is None else told
    before = GoalCard(member.number, member.program_id, counts, tiers)
    awards = [Awarded(*award) for award in unit.awards_left(member)]
    keep_card(
        unit,
        member,
        parted_card(before, orders, awards, program.goals, program.tiers, merge.merged_ms),
    )
