"""Keep when an order was told of that was paid before, and which of its points wait."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLE = "loyalty_transaction"


def upgrade() -> None:
    """Apply the change; all orders were told of when they were paid, and no points wait."""
    op.add_column(TABLE, sa.Column("recorded_ms", sa.BigInteger(), nullable=True))
    op.add_column(TABLE, sa.Column("points_unconfirmed", sa.BigInteger(), nullable=True))
    op.add_column(TABLE, sa.Column("confirmation", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the change back: what waits can't be confirmed by an older server."""
    for name in ("confirmation", "points_unconfirmed", "recorded_ms"):
        op.drop_column(TABLE, name)
