"""What operators set: programs, stores, incentives, keys, and the versions of programs."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import instant


class CatalogRevisionTable(SQLModel, table=True):
    """One row that counts the changes of programs, stores, incentives and keys."""

    __tablename__ = "catalog_revision"
    __table_args__ = (CheckConstraint("single = 1", name="catalog_revision_single"),)

    single: int = Field(default=1, primary_key=True, sa_type=Integer)
    revision: int = Field(sa_type=BigInteger)


class ProgramTable(SQLModel, table=True):
    """Programs, each as the normal form of its file without stores and incentives."""

    __tablename__ = "program"

    program_id: str = Field(primary_key=True, sa_type=Text)
    document: str = Field(sa_type=Text)


class StoreTable(SQLModel, table=True):
    """Stores of programs."""

    __tablename__ = "store"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    store_id: int = Field(primary_key=True, sa_type=BigInteger)
    document: str = Field(sa_type=Text)


class IncentiveTable(SQLModel, table=True):
    """Incentives of programs, retired ones included."""

    __tablename__ = "incentive"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    incentive_id: str = Field(primary_key=True, sa_type=Text)
    document: str = Field(sa_type=Text)


class ApiKeyTable(SQLModel, table=True):
    """API keys, as digests. *stores* is a JSON list, empty for all stores of the program."""

    __tablename__ = "api_key"

    key_id: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    program_id: str = Field(sa_type=Text, foreign_key="program.program_id")
    partner: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    stores: str = Field(sa_type=Text)
    created_ms: int = Field(sa_column=instant())
    revoked_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    label: str | None = Field(default=None, sa_type=Text)


class KeyUseTable(SQLModel, table=True):
    """
    The hour in which each API key was last used.

    It is apart from the keys, which are locked and read again whenever one of them changes.
    """

    __tablename__ = "key_use"

    key_id: str = Field(primary_key=True, sa_type=Text, foreign_key="api_key.key_id")
    used_ms: int = Field(sa_column=instant())


class ProgramVersionTable(SQLModel, table=True):
    """Every version of every program, as one JSON object with its stores and incentives."""

    __tablename__ = "program_version"

    program_id: str = Field(primary_key=True, sa_type=Text, foreign_key="program.program_id")
    version: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    applied_ms: int = Field(sa_column=instant())
    document: str = Field(sa_type=Text)
