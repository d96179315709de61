"""Room for what comes next: events, and every version of a program."""

import json
import time

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


def downgrade() -> None:
    """Take the change back."""
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
