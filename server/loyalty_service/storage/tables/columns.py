"""Columns as many tables have them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Text, text

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of exactly INTEGER."""


def numbered() -> Column[int]:
    """A key that the database counts."""
    return Column(BigKey, primary_key=True, autoincrement=True)


def instant(*, nullable: bool = False) -> Column[int]:
    """Milliseconds since 1970."""
    return Column(BigInteger, nullable=nullable)


def blob(*, nullable: bool = False, primary_key: bool = False) -> Column[bytes]:
    """Bytes, such as a digest."""
    return Column(LargeBinary, nullable=nullable, primary_key=primary_key)


def in_byte_order() -> Any:
    """Text whose order is that of its bytes, as SQLite has it, whatever the database's own is."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def from_zero() -> Column[int]:
    """A count that begins at 0."""
    return Column(BigInteger, nullable=False, server_default=text("0"))


def owner_kind() -> Column[int]:
    """The kind of an owner of points; 1 is a transaction."""
    return Column(Integer, nullable=False, server_default=text("1"))


def owner_id() -> Column[str]:
    """
    Describe the ID of an owner, whose column is named as the first kind of owner is.

    So PostgreSQL touches no row.
    """
    return Column("transaction_id", Text, key="owner_id", nullable=False)


def member_number(*, nullable: bool = False) -> Column[int]:
    """The number of a member."""
    return Column(BigInteger, ForeignKey("member.number"), nullable=nullable)
