"""Add what tills and guests in restaurants showed to be missing."""

import json
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

from loyalty_service.domain.ledger import NOBODY, Cause, Origin, facts_of, link

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _time_accounts()
    _pay_debts()
    _add_reservations()
    _add_order_digests()


def downgrade() -> None:
    """Take the change back."""
    _drop_order_digests()
    _drop_reservations()
    _drop_times()


# --- Times of transfers, and debts beside points to spend ---------------------------------------


def _time_accounts() -> None:
    """Keep when each account last moved, and how many of its transfers may go back in time."""
    for name in ("moved_ms", "untimed"):
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        op.add_column("account", column)
    op.execute(
        """
        UPDATE account SET untimed = sequence, moved_ms = (
          SELECT max(last_ms) FROM (
            SELECT max(recorded_ms) AS last_ms FROM transfer WHERE source_id = account_id
            UNION ALL
            SELECT max(recorded_ms) FROM transfer WHERE destination_id = account_id
          ) AS sides
        )
        WHERE member_number IS NOT NULL AND sequence > 0
        """
    )


def _drop_times() -> None:
    op.drop_column("account", "untimed")
    op.drop_column("account", "moved_ms")


def _pay_debts() -> None:
    """
    Pay with the points that members can spend what they owe.

    Only an earning paid a debt before: points that came back did not. They move by way of the
    account of adjustments, which is also how an older version may read them.
    """
    connection = op.get_bind()
    accounts = "{0}.account_id, {0}.balance, {0}.sequence, {0}.head, {0}.moved_ms"
    adjusted: dict[str, dict[str, Any]] = {}
    pairs = connection.execute(
        sa.text(
            "SELECT debt.program_id, debt.account_id AS debt_id, available.account_id "
            "FROM account AS debt JOIN account AS available "
            "ON available.member_number = debt.member_number AND available.kind = 1 "
            "WHERE debt.kind = 7 AND debt.balance < 0 AND available.balance > 0 "
            "ORDER BY debt.account_id"
        )
    ).all()

    def find(condition: str, **values: object) -> dict[str, Any]:
        columns = accounts.format("account")
        query = sa.text(f"SELECT {columns} FROM account WHERE {condition}")  # noqa: S608 - ours.
        return dict(connection.execute(query, values).mappings().one())

    for program_id, debt_id, available_id in pairs:
        if program_id not in adjusted:
            condition = "program_id = :program AND kind = 6 AND shard = 0"
            adjusted[program_id] = find(condition, program=program_id)
        through = adjusted[program_id]
        available, debt = (find("account_id = :id", id=one) for one in (available_id, debt_id))
        points = min(available["balance"], -debt["balance"])
        now = max(time.time_ns() // 1_000_000, available["moved_ms"], debt["moved_ms"])
        _move(connection, available, through, points, now)
        _move(connection, through, debt, points, now)


def _move(
    connection: sa.Connection,
    source: dict[str, Any],
    destination: dict[str, Any],
    points: int,
    now: int,
) -> None:
    origin = Origin(Cause.ADJUST, NOBODY, "points at hand pay a debt", now, now)
    facts = facts_of(source["account_id"], destination["account_id"], points, origin)
    for account, change in ((source, -points), (destination, points)):
        account["balance"] += change
        account["sequence"] += 1
        account["head"] = link(bytes(account["head"]), account["sequence"], facts)
        account["moved_ms"] = now
        _keep(connection, account)
    connection.execute(
        sa.text(
            "INSERT INTO transfer (source_id, destination_id, points, cause, transaction_id, note, "
            "effective_ms, recorded_ms, source_sequence, source_hash, destination_sequence, "
            "destination_hash) VALUES (:source, :destination, :points, :cause, '', :note, :now, "
            ":now, :source_sequence, :source_hash, :destination_sequence, :destination_hash)"
        ),
        {
            "source": source["account_id"],
            "destination": destination["account_id"],
            "points": points,
            "cause": int(origin.cause),
            "note": origin.note,
            "now": now,
            "source_sequence": source["sequence"],
            "source_hash": source["head"],
            "destination_sequence": destination["sequence"],
            "destination_hash": destination["head"],
        },
    )


def _keep(connection: sa.Connection, account: dict[str, Any]) -> None:
    connection.execute(
        sa.text(
            "UPDATE account SET balance = :balance, sequence = :sequence, head = :head, "
            "moved_ms = :moved_ms WHERE account_id = :account_id"
        ),
        account,
    )


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
    incentives = {
        (row.program_id, row.incentive_id): json.loads(row.document)
        for row in connection.execute(
            sa.text("SELECT program_id, incentive_id, document FROM incentive")
        )
    }
    held = connection.execute(
        sa.text(
            "SELECT hold.transaction_id, hold.incentive_id, owner.program_id, owner.store_id, "
            "hold.member_number, owner.basket, sum(hold.points) AS points, "
            "min(hold.created_ms) AS reserved_ms FROM hold JOIN loyalty_transaction AS owner "
            "ON owner.transaction_id = hold.transaction_id WHERE hold.status = 1 "
            "GROUP BY hold.transaction_id, hold.incentive_id, owner.program_id, owner.store_id, "
            "hold.member_number, owner.basket"
        )
    ).all()
    add = sa.text(
        "INSERT INTO reservation (transaction_id, incentive_id, point_cost, program_id, "
        "member_number, reserved_by, store_id, quantity, first_order, reserved_ms) VALUES "
        "(:transaction_id, :incentive_id, :point_cost, :program_id, :member_number, '', "
        ":store_id, :quantity, 0, :reserved_ms)"
    )
    selections: dict[str, dict[str, int]] = {
        transaction_id: {name: quantity for _, name, quantity in json.loads(selection)}
        for transaction_id, selection in connection.execute(
            sa.text(
                "SELECT code.transaction_id, code.selection FROM code JOIN loyalty_transaction "
                "AS owner ON owner.transaction_id = code.transaction_id WHERE owner.status = 1"
            )
        )
    }
    rows = [
        _reservation_of(
            row,
            incentives.get((row.program_id, row.incentive_id), {}),
            selections.get(row.transaction_id, {}),
        )
        for row in held
    ]
    if rows:
        connection.execute(add, rows)


def _reservation_of(
    row: Any, incentive: dict[str, Any], selection: dict[str, int]
) -> dict[str, Any]:
    """
    Tell how many points are held for, and so what each costs.

    The order as last reported says how many, or what its code selected. Today's price is asked only
    where neither does, for the reward may have been repriced since; then it is one.
    """
    points = int(row.points)  # PostgreSQL sums up in decimals.
    if row.basket is None:
        quantity = selection.get(row.incentive_id, 0)
    else:
        quantity = _reported(json.loads(row.basket), row.incentive_id, incentive.get("engine_id"))
    if quantity < 1 or points % quantity:
        cost = incentive.get("point_cost", 0)
        quantity = points // cost if cost and points % cost == 0 else 1
    values = row._asdict() | {"quantity": quantity, "point_cost": points // quantity}
    return {name: value for name, value in values.items() if name not in {"points", "basket"}}


def _reported(basket: dict[str, Any], incentive_id: str, engine_id: str | None) -> int:
    """Count the uses of a reward in an order, as a line, as an applied discount or as both."""

    def names(part: dict[str, Any], engine: str) -> bool:
        told = part.get("incentive_id"), part.get(engine)
        return (told[0] or "").lower() == incentive_id.lower() or bool(
            engine_id and told[1] and told[1].lower() == engine_id.lower()
        )

    lines: int = sum(
        line["quantity"]
        for line in basket.get("lines", ())
        if line.get("product_type") in {"reward", "offer"} and names(line, "loyalty_engine_id")
    )
    return max(lines, sum(names(one, "engine_id") for one in basket.get("applied_discounts", ())))


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
