"""What members do in a session besides orders: points set aside, given and taken."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import instant, member_number


class PointsReservationTable(SQLModel, table=True):
    """Points that members have set aside under a token."""

    __tablename__ = "points_reservation"
    __table_args__ = (
        CheckConstraint("points > 0", name="points_reservation_points_positive"),
        Index(
            "points_reservation_held",
            "expires_ms",
            "reservation_token",
            sqlite_where=text("status = 1"),
            postgresql_where=text("status = 1"),
        ),
        Index(
            "points_reservation_of_member",
            "member_number",
            "status",
            "reservation_token",
        ),
        Index(
            "points_reservation_used_by",
            "used_by",
            sqlite_where=text("used_by IS NOT NULL"),
            postgresql_where=text("used_by IS NOT NULL"),
        ),
    )

    reservation_token: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    correlation_id: str = Field(sa_type=Text)
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    points: int = Field(sa_type=BigInteger)
    status: int = Field(sa_type=Integer)
    created_ms: int = Field(sa_column=instant())
    expires_ms: int = Field(sa_column=instant())
    ended_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    used_by: str | None = Field(default=None, sa_type=Text)
    business_unit: str | None = Field(default=None, sa_type=Text)
    redeemer_id: str | None = Field(default=None, sa_type=Text)
    redemption_id: str | None = Field(default=None, sa_type=Text)
    items: str | None = Field(default=None, sa_type=Text)
    ended_in: str | None = Field(default=None, sa_type=Text)


class AdhocTransactionTable(SQLModel, table=True):
    """Points that partners gave members in a session, or took, and their voids."""

    __tablename__ = "adhoc_transaction"
    __table_args__ = (
        CheckConstraint("points <> 0", name="adhoc_transaction_points_not_zero"),
        Index("adhoc_transaction_of_member", "member_number", "adhoc_id"),
    )

    adhoc_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    member_number: int = Field(sa_column=member_number())
    kind: int = Field(sa_type=Integer)
    points: int = Field(sa_type=BigInteger)
    correlation_id: str = Field(sa_type=Text)
    partner: str = Field(sa_type=Text)
    store_id: int | None = Field(default=None, sa_type=BigInteger)
    created_ms: int = Field(sa_column=instant())
    channel: str | None = Field(default=None, sa_type=Text)
    business_unit: str | None = Field(default=None, sa_type=Text)
    reference: str | None = Field(default=None, sa_type=Text)
    issuer_id: str | None = Field(default=None, sa_type=Text)
    reward_id: str | None = Field(default=None, sa_type=Text)
    reservation_token: str | None = Field(default=None, sa_type=Text)
    original_id: str | None = Field(default=None, sa_type=Text)
    voided_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
