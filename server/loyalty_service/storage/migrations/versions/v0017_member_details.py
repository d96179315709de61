"""Keep phone, card and blocks of members."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; nobody is blocked yet."""
    op.add_column("member", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("member", sa.Column("card", sa.Text(), nullable=True))
    op.add_column("member", sa.Column("blocked", sa.Integer(), nullable=True))
    op.add_column("member", sa.Column("block_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    for name in ("block_reason", "blocked", "card", "phone"):
        op.drop_column("member", name)
