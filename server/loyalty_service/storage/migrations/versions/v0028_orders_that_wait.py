"""Find the orders whose points wait until they are confirmed, the oldest first."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INDEX, TABLE = "transaction_waiting", "loyalty_transaction"


def upgrade() -> None:
    """Apply the change."""
    waits = sa.text("points_unconfirmed IS NOT NULL")
    op.create_index(
        INDEX,
        TABLE,
        ["program_id", "claimed_ms", "transaction_id"],
        sqlite_where=waits,
        postgresql_where=waits,
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index(INDEX, TABLE)
