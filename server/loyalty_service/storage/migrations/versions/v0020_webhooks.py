"""Keep webhooks, and their messages that did not arrive at once."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "webhook",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("placed", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("disabled_ms", sa.BigInteger(), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("held_until_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"]),
        sa.PrimaryKeyConstraint("webhook_id"),
    )
    op.create_index("webhook_of_program", "webhook", ["program_id"])
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("status BETWEEN 1 AND 3", name="webhook_delivery_status_known"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.webhook_id"]),
        sa.PrimaryKeyConstraint("webhook_id", "event_id"),
    )
    op.create_index(
        "webhook_delivery_left",
        "webhook_delivery",
        ["webhook_id", "place"],
        sqlite_where=sa.text("status <> 2"),
        postgresql_where=sa.text("status <> 2"),
    )


def downgrade() -> None:
    """Take the change back: nobody is told any more."""
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
