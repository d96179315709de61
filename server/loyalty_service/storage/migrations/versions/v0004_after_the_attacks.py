"""Add what attacks from outside showed to be missing."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_peppers()
    _add_orders()
    _count_for_limits()
    _add_regulars()
    _add_servers()


def downgrade() -> None:
    """Take the change back."""
    _drop_servers()
    _drop_regulars()
    _drop_limit_counts()
    _drop_orders()
    _drop_peppers()


# --- Code peppers and repairs -------------------------------------------------------------------


def _add_peppers() -> None:
    """Keep which code peppers the store was served with, and what operators repaired."""
    op.create_table(
        "code_pepper",
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("known_ms", sa.BigInteger(), nullable=False),
        sa.Column("current_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("check_value"),
    )
    op.create_table(
        "repair",
        sa.Column("repair_id", sa.Text(), nullable=False),
        sa.Column("repaired_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("repair_id"),
    )


def _drop_peppers() -> None:
    op.drop_table("repair")
    op.drop_table("code_pepper")


# --- Orders without a guest, kept answers and e-mail addresses ----------------------------------


def _add_orders() -> None:
    op.add_column("loyalty_transaction", sa.Column("refused_offers", sa.Text(), nullable=True))
    op.add_column("loyalty_transaction", sa.Column("paid_store_id", sa.BigInteger(), nullable=True))
    op.add_column("remembered_answer", sa.Column("stores", sa.Text(), nullable=True))
    op.create_table(
        "member_email",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
        sa.PrimaryKeyConstraint("program_id", "email"),
    )
    _keep_emails()


def _keep_emails() -> None:
    """Keep the first member of each e-mail address; databases do not agree on how to fold one."""
    connection = op.get_bind()
    members = sa.text(
        "SELECT number, program_id, email FROM member "
        "WHERE number > :last AND email IS NOT NULL ORDER BY number LIMIT 5000"
    )
    keep = sa.text(
        "INSERT INTO member_email (program_id, email, member_number) "
        "VALUES (:program_id, :email, :number) ON CONFLICT DO NOTHING"
    )
    last = -1
    while batch := connection.execute(members, {"last": last}).all():
        last = batch[-1].number
        folded = [
            {
                "program_id": row.program_id,
                "email": unicodedata.normalize("NFC", row.email.strip().casefold()),
                "number": row.number,
            }
            for row in batch
        ]
        if rows := [row for row in folded if row["email"]]:
            connection.execute(keep, rows)


def _drop_orders() -> None:
    op.drop_table("member_email")
    op.drop_column("remembered_answer", "stores")
    op.drop_column("loyalty_transaction", "paid_store_id")
    op.drop_column("loyalty_transaction", "refused_offers")


# --- Counts that the limits of a program are held against ---------------------------------------


def _count_for_limits() -> None:
    op.create_table(
        "limit_tally",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "since_ms", "name", "shard"),
    )
    op.create_index("limit_tally_since", "limit_tally", ["since_ms"])


def _drop_limit_counts() -> None:
    op.drop_table("limit_tally")


# --- Whose codes earn a key wrong ones ----------------------------------------------------------


def _add_regulars() -> None:
    """Keep which members' codes earn a key wrong ones: see `domain.guessing`."""
    op.create_table(
        "code_month",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("regulars", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "day", "shard"),
    )
    op.create_index("code_month_day", "code_month", ["day"])
    op.create_table(
        "code_regular",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("member_number", sa.BigInteger(), nullable=False),
        sa.Column("counted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "member_number"),
    )
    op.create_index("code_regular_counted", "code_regular", ["counted_ms"])


def _drop_regulars() -> None:
    op.drop_table("code_regular")
    op.drop_table("code_month")


# --- Servers that are running -------------------------------------------------------------------


def _add_servers() -> None:
    """Let the servers of a database know of each other; nothing of it must outlive a crash."""
    unlogged = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "server",
        sa.Column("server_id", sa.Text(), primary_key=True),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("under_way", sa.LargeBinary(), nullable=False),
        sa.Column("peppers", sa.LargeBinary(), nullable=False),
        prefixes=unlogged,
    )


def _drop_servers() -> None:
    op.drop_table("server")
