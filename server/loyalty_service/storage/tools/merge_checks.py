"""What merged members promise: who was merged has nothing left, and leads to one who goes on."""

from __future__ import annotations

from loyalty_service.storage.tools.checks import Check

CHECKS = (
    Check(
        "member",
        "was merged into member {merged_into} and does not lead there",
        """
        SELECT member.number AS row_key, member.merged_into
        FROM member
        LEFT JOIN member AS other ON other.number = member.merged_into
          AND other.program_id = member.program_id AND other.merged_into IS NULL
        LEFT JOIN member_merge AS merge ON merge.merged_number = member.number
          AND merge.into_number = member.merged_into AND merge.undone_ms IS NULL
        WHERE member.merged_into IS NOT NULL AND (
          other.number IS NULL OR merge.merge_id IS NULL OR other.merged_numbers IS NULL
          OR ',' || other.merged_numbers || ','
            NOT LIKE '%,' || CAST(member.number AS TEXT) || ',%')
        ORDER BY member.number
        """,
    ),
    Check(
        "member_merge",
        "holds, but its member does not lead to the other",
        """
        SELECT merge_id AS row_key
        FROM member_merge LEFT JOIN member ON member.number = merged_number
          AND member.merged_into = into_number
        WHERE undone_ms IS NULL AND member.number IS NULL
        ORDER BY merge_id
        """,
    ),
    Check(
        "member",
        "was merged and has {balance} points in account {account_id}",
        """
        SELECT member.number AS row_key, account_id, balance
        FROM member JOIN account ON account.member_number = member.number
        WHERE member.merged_into IS NOT NULL AND balance <> 0
        ORDER BY member.number, account_id
        """,
    ),
    Check(
        "member",
        "was merged and has {rows} orders, grants, awards of goals or points set aside",
        """
        SELECT number AS row_key, sum(own) AS rows FROM (
          SELECT member.number, count(*) AS own FROM member
          JOIN loyalty_transaction AS owner ON owner.member_number = member.number
          WHERE member.merged_into IS NOT NULL GROUP BY member.number
          UNION ALL
          SELECT member.number, count(*) FROM member
          JOIN member_grant AS owner ON owner.member_number = member.number
          WHERE member.merged_into IS NOT NULL GROUP BY member.number
          UNION ALL
          SELECT member.number, count(*) FROM member
          JOIN goal_award AS owner ON owner.member_number = member.number
          WHERE member.merged_into IS NOT NULL GROUP BY member.number
          UNION ALL
          SELECT member.number, count(*) FROM member
          JOIN points_reservation AS owner ON owner.member_number = member.number
          WHERE member.merged_into IS NOT NULL GROUP BY member.number
        ) AS parts
        GROUP BY number ORDER BY number
        """,
    ),
    Check(
        "transfer",
        "is not of a merge of the two members whose points it moves",
        """
        SELECT transfer_id AS row_key
        FROM transfer
        LEFT JOIN account AS source ON source.account_id = source_id
        LEFT JOIN account AS destination ON destination.account_id = destination_id
        LEFT JOIN member_merge AS merge ON merge.merge_id = transfer.transaction_id
        WHERE transfer.owner_kind = :owner_merge AND CASE
          WHEN cause = :cause_merge AND merge.program_id = source.program_id
            AND (source.member_number = merge.merged_number
                AND destination.member_number = merge.into_number
              OR source.member_number = merge.into_number
                AND destination.member_number = merge.merged_number) THEN 0
          ELSE 1 END = 1
        ORDER BY transfer_id
        """,
    ),
)
