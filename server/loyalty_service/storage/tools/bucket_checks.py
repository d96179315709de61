"""What buckets promise: where a program lets points go, all points of its members are in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.expiry import Expiry
from loyalty_service.domain.goal_cards import tiers_told
from loyalty_service.domain.tier_expiry import last_good_day
from loyalty_service.program_file.earning_records import group_from_json
from loyalty_service.program_file.goal_records import goals_from_json, tier_from_json
from loyalty_service.program_file.records import expiry_from_json
from loyalty_service.storage.tools.checks import BATCH_ROWS, Check, Problem, bound

CHECKS = (
    Check(
        "bucket",
        "is not of a member of its program, or does not end with its last day",
        """
        SELECT bucket_id AS row_key
        FROM bucket LEFT JOIN member ON member.number = bucket.member_number
          AND member.program_id = bucket.program_id
        WHERE member.number IS NULL OR points < 0 OR expired < 0 OR earned_day > last_day
          OR rolling NOT IN (0, 1)
        ORDER BY bucket_id
        """,
    ),
    Check(
        "bucket_part",
        "of owner {row_key} is not of its bucket's member, or below 0",
        """
        SELECT owner_id AS row_key
        FROM bucket_part AS part LEFT JOIN bucket ON bucket.bucket_id = part.bucket_id
          AND bucket.member_number = part.member_number
        WHERE bucket.bucket_id IS NULL OR part.earned < 0 OR part.held < 0 OR part.burned < 0
        ORDER BY owner_id
        """,
    ),
    Check(
        "bucket_part",
        "of owner {row_key} have {earned} points earned and {burned} burned, and the transfers "
        "{all_earned} and {all_burned}",
        """
        SELECT parts.owner_id AS row_key, earned, burned,
          coalesce(all_earned, 0) AS all_earned, coalesce(all_burned, 0) AS all_burned
        FROM (
          SELECT owner_kind, owner_id, sum(earned) AS earned, sum(burned) AS burned
          FROM bucket_part GROUP BY owner_kind, owner_id
        ) AS parts
        LEFT JOIN (
          SELECT owner_kind, owner_id, sum(all_earned) AS all_earned,
            sum(all_burned) AS all_burned
          FROM (
            SELECT owner_kind, transaction_id AS owner_id,
              sum(CASE cause WHEN :cause_earn THEN points WHEN :cause_confirm THEN points
                  WHEN :cause_reverse THEN -points WHEN :cause_return THEN -points
                  WHEN :cause_correct THEN -points ELSE 0 END) AS all_earned,
              sum(CASE cause WHEN :cause_redeem THEN points
                  WHEN :cause_refund THEN -points ELSE 0 END) AS all_burned
            FROM transfer GROUP BY owner_kind, transaction_id
            UNION ALL
            SELECT owner_kind, owner_id,
              coalesce(earned, 0) - coalesce(reversed, 0) - coalesce(returned, 0),
              coalesce(redeemed, 0) - coalesce(refunded, 0)
            FROM archived_owner
          ) AS ledger_and_archives
          GROUP BY owner_kind, owner_id
        ) AS moved ON moved.owner_kind = parts.owner_kind AND moved.owner_id = parts.owner_id
        WHERE earned > coalesce(all_earned, 0) OR burned > coalesce(all_burned, 0)
        ORDER BY parts.owner_id
        """,
    ),
)

_BALANCES = bound(
    """
    SELECT account.account_id, account.balance, coalesce(full_ones.points, 0) AS points
    FROM account JOIN member ON member.number = account.member_number
    LEFT JOIN (
      SELECT member_number, sum(points) AS points FROM bucket GROUP BY member_number
    ) AS full_ones ON full_ones.member_number = account.member_number
    WHERE account.kind = :account_available AND member.program_id = :program_id
      AND coalesce(full_ones.points, 0) <> CASE :ages WHEN 1 THEN account.balance ELSE 0 END
    ORDER BY account.account_id
    """
)
_HOLDS = bound(
    """
    SELECT owner_id, sum(held) AS held, sum(open_points) AS open_points
    FROM (
      SELECT part.owner_kind, part.owner_id, part.held, 0 AS open_points
      FROM bucket_part AS part JOIN member ON member.number = part.member_number
      WHERE member.program_id = :program_id
      UNION ALL
      SELECT hold.owner_kind, hold.transaction_id, 0, hold.points
      FROM hold JOIN member ON member.number = hold.member_number
      WHERE hold.status = :hold_open AND :ages = 1 AND member.program_id = :program_id
    ) AS both_sides
    GROUP BY owner_kind, owner_id HAVING sum(held) <> sum(open_points)
    ORDER BY owner_id
    """
)

_TIERS = bound(
    """
    SELECT bucket.bucket_id, bucket.earned_day, bucket.last_day, card.tiers
    FROM bucket LEFT JOIN goal_card AS card ON card.member_number = bucket.member_number
    WHERE bucket.program_id = :program_id AND bucket.points > 0 AND bucket.gone_ms > :now_ms
    ORDER BY bucket.bucket_id
    """
)


def bucket_problems(connection: Connection) -> Iterator[Problem]:
    """Give the buckets, and the points of members and orders, that do not go together."""
    for check in CHECKS:
        yield from check(connection)
    programs = connection.execute(text("SELECT program_id, document FROM program")).all()
    for program_id, document in programs:
        described = json.loads(document)
        terms = expiry_from_json(described.get("expiry", {}))
        of_program = {"program_id": program_id, "ages": int(terms.ages)}
        for row in connection.execute(_BALANCES, of_program):
            what = f"has {row.balance} points to spend where its member's buckets have {row.points}"
            yield Problem("account", str(row.account_id), what)
        for row in connection.execute(_HOLDS, of_program):
            what = (
                f"of owner {row.owner_id} hold {row.held} points, its open holds {row.open_points}"
            )
            yield Problem("bucket_part", str(row.owner_id), what)
        if terms.by_tier:
            yield from _tier_problems(connection, program_id, described, terms)


def _tier_problems(
    connection: Connection, program_id: str, described: Mapping[str, Any], terms: Expiry
) -> Iterator[Problem]:
    """Give the buckets that go before their member's tiers let them."""
    tiers = {tier["id"]: tier_from_json(tier) for tier in described.get("tiers", [])}
    groups = {name: group_from_json(name, one) for name, one in described.get("groups", {}).items()}
    goals = goals_from_json(described.get("goals", []), groups)
    rows = connection.execute(
        _TIERS.execution_options(yield_per=BATCH_ROWS),
        {"program_id": program_id, "now_ms": now_ms()},
    )
    for bucket_id, earned_day, last_day, told in rows:
        earned, last = map(date.fromisoformat, (earned_day, last_day))
        until = last_good_day(terms, tiers_told(told, tiers, goals), earned, last)
        if until > last:
            what = f"goes after {last_day} where its member's tiers keep it until {until}"
            yield Problem("bucket", bucket_id, what)
