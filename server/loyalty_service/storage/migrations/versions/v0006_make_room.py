"""Keep events and versions of programs, and let points belong to any owner."""

import json
import time
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_events()
    _add_program_versions()
    _owners_forward(op)


def downgrade() -> None:
    """Take the change back."""
    _owners_back(op)
    _drop_program_versions()
    _drop_events()


# --- Events -------------------------------------------------------------------------------------


def _add_events() -> None:
    op.create_table(
        "event_lane",
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
    )
    texts = ("actor", "method", "request_id", "program_id")
    balances = ("available", "held", "debt")
    op.create_table(
        "event",
        sa.Column(
            "event_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("effective_ms", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor_kind", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in texts),
        sa.Column("member_number", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("before_state", sa.Integer(), nullable=True),
        sa.Column("after_state", sa.Integer(), nullable=True),
        *(
            sa.Column(f"{name}{what}", sa.BigInteger(), nullable=True)
            for name in balances
            for what in ("", "_sequence")
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id"),
    )


def _drop_events() -> None:
    op.drop_table("event")
    op.drop_table("event_lane")


# --- Versions of programs -----------------------------------------------------------------------


def _add_program_versions() -> None:
    """Keep each program as it is now as its first version, for what was before is not known."""
    op.create_table(
        "program_version",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("applied_ms", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["program.program_id"]),
        sa.PrimaryKeyConstraint("program_id", "version"),
    )
    connection = op.get_bind()
    add = sa.text(
        "INSERT INTO program_version (program_id, version, applied_ms, document) "
        "VALUES (:program_id, 1, :applied_ms, :document)"
    )
    parts = {
        "stores": "SELECT store_id, document FROM store WHERE program_id = :program_id "
        "ORDER BY store_id",
        "incentives": "SELECT incentive_id, document FROM incentive "
        "WHERE program_id = :program_id ORDER BY incentive_id",
    }
    programs = connection.execute(sa.text("SELECT program_id, document FROM program")).all()
    for program_id, document in programs:
        kept = {"program": json.loads(document)}
        for name, query in parts.items():
            rows = connection.execute(sa.text(query), {"program_id": program_id})
            kept[name] = {str(key): json.loads(text) for key, text in rows}
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        row = {"program_id": program_id, "document": text}
        connection.execute(add, row | {"applied_ms": time.time_ns() // 1_000_000})


def _drop_program_versions() -> None:
    op.drop_table("program_version")


# --- Owners of holds and transfers, and kinds of account ----------------------------------------

_OF_PROGRAM = "(3, 4, 5, 6)"
_ACCOUNT_CHECKS = {
    "account_balance_not_negative": (
        "kind NOT IN (1, 2) OR balance >= 0",
        f"kind IN {_OF_PROGRAM} OR kind = 7 OR balance >= 0",
    ),
    "account_owner": (
        "(kind IN (1, 2, 7)) = (member_number IS NOT NULL)",
        f"(kind IN {_OF_PROGRAM}) = (member_number IS NULL)",
    ),
}
"""Checks of accounts before and after: whatever is not a program's account is a member's."""

_NAMES = {"fk": "%(table_name)s_%(column_0_name)s_fkey"}
_FOREIGN_KEY = "hold_transaction_id_fkey"


def _owners_forward(op: Any) -> None:
    """
    Say what kind of owner holds and transfers have, and let members have more kinds of account.

    Every row is a transaction's, as the default says, and the column of the owner's ID keeps its
    name, so that PostgreSQL touches none.
    """
    with op.batch_alter_table("hold", naming_convention=_NAMES) as hold:
        hold.add_column(_owner_kind())
        # Other kinds of owner are in other tables.
        hold.drop_constraint(_FOREIGN_KEY, type_="foreignkey")
        hold.alter_column("incentive_id", existing_type=sa.Text(), nullable=True)
    op.add_column("transfer", _owner_kind())
    _change_checks(op, 1)


def _owners_back(op: Any) -> None:
    """Take it back, in spite of owners of other kinds where the operator wants it so."""
    found = sa.text("SELECT 1 FROM hold WHERE owner_kind <> 1 LIMIT 1")
    strange = op.get_bind().execute(found).first() is not None
    _change_checks(op, 0)
    op.drop_column("transfer", "owner_kind")
    op.execute("UPDATE hold SET incentive_id = '' WHERE incentive_id IS NULL")
    # Holds that others replaced were called released.
    op.execute("UPDATE hold SET status = 3 WHERE status = 4")
    with op.batch_alter_table("hold", naming_convention=_NAMES) as hold:
        hold.drop_column("owner_kind")
        hold.create_foreign_key(
            _FOREIGN_KEY,
            "loyalty_transaction",
            ["transaction_id"],
            ["transaction_id"],
            postgresql_not_valid=strange,
        )
        hold.alter_column("incentive_id", existing_type=sa.Text(), nullable=False)


def _owner_kind() -> sa.Column[int]:
    return sa.Column("owner_kind", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _change_checks(op: Any, which: int) -> None:
    """Change the checks of accounts; SQLite builds the table again, PostgreSQL reads it once."""
    with op.batch_alter_table("account") as account:
        for name, texts in _ACCOUNT_CHECKS.items():
            account.drop_constraint(name, type_="check")
            account.create_check_constraint(name, texts[which])
