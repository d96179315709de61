"""What grants promise: each is of a member, and used as often as orders say that used it."""

from __future__ import annotations

from loyalty_service.storage.tools.checks import Check

CHECKS = (
    Check(
        "member_grant",
        "is not of a member of its program, or ends before it begins",
        """
        SELECT grant_id AS row_key
        FROM member_grant LEFT JOIN member ON member.number = member_grant.member_number
          AND member.program_id = member_grant.program_id
        WHERE member.number IS NULL OR first_day > last_day OR used > uses OR used < 0
        ORDER BY grant_id
        """,
    ),
    Check(
        "member_grant",
        "says that it was used {used} times, and orders {redeemed}",
        """
        SELECT member_grant.grant_id AS row_key, used, coalesce(redeemed, 0) AS redeemed
        FROM member_grant
        LEFT JOIN (
          SELECT grant_id, sum(quantity) AS redeemed FROM redemption
          WHERE grant_id IS NOT NULL AND voided_ms IS NULL GROUP BY grant_id
        ) AS orders ON orders.grant_id = member_grant.grant_id
        WHERE used <> coalesce(redeemed, 0)
        ORDER BY member_grant.grant_id
        """,
    ),
    Check(
        "redemption",
        "names a grant that its member does not have of its incentive",
        """
        SELECT redemption_id AS row_key
        FROM redemption LEFT JOIN member_grant
          ON member_grant.grant_id = redemption.grant_id
          AND member_grant.member_number = redemption.member_number
          AND member_grant.incentive_id = redemption.incentive_id
        WHERE redemption.grant_id IS NOT NULL AND member_grant.grant_id IS NULL
          AND NOT EXISTS (SELECT 1 FROM merged_owner WHERE owner_id = redemption.grant_id)
        ORDER BY redemption_id
        """,
    ),
)
