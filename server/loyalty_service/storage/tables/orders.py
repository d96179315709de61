"""Transactions, and what they hold, reserve, redeem and use."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import (
    blob,
    from_zero,
    instant,
    member_number,
    owner_id,
    owner_kind,
)


class TransactionTable(SQLModel, table=True):
    """Loyalty transactions."""

    __tablename__ = "loyalty_transaction"
    __table_args__ = (
        Index(
            "transaction_pending",
            "expires_ms",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index(
            "transaction_claimed_by_member",
            "member_number",
            sqlite_where=text("status = 2"),
            postgresql_where=text("status = 2"),
        ),
        Index(
            "transaction_of_member",
            "member_number",
            "transaction_id",
            sqlite_where=text("member_number IS NOT NULL"),
            postgresql_where=text("member_number IS NOT NULL"),
        ),
        Index(
            "transaction_receipt",
            "program_id",
            "receipt_digest",
            unique=True,
            sqlite_where=text("receipt_digest IS NOT NULL"),
            postgresql_where=text("receipt_digest IS NOT NULL"),
        ),
        Index(
            "transaction_order",
            "program_id",
            "order_digest",
            "status",
            "transaction_id",
            sqlite_where=text("order_digest IS NOT NULL"),
            postgresql_where=text("order_digest IS NOT NULL"),
        ),
        Index(
            "transaction_waiting",
            "program_id",
            "claimed_ms",
            "transaction_id",
            sqlite_where=text("points_unconfirmed IS NOT NULL"),
            postgresql_where=text("points_unconfirmed IS NOT NULL"),
        ),
        Index("transaction_of_store", "program_id", "store_id", "transaction_id"),
        Index("transaction_of_number", "program_id", "pos_transaction_id", "transaction_id"),
        Index(
            "transaction_of_operator",
            "program_id",
            "operator",
            "transaction_id",
            sqlite_where=text("operator IS NOT NULL"),
            postgresql_where=text("operator IS NOT NULL"),
        ),
    )

    transaction_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int | None = Field(default=None, sa_column=member_number(nullable=True))
    status: int = Field(sa_type=Integer)
    store_id: int = Field(sa_type=BigInteger)
    pos_transaction_id: str = Field(sa_type=Text)
    pos_type: str = Field(sa_type=Text)
    supporting_pos: str | None = Field(default=None, sa_type=Text)
    terminal: str | None = Field(default=None, sa_type=Text)
    operator: str | None = Field(default=None, sa_type=Text)
    partner: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    updated_ms: int = Field(sa_column=instant())
    expires_ms: int = Field(sa_column=instant())
    channel: str | None = Field(default=None, sa_type=Text)
    service_mode: str | None = Field(default=None, sa_type=Text)
    basket: str | None = Field(default=None, sa_type=Text)
    points_earned: int = Field(default=0, sa_type=BigInteger)
    points_redeemed: int = Field(default=0, sa_type=BigInteger)
    claimed_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    receipt_digest: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    fingerprint: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    answer: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    refused_offers: str | None = Field(default=None, sa_type=Text)
    paid_store_id: int | None = Field(default=None, sa_type=BigInteger)
    order_digest: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    business_day: str | None = Field(default=None, sa_type=Text)
    till_created: str | None = Field(default=None, sa_type=Text)
    promotions: str | None = Field(default=None, sa_type=Text)
    counted: str | None = Field(default=None, sa_type=Text)
    program_version: int | None = Field(default=None, sa_type=Integer)
    earned_by: str | None = Field(default=None, sa_type=Text)
    returned: str | None = Field(default=None, sa_type=Text)
    points_returned: int = Field(default=0, sa_column=from_zero())
    earn_only: int | None = Field(default=None, sa_type=Integer)
    recorded_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    points_unconfirmed: int | None = Field(default=None, sa_type=BigInteger)
    confirmation: str | None = Field(default=None, sa_type=Text)


class RedemptionTable(SQLModel, table=True):
    """Incentives that claimed orders used."""

    __tablename__ = "redemption"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="redemption_quantity_positive"),
        Index(
            "redemption_of_member",
            "member_number",
            "incentive_id",
            "redeemed_ms",
            sqlite_where=text("voided_ms IS NULL"),
            postgresql_where=text("voided_ms IS NULL"),
        ),
        Index("redemption_of_transaction", "transaction_id"),
    )

    redemption_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    incentive_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    transaction_id: str = Field(sa_type=Text, foreign_key="loyalty_transaction.transaction_id")
    quantity: int = Field(sa_type=Integer)
    redeemed_ms: int = Field(sa_column=instant())
    voided_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    grant_id: str | None = Field(default=None, sa_type=Text)


class HoldTable(SQLModel, table=True):
    """Points set aside for an owner: for one incentive of it, or for it as a whole."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("points > 0", name="hold_points_positive"),
        Index("hold_of_transaction", "owner_id", "status"),
    )

    hold_id: str = Field(primary_key=True, sa_type=Text)
    owner_kind: int = Field(default=1, sa_column=owner_kind())
    owner_id: str = Field(sa_column=owner_id())
    member_number: int = Field(sa_column=member_number())
    incentive_id: str | None = Field(default=None, sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    status: int = Field(sa_type=Integer)
    created_ms: int = Field(sa_column=instant())
    expires_ms: int = Field(sa_column=instant())
    ended_ms: int | None = Field(default=None, sa_column=instant(nullable=True))


class ReservationTable(SQLModel, table=True):
    """Uses of incentives that open orders were accepted with; the quantity is 0 once it is over."""

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("quantity >= 0", name="reservation_quantity_not_negative"),
        Index(
            "reservation_of_member",
            "member_number",
            "incentive_id",
            sqlite_where=text("quantity > 0"),
            postgresql_where=text("quantity > 0"),
        ),
        Index(
            "reservation_of_incentive",
            "program_id",
            "incentive_id",
            sqlite_where=text("quantity > 0"),
            postgresql_where=text("quantity > 0"),
        ),
    )

    transaction_id: str = Field(
        primary_key=True, sa_type=Text, foreign_key="loyalty_transaction.transaction_id"
    )
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    point_cost: int = Field(primary_key=True, sa_type=BigInteger)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    reserved_by: str = Field(sa_type=Text)
    store_id: int = Field(sa_type=BigInteger)
    quantity: int = Field(sa_type=Integer)
    first_order: int = Field(sa_type=Integer)
    reserved_ms: int = Field(sa_column=instant())


class IncentiveUsageTable(SQLModel, table=True):
    """How often each incentive was redeemed, in shards for the same reason as accounts."""

    __tablename__ = "incentive_usage"

    program_id: str = Field(primary_key=True, sa_type=Text)
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    shard: int = Field(primary_key=True, sa_type=Integer)
    quantity: int = Field(sa_type=BigInteger)
