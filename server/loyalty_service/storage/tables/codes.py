"""One-time codes, the counts of right and wrong ones, and peppers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import blob, instant, member_number


class CodeTable(SQLModel, table=True):
    """One-time codes by keyed digest; a dead row is overwritten when its digits are drawn again."""

    __tablename__ = "code"
    __table_args__ = (
        Index(
            "code_pending_of_member",
            "member_number",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index("code_of_member", "member_number"),
        Index(
            "code_pending",
            "expires_ms",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
    )

    program_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=blob(primary_key=True))
    member_number: int = Field(sa_column=member_number())
    loyalty_id: str = Field(sa_type=Text)
    status: int = Field(sa_type=Integer)
    selection: str = Field(sa_type=Text)
    lifetime_s: int = Field(sa_type=Integer)
    user_datetime: str | None = Field(default=None, sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    updated_ms: int = Field(sa_column=instant())
    expires_ms: int = Field(sa_column=instant())
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    transaction_id: str | None = Field(default=None, sa_type=Text)
    claim_key: str | None = Field(default=None, sa_type=Text)
    answer: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    partner: str | None = Field(default=None, sa_type=Text)


class CodeTallyTable(SQLModel, table=True):
    """
    Codes shown in each hour within a scope of `domain.guessing`, right and wrong.

    An hour is split into shards for the same reason as accounts: a scope's count is their sum.
    """

    __tablename__ = "code_tally"
    __table_args__ = (Index("code_tally_hour", "hour"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    hour: int = Field(primary_key=True, sa_type=Integer)
    shard: int = Field(primary_key=True, sa_type=Integer)
    matched: int = Field(sa_type=BigInteger)
    failed: int = Field(sa_type=BigInteger)


class CodeMonthTable(SQLModel, table=True):
    """
    Wrong codes that regulars earned on each day (UTC) for a scope of `domain.guessing`, and spent.

    A day is split into shards for the same reason as accounts: a scope's count is their sum.
    """

    __tablename__ = "code_month"
    __table_args__ = (Index("code_month_day", "day"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    day: int = Field(primary_key=True, sa_type=Integer)
    shard: int = Field(primary_key=True, sa_type=Integer)
    regulars: int = Field(sa_type=BigInteger)
    spent: int = Field(sa_type=BigInteger)


class CodeRegularTable(SQLModel, table=True):
    """When each member last counted as a regular of an API key: once a month at most."""

    __tablename__ = "code_regular"
    __table_args__ = (Index("code_regular_counted", "counted_ms"),)

    key_id: str = Field(primary_key=True, sa_type=Text)
    member_number: int = Field(primary_key=True, sa_type=BigInteger)
    counted_ms: int = Field(sa_column=instant())


class WrongCodeTable(SQLModel, table=True):
    """Wrong codes of late by keyed digest, so that the same one again counts once."""

    __tablename__ = "wrong_code"
    __table_args__ = (Index("wrong_code_failed", "failed_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=blob(primary_key=True))
    failed_ms: int = Field(sa_column=instant())


class CodeRefusalTable(SQLModel, table=True):
    """Scopes that showed too many wrong codes, and until when they may show none."""

    __tablename__ = "code_refusal"
    __table_args__ = (Index("code_refusal_until", "until_ms"),)

    scope: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    program_id: str = Field(sa_type=Text)
    key_id: str = Field(sa_type=Text)
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    terminal: str | None = Field(default=None, sa_type=Text)
    failed: int = Field(sa_type=BigInteger)
    matched: int = Field(sa_type=BigInteger)
    since_ms: int = Field(sa_column=instant())
    until_ms: int = Field(sa_column=instant())


class CodePepperTable(SQLModel, table=True):
    """Code peppers that the store was served with, each as a keyed digest that tells it."""

    __tablename__ = "code_pepper"

    check_value: bytes = Field(sa_column=blob(primary_key=True))
    known_ms: int = Field(sa_column=instant())
    current_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
