"""
What the rows of a store promise one another, each promise one query for the rows that break it.

The queries are plain SQL that SQLite and PostgreSQL both speak; the database does the joins, so
that memory here does not grow with the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from loyalty_service.domain.events import LANE_BITS
from loyalty_service.domain.ledger import POINTS_MAX, AccountKind, Cause
from loyalty_service.domain.records import CodeStatus, HoldStatus, TransactionStatus
from loyalty_service.storage import tables as tables  # noqa: PLC0414 - imported for its tables.

BATCH_ROWS = 5000

_LANE = 1 << LANE_BITS


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not as it should be."""

    table: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.key} {self.what}"


_NUMBERS: dict[str, int] = {
    f"{kind.__name__.removesuffix('Status').removesuffix('Kind').lower()}_{entry.name.lower()}": (
        entry.value
    )
    for kind in (AccountKind, Cause, CodeStatus, HoldStatus, TransactionStatus)
    for entry in kind
}
"""The stored number behind each name in the queries: `cause_hold`, `transaction_pending`."""


def _bound(sql: str) -> Any:
    """Bind the numbers that a query names; what else it names is given when it runs."""
    statement = text(sql)
    names = statement.compile().params
    numbers = {name: _NUMBERS[name] for name in names if name in _NUMBERS}
    return statement.bindparams(**numbers)


@dataclass(frozen=True, slots=True)
class Check:
    """A query for bad rows. *what* is filled in with the columns of such a row."""

    table: str
    what: str
    sql: str

    def __call__(self, connection: Connection) -> Iterator[Problem]:
        """Give the rows that break the promise."""
        for row in connection.execute(_bound(self.sql)):
            values = row._asdict()
            yield Problem(self.table, str(values["row_key"]), self.what.format(**values))


_SUSPECTS = _bound(
    """
    SELECT * FROM (
    SELECT owner.transaction_id, owner.status, owner.member_number, owner.claimed_ms,
      owner.points_earned, owner.points_redeemed,
      coalesce(moved.held, 0) AS held, coalesce(moved.earned, 0) AS earned,
      coalesce(moved.redeemed, 0) AS redeemed, coalesce(moved.reversed, 0) AS reversed,
      coalesce(moved.refunded, 0) AS refunded,
      coalesce(holds.open_points, 0) AS open_points,
      coalesce(holds.captured_points, 0) AS captured_points
    FROM loyalty_transaction AS owner
    LEFT JOIN (
      SELECT transaction_id,
        sum(CASE cause WHEN :cause_hold THEN points WHEN :cause_release THEN -points
            WHEN :cause_redeem THEN -points ELSE 0 END) AS held,
        sum(CASE cause WHEN :cause_earn THEN points ELSE 0 END) AS earned,
        sum(CASE cause WHEN :cause_redeem THEN points ELSE 0 END) AS redeemed,
        sum(CASE cause WHEN :cause_reverse THEN points ELSE 0 END) AS reversed,
        sum(CASE cause WHEN :cause_refund THEN points ELSE 0 END) AS refunded
      FROM transfer WHERE transaction_id <> '' GROUP BY transaction_id
    ) AS moved ON moved.transaction_id = owner.transaction_id
    LEFT JOIN (
      SELECT transaction_id,
        sum(CASE status WHEN :hold_open THEN points ELSE 0 END) AS open_points,
        sum(CASE status WHEN :hold_captured THEN points ELSE 0 END) AS captured_points
      FROM hold GROUP BY transaction_id
    ) AS holds ON holds.transaction_id = owner.transaction_id
    ) AS summed
    WHERE NOT (
      member_number IS NOT NULL AND points_earned = earned AND points_redeemed = redeemed
      AND captured_points = redeemed AND held = open_points
      AND (status = :transaction_claimed AND reversed = 0 AND refunded = 0
        OR status = :transaction_void AND reversed = earned AND refunded = redeemed
        OR status = :transaction_pending AND reversed = 0 AND refunded = 0
          AND earned = 0 AND redeemed = 0 AND claimed_ms IS NULL)
    )
    """
)
"""All but the transactions that are surely right: nearly all of them never leave the database."""


_POINTS_OVER_TIME = _bound(
    """
    SELECT transaction_id, cause, total FROM (
      SELECT transfer_id, transaction_id, cause,
        sum(change) OVER (ORDER BY transfer_id) AS total
      FROM (
        SELECT transfer_id, transaction_id, cause,
          CASE account_id WHEN destination_id THEN points ELSE -points END AS change
        FROM account JOIN transfer ON source_id = account_id OR destination_id = account_id
        WHERE member_number = :member AND kind IN (:account_available, :account_held)
      ) AS changes
    ) AS totals
    ORDER BY transfer_id
    """
)
"""What a member has, available and held, after each transfer: only asked for rare ones."""


