"""Keep what promotions gave an order, how often in which days, and segments of members."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_LIVE = sa.text("voided_ms IS NULL")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("loyalty_transaction", sa.Column("promotions", sa.Text(), nullable=True))
    op.add_column("member", sa.Column("segments", sa.Text(), nullable=True))
    _build_again(["member_number", "incentive_id", "redeemed_ms"])


def downgrade() -> None:
    """Take the change back."""
    _build_again(["member_number", "incentive_id"])
    op.drop_column("member", "segments")
    op.drop_column("loyalty_transaction", "promotions")


def _build_again(columns: list[str]) -> None:
    op.drop_index("redemption_of_member", "redemption")
    op.create_index(
        "redemption_of_member",
        "redemption",
        columns,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
