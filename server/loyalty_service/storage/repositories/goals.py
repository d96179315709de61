"""
What is counted of members for goals, and what goals gave them; both are locked with their member.

Where a program has goals or tiers, whoever finds a member also finds the card: by one statement on
SQLite. On PostgreSQL a statement that waits for a member's lock sees all else as it was before it
waited, so the card is asked for once the member is locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, ClassVar

from sqlalchemy import bindparam

from loyalty_service.domain.goal_cards import GoalAward, GoalCard, tiers_of
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.buckets import Buckets
from loyalty_service.storage.repositories.members import CARD_PLACE
from loyalty_service.storage.repositories.records import Build, Keys, Rows, Step
from loyalty_service.storage.repositories.statements import Kept, Statement, Statements

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
        self.of_order = by.compile(
            AWARD.select()
            .where(
                award.c.transaction_id == bindparam("transaction_id"),
                award.c.goal_id == bindparam("goal_id"),
            )
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

    def award_of(self, transaction: Transaction, goal_id: str) -> GoalAward | None:
        """See `Unit.award_of`."""
        statement = self._statements.of(GoalStatements).of_order
        found = self._query(GoalAward, statement, (transaction.transaction_id, goal_id))
        return found[0] if found else None

    def goal_card(self, member: Member) -> GoalCard | None:
        """See `Unit.goal_card`."""
        if member.goal_card is None and not self._counts(member):
            self.hold_card(member, self._record(GoalCard, (member.number,)))
        return member.goal_card

    def add_member(self, member: Member) -> None:
        """See `Unit.add_member`."""
        super().add_member(member)
        if self._counts(member):
            self.hold_card(member, None)

    def hold_card(self, member: Member, card: GoalCard | None) -> None:
        """See `Unit.hold_card`."""
        program = self.catalog.programs[member.program_id]
        member.goal_card = card
        member.tiers = tiers_of(card, program.tiers, program.goals)

    def cards_ahead(self, numbers: Keys) -> Step:
        """Read the cards of members, who are locked by then."""
        asked = numbers if any(map(_has_goals, self.catalog.programs.values())) else ()
        return self._records_ahead(GoalCard, asked)._replace(take=self._take_cards)

    def _take_cards(self, numbers: Keys, rows: Rows) -> None:
        self._taking(GoalCard)(numbers, rows)
        for (number,) in numbers:
            member = self._members.get(number)
            if member is not None and self._counts(member):
                self.hold_card(member, self._records.get((GoalCard, number)))

    def _load_member(self, statement: Statement, values: tuple[Any, ...]) -> Member | None:
        """Find a member, and the card where it was not found together with the member."""
        member = super()._load_member(statement, values)
        if self._bulk and member is not None and self._counts(member):
            self.hold_card(member, self._record(GoalCard, (member.number,)))
        return member

    def _take_member(self, row: Sequence[Any]) -> Member:
        """Take a member with the card, where the row has one."""
        member = super()._take_member(row)
        if len(row) > CARD_PLACE and self._counts(member):
            place = (GoalCard, member.number)
            counts, tiers = row[CARD_PLACE:]
            if counts is not None and place not in self._records:
                self._records[place] = GoalCard(member.number, member.program_id, counts, tiers)
            self.hold_card(member, self._records.get(place))
        return member

    def _counts(self, member: Member) -> bool:
        """Tell whether a member's program counts anything for goals."""
        program = self.catalog.programs.get(member.program_id)
        return program is not None and program.has_goals


_has_goals = attrgetter("has_goals")