def suspects(connection: Connection) -> list[Any]:
    """Give the transactions that are not surely right, with what transfers and holds make them."""
    return list(connection.execute(_SUSPECTS))


def transaction_problems(connection: Connection) -> Iterator[Problem]:
    """Give the transactions whose points or holds are not those of the ledger."""
    with connection.execute(_SUSPECTS.execution_options(yield_per=BATCH_ROWS)) as streamed:
        for row in streamed:
            wrong = _transaction_faults(row, connection)
            if wrong:
                yield Problem("loyalty_transaction", row.transaction_id, "; ".join(wrong))


def _transaction_faults(row: Any, connection: Connection) -> list[str]:
    """Say what is wrong with a transaction, given the sums of its transfers and its holds."""
    wrong = []
    if row.held != row.open_points:
        wrong.append(f"holds {row.held} points where its open holds make {row.open_points}")
    if row.status == TransactionStatus.VOID:
        if row.reversed != row.earned:
            wrong.append(f"is void with {row.reversed} of {row.earned} earned points taken back")
        short = row.refunded < row.redeemed and _was_full(row, connection)
        if row.refunded != row.redeemed and not short:
            wrong.append(f"is void with {row.refunded} of {row.redeemed} burned points given back")
    elif row.reversed or row.refunded:
        wrong.append("is not void, though points of it were taken back")
    if row.status not in {TransactionStatus.CLAIMED, TransactionStatus.VOID} and (
        row.earned or row.redeemed or row.claimed_ms is not None
    ):
        wrong.append("is open, though points of it were earned or burned")
    return wrong + _claim_faults(row)


def _was_full(row: Any, connection: Connection) -> bool:
    """
    Tell whether a member had all that the ledger carries once an order was void.

    A void that moved no points leaves no trace of when it was: then it is enough that the member
    ever had as many.
    """
    void, ever = None, 0
    for moved in connection.execute(_POINTS_OVER_TIME, {"member": row.member_number}):
        total = int(moved.total)
        ever = max(ever, total)
        if moved.transaction_id == row.transaction_id and moved.cause in {
            Cause.REFUND,
            Cause.REVERSE,
        }:
            void = total
    return (ever if void is None else void) >= POINTS_MAX


def _claim_faults(row: Any) -> list[str]:
    """Say what is wrong with what a transaction tells of the points it brought and cost."""
    wrong = []
    guest = row.member_number is not None
    open_or_claimed = row.status in {TransactionStatus.PENDING, TransactionStatus.CLAIMED}
    if guest != open_or_claimed and row.status != TransactionStatus.VOID:
        wrong.append("has a member without a claim, or a claim without a member")
    if guest and row.points_earned != row.earned:
        wrong.append(f"says {row.points_earned} points earned where its transfers say {row.earned}")
    if row.points_redeemed != row.redeemed:
        wrong.append(
            f"says {row.points_redeemed} points burned where its transfers say {row.redeemed}"
        )
    if row.captured_points != row.redeemed:
        wrong.append(
            f"has captured holds of {row.captured_points} points where its transfers burn "
            f"{row.redeemed}"
        )
    return wrong


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
    """Give what a hand put beside the tables: triggers above all, which change rows unseen."""
    own = {("table", "alembic_version"), ("table", "backup_proof")}
    for table in SQLModel.metadata.tables.values():
        own.add(("table", table.name))
        own |= {("index", str(index.name)) for index in table.indexes}
    found = connection.exec_driver_sql(
        "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' "
        "ORDER BY type, name"
    )
    for kind, name in found:
        if (kind, name) not in own:
            yield Problem(kind, name, "is none that this version has made")


