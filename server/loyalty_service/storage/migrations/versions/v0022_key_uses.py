"""Keep what operators call an API key, and when it was last used."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("api_key", sa.Column("label", sa.Text(), nullable=True))
    op.create_table(
        "key_use",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.key_id"]),
        sa.PrimaryKeyConstraint("key_id"),
    )


def downgrade() -> None:
    """Take the change back: labels and times of use are lost."""
    op.drop_table("key_use")
    op.drop_column("api_key", "label")
