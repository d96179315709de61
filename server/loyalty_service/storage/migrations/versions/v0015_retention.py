"""Count what is pruned, sum up the ledger at checkpoints, and keep sums of what is archived."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; nothing is pruned yet."""
    op.create_table(
        "event_pruned",
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
    )
    op.create_table(
        "checkpoint",
        sa.Column(
            "checkpoint_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("transfer_id", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("transfers", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=True),
        sa.Column("archive_digest", sa.LargeBinary(), nullable=True),
        sa.Column("archived_ms", sa.BigInteger(), nullable=True),
        sa.Column("removed_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("checkpoint_id"),
    )
    op.create_table(
        "checkpoint_account",
        sa.Column("checkpoint_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("latest_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("checkpoint_id", "account_id"),
    )
    op.create_table(
        "archived_owner",
        sa.Column("owner_kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in (
                "held",
                "earned",
                "redeemed",
                "reversed",
                "refunded",
                "returned",
                "expired",
            )
        ),
        sa.CheckConstraint("owner_kind > 0", name="archived_owner_kind_positive"),
        sa.PrimaryKeyConstraint("owner_kind", "owner_id"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take the change back; a store with archived transfers can't go back without losing them."""
    op.drop_table("archived_owner")
    op.drop_table("checkpoint_account")
    op.drop_table("checkpoint")
    op.drop_table("event_pruned")
