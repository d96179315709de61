"""What is kept of calls: sessions, answers, and counts for limits."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import blob, instant, member_number


class SessionTable(SQLModel, table=True):
    """Sessions of shoppers by correlation ID."""

    __tablename__ = "session"
    __table_args__ = (
        # What ends by itself: nothing waits for a session without a member.
        Index(
            "session_of_member",
            "program_id",
            "updated_ms",
            sqlite_where=text("status = 1 AND member_number IS NOT NULL"),
            postgresql_where=text("status = 1 AND member_number IS NOT NULL"),
        ),
        Index(
            "session_member",
            "member_number",
            sqlite_where=text("member_number IS NOT NULL"),
            postgresql_where=text("member_number IS NOT NULL"),
        ),
    )

    program_id: str = Field(primary_key=True, sa_type=Text)
    correlation_id: str = Field(primary_key=True, sa_type=Text)
    status: int = Field(sa_type=Integer)
    member_number: int | None = Field(default=None, sa_column=member_number(nullable=True))
    external_identifier: str | None = Field(default=None, sa_type=Text)
    channel: str = Field(sa_type=Text)
    locale: str = Field(sa_type=Text)
    anonymous_flag: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    updated_ms: int = Field(sa_column=instant())
    earn_only: int | None = Field(default=None, sa_type=Integer)
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    transaction_id: str | None = Field(default=None, sa_type=Text)


class KeptAnswerTable(SQLModel, table=True):
    """
    Answers kept under idempotency keys; the table has kept its first name.

    No answer names a person. Those of an older version may, and are *named* until the sweeper has
    taken the names out.
    """

    __tablename__ = "remembered_answer"
    __table_args__ = (
        Index(
            "answer_named",
            "named",
            sqlite_where=text("named = 1"),
            postgresql_where=text("named = 1"),
        ),
    )

    scope: str = Field(primary_key=True, sa_type=Text)
    idempotency_key: str = Field(primary_key=True, sa_type=Text)
    method: str = Field(sa_type=Text)
    fingerprint: bytes = Field(sa_column=blob())
    answer: bytes = Field(sa_column=blob())
    created_ms: int = Field(sa_column=instant())
    stores: str | None = Field(default=None, sa_type=Text)
    named: int | None = Field(default=None, sa_type=Integer)


class LimitTallyTable(SQLModel, table=True):
    """
    What keys, programs and members did in each period, for the limits of `domain.limits`.

    A count is split into shards for the same reason as accounts: it is their sum.
    """

    __tablename__ = "limit_tally"
    __table_args__ = (Index("limit_tally_since", "since_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    since_ms: int = Field(primary_key=True, sa_type=BigInteger)
    name: str = Field(primary_key=True, sa_type=Text)
    shard: int = Field(primary_key=True, sa_type=Integer)
    amount: int = Field(sa_type=BigInteger)
