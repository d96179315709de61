"""What is left of rows that are gone: counts, sums, and the accounts at a point of the ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import BigKey, blob, from_zero, instant


class EventPrunedTable(SQLModel, table=True):
    """How many events of each lane were pruned, and the time before which they had happened."""

    __tablename__ = "event_pruned"

    lane: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    pruned: int = Field(sa_type=BigInteger)
    until_ms: int = Field(sa_column=instant())


class CheckpointTable(SQLModel, table=True):
    """
    Points of the ledger at which all accounts were summed up and signed.

    Where *archived_ms* is set, the transfers up to here are in archives, and those up to
    *removed_to* are in the ledger no more.
    """

    __tablename__ = "checkpoint"

    checkpoint_id: int = Field(
        sa_column=Column(BigKey, primary_key=True, autoincrement=False, nullable=False)
    )
    made_ms: int = Field(sa_column=instant())
    transfer_id: int = Field(sa_type=BigInteger)
    recorded_ms: int = Field(sa_column=instant())
    transfers: int = Field(sa_type=BigInteger)
    accounts: int = Field(sa_type=BigInteger)
    check_value: bytes = Field(sa_column=blob())
    digest: bytes = Field(sa_column=blob())
    archive: str | None = Field(default=None, sa_type=Text)
    archive_digest: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    archived_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    removed_to: int = Field(default=0, sa_column=from_zero())


class CheckpointAccountTable(SQLModel, table=True):
    """What the transfers up to a checkpoint make of each account that they touched."""

    __tablename__ = "checkpoint_account"

    checkpoint_id: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False, nullable=False)
    )
    account_id: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False, nullable=False)
    )
    balance: int = Field(sa_type=BigInteger)
    sequence: int = Field(sa_type=BigInteger)
    head: bytes = Field(sa_column=blob())
    recorded_ms: int = Field(sa_column=instant())
    latest_ms: int = Field(sa_column=instant())


class ArchivedOwnerTable(SQLModel, table=True):
    """Sums of the transfers of an owner that are in archives, by what moved the points."""

    __tablename__ = "archived_owner"
    __table_args__ = (
        CheckConstraint("owner_kind > 0", name="archived_owner_kind_positive"),
        {"sqlite_with_rowid": False},
    )

    owner_kind: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    owner_id: str = Field(primary_key=True, sa_type=Text)
    held: int | None = Field(default=None, sa_type=BigInteger)
    earned: int | None = Field(default=None, sa_type=BigInteger)
    redeemed: int | None = Field(default=None, sa_type=BigInteger)
    reversed: int | None = Field(default=None, sa_type=BigInteger)
    refunded: int | None = Field(default=None, sa_type=BigInteger)
    returned: int | None = Field(default=None, sa_type=BigInteger)
    expired: int | None = Field(default=None, sa_type=BigInteger)
