"""Let promo codes give members an incentive, with points or without."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_CHECK = "promo_code_points_positive"


def upgrade() -> None:
    """Apply the change; all codes so far give points."""
    with op.batch_alter_table("promo_code") as code:
        code.add_column(sa.Column("incentive_id", sa.Text(), nullable=True))
        code.add_column(sa.Column("grant_uses", sa.BigInteger(), nullable=True))
        code.add_column(sa.Column("grant_days", sa.BigInteger(), nullable=True))
        code.drop_constraint(_CHECK, type_="check")
        code.create_check_constraint(
            _CHECK, "points > 0 OR (points = 0 AND incentive_id IS NOT NULL)"
        )


def downgrade() -> None:
    """Take the change back: a code that gave only an incentive gives a point instead."""
    op.execute("UPDATE promo_code SET points = 1 WHERE points = 0")
    with op.batch_alter_table("promo_code") as code:
        code.drop_constraint(_CHECK, type_="check")
        code.create_check_constraint(_CHECK, "points > 0")
        for name in ("grant_days", "grant_uses", "incentive_id"):
            code.drop_column(name)
