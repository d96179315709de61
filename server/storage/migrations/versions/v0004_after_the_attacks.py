"""What attacks from outside showed to be missing."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    _add_orders()


def downgrade() -> None:
    """Take the change back."""
    _drop_orders()


# --- Orders without a guest, kept answers and e-mail addresses ----------------------------------


def _add_orders() -> None:
    op.add_column("loyalty_transaction", sa.Column("refused_offers", sa.Text(), nullable=True))
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
    op.drop_column("loyalty_transaction", "refused_offers")
