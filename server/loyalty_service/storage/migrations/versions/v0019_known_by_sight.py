"""Find members by phone and card, and know which orders may not redeem."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change; all open orders go on as they were."""
    op.add_column("loyalty_transaction", sa.Column("earn_only", sa.Integer(), nullable=True))
    for name in ("phone", "card"):
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"member_{name}",
            "member",
            ["program_id", name],
            sqlite_where=known,
            postgresql_where=known,
        )


def downgrade() -> None:
    """Take the change back."""
    op.drop_index("member_card", "member")
    op.drop_index("member_phone", "member")
    op.drop_column("loyalty_transaction", "earn_only")
