"""Find all events about members that do not repeat what their codes and orders say."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _index("kind < 10 OR kind > 30")


def downgrade() -> None:
    """Take the change back."""
    _index("kind < 10")


def _index(which: str) -> None:
    op.drop_index("event_of_member", "event")
    op.create_index(
        "event_of_member",
        "event",
        ["member_number", "event_id"],
        sqlite_where=sa.text(which),
        postgresql_where=sa.text(which),
    )
