"""Keep points that partners and promo codes give, and find a member's transactions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    where = sa.text("member_number IS NOT NULL")
    op.create_index(
        "transaction_of_member",
        "loyalty_transaction",
        ["member_number", "transaction_id"],
        sqlite_where=where,
        postgresql_where=where,
    )
    _add_assignments()
    _add_promo_codes()


def downgrade() -> None:
    """Take the change back; promo codes and what was given besides orders are forgotten."""
    op.drop_table("promo_redemption")
    op.drop_table("promo_code")
    op.drop_table("points_assignment")
    op.drop_index("transaction_of_member", "loyalty_transaction")


def _add_assignments() -> None:
    op.create_table(
        "points_assignment",
        sa.Column("assignment_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("points <> 0", name="points_assignment_points_not_zero"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("assignment_id"),
    )
    op.create_index(
        "points_assignment_of_member", "points_assignment", ["member_number", "assignment_id"]
    )


def _add_promo_codes() -> None:
    op.create_table(
        "promo_code",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("most_uses", sa.BigInteger(), nullable=False),
        sa.Column("most_per_member", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("begins_ms", sa.BigInteger(), nullable=True),
        sa.Column("ends_ms", sa.BigInteger(), nullable=True),
        sa.Column("stores", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("points > 0", name="promo_code_points_positive"),
        sa.CheckConstraint("uses BETWEEN 0 AND most_uses", name="promo_code_uses_in_bounds"),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"]),
        sa.PrimaryKeyConstraint("program_id", "digest"),
    )
    op.create_index("promo_code_label", "promo_code", ["program_id", "label"])
    op.create_table(
        "promo_redemption",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("redeemed_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("uses >= 0", name="promo_redemption_uses_not_negative"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.ForeignKeyConstraint(
            ["program_id", "digest"], ["promo_code.program_id", "promo_code.digest"]
        ),
        sa.PrimaryKeyConstraint("program_id", "digest", "member_number"),
    )