CHECKS: tuple[Callable[[Connection], Iterator[Problem]], ...] = (
    file_problems,
    transaction_problems,
    Check(
        "member",
        "has {accounts} accounts for points available and held, not two of its own program",
        """
        SELECT member.number AS row_key, count(account.account_id) AS accounts
        FROM member LEFT JOIN account ON account.member_number = member.number
          AND account.kind IN (:account_available, :account_held)
          AND account.program_id = member.program_id
        GROUP BY member.number HAVING count(account.account_id) <> 2
        """,
    ),
    Check(
        "transfer",
        "has cause {cause}, which moves no points from account {source_id} "
        "to account {destination_id}",
        """
        SELECT transfer_id AS row_key, cause, source_id, destination_id
        FROM transfer
        LEFT JOIN account AS source ON source.account_id = source_id
        LEFT JOIN account AS destination ON destination.account_id = destination_id
        WHERE CASE
          WHEN source.program_id <> destination.program_id THEN 1
          WHEN source.member_number <> destination.member_number THEN 1
          WHEN cause = :cause_hold
            AND source.kind = :account_available AND destination.kind = :account_held THEN 0
          WHEN cause = :cause_release
            AND source.kind = :account_held
            AND destination.kind IN (:account_available, :account_debt) THEN 0
          WHEN cause = :cause_adjust
            AND source.kind = :account_adjusted
            AND destination.kind IN (:account_available, :account_debt) THEN 0
          WHEN cause = :cause_adjust
            AND source.kind = :account_available AND destination.kind = :account_adjusted THEN 0
          WHEN cause = :cause_redeem
            AND source.kind = :account_held AND destination.kind = :account_redeemed THEN 0
          WHEN cause = :cause_earn
            AND source.kind = :account_issued
            AND destination.kind IN (:account_available, :account_debt) THEN 0
          WHEN cause = :cause_refund
            AND source.kind = :account_redeemed
            AND destination.kind IN (:account_available, :account_debt) THEN 0
          WHEN cause = :cause_reverse
            AND source.kind IN (:account_available, :account_debt)
            AND destination.kind = :account_issued THEN 0
          ELSE 1 END = 1
        ORDER BY transfer_id
        """,
    ),
    Check(
        "transfer",
        "is not of a transaction of the member whose points it moves",
        """
        SELECT transfer_id AS row_key
        FROM transfer
        LEFT JOIN account AS source ON source.account_id = source_id
        LEFT JOIN account AS destination ON destination.account_id = destination_id
        LEFT JOIN loyalty_transaction AS owner ON owner.transaction_id = transfer.transaction_id
        WHERE CASE
          WHEN cause = :cause_adjust AND transfer.transaction_id = '' THEN 0
          WHEN cause <> :cause_adjust AND owner.program_id = source.program_id
            AND owner.member_number = coalesce(source.member_number, destination.member_number)
            THEN 0
          ELSE 1 END = 1
        ORDER BY transfer_id
        """,
    ),
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
    Check(
        "hold",
        "has status {status}, which does not go with its end, its member or its transaction's "
        "status {transaction_status}",
        """
        SELECT hold_id AS row_key, hold.status, owner.status AS transaction_status
        FROM hold LEFT JOIN loyalty_transaction AS owner
          ON owner.transaction_id = hold.transaction_id
        WHERE CASE
          WHEN owner.member_number <> hold.member_number OR owner.member_number IS NULL THEN 1
          WHEN hold.status = :hold_open AND hold.ended_ms IS NULL
            AND owner.status = :transaction_pending THEN 0
          WHEN hold.status = :hold_captured AND hold.ended_ms IS NOT NULL
            AND owner.status IN (:transaction_claimed, :transaction_void) THEN 0
          WHEN hold.status = :hold_released AND hold.ended_ms IS NOT NULL
            AND owner.status <> :transaction_unclaimed THEN 0
          ELSE 1 END = 1
        ORDER BY hold_id
        """,
    ),
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
          FROM hold WHERE status = :hold_open
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
        "of member {row_key} is not of a member of its program who gave an e-mail address",
        """
        SELECT member_number AS row_key
        FROM member_email LEFT JOIN member ON member.number = member_number
          AND member.program_id = member_email.program_id AND member.email IS NOT NULL
        WHERE member.number IS NULL
        ORDER BY member_number
        """,
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
        ORDER BY code.member_number
        """,
    ),
    *(
        Check(
            "account",
            "has {balance} points after {sequence} transfers, and its last event tells of "
            "{told} after {told_sequence}",
            f"""
            SELECT account_id AS row_key, balance, sequence, event.{name} AS told,
              event.{name}_sequence AS told_sequence
            FROM account
            JOIN (
              SELECT member_number, max({name}_sequence) AS last_sequence FROM event
              WHERE {name}_sequence IS NOT NULL GROUP BY member_number
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
        "counts {newest} events, and its last one is number {last}",
        f"""
        SELECT found.lane AS row_key, newest, last
        FROM (
          SELECT event_id / {_LANE} AS lane, max(event_id % {_LANE}) AS last
          FROM event GROUP BY event_id / {_LANE}
        ) AS found JOIN event_lane ON event_lane.lane = found.lane
        WHERE newest <> last
        ORDER BY found.lane
        """,  # noqa: S608 - a number of ours.
    ),
)
"""Every promise; those of transactions are worded one by one above."""
