"""
What the rows of a store promise one another, each promise one query for the rows that break it.

The queries are plain SQL that SQLite and PostgreSQL both speak; the database does the joins, so
that memory here does not grow with the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlmodel import SQLModel

from loyalty_service.domain.events import LANE_BITS, EventKind
from loyalty_service.domain.ledger import MEMBER_KINDS, MOVES
from loyalty_service.storage import tables as tables  # noqa: PLC0414 - imported for its tables.
from loyalty_service.storage.report_views import VIEW_NAMES
from loyalty_service.storage.tools.bucket_checks import bucket_problems
from loyalty_service.storage.tools.checks import Check, Problem
from loyalty_service.storage.tools.goal_checks import goal_problems
from loyalty_service.storage.tools.grant_checks import CHECKS as GRANT_CHECKS
from loyalty_service.storage.tools.merge_checks import CHECKS as MERGE_CHECKS
from loyalty_service.storage.tools.owner_promises import (
    PROMISES,
    hold_check,
    owner_problems,
    transfer_check,
    unknown_owners,
)
from loyalty_service.storage.tools.term_checks import term_problems
from loyalty_service.storage.tools.visit_promises import CHECKS as VISIT_CHECKS
from loyalty_service.storage.tools.waiting_checks import CHECKS as WAITING_CHECKS

_LANE = 1 << LANE_BITS
_USED = EventKind.PROMO_CODE_USED.value
_KEPT_SINCE = "coalesce((SELECT max(until_ms) + 3600000 FROM event_pruned), 0)"
"""
Since when every event is there: of before, the last one about an account may be pruned.

