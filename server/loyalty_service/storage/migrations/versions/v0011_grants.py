"""Keep incentives that members are given, and which of them an order used."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; nobody was given anything yet."""
    op.create_table(
        "member_grant",
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("given_ms", sa.BigInteger(), nullable=False),
        sa.Column("activated_ms", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("uses > 0", name="member_grant_uses_positive"),
        sa.CheckConstraint("used BETWEEN 0 AND uses", name="member_grant_used_in_bounds"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("grant_id"),
    )
    op.create_index(
        "grant_of_member", "member_grant", ["member_number", "incentive_id", "last_day"]
    )
    op.add_column("redemption", sa.Column("grant_id", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the change back: what members were given, and not used, is forgotten."""
    op.drop_column("redemption", "grant_id")
    op.drop_index("grant_of_member", "member_grant")
    op.drop_table("member_grant")
