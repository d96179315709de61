"""Count what members order for goals, and keep what goals gave."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; no program has goals yet."""
    op.add_column("loyalty_transaction", sa.Column("counted", sa.Text(), nullable=True))
    op.create_table(
        "goal_card",
        sa.Column("member_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("tiers", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("member_number"),
    )
    op.create_table(
        "goal_award",
        sa.Column("award_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("goal_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("awarded_ms", sa.BigInteger(), nullable=False),
        sa.Column("lost_rounds", sa.BigInteger(), nullable=False),
        sa.Column("lost_points", sa.BigInteger(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=True),
        sa.CheckConstraint("lost_rounds BETWEEN 0 AND rounds", name="goal_award_rounds_in_bounds"),
        sa.CheckConstraint("lost_points BETWEEN 0 AND points", name="goal_award_points_in_bounds"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.ForeignKeyConstraint(["transaction_id"], ["loyalty_transaction.transaction_id"]),
        sa.PrimaryKeyConstraint("award_id"),
    )
    op.create_index("goal_award_of_member", "goal_award", ["member_number", "goal_id"])
    op.create_index("goal_award_of_order", "goal_award", ["transaction_id", "goal_id"], unique=True)


def downgrade() -> None:
    """Take the change back: what is counted, and tiers, are forgotten; points stay."""
    op.drop_table("goal_award")
    op.drop_table("goal_card")
    op.drop_column("loyalty_transaction", "counted")
