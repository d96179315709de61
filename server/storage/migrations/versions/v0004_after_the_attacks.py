"""What attacks from outside showed to be missing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_regulars()
    _count_for_limits()


def downgrade() -> None:
    """Take the change back."""
    _drop_regulars()
    _drop_limit_counts()


def _add_regulars() -> None:
    """Keep whose codes earn a key wrong ones: `domain.guessing`."""
    op.create_table(
        "code_month",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("regulars", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "day", "shard"),
    )
    op.create_index("code_month_day", "code_month", ["day"])
    op.create_table(
        "code_regular",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("counted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "member_number"),
    )
    op.create_index("code_regular_counted", "code_regular", ["counted_ms"])


def _drop_regulars() -> None:
    op.drop_table("code_regular")
    op.drop_table("code_month")


def _count_for_limits() -> None:
    op.create_table(
        "limit_tally",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "since_ms", "name", "shard"),
    )
    op.create_index("limit_tally_since", "limit_tally", ["since_ms"])


def _drop_limit_counts() -> None:
    op.drop_table("limit_tally")
