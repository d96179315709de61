"""Members who were merged into others, and what went with them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Text
from sqlmodel import Field, SQLModel

from loyalty_service.storage.tables.columns import instant, member_number


class MemberMergeTable(SQLModel, table=True):
    """Who was merged into whom; *kept* is what undoing it starts from."""

    __tablename__ = "member_merge"
    __table_args__ = (
        CheckConstraint("into_number <> merged_number", name="member_merge_of_two"),
        Index("member_merge_of_merged", "merged_number", "merged_ms"),
        Index("member_merge_of_into", "into_number"),
    )

    merge_id: str = Field(primary_key=True, sa_type=Text)
    program_id: str = Field(sa_type=Text)
    into_number: int = Field(sa_column=member_number())
    merged_number: int = Field(sa_column=member_number())
    merged_ms: int = Field(sa_column=instant())
    undone_ms: int | None = Field(default=None, sa_column=instant(nullable=True))
    kept: str = Field(sa_type=Text)


class MergedOwnerTable(SQLModel, table=True):
    """Orders, awards and grants that became another member's; *was_open* is 1 for open orders."""

    __tablename__ = "merged_owner"
    __table_args__ = (Index("merged_owner_of", "owner_id", "owner_kind"),)

    merge_id: str = Field(
        sa_column=Column(
            Text, ForeignKey("member_merge.merge_id"), primary_key=True, nullable=False
        )
    )
    owner_kind: int = Field(
        sa_column=Column(Integer, primary_key=True, autoincrement=False, nullable=False)
    )
    owner_id: str = Field(primary_key=True, sa_type=Text)
    was_open: int = Field(sa_type=Integer)
