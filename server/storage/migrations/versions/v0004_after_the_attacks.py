"""What attacks from outside showed to be missing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _count_for_limits()


def downgrade() -> None:
    """Take the change back."""
    _drop_limit_counts()


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
