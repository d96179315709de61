"""Keep by what an order earned, what of it came back, and the points taken back for that."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE = "loyalty_transaction"


def upgrade() -> None:
    """Apply the change; nothing of any order came back so far."""
    op.add_column(TABLE, sa.Column("program_version", sa.Integer(), nullable=True))
    op.add_column(TABLE, sa.Column("earned_by", sa.Text(), nullable=True))
    op.add_column(TABLE, sa.Column("returned", sa.Text(), nullable=True))
    returned = sa.Column("points_returned", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column(TABLE, returned)


def downgrade() -> None:
    """Take the change back: what came back of orders is forgotten."""
    for name in ("points_returned", "returned", "earned_by", "program_version"):
        op.drop_column(TABLE, name)
