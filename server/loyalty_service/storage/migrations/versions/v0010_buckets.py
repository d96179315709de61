"""Keep the points of members in buckets that go on a day, where their program has it so."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_WITH_POINTS = sa.text("points > 0")


def upgrade() -> None:
    """Apply the change; no program has points that go yet, so there are no buckets."""
    op.create_table(
        "bucket",
        sa.Column("bucket_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("earned_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("gone_ms", sa.BigInteger(), nullable=False),
        sa.Column("rolling", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("points >= 0 AND expired >= 0", name="bucket_points_not_negative"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("bucket_id"),
    )
    for name, columns in (
        ("bucket_of_member", ["member_number", "gone_ms", "earned_day", "bucket_id"]),
        ("bucket_gone", ["gone_ms", "bucket_id"]),
    ):
        op.create_index(
            name, "bucket", columns, sqlite_where=_WITH_POINTS, postgresql_where=_WITH_POINTS
        )
    op.create_table(
        "bucket_part",
        sa.Column("owner_kind", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("bucket_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("burned", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "earned >= 0 AND held >= 0 AND burned >= 0", name="bucket_part_not_negative"
        ),
        sa.ForeignKeyConstraint(["bucket_id"], ["bucket.bucket_id"]),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("owner_kind", "owner_id", "bucket_id"),
    )


def downgrade() -> None:
    """Take the change back: points whose day is over and not booked are spendable again."""
    op.drop_table("bucket_part")
    op.drop_table("bucket")
