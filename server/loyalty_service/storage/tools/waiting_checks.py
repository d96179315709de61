"""
What the points of orders that wait to be confirmed promise the ledger.

Those of members who were merged wait with the one, while the orders stay with the other.
"""

from __future__ import annotations

from loyalty_service.storage.tools.checks import Check

CHECKS = (
    Check(
        "account",
        "has {balance} points that wait where the member's orders have {waiting}",
        """
        SELECT waits.account_id AS row_key, waits.balance,
          coalesce(sum(made.points_unconfirmed), 0) AS waiting
        FROM account AS waits
        LEFT JOIN loyalty_transaction AS made ON made.member_number = waits.member_number
          AND made.status = :transaction_claimed AND made.points_unconfirmed IS NOT NULL
        WHERE waits.kind = :account_unconfirmed AND NOT EXISTS (
          SELECT 1 FROM member_merge AS merge
          WHERE waits.member_number IN (merge.into_number, merge.merged_number)
        )
        GROUP BY waits.account_id, waits.balance
        HAVING waits.balance <> coalesce(sum(made.points_unconfirmed), 0)
        ORDER BY waits.account_id
        """,
    ),
    Check(
        "loyalty_transaction",
        "has points that wait, and is not an order that is to be confirmed",
        """
        SELECT transaction_id AS row_key
        FROM loyalty_transaction
        WHERE points_unconfirmed IS NOT NULL
          AND (status <> :transaction_claimed OR coalesce(confirmation, '') <> 'waits')
        ORDER BY transaction_id
        """,
    ),
)
