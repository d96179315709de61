"""Let members be merged into others."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("member", sa.Column("merged_into", sa.BigInteger(), nullable=True))
    op.add_column("member", sa.Column("merged_numbers", sa.Text(), nullable=True))
    op.create_table(
        "member_merge",
        sa.Column("merge_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("into_number", sa.BigInteger(), nullable=False),
        sa.Column("merged_number", sa.BigInteger(), nullable=False),
        sa.Column("merged_ms", sa.BigInteger(), nullable=False),
        sa.Column("undone_ms", sa.BigInteger(), nullable=True),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.CheckConstraint("into_number <> merged_number", name="member_merge_of_two"),
        sa.ForeignKeyConstraint(["into_number"], ["member.number"]),
        sa.ForeignKeyConstraint(["merged_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("merge_id"),
    )
    op.create_index("member_merge_of_merged", "member_merge", ["merged_number", "merged_ms"])
    op.create_index("member_merge_of_into", "member_merge", ["into_number"])
    op.create_table(
        "merged_owner",
        sa.Column("merge_id", sa.Text(), nullable=False),
        sa.Column("owner_kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("was_open", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merge_id"], ["member_merge.merge_id"]),
        sa.PrimaryKeyConstraint("merge_id", "owner_kind", "owner_id"),
    )
    op.create_index("merged_owner_of", "merged_owner", ["owner_id", "owner_kind"])


def downgrade() -> None:
    """Take the change back: who was merged is a member without points."""
    op.drop_index("merged_owner_of", "merged_owner")
    op.drop_table("merged_owner")
    op.drop_table("member_merge")
    op.drop_column("member", "merged_numbers")
    op.drop_column("member", "merged_into")
