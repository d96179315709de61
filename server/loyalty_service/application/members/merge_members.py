"""Make one member of two: the other one leads to it from then on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from loyalty_service.application.aging import follow_tiers
from loyalty_service.application.members.merged_points import (
    book_both,
    bring_over,
    fits,
    net_points,
    waiting_points,
)
from loyalty_service.application.perform import Done
from loyalty_service.application.points import owed_points
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import FieldViolation, MemberNotFoundError, RequestInvalidError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.goal_cards import GoalCard
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.merged_cards import merged_card
from loyalty_service.domain.merges import MERGED_MAX, MemberMerge, Standing
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class MergeMembers:
    """Who goes on, who is merged into them, and why."""

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


@dataclass(frozen=True, slots=True)
class Merged:
    """
    Two members who were made one, or one who was made two again.

    Attributes:
        points: Points that moved; below zero those that it owed.
    """

    member: Member
    other: Member
    points: int
    merge: MemberMerge


def merge_members(unit: Unit, command: MergeMembers, now_ms: int) -> Done[Merged]:
    """
    Merge a member into another: points, orders, grants, goals and tiers are theirs together.

    Raises:
        MemberNotFoundError: No member has one of the loyalty IDs, or was erased.
        RequestInvalidError: They are one; one of them is blocked or was merged; or they have more
            points together than the ledger carries.
    """
    program = unit.catalog.programs[command.program_id]
    into, merged = two_members(unit, command)
    _require_mergeable(unit, into, merged)
    before = [points_of(unit, one) for one in (into, merged)]
    book_both(unit, (into, merged), now_ms)
    merge = MemberMerge(
        new_id(now_ms), program.program_id, into.number, merged.number, now_ms, None, ""
    )
    points, waiting = net_points(unit, merged), waiting_points(unit, merged)
    bring_over(unit, merge, merged, into, now_ms)
    cards = (unit.goal_card(into), unit.goal_card(merged))
    standing = Standing(
        points,
        waiting,
        {str(int(kind)): one.sequence for kind, one in unit.accounts(into).items()},
        (_kept(cards[0]), _kept(cards[1])),
    )
    merge.kept = json.dumps(asdict(standing), separators=(",", ":"))
    unit.add(merge)
    unit.hand_over(merge, merged, into)
    _count_together(unit, program, into, merged)
    unit.change_member(merged, merged_into=into.number)
    numbers = (*into.others, merged.number)
    unit.change_member(into, merged_numbers=",".join(map(str, numbers)))
    events = events_of_both(
        unit, EventKind.MEMBER_MERGED, merge, (into, merged), before, command.reason
    )
    return Done(Merged(into, merged, points, merge), events=events)


def two_members(unit: Unit, command: Any) -> tuple[Member, Member]:
    """
    Find two members by their own loyalty IDs.

    Raises:
        MemberNotFoundError: One is not there, or was erased.
    """
    found = []
    for loyalty_id in (command.loyalty_id.lower(), command.merged_loyalty_id.lower()):
        member = unit.own_member(command.program_id, loyalty_id)
        if member is None or member.erased_ms is not None:
            raise MemberNotFoundError(loyalty_id)
        found.append(member)
    return found[0], found[1]


def _require_mergeable(unit: Unit, into: Member, merged: Member) -> None:
    wrong = [*_obstacles(into, "loyalty_id"), *_obstacles(merged, "merged_loyalty_id")]
    if merged is into:
        wrong = [FieldViolation("merged_loyalty_id", "must be another member than loyalty_id")]
    elif merged.others:
        words = "has members merged into it: merge the other way round, or unmerge them first"
        wrong.append(FieldViolation("merged_loyalty_id", words))
    elif len(into.others) >= MERGED_MAX:
        words = f"has {MERGED_MAX} members merged into it, which is the most"
        wrong.append(FieldViolation("loyalty_id", words))
    elif not wrong and not fits(unit, into, merged):
        words = f"must not raise the balance, or what is owed, above {POINTS_MAX} points"
        wrong.append(FieldViolation("merged_loyalty_id", words))
    if wrong:
        raise RequestInvalidError(tuple(wrong))


def _obstacles(member: Member, field: str) -> Iterable[FieldViolation]:
    if member.merged_into is not None:
        yield FieldViolation(field, "was merged into another member already")
    elif member.kept_from:
        yield FieldViolation(field, "is blocked: lift the block first")


def _kept(card: GoalCard | None) -> tuple[str, str | None] | None:
    return None if card is None else (card.counts, card.tiers)


def _count_together(unit: Unit, program: Program, into: Member, merged: Member) -> None:
    """Count for goals what both have ordered, and let points be good as long as both tiers let."""
    own, other = unit.goal_card(into), unit.goal_card(merged)
    if other is None:
        return
    if own is None:
        card = replace(other, member_number=into.number)
    else:
        card = merged_card(own, other, program.goals)
    unit.drop_card(merged)
    keep_card(unit, into, card)


def keep_card(unit: Unit, member: Member, card: GoalCard) -> None:
    """Keep what is counted of a member from now on."""
    known = unit.goal_card(member)
    if known is None:
        unit.add(card)
        known = card
    else:
        unit.change(known, counts=card.counts, tiers=card.tiers)
    unit.hold_card(member, known)
    follow_tiers(unit, member)


def points_of(unit: Unit, member: Member) -> dict[str, int]:
    """Tell what a member has, for an event."""
    owed = owed_points(unit.accounts(member))
    return {"available": member.spendable, "held": member.held.balance, "owed": owed}


def events_of_both(
    unit: Unit,
    kind: EventKind,
    merge: MemberMerge,
    members: tuple[Member, Member],
    before: list[dict[str, int]],
    reason: str,
) -> tuple[Event, ...]:
    """Tell of both members what they had before and have after, each with the other's ID."""
    into, merged = members
    told = {"mergeId": merge.merge_id, "into": into.loyalty_id, "merged": merged.loyalty_id}
    return tuple(
        Event(
            kind,
            merge.program_id,
            member,
            subject=member.loyalty_id,
            reason=reason,
            detail=json.dumps(
                told | {"before": had, "after": points_of(unit, member)}, separators=(",", ":")
            ),
        )
        for member, had in zip(members, before, strict=True)
    )
