"""What happened, what was repaired, and which servers there are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Text, text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import BigKey, blob, instant


class EventLaneTable(SQLModel, table=True):
    """
    How many events each lane has had; see `event_log.py`.

    It follows from the events, and is made again where they are copied to.
    """

    __tablename__ = "event_lane"

    lane: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    newest: int = Field(sa_type=BigInteger)


OF_MEMBERS = "kind < 10 OR kind > 30"
"""Which events are about members, and not about a code or an order of theirs."""


class EventTable(SQLModel, table=True):
    """
    What happened, never changed: see `domain.events`.

    Members are not referred to by a key of the database, which would be looked up for each row;
    the audit holds them against one another.
    """

    __tablename__ = "event"
    __table_args__ = (
        # Those that repeat what codes and orders say are the most by far: see `domain.events`.
        Index(
            "event_of_member",
            "member_number",
            "event_id",
            sqlite_where=text(OF_MEMBERS),
            postgresql_where=text(OF_MEMBERS),
        ),
    )

    event_id: int = Field(sa_column=Column(BigKey, primary_key=True, autoincrement=False))
    unit: int = Field(sa_type=BigInteger)
    kind: int = Field(sa_type=Integer)
    effective_ms: int = Field(sa_column=instant())
    recorded_ms: int = Field(sa_column=instant())
    actor_kind: int = Field(sa_type=Integer)
    actor: str | None = Field(default=None, sa_type=Text)
    method: str | None = Field(default=None, sa_type=Text)
    request_id: str | None = Field(default=None, sa_type=Text)
    program_id: str | None = Field(default=None, sa_type=Text)
    member_number: int | None = Field(default=None, sa_type=BigInteger)
    subject: str | None = Field(default=None, sa_type=Text)
    before_state: int | None = Field(default=None, sa_type=Integer)
    after_state: int | None = Field(default=None, sa_type=Integer)
    available: int | None = Field(default=None, sa_type=BigInteger)
    available_sequence: int | None = Field(default=None, sa_type=BigInteger)
    held: int | None = Field(default=None, sa_type=BigInteger)
    held_sequence: int | None = Field(default=None, sa_type=BigInteger)
    debt: int | None = Field(default=None, sa_type=BigInteger)
    debt_sequence: int | None = Field(default=None, sa_type=BigInteger)
    reason: str | None = Field(default=None, sa_type=Text)
    detail: str | None = Field(default=None, sa_type=Text)


class RepairTable(SQLModel, table=True):
    """Repairs by operators: when, why, and as JSON what each changed."""

    __tablename__ = "repair"

    repair_id: str = Field(primary_key=True, sa_type=Text)
    repaired_ms: int = Field(sa_column=instant())
    reason: str = Field(sa_type=Text)
    changes: str = Field(sa_type=Text)


class ServerTable(SQLModel, table=True):
    """
    Servers of a PostgreSQL database that are running; see `presence.py`.

    It tells of now, and is no part of a store: it is not copied, and empty after a crash.
    """

    __tablename__ = "server"
    server_id: str = Field(primary_key=True, sa_type=Text)
    clock: str = Field(sa_type=Text)
    beat: int = Field(sa_type=BigInteger)
    heard_ms: int = Field(sa_column=instant())
    offset_ms: int | None = Field(default=None, sa_type=BigInteger)
    under_way: bytes = Field(sa_column=blob())
    peppers: bytes = Field(sa_column=blob())


OF_NOW = frozenset({str(ServerTable.__tablename__)})
"""Tables about the present moment: no backup or copy has their rows."""

DERIVED = frozenset({str(EventLaneTable.__tablename__)})
"""Tables that follow from others and are made again in a copy."""
