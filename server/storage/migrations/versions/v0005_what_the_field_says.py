"""What tills and guests met in the field showed to be missing."""

import time
from typing import Any

import sqlalchemy as sa
from alembic import op

from server.domain.ledger import Cause, Origin, facts_of, link

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _time_accounts()
    _pay_debts()


def downgrade() -> None:
    """Take the change back."""
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
    origin = Origin(Cause.ADJUST, "", "points at hand pay a debt", now, now)
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
