"""Keep which partner issued a code: only its apps are told about it."""

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
