"""Find members by words of their names and addresses, and orders by store, number, operator."""

import sqlalchemy as sa
from alembic import op

from loyalty_service.domain.member_terms import terms_of

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ROWS = 2000
_MEMBERS = f"""
    SELECT number, program_id, name, email, phone, card, erased_ms
    FROM member WHERE number > :last ORDER BY number LIMIT {_ROWS}
"""  # noqa: S608 - the number is ours.


def upgrade() -> None:
    """Apply the change: the terms of all members are made, and the indexes of all orders built."""
    term = op.create_table(
        "member_term",
        sa.Column(
            "member_number", sa.BigInteger(), autoincrement=False, primary_key=True, nullable=False
        ),
        sa.Column("kind", sa.Integer(), autoincrement=False, primary_key=True, nullable=False),
        sa.Column(
            "term",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            primary_key=True,
            nullable=False,
        ),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["member_number"], ["member.number"]),
    )
    _fill(term)
    op.create_index(
        "member_term_found", "member_term", ["program_id", "term", "member_number", "kind"]
    )
    orders = "loyalty_transaction"
    op.create_index("transaction_of_store", orders, ["program_id", "store_id", "transaction_id"])
    op.create_index(
        "transaction_of_number", orders, ["program_id", "pos_transaction_id", "transaction_id"]
    )
    known = sa.text("operator IS NOT NULL")
    op.create_index(
        "transaction_of_operator",
        orders,
        ["program_id", "operator", "transaction_id"],
        sqlite_where=known,
        postgresql_where=known,
    )


def downgrade() -> None:
    """Take the change back; the terms are made again on the way up."""
    for name in ("operator", "number", "store"):
        op.drop_index(f"transaction_of_{name}", "loyalty_transaction")
    op.drop_table("member_term")


def _fill(term: sa.Table) -> None:
    connection = op.get_bind()
    last = -1
    while members := connection.execute(sa.text(_MEMBERS), {"last": last}).all():
        rows = [
            {
                "member_number": number,
                "kind": int(kind),
                "term": word,
                "program_id": program_id,
            }
            for number, program_id, name, email, phone, card, erased_ms in members
            if erased_ms is None
            for kind, word in terms_of(name, email, phone, card)
        ]
        if rows:
            connection.execute(sa.insert(term), rows)
        last = members[-1][0]
