"""
First schema.

It is longer than other modules: a migration is one step, and is not changed once it is out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "catalog_revision",
        sa.Column("single", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("single = 1", name="catalog_revision_single"),
        sa.PrimaryKeyConstraint("single"),
    )
    op.create_table(
        "incentive_usage",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "incentive_id", "shard"),
    )
    op.create_table(
        "program",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("program_id"),
    )
    op.create_table(
        "remembered_answer",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "idempotency_key"),
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("stores", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["program.program_id"],
        ),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "incentive",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["program.program_id"],
        ),
        sa.PrimaryKeyConstraint("program_id", "incentive_id"),
    )
    op.create_table(
        "member",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("loyalty_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("birth_date", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["program.program_id"],
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index("member_loyalty_id", ["program_id", "loyalty_id"], unique=True)

    op.create_table(
        "store",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["program.program_id"],
        ),
        sa.PrimaryKeyConstraint("program_id", "store_id"),
    )
    op.create_table(
        "account",
        sa.Column(
            "account_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(kind IN (1, 2, 7)) = (member_number IS NOT NULL)", name="account_owner"
        ),
        sa.CheckConstraint("kind <> 7 OR balance <= 0", name="account_debt_not_positive"),
        sa.CheckConstraint(
            "kind NOT IN (1, 2) OR balance >= 0", name="account_balance_not_negative"
        ),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.ForeignKeyConstraint(
            ["program_id"],
            ["program.program_id"],
        ),
        sa.PrimaryKeyConstraint("account_id"),
    )
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.create_index(
            "account_of_member",
            ["member_number", "kind"],
            unique=True,
            sqlite_where=sa.text("member_number IS NOT NULL"),
            postgresql_where=sa.text("member_number IS NOT NULL"),
        )
        batch_op.create_index(
            "account_of_program",
            ["program_id", "kind", "shard"],
            unique=True,
            sqlite_where=sa.text("member_number IS NULL"),
            postgresql_where=sa.text("member_number IS NULL"),
        )

    op.create_table(
        "code",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("loyalty_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("lifetime_s", sa.Integer(), nullable=False),
        sa.Column("user_datetime", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("claim_key", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.PrimaryKeyConstraint("program_id", "digest"),
    )
    with op.batch_alter_table("code", schema=None) as batch_op:
        batch_op.create_index(
            "code_pending",
            ["expires_ms"],
            unique=False,
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )
        batch_op.create_index(
            "code_pending_of_member",
            ["member_number"],
            unique=False,
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )

    op.create_table(
        "loyalty_transaction",
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("pos_transaction_id", sa.Text(), nullable=False),
        sa.Column("pos_type", sa.Text(), nullable=False),
        sa.Column("supporting_pos", sa.Text(), nullable=True),
        sa.Column("terminal", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("service_mode", sa.Text(), nullable=True),
        sa.Column("basket", sa.Text(), nullable=True),
        sa.Column("points_earned", sa.BigInteger(), nullable=False),
        sa.Column("points_redeemed", sa.BigInteger(), nullable=False),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=True),
        sa.Column("receipt_digest", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.PrimaryKeyConstraint("transaction_id"),
    )
    with op.batch_alter_table("loyalty_transaction", schema=None) as batch_op:
        batch_op.create_index(
            "transaction_claimed_by_member",
            ["member_number"],
            unique=False,
            sqlite_where=sa.text("status = 2"),
            postgresql_where=sa.text("status = 2"),
        )
        batch_op.create_index(
            "transaction_pending",
            ["expires_ms"],
            unique=False,
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )
        batch_op.create_index(
            "transaction_receipt",
            ["program_id", "receipt_digest"],
            unique=True,
            sqlite_where=sa.text("receipt_digest IS NOT NULL"),
            postgresql_where=sa.text("receipt_digest IS NOT NULL"),
        )

    op.create_table(
        "session",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=True),
        sa.Column("external_identifier", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("anonymous_flag", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.PrimaryKeyConstraint("program_id", "correlation_id"),
    )
    op.create_table(
        "hold",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("points > 0", name="hold_points_positive"),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["loyalty_transaction.transaction_id"],
        ),
        sa.PrimaryKeyConstraint("hold_id"),
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index("hold_of_transaction", ["transaction_id"], unique=False)

    op.create_table(
        "redemption",
        sa.Column("redemption_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("redeemed_ms", sa.BigInteger(), nullable=False),
        sa.Column("voided_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("quantity > 0", name="redemption_quantity_positive"),
        sa.ForeignKeyConstraint(
            ["member_number"],
            ["member.number"],
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["loyalty_transaction.transaction_id"],
        ),
        sa.PrimaryKeyConstraint("redemption_id"),
    )
    with op.batch_alter_table("redemption", schema=None) as batch_op:
        batch_op.create_index(
            "redemption_of_member", ["member_number", "incentive_id"], unique=False
        )
        batch_op.create_index("redemption_of_transaction", ["transaction_id"], unique=False)

    op.create_table(
        "transfer",
        sa.Column(
            "transfer_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("destination_id", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("source_sequence", sa.BigInteger(), nullable=False),
        sa.Column("source_hash", sa.LargeBinary(), nullable=False),
        sa.Column("destination_sequence", sa.BigInteger(), nullable=False),
        sa.Column("destination_hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("points > 0", name="transfer_points_positive"),
        sa.CheckConstraint("source_id <> destination_id", name="transfer_accounts_differ"),
        sa.ForeignKeyConstraint(
            ["destination_id"],
            ["account.account_id"],
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["account.account_id"],
        ),
        sa.PrimaryKeyConstraint("transfer_id"),
    )
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.create_index(
            "transfer_destination", ["destination_id", "transfer_id"], unique=False
        )
        batch_op.create_index("transfer_source", ["source_id", "transfer_id"], unique=False)

    op.execute("INSERT INTO catalog_revision (single, revision) VALUES (1, 0)")


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.drop_index("transfer_source")
        batch_op.drop_index("transfer_destination")

    op.drop_table("transfer")
    with op.batch_alter_table("redemption", schema=None) as batch_op:
        batch_op.drop_index("redemption_of_transaction")
        batch_op.drop_index("redemption_of_member")

    op.drop_table("redemption")
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.drop_index("hold_of_transaction")

    op.drop_table("hold")
    op.drop_table("session")
    with op.batch_alter_table("loyalty_transaction", schema=None) as batch_op:
        batch_op.drop_index(
            "transaction_receipt",
            sqlite_where=sa.text("receipt_digest IS NOT NULL"),
            postgresql_where=sa.text("receipt_digest IS NOT NULL"),
        )
        batch_op.drop_index(
            "transaction_pending",
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )
        batch_op.drop_index(
            "transaction_claimed_by_member",
            sqlite_where=sa.text("status = 2"),
            postgresql_where=sa.text("status = 2"),
        )

    op.drop_table("loyalty_transaction")
    with op.batch_alter_table("code", schema=None) as batch_op:
        batch_op.drop_index(
            "code_pending_of_member",
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )
        batch_op.drop_index(
            "code_pending",
            sqlite_where=sa.text("status = 1"),
            postgresql_where=sa.text("status = 1"),
        )

    op.drop_table("code")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index(
            "account_of_program",
            sqlite_where=sa.text("member_number IS NULL"),
            postgresql_where=sa.text("member_number IS NULL"),
        )
        batch_op.drop_index(
            "account_of_member",
            sqlite_where=sa.text("member_number IS NOT NULL"),
            postgresql_where=sa.text("member_number IS NOT NULL"),
        )

    op.drop_table("account")
    op.drop_table("store")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index("member_loyalty_id")

    op.drop_table("member")
    op.drop_table("incentive")
    op.drop_table("api_key")
    op.drop_table("remembered_answer")
    op.drop_table("program")
    op.drop_table("incentive_usage")
    op.drop_table("catalog_revision")
