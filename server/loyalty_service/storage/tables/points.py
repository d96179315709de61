"""Accounts, transfers, and what is told of points that go."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.domain.ledger import ACCOUNTS, OWNED_KINDS, PROGRAM_KINDS, AccountKind
from loyalty_service.storage.tables.columns import (
    blob,
    from_zero,
    instant,
    member_number,
    numbered,
    owner_id,
    owner_kind,
)


def _listed(kinds: Iterable[AccountKind]) -> str:
    return f"({', '.join(f'{kind:d}' for kind in kinds)})"


_OF_PROGRAM = f"kind IN {_listed(PROGRAM_KINDS)}"
_BELOW_ZERO = f"kind IN {_listed(kind for kind in OWNED_KINDS if ACCOUNTS[kind].least < 0)}"
_NOT_ABOVE_ZERO = f"kind IN {_listed(kind for kind in OWNED_KINDS if ACCOUNTS[kind].most <= 0)}"


class AccountTable(SQLModel, table=True):
    """
    Accounts of the ledger with their running balance and the head of their chain.

    A program's account is split into shards, so that writers do not queue for one row. Of the
    transfers of a member's account the first *untimed* are an older version's, whose times may go
    back.
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(
            f"{_OF_PROGRAM} OR {_BELOW_ZERO} OR balance >= 0",
            name="account_balance_not_negative",
        ),
        CheckConstraint(f"({_OF_PROGRAM}) = (member_number IS NULL)", name="account_owner"),
        CheckConstraint(f"NOT {_NOT_ABOVE_ZERO} OR balance <= 0", name="account_debt_not_positive"),
        Index(
            "account_of_member",
            "member_number",
            "kind",
            unique=True,
            sqlite_where=text("member_number IS NOT NULL"),
            postgresql_where=text("member_number IS NOT NULL"),
        ),
        Index(
            "account_of_program",
            "program_id",
            "kind",
            "shard",
            unique=True,
            sqlite_where=text("member_number IS NULL"),
            postgresql_where=text("member_number IS NULL"),
        ),
    )

    account_id: int | None = Field(default=None, sa_column=numbered())
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    member_number: int | None = Field(default=None, sa_column=member_number(nullable=True))
    kind: int = Field(sa_type=Integer)
    shard: int = Field(sa_type=Integer)
    balance: int = Field(sa_type=BigInteger)
    sequence: int = Field(sa_type=BigInteger)
    head: bytes = Field(sa_column=blob())
    moved_ms: int = Field(default=0, sa_column=from_zero())
    untimed: int = Field(default=0, sa_column=from_zero())


class TransferTable(SQLModel, table=True):
    """The ledger: transfers, never changed. The sequences and hashes are places in two chains."""

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("points > 0", name="transfer_points_positive"),
        CheckConstraint("source_id <> destination_id", name="transfer_accounts_differ"),
        Index("transfer_source", "source_id", "transfer_id"),
        Index("transfer_destination", "destination_id", "transfer_id"),
    )

    transfer_id: int | None = Field(default=None, sa_column=numbered())
    source_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("account.account_id"), nullable=False)
    )
    destination_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("account.account_id"), nullable=False)
    )
    points: int = Field(sa_type=BigInteger)
    cause: int = Field(sa_type=Integer)
    owner_kind: int = Field(default=1, sa_column=owner_kind())
    owner_id: str = Field(sa_column=owner_id())
    note: str = Field(sa_type=Text)
    effective_ms: int = Field(sa_column=instant())
    recorded_ms: int = Field(sa_column=instant())
    source_sequence: int = Field(sa_type=BigInteger)
    source_hash: bytes = Field(sa_column=blob())
    destination_sequence: int = Field(sa_type=BigInteger)
    destination_hash: bytes = Field(sa_column=blob())


class BucketTable(SQLModel, table=True):
    """Points of members that go on one day each, where their program lets points go."""

    __tablename__ = "bucket"
    __table_args__ = (
        CheckConstraint("points >= 0 AND expired >= 0", name="bucket_points_not_negative"),
        Index(
            "bucket_of_member",
            "member_number",
            "gone_ms",
            "earned_day",
            "bucket_id",
            sqlite_where=text("points > 0"),
            postgresql_where=text("points > 0"),
        ),
        Index(
            "bucket_gone",
            "gone_ms",
            "bucket_id",
            sqlite_where=text("points > 0"),
            postgresql_where=text("points > 0"),
        ),
    )

    bucket_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    earned_day: str = Field(sa_type=Text)
    last_day: str = Field(sa_type=Text)
    gone_ms: int = Field(sa_column=instant())
    rolling: int = Field(sa_type=Integer)
    version: int = Field(sa_type=Integer)
    points: int = Field(sa_type=BigInteger)
    expired: int = Field(sa_type=BigInteger)


class BucketPartTable(SQLModel, table=True):
    """What an order, or another owner, brought into a bucket and has out of it."""

    __tablename__ = "bucket_part"
    __table_args__ = (
        CheckConstraint(
            "earned >= 0 AND held >= 0 AND burned >= 0", name="bucket_part_not_negative"
        ),
    )

    owner_kind: int = Field(primary_key=True, sa_type=Integer)
    owner_id: str = Field(primary_key=True, sa_type=Text)
    bucket_id: str = Field(primary_key=True, sa_type=Text, foreign_key="bucket.bucket_id")
    member_number: int = Field(sa_column=member_number())
    earned: int = Field(sa_type=BigInteger)
    held: int = Field(sa_type=BigInteger)
    burned: int = Field(sa_type=BigInteger)


class PointsAssignmentTable(SQLModel, table=True):
    """Points that partners gave members beside any order, or took."""

    __tablename__ = "points_assignment"
    __table_args__ = (
        CheckConstraint("points <> 0", name="points_assignment_points_not_zero"),
        Index("points_assignment_of_member", "member_number", "assignment_id"),
    )

    assignment_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    points: int = Field(sa_type=BigInteger)
    partner: str = Field(sa_type=Text)
    reference: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=instant())
