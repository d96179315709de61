"""Keep points that are set aside, given and taken in sessions, and members' own locks."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_LOCKS = (
    ("blocked_ms", sa.BigInteger()),
    ("locked_ms", sa.BigInteger()),
    ("lock_reason", sa.Text()),
)


def upgrade() -> None:
    """Apply the change; nothing is reserved, and nobody has a lock."""
    for name, kind in _LOCKS:
        op.add_column("member", sa.Column(name, kind, nullable=True))
    _reservations()
    _adhoc_transactions()


def _reservations() -> None:
    op.create_table(
        "points_reservation",
        sa.Column("reservation_token", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.Column("business_unit", sa.Text(), nullable=True),
        sa.Column("redeemer_id", sa.Text(), nullable=True),
        sa.Column("redemption_id", sa.Text(), nullable=True),
        sa.Column("items", sa.Text(), nullable=True),
        sa.Column("ended_in", sa.Text(), nullable=True),
        sa.CheckConstraint("points > 0", name="points_reservation_points_positive"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("reservation_token"),
    )
    held, used = sa.text("status = 1"), sa.text("used_by IS NOT NULL")
    op.create_index(
        "points_reservation_held",
        "points_reservation",
        ["expires_ms", "reservation_token"],
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_index(
        "points_reservation_of_member",
        "points_reservation",
        ["member_number", "status", "reservation_token"],
    )
    op.create_index(
        "points_reservation_used_by",
        "points_reservation",
        ["used_by"],
        sqlite_where=used,
        postgresql_where=used,
    )


def _adhoc_transactions() -> None:
    op.create_table(
        "adhoc_transaction",
        sa.Column("adhoc_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("partner", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("business_unit", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("issuer_id", sa.Text(), nullable=True),
        sa.Column("reward_id", sa.Text(), nullable=True),
        sa.Column("reservation_token", sa.Text(), nullable=True),
        sa.Column("original_id", sa.Text(), nullable=True),
        sa.Column("voided_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("points <> 0", name="adhoc_transaction_points_not_zero"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("adhoc_id"),
    )
    op.create_index(
        "adhoc_transaction_of_member", "adhoc_transaction", ["member_number", "adhoc_id"]
    )


def downgrade() -> None:
    """Take the change back; refused by the command where points were moved so."""
    op.drop_table("adhoc_transaction")
    op.drop_table("points_reservation")
    for name, _ in reversed(_LOCKS):
        op.drop_column("member", name)
