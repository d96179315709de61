"""Count wrong codes, and refuse callers that show too many."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "code_tally",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "hour", "shard"),
    )
    op.create_index("code_tally_hour", "code_tally", ["hour"])
    op.create_table(
        "wrong_code",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("failed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "digest"),
    )
    op.create_index("wrong_code_failed", "wrong_code", ["failed_ms"])
    op.create_table(
        "code_refusal",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("terminal", sa.Text(), nullable=True),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_index("code_refusal_until", "code_refusal", ["until_ms"])


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("code_refusal")
    op.drop_table("wrong_code")
    op.drop_table("code_tally")
