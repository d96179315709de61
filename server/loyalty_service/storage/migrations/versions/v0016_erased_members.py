"""Let members be erased, and find all that is kept about one."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_NAMING = "('IdentifyService/Identify', 'MemberService/EnrollMember', 'adjust')"
"""What older versions kept answers of that name a member."""


def upgrade() -> None:
    """Apply the change; the server takes the names out of older answers, which it can open."""
    op.add_column("member", sa.Column("erased_ms", sa.BigInteger(), nullable=True))
    op.add_column("remembered_answer", sa.Column("named", sa.Integer(), nullable=True))
    op.execute(f"UPDATE remembered_answer SET named = 1 WHERE method IN {_NAMING}")  # noqa: S608
    op.create_index(
        "answer_named",
        "remembered_answer",
        ["named"],
        sqlite_where=sa.text("named = 1"),
        postgresql_where=sa.text("named = 1"),
    )
    op.create_index("code_of_member", "code", ["member_number"])
    op.create_index("promo_redemption_of_member", "promo_redemption", ["member_number"])
    op.create_index(
        "event_of_member",
        "event",
        ["member_number", "event_id"],
        sqlite_where=sa.text("kind < 10"),
        postgresql_where=sa.text("kind < 10"),
    )


def downgrade() -> None:
    """Take the change back; who was erased stays so."""
    op.drop_index("event_of_member", "event")
    op.drop_index("promo_redemption_of_member", "promo_redemption")
    op.drop_index("code_of_member", "code")
    op.drop_index("answer_named", "remembered_answer")
    op.drop_column("remembered_answer", "named")
    op.drop_column("member", "erased_ms")
