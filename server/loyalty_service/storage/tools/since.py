"""
What an audit since a checkpoint looks at, beside the transfers that came after it.

Of the orders it takes those that were touched since then, with all that belongs to them. What only
all rows together can show is left to the whole audit: the file itself, the events, the cards of
goals, the counts of uses, and the words by which members are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, text

from loyalty_service.storage.tools.audit_checks import CHECKS, file_problems
from loyalty_service.storage.tools.checkpoints import Checkpoint
from loyalty_service.storage.tools.checks import Check, Problem
from loyalty_service.storage.tools.goal_checks import goal_problems
from loyalty_service.storage.tools.owner_promises import owner_problems
from loyalty_service.storage.tools.term_checks import term_problems

MARGIN_MS = 3_600_000
"""Longer than any call takes, and more than the clocks of servers differ."""

_OF_TOUCHED = {"transfer", "hold", "redemption", "reservation", "loyalty_transaction", "code"}
_LEFT_OUT = {"adhoc_transaction", "event_lane", "incentive_usage", "member_grant"}

CheckOf = Callable[[Connection], Iterator[Problem]]


def _is_of_touched(check: CheckOf) -> bool:
    return check is owner_problems or (isinstance(check, Check) and check.table in _OF_TOUCHED)


def _is_left_out(check: CheckOf) -> bool:
    if isinstance(check, Check):
        return check.table in _LEFT_OUT or "event" in check.sql
    return check in {file_problems, goal_problems, term_problems}


CHECKS_OF_TOUCHED = tuple(filter(_is_of_touched, CHECKS))
CHECKS_OF_ALL = tuple(
    check for check in CHECKS if not _is_of_touched(check) and not _is_left_out(check)
)

_SHADOWS = {
    "hold": "transaction_id IN (SELECT owner_id FROM touched)",
    "redemption": "transaction_id IN (SELECT owner_id FROM touched)",
    "reservation": "transaction_id IN (SELECT owner_id FROM touched)",
    "code": "transaction_id IN (SELECT owner_id FROM touched)",
    "archived_owner": "owner_id IN (SELECT owner_id FROM touched)",
    "loyalty_transaction": "transaction_id IN (SELECT owner_id FROM touched)",
    "bucket": "bucket_id IN (SELECT owner_id FROM touched)",
    "goal_award": "award_id IN (SELECT owner_id FROM touched)",
    "adhoc_transaction": "adhoc_id IN (SELECT owner_id FROM touched)",
    "points_reservation": "reservation_token IN (SELECT owner_id FROM touched)",
}


def keep_touched(connection: Connection, since: Checkpoint) -> int:
    """
    Let the names of tables mean, for this transaction, the rows of what was touched since.

    Returns how many orders, and others that points were moved for, that is.
    """
    schema = "main"
    if connection.dialect.name == "postgresql":
        schema = str(connection.exec_driver_sql("SELECT current_schema()").scalar_one())
    after = {"after": since.transfer_id, "since_ms": since.recorded_ms - MARGIN_MS}
    connection.exec_driver_sql("CREATE TEMPORARY TABLE touched (owner_id TEXT PRIMARY KEY)")
    connection.execute(
        text(
            """
            INSERT INTO touched
            SELECT transaction_id FROM transfer WHERE transfer_id > :after
            UNION SELECT transaction_id FROM loyalty_transaction WHERE updated_ms >= :since_ms
            UNION SELECT transaction_id FROM hold
              WHERE created_ms >= :since_ms OR ended_ms >= :since_ms
            """
        ),
        after,
    )
    connection.execute(
        text(
            f"""
            CREATE TEMPORARY TABLE touched_transfer AS SELECT * FROM {schema}.transfer
            WHERE transfer_id > :after
              OR (transaction_id IN (SELECT owner_id FROM touched WHERE owner_id <> ''))
            """.replace(":after", str(since.transfer_id))  # noqa: S608 - a number of ours.
        )
    )
    connection.exec_driver_sql("CREATE TEMPORARY VIEW transfer AS SELECT * FROM touched_transfer")
    for name, condition in _SHADOWS.items():
        connection.exec_driver_sql(
            f"CREATE TEMPORARY VIEW {name} AS SELECT * FROM {schema}.{name} WHERE {condition}"  # noqa: S608
        )
    found = connection.exec_driver_sql("SELECT count(*) FROM touched WHERE owner_id <> ''")
    return int(found.scalar_one())
