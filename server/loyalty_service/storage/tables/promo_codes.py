"""Promo codes, and who used them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
)
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import blob, instant


class PromoCodeTable(SQLModel, table=True):
    """Promo codes by keyed digest. *stores* is a JSON list, empty for all stores of the program."""

    __tablename__ = "promo_code"
    __table_args__ = (
        CheckConstraint(
            "points > 0 OR (points = 0 AND incentive_id IS NOT NULL)",
            name="promo_code_points_positive",
        ),
        CheckConstraint("uses BETWEEN 0 AND most_uses", name="promo_code_uses_in_bounds"),
        Index("promo_code_label", "program_id", "label"),
    )

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    digest: bytes = Field(sa_column=blob(primary_key=True))
    label: str = Field(sa_type=Text)
    points: int = Field(sa_type=BigInteger)
    most_uses: int = Field(sa_type=BigInteger)
    most_per_member: int = Field(sa_type=BigInteger)
    uses: int = Field(sa_type=BigInteger)
    begins_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    ends_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    stores: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    incentive_id: str | None = Field(default=None, sa_type=Text)
    grant_uses: int | None = Field(default=None, sa_type=BigInteger)
    grant_days: int | None = Field(default=None, sa_type=BigInteger)


class PromoRedemptionTable(SQLModel, table=True):
    """Who used which promo code."""

    __tablename__ = "promo_redemption"
    __table_args__ = (
        CheckConstraint("uses >= 0", name="promo_redemption_uses_not_negative"),
        Index("promo_redemption_of_member", "member_number"),
        ForeignKeyConstraint(
            ["program_id", "digest"], ["promo_code.program_id", "promo_code.digest"]
        ),
    )

    program_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=blob(primary_key=True))
    member_number: int = Field(
        sa_column=Column(BigInteger, ForeignKey("member.number"), primary_key=True, nullable=False)
    )
    uses: int = Field(sa_type=BigInteger)
    redeemed_ms: int = Field(sa_column=instant())
