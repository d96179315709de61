"""Members, what they are found by, and what they were given."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import (
    in_byte_order,
    instant,
    member_number,
    numbered,
)


class MemberTable(SQLModel, table=True):
    """Enrolled guests."""

    __tablename__ = "member"
    __table_args__ = (
        Index("member_loyalty_id", "program_id", "loyalty_id", unique=True),
        Index(
            "member_phone",
            "program_id",
            "phone",
            sqlite_where=text("phone IS NOT NULL"),
            postgresql_where=text("phone IS NOT NULL"),
        ),
        Index(
            "member_card",
            "program_id",
            "card",
            sqlite_where=text("card IS NOT NULL"),
            postgresql_where=text("card IS NOT NULL"),
        ),
    )

    number: int | None = Field(default=None, sa_column=numbered())
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    loyalty_id: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    email: str | None = Field(default=None, sa_type=Text)
    locale: str | None = Field(default=None, sa_type=Text)
    birth_date: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    segments: str | None = Field(default=None, sa_type=Text)
    erased_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    phone: str | None = Field(default=None, sa_type=Text)
    card: str | None = Field(default=None, sa_type=Text)
    blocked: int | None = Field(default=None, sa_type=Integer)
    block_reason: str | None = Field(default=None, sa_type=Text)
    merged_into: int | None = Field(default=None, sa_type=BigInteger)
    merged_numbers: str | None = Field(default=None, sa_type=Text)
    blocked_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    locked_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    lock_reason: str | None = Field(default=None, sa_type=Text)


class MemberEmailTable(SQLModel, table=True):
    """Who enrolled first with each e-mail address, which is kept folded to compare."""

    __tablename__ = "member_email"

    program_id: str = Field(primary_key=True, sa_type=Text)
    email: str = Field(primary_key=True, sa_type=Text)
    member_number: int = Field(sa_column=member_number())


class MemberTermTable(SQLModel, table=True):
    """
    What members are found by, folded: see `domain.member_terms`.

    Terms are in the order of their bytes on every database, so that those which begin with some
    letters stand together.
    """

    __tablename__ = "member_term"
    __table_args__ = (Index("member_term_found", "program_id", "term", "member_number", "kind"),)

    member_number: int = Field(
        sa_column=Column(
            BigInteger,
            ForeignKey("member.number"),
            primary_key=True,
            autoincrement=False,
            nullable=False,
        )
    )
    kind: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    term: str = Field(sa_column=Column(in_byte_order(), primary_key=True, nullable=False))
    program_id: str = Field(sa_type=Text)


class GrantTable(SQLModel, table=True):
    """Incentives that were given to members; `grant` is a word of SQL."""

    __tablename__ = "member_grant"
    __table_args__ = (
        CheckConstraint("uses > 0", name="member_grant_uses_positive"),
        CheckConstraint("used BETWEEN 0 AND uses", name="member_grant_used_in_bounds"),
        Index("grant_of_member", "member_number", "incentive_id", "last_day"),
    )

    grant_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    incentive_id: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    uses: int = Field(sa_type=BigInteger)
    used: int = Field(sa_type=BigInteger)
    first_day: str = Field(sa_type=Text)
    last_day: str = Field(sa_type=Text)
    given_ms: int = Field(sa_column=instant())
    activated_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    withdrawn_ms: int | None = Field(default=None, sa_column=instant(nullable=True))


class GoalCardTable(SQLModel, table=True):
    """What is counted of members for goals, and their tiers; see `domain.goal_cards`."""

    __tablename__ = "goal_card"

    member_number: int = Field(
        sa_column=Column(
            BigInteger,
            ForeignKey("member.number"),
            primary_key=True,
            autoincrement=False,
            nullable=False,
        )
    )
    program_id: str = Field(sa_type=Text)
    counts: str = Field(sa_type=Text)
    tiers: str | None = Field(default=None, sa_type=Text)


class GoalAwardTable(SQLModel, table=True):
    """What goals gave members, and with which orders."""

    __tablename__ = "goal_award"
    __table_args__ = (
        CheckConstraint("lost_rounds BETWEEN 0 AND rounds", name="goal_award_rounds_in_bounds"),
        CheckConstraint("lost_points BETWEEN 0 AND points", name="goal_award_points_in_bounds"),
        Index("goal_award_of_member", "member_number", "goal_id"),
        Index("goal_award_of_order", "transaction_id", "goal_id", unique=True),
    )

    award_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    goal_id: str = Field(sa_type=Text)
    period: int = Field(sa_type=Integer)
    transaction_id: str = Field(sa_type=Text, foreign_key="loyalty_transaction.transaction_id")
    day: int = Field(sa_type=Integer)
    rounds: int = Field(sa_type=BigInteger)
    points: int = Field(sa_type=BigInteger)
    tier: str | None = Field(default=None, sa_type=Text)
    awarded_ms: int = Field(sa_column=instant())
    lost_rounds: int = Field(sa_type=BigInteger)
    lost_points: int = Field(sa_type=BigInteger)
    incentive_id: str | None = Field(default=None, sa_type=Text)
