"""Webhooks, and their messages that did not arrive at once."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import blob, instant


class WebhookTable(SQLModel, table=True):
    """Who is told of events; secrets are sealed with the code pepper."""

    __tablename__ = "webhook"
    __table_args__ = (Index("webhook_of_program", "program_id"),)

    webhook_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    url: str = Field(sa_type=Text)
    types: str = Field(sa_type=Text)
    secret: bytes = Field(sa_column=blob())
    old_secret: bytes | None = Field(default=None, sa_column=blob(nullable=True))
    old_until_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    position: bytes = Field(sa_column=blob())
    placed: int = Field(sa_type=BigInteger)
    created_ms: int = Field(sa_column=instant())
    disabled_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    disabled_reason: str | None = Field(default=None, sa_type=Text)
    removed_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    held_by: str | None = Field(default=None, sa_type=Text)
    held_until_ms: int | None = Field(default=None, sa_column=instant(nullable=True))


class DeliveryTable(SQLModel, table=True):
    """Messages of webhooks that did not arrive at once; 1 is waiting, 2 delivered, 3 dead."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        CheckConstraint("status BETWEEN 1 AND 3", name="webhook_delivery_status_known"),
        Index(
            "webhook_delivery_left",
            "webhook_id",
            "place",
            sqlite_where=text("status <> 2"),
            postgresql_where=text("status <> 2"),
        ),
    )

    webhook_id: str = Field(
        sa_column=Column(Text, ForeignKey("webhook.webhook_id"), primary_key=True, nullable=False)
    )
    event_id: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False, nullable=False)
    )
    member_number: int | None = Field(default=None, sa_type=BigInteger)
    status: int = Field(sa_type=Integer)
    place: int = Field(sa_type=BigInteger)
    attempts: int = Field(sa_type=BigInteger)
    begun_ms: int = Field(sa_column=instant())
    next_ms: int = Field(sa_column=instant())
    answered: int | None = Field(default=None, sa_type=BigInteger)
    problem: str | None = Field(default=None, sa_type=Text)
    ended_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