An hour is more than the clocks of two servers ever differ.
"""


def _moves() -> str:
    """Word which accounts each cause moves points between, as branches of a CASE."""
    return "".join(
        f"""
          WHEN cause = {cause:d} AND source.kind = {source:d}
            AND destination.kind IN ({", ".join(f"{kind:d}" for kind in destinations)}) THEN 0"""
        for cause, moves in MOVES.items()
        for source, destinations in moves
    )


def file_problems(connection: Connection) -> Iterator[Problem]:
    """Give what is wrong with an embedded database's file, and rows that refer to none."""
    if connection.dialect.name != "sqlite":
        return  # A server keeps its own files, and never lets such a row in.
    yield from _foreign_objects(connection)
    for (what,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if what != "ok":
            yield Problem("file", "of the database", f"is damaged: {what}")
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Problem(table, f"in row {row}", f"refers to a row of {parent} that is gone")


def _foreign_objects(connection: Connection) -> Iterator[Problem]:
    """Give what somebody added to the schema, above all triggers, which change rows unseen."""
    own = {("table", "alembic_version"), ("table", "backup_proof")}
    own |= {("view", name) for name in VIEW_NAMES}
    for table in SQLModel.metadata.tables.values():
        own.add(("table", table.name))
        own |= {("index", str(index.name)) for index in table.indexes}
    found = connection.exec_driver_sql(
        "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' "
        "ORDER BY type, name"
    )
    for kind, name in found:
        if (kind, name) not in own:
            yield Problem(kind, name, "was not made by this version")


CHECKS: tuple[Callable[[Connection], Iterator[Problem]], ...] = (
    file_problems,
    owner_problems,
    Check(
        "member",
        "has {accounts} accounts for points available and held, not two of its own program",
        f"""
        SELECT member.number AS row_key, count(account.account_id) AS accounts
        FROM member LEFT JOIN account ON account.member_number = member.number
          AND account.kind IN ({", ".join(f"{kind:d}" for kind in MEMBER_KINDS)})
          AND account.program_id = member.program_id
        GROUP BY member.number HAVING count(account.account_id) <> {len(MEMBER_KINDS)}
        """,  # noqa: S608 - numbers of ours.
    ),
    Check(
        "transfer",
        "has cause {cause}, which moves no points from account {source_id} "
        "to account {destination_id}",
        f"""
        SELECT transfer_id AS row_key, cause, source_id, destination_id
        FROM transfer
        LEFT JOIN account AS source ON source.account_id = source_id
        LEFT JOIN account AS destination ON destination.account_id = destination_id
        WHERE CASE
          WHEN source.program_id <> destination.program_id THEN 1
          WHEN source.member_number <> destination.member_number AND cause <> :cause_merge THEN 1
          WHEN source.member_number = destination.member_number AND cause = :cause_merge THEN 1
          {_moves()}
          ELSE 1 END = 1
        ORDER BY transfer_id
        """,  # noqa: S608 - numbers of ours.
    ),
    unknown_owners("transfer", "transfer_id"),
    *map(transfer_check, PROMISES),
    Check(
        "account",
        "has {balance} points held where the member's open holds make {open_points}",
        """
        SELECT account.account_id AS row_key, account.balance,
          coalesce(holds.points, 0) AS open_points
        FROM account LEFT JOIN (
          SELECT member_number, sum(points) AS points FROM hold
          WHERE status = :hold_open GROUP BY member_number
        ) AS holds ON holds.member_number = account.member_number
        WHERE account.kind = :account_held AND account.balance <> coalesce(holds.points, 0)
        ORDER BY account.account_id
        """,
    ),
    Check(
        "member",
        "has {available} points to spend and owes {owed}",
        """
        SELECT debt.member_number AS row_key, available.balance AS available,
          -debt.balance AS owed
        FROM account AS debt JOIN account AS available
          ON available.member_number = debt.member_number AND available.kind = :account_available
        WHERE debt.kind = :account_debt AND debt.balance < 0 AND available.balance > 0
        ORDER BY debt.member_number
        """,
    ),
    bucket_problems,
    goal_problems,
    *GRANT_CHECKS,
    *MERGE_CHECKS,
    *WAITING_CHECKS,
    *VISIT_CHECKS,
    unknown_owners("hold", "hold_id"),
    *map(hold_check, PROMISES),
    Check(
        "redemption",
        "does not go with its member, or with its transaction's status {transaction_status}",
        """
        SELECT redemption_id AS row_key, owner.status AS transaction_status
        FROM redemption LEFT JOIN loyalty_transaction AS owner
          ON owner.transaction_id = redemption.transaction_id
        WHERE CASE
          WHEN owner.member_number <> redemption.member_number OR owner.member_number IS NULL
            THEN 1
          WHEN owner.status = :transaction_claimed AND voided_ms IS NULL THEN 0
          WHEN owner.status = :transaction_claimed
            AND (owner.returned IS NOT NULL OR owner.updated_ms >= voided_ms)
            AND redemption.incentive_id LIKE 'earning/%' THEN 0
          WHEN owner.status = :transaction_void AND voided_ms IS NOT NULL THEN 0
          ELSE 1 END = 1
        ORDER BY redemption_id
        """,
    ),
    Check(
        "incentive_usage",
        "counts {counted} uses where there are {redeemed} redemptions",
        """
        SELECT program_id || '/' || incentive_id AS row_key,
          sum(counted) AS counted, sum(redeemed) AS redeemed
        FROM (
          SELECT program_id, incentive_id, quantity AS counted, 0 AS redeemed
          FROM incentive_usage
          UNION ALL
          SELECT program_id, incentive_id, 0, quantity FROM redemption WHERE voided_ms IS NULL
        ) AS both_sides
        GROUP BY program_id, incentive_id HAVING sum(counted) <> sum(redeemed)
        ORDER BY program_id, incentive_id
        """,
    ),
    Check(
        "reservation",
        "of {incentive_id} does not go with its member, or with its transaction's status "
        "{transaction_status}",
        """
        SELECT reservation.transaction_id AS row_key, incentive_id,
          owner.status AS transaction_status
        FROM reservation LEFT JOIN loyalty_transaction AS owner
          ON owner.transaction_id = reservation.transaction_id
        WHERE CASE
          WHEN owner.member_number <> reservation.member_number OR owner.member_number IS NULL
            THEN 1
          WHEN reservation.quantity > 0 AND owner.status <> :transaction_pending THEN 1
          ELSE 0 END = 1
        ORDER BY reservation.transaction_id, incentive_id
        """,
    ),
    Check(
        "loyalty_transaction",
        "holds {held} points for {incentive_id} where it has reserved {reserved} points' worth",
        """
        SELECT transaction_id AS row_key, incentive_id, sum(held) AS held,
          sum(reserved) AS reserved
        FROM (
          SELECT transaction_id, incentive_id, points AS held, 0 AS reserved
          FROM hold WHERE status = :hold_open AND owner_kind = :owner_transaction
          UNION ALL
          SELECT transaction_id, incentive_id, 0, quantity * point_cost
          FROM reservation WHERE quantity > 0
        ) AS both_sides
        GROUP BY transaction_id, incentive_id HAVING sum(held) <> sum(reserved)
        ORDER BY transaction_id, incentive_id
        """,
    ),
    Check(
        "member_email",
        "of member {row_key} does not belong to a member of its program with an e-mail address",
        """
        SELECT member_number AS row_key
        FROM member_email LEFT JOIN member ON member.number = member_number
          AND member.program_id = member_email.program_id AND member.email IS NOT NULL
        WHERE member.number IS NULL
        ORDER BY member_number
        """,
    ),
    Check(
        "promo_code",
        "called {label} of {row_key} counts {uses} uses where members alone have made {made}",
        """
        SELECT code.program_id AS row_key, code.label, code.uses, sum(made.uses) AS made
        FROM promo_code AS code JOIN promo_redemption AS made
          ON made.program_id = code.program_id AND made.digest = code.digest
        GROUP BY code.program_id, code.digest, code.label, code.uses
        HAVING sum(made.uses) > code.uses
        ORDER BY code.program_id, code.label
        """,
    ),
    Check(
        "promo_code",
        "called {label} of {row_key} counts {uses} uses where members have made {made}, and guests "
        "without a name {told}",
        f"""
        SELECT code.program_id AS row_key, code.label, sum(code.uses) AS uses,
          coalesce(sum(made.uses), 0) AS made, coalesce(max(nobody.told), 0) AS told
        FROM promo_code AS code
        LEFT JOIN (
          SELECT program_id, digest, sum(uses) AS uses FROM promo_redemption
          GROUP BY program_id, digest
        ) AS made ON made.program_id = code.program_id AND made.digest = code.digest
        LEFT JOIN (
          SELECT program_id, subject, count(*) AS told FROM event WHERE kind = {_USED}
          GROUP BY program_id, subject
        ) AS nobody ON nobody.program_id = code.program_id AND nobody.subject = code.label
        GROUP BY code.program_id, code.label
        HAVING sum(code.uses) <> coalesce(sum(made.uses), 0) + coalesce(max(nobody.told), 0)
        ORDER BY code.program_id, code.label
        """,  # noqa: S608 - a number of our own.
    ),
    Check(
        "code",
        "of member {row_key} is claimed by transaction {transaction_id}, which is not the member's",
        """
        SELECT code.member_number AS row_key, code.transaction_id
        FROM code LEFT JOIN loyalty_transaction AS owner
          ON owner.transaction_id = code.transaction_id
        WHERE code.status = :code_claimed AND code.transaction_id IS NOT NULL
          AND (owner.member_number IS NULL OR owner.member_number <> code.member_number)
          AND NOT EXISTS (SELECT 1 FROM merged_owner WHERE owner_id = code.transaction_id)
        ORDER BY code.member_number
        """,
    ),
    *(
        Check(
            "account",
            "has {balance} points after {sequence} transfers, but its last event says "
            "{told} after {told_sequence}",
            f"""
            SELECT account_id AS row_key, balance, sequence, event.{name} AS told,
              event.{name}_sequence AS told_sequence
            FROM account
            JOIN (
              SELECT member_number, max({name}_sequence) AS last_sequence FROM event
              WHERE {name}_sequence IS NOT NULL AND recorded_ms >= {_KEPT_SINCE}
              GROUP BY member_number
            ) AS newest ON newest.member_number = account.member_number
            JOIN event ON event.member_number = newest.member_number
              AND event.{name}_sequence = newest.last_sequence
            WHERE account.kind = :account_{name}
              AND (event.{name}_sequence <> sequence OR event.{name} <> balance)
            ORDER BY account_id
            """,  # noqa: S608 - names of ours.
        )
        for name in ("available", "held", "debt")
    ),
    Check(
        "event_lane",
        "counts {newest} events where there are {events}, and the last one is number {last}",
        f"""
        SELECT lane AS row_key, sum(newest) AS newest, sum(events) AS events, sum(last) AS last
        FROM (
          SELECT lane, newest, 0 AS events, 0 AS last FROM event_lane
          UNION ALL
          SELECT lane, 0, pruned, 0 FROM event_pruned
          UNION ALL
          SELECT event_id / {_LANE}, 0, count(*), max(event_id % {_LANE})
          FROM event GROUP BY event_id / {_LANE}
        ) AS both_sides
        GROUP BY lane HAVING sum(newest) <> sum(last) OR sum(events) <> sum(last)
        ORDER BY lane
        """,  # noqa: S608 - a number of ours.
    ),
    term_problems,
)
"""Every promise; those of owners are worded one by one in `owner_promises`."""
