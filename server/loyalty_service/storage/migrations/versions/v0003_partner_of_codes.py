"""Keep which partner issued a code, whose apps alone are told what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("code", sa.Column("partner", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("code", "partner")
