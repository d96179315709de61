"""What attacks from outside showed to be missing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    # Which code peppers the store was served with, and what operators repaired.
    op.create_table(
        "code_pepper",
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("known_ms", sa.BigInteger(), nullable=False),
        sa.Column("current_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("check_value"),
    )
    op.create_table(
        "repair",
        sa.Column("repair_id", sa.Text(), nullable=False),
        sa.Column("repaired_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("repair_id"),
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("repair")
    op.drop_table("code_pepper")
