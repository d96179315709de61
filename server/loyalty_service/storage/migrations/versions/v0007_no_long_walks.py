"""Find orders, uses and holds without walking those that are void, however many they are."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ORDER = ("transaction_order", "loyalty_transaction", sa.text("order_digest IS NOT NULL"))
_USE = ("redemption_of_member", "redemption", sa.text("voided_ms IS NULL"))
_HOLD = ("hold_of_transaction", "hold", None)


def upgrade() -> None:
    """Apply the change."""
    _build_again(_ORDER, ["program_id", "order_digest", "status", "transaction_id"])
    _build_again(_USE, ["member_number", "incentive_id"])
    _build_again(_HOLD, ["transaction_id", "status"])


def downgrade() -> None:
    """Take the change back."""
    _build_again(_HOLD, ["transaction_id"])
    _build_again((*_USE[:2], None), ["member_number", "incentive_id"])
    _build_again(_ORDER, ["program_id", "order_digest", "transaction_id"])


def _build_again(index: tuple[str, str, sa.TextClause | None], columns: list[str]) -> None:
    name, table, where = index
    op.drop_index(name, table)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
