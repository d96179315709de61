"""
What is counted of members for goals, and what goals gave them; both are locked with their member.

Where a program has goals or tiers, a member is found with the card by one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import bindparam

from loyalty_service.domain.goal_cards import GoalAward, GoalCard, tiers_of
from loyalty_service.domain.records import Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.buckets import Buckets
from loyalty_service.storage.repositories.members import CARD_PLACE
from loyalty_service.storage.repositories.records import Build
from loyalty_service.storage.repositories.statements import Kept, Statements

CARD = Kept(GoalCard, t.GoalCardTable, ("member_number",), Rank.GOAL_CARDS)
AWARD = Kept(GoalAward, t.GoalAwardTable, ("award_id",), Rank.GOAL_AWARDS)


class GoalStatements:
    """The statements about what goals gave."""

    def __init__(self, by: Statements) -> None:
        award = AWARD.table
        self.of_goal = by.compile(
            AWARD.select()
            .where(
                award.c.member_number == bindparam("member_number"),
                award.c.goal_id == bindparam("goal_id"),
                award.c.lost_rounds < award.c.rounds,
            )
            .order_by(award.c.award_id)
            .with_for_update()
        )


class Goals(Buckets):
    """The cards and awards of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (CARD, AWARD)
    BUILT: ClassVar[tuple[Build, ...]] = (GoalStatements,)

    def awards(self, member: Member, goal_id: str) -> Sequence[GoalAward]:
        """See `Unit.awards`."""
        statement = self._statements.of(GoalStatements).of_goal
        return self._query(GoalAward, statement, (member.number, goal_id))

    def hold_card(self, member: Member, card: GoalCard | None) -> None:
        """See `Unit.hold_card`."""
        program = self.catalog.programs[member.program_id]
        member.goal_card = card
        member.tiers = tiers_of(card, program.tiers, program.goals)

    def _take_member(self, row: Sequence[Any]) -> Member:
        """Take a member with the card, where the row has one."""
        member = super()._take_member(row)
        program = self.catalog.programs.get(member.program_id)
        if len(row) > CARD_PLACE and program is not None and program.has_goals:
            place = (GoalCard, member.number)
            counts, tiers = row[CARD_PLACE:]
            if counts is not None and place not in self._records:
                self._records[place] = GoalCard(member.number, member.program_id, counts, tiers)
            self.hold_card(member, self._records.get(place))
        return member
