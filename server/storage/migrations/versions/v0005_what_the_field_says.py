"""What tills and guests met in the field showed to be missing."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_reservations()
    _add_order_digests()


def downgrade() -> None:
    """Take the change back."""
    _drop_order_digests()
    _drop_reservations()


# --- What open orders were accepted with --------------------------------------------------------


def _add_reservations() -> None:
    op.create_table(
        "reservation",
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("incentive_id", sa.Text(), nullable=False),
        sa.Column("point_cost", sa.BigInteger(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("reserved_by", sa.Text(), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("first_order", sa.Integer(), nullable=False),
        sa.Column("reserved_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name="reservation_quantity_not_negative"),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.ForeignKeyConstraint(["transaction_id"], ["loyalty_transaction.transaction_id"]),
        sa.PrimaryKeyConstraint("transaction_id", "incentive_id", "point_cost"),
    )
    for name, first in (("member", "member_number"), ("incentive", "program_id")):
        op.create_index(
            f"reservation_of_{name}",
            "reservation",
            [first, "incentive_id"],
            sqlite_where=sa.text("quantity > 0"),
            postgresql_where=sa.text("quantity > 0"),
        )
    _reserve_what_is_held()


def _reserve_what_is_held() -> None:
    """Reserve the rewards that open orders hold points for, at the price that they hold."""
    connection = op.get_bind()
    costs = {
        (row.program_id, row.incentive_id): json.loads(row.document).get("point_cost", 0)
        for row in connection.execute(
            sa.text("SELECT program_id, incentive_id, document FROM incentive")
        )
    }
    held = connection.execute(
        sa.text(
            "SELECT hold.transaction_id, hold.incentive_id, owner.program_id, owner.store_id, "
            "hold.member_number, sum(hold.points) AS points, min(hold.created_ms) AS reserved_ms "
            "FROM hold JOIN loyalty_transaction AS owner "
            "ON owner.transaction_id = hold.transaction_id WHERE hold.status = 1 "
            "GROUP BY hold.transaction_id, hold.incentive_id, owner.program_id, owner.store_id, "
            "hold.member_number"
        )
    ).all()
    add = sa.text(
        "INSERT INTO reservation (transaction_id, incentive_id, point_cost, program_id, "
        "member_number, reserved_by, store_id, quantity, first_order, reserved_ms) VALUES "
        "(:transaction_id, :incentive_id, :point_cost, :program_id, :member_number, '', "
        ":store_id, :quantity, 0, :reserved_ms)"
    )
    rows = [_reservation_of(row, costs.get((row.program_id, row.incentive_id), 0)) for row in held]
    if rows:
        connection.execute(add, rows)


def _reservation_of(row: Any, cost: int) -> dict[str, Any]:
    """Tell how many points are held for; of a reward that was repriced since it is one."""
    points = int(row.points)  # PostgreSQL sums up in decimals.
    quantity = points // cost if cost and points % cost == 0 else 1
    values = row._asdict() | {"quantity": quantity, "point_cost": points // quantity}
    return {name: value for name, value in values.items() if name != "points"}


def _drop_reservations() -> None:
    op.drop_table("reservation")


# --- What an order is known by ------------------------------------------------------------------


def _add_order_digests() -> None:
    """Leave older orders without: their tills are done with them."""
    for name, kind in (
        ("order_digest", sa.LargeBinary()),
        ("business_day", sa.Text()),
        ("till_created", sa.Text()),
    ):
        op.add_column("loyalty_transaction", sa.Column(name, kind, nullable=True))
    op.create_index(
        "transaction_order",
        "loyalty_transaction",
        ["program_id", "order_digest", "transaction_id"],
        sqlite_where=sa.text("order_digest IS NOT NULL"),
        postgresql_where=sa.text("order_digest IS NOT NULL"),
    )


def _drop_order_digests() -> None:
    op.drop_index("transaction_order", "loyalty_transaction")
    for name in ("till_created", "business_day", "order_digest"):
        op.drop_column("loyalty_transaction", name)
