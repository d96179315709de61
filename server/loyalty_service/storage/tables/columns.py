"""Columns as many tables have them."""

from __future__ import annotations

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
