"""What attacks from outside showed to be missing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_servers()


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("server")


def _add_servers() -> None:
    """Let the servers of a database know of each other; nothing of it must outlive a crash."""
    unlogged = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "server",
        sa.Column("server_id", sa.Text(), primary_key=True),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("under_way", sa.LargeBinary(), nullable=False),
        prefixes=unlogged,
    )
