"""Know whose a session is, where it is and which order closed it."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; all sessions are of shoppers without a loyalty ID, as they were."""
    op.add_column("session", sa.Column("earn_only", sa.Integer(), nullable=True))
    op.add_column("session", sa.Column("store_id", sa.BigInteger(), nullable=True))
    op.add_column("session", sa.Column("transaction_id", sa.Text(), nullable=True))
    open_of_member = sa.text("status = 1 AND member_number IS NOT NULL")
    op.create_index(
        "session_of_member",
        "session",
        ["program_id", "updated_ms"],
        sqlite_where=open_of_member,
        postgresql_where=open_of_member,
    )
    of_member = sa.text("member_number IS NOT NULL")
    op.create_index(
        "session_member",
        "session",
        ["member_number"],
        sqlite_where=of_member,
        postgresql_where=of_member,
    )


def downgrade() -> None:
    """Take the change back: what had expired is closed, as an older server knows no more."""
    op.execute("UPDATE session SET status = 2 WHERE status = 3")
    op.drop_index("session_member", "session")
    op.drop_index("session_of_member", "session")
    for name in ("transaction_id", "store_id", "earn_only"):
        op.drop_column("session", name)
