"""What each kind of owner promises of its holds and transfers, a row of `PROMISES` for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from loyalty_service.domain.ledger import POINTS_MAX, Cause, OwnerKind
from loyalty_service.domain.purchases import LAPSED
from loyalty_service.domain.records import HoldStatus, TransactionStatus
from loyalty_service.storage.tools.checks import BATCH_ROWS, Check, Problem, bound
from loyalty_service.storage.tools.owner_terms import OwnerPromises
from loyalty_service.storage.tools.visit_promises import ADHOC, RESERVATION

OWNER_SUMS = """
        sum(CASE cause WHEN :cause_hold THEN points WHEN :cause_release THEN -points
            WHEN :cause_redeem THEN -points ELSE 0 END) AS held,
        sum(CASE cause WHEN :cause_earn THEN points WHEN :cause_correct THEN -points
            ELSE 0 END) AS earned,
        sum(CASE cause WHEN :cause_redeem THEN points ELSE 0 END) AS redeemed,
        sum(CASE cause WHEN :cause_reverse THEN points ELSE 0 END) AS reversed,
        sum(CASE cause WHEN :cause_refund THEN points ELSE 0 END) AS refunded,
        sum(CASE cause WHEN :cause_return THEN points ELSE 0 END) AS returned,
        sum(CASE cause WHEN :cause_expire THEN points ELSE 0 END) AS expired"""
"""What the transfers of an owner come to, as `archived_owner` keeps it too."""


def _suspects(promises: OwnerPromises) -> Any:
    """Build the query for owners that are not surely right, with the sums of their rows."""
    return bound(
        f"""
    SELECT * FROM (
    SELECT owner.{promises.key} AS owner_id, owner.member_number, {promises.told},
      coalesce(moved.held, 0) AS held, coalesce(moved.earned, 0) AS earned,
      coalesce(moved.redeemed, 0) AS redeemed, coalesce(moved.reversed, 0) AS reversed,
      coalesce(moved.refunded, 0) AS refunded, coalesce(moved.returned, 0) AS taken,
      coalesce(moved.expired, 0) AS booked,
      coalesce(holds.open_points, 0) AS open_points,
      coalesce(holds.captured_points, 0) AS captured_points
    FROM {promises.table} AS owner
    LEFT JOIN (
      SELECT owner_id, sum(held) AS held, sum(earned) AS earned, sum(redeemed) AS redeemed,
        sum(reversed) AS reversed, sum(refunded) AS refunded, sum(returned) AS returned,
        sum(expired) AS expired
      FROM (
        SELECT transaction_id AS owner_id, {OWNER_SUMS}
        FROM transfer WHERE owner_kind = {promises.kind:d} AND transaction_id <> ''
        GROUP BY transaction_id
        UNION ALL
        SELECT owner_id, held, earned, redeemed, reversed, refunded, returned, expired
        FROM archived_owner WHERE owner_kind = {promises.kind:d}
      ) AS parts
      GROUP BY owner_id
    ) AS moved ON moved.owner_id = owner.{promises.key}
    LEFT JOIN (
      SELECT transaction_id AS owner_id,
        sum(CASE status WHEN :hold_open THEN points ELSE 0 END) AS open_points,
        sum(CASE status WHEN :hold_captured THEN points ELSE 0 END) AS captured_points
      FROM hold WHERE owner_kind = {promises.kind:d} GROUP BY transaction_id
    ) AS holds ON holds.owner_id = owner.{promises.key}
    ) AS summed
    WHERE NOT (captured_points = redeemed AND held = open_points AND ({promises.sure}))
    """  # noqa: S608 - text of ours.
    )


_POINTS_OVER_TIME = bound(
    """
    SELECT transaction_id, cause, total FROM (
      SELECT transfer_id, transaction_id, cause,
        sum(change) OVER (ORDER BY transfer_id) AS total
      FROM (
        SELECT transfer_id, transaction_id, cause,
          CASE account_id WHEN destination_id THEN points ELSE -points END AS change
        FROM account JOIN transfer ON source_id = account_id OR destination_id = account_id
        WHERE member_number = :member AND kind <> :account_debt
      ) AS changes
    ) AS totals
    ORDER BY transfer_id
    """
)
"""What a member has in all accounts after each transfer: only asked for rare ones."""


_IN_ARCHIVE = bound(
    "SELECT count(*) FROM archived_owner WHERE owner_kind = :owner_transaction "
    "AND owner_id = :owner_id"
)


def suspects(connection: Connection, promises: OwnerPromises) -> list[Any]:
    """Give the owners that are not surely right, with what transfers and holds make them."""
    return list(connection.execute(_suspects(promises)))


def owner_problems(connection: Connection) -> Iterator[Problem]:
    """Give the owners of every kind whose points or holds are not those of the ledger."""
    for promises in PROMISES:
        query = _suspects(promises).execution_options(yield_per=BATCH_ROWS)
        with connection.execute(query) as streamed:
            for row in streamed:
                wrong = _hold_faults(row) + promises.faults(row, connection)
                if wrong:
                    yield Problem(promises.table, row.owner_id, "; ".join(wrong))


def _hold_faults(row: Any) -> list[str]:
    """Say where the holds of an owner are not those that its transfers make."""
    wrong = []
    if row.held != row.open_points:
        wrong.append(f"holds {row.held} points where its open holds make {row.open_points}")
    if row.captured_points != row.redeemed:
        wrong.append(
            f"has captured holds of {row.captured_points} points where its transfers burn "
            f"{row.redeemed}"
        )
    return wrong


def _transaction_faults(row: Any, connection: Connection) -> list[str]:
    """Say what is wrong with a transaction, given the sums of its transfers and its holds."""
    wrong = []
    if row.status == TransactionStatus.VOID:
        back = row.reversed + row.taken
        if back != row.earned:
            wrong.append(f"is void with {back} of {row.earned} earned points taken back")
        short = row.refunded < row.redeemed and _was_full(row, connection)
        if row.refunded != row.redeemed and not short:
            wrong.append(f"is void with {row.refunded} of {row.redeemed} burned points given back")
    elif row.reversed or row.refunded:
        wrong.append("is not void, though points of it were taken back")
    if row.status not in {TransactionStatus.CLAIMED, TransactionStatus.VOID} and (
        row.earned or row.redeemed or row.claimed_ms is not None
    ):
        wrong.append("is open, though points of it were earned or burned")
    return wrong + _return_faults(row) + _claim_faults(row)


def _return_faults(row: Any) -> list[str]:
    """Say what is wrong with what a transaction tells of the points taken back by returns."""
    wrong = []
    if row.points_returned != row.taken:
        wrong.append(
            f"says {row.points_returned} points taken back for what was returned where its "
            f"transfers say {row.taken}"
        )
    if row.taken > row.earned:
        wrong.append(f"has {row.taken} points taken back by returns of {row.earned} earned")
    if row.taken and not row.returned and row.confirmation != LAPSED:
        wrong.append("has points taken back by returns, though nothing of it came back")
    return wrong


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
        if moved.transaction_id == row.owner_id and moved.cause in {
            Cause.REFUND,
            Cause.REVERSE,
            Cause.RETURN,
        }:
            void = total
    if void is None and connection.execute(_IN_ARCHIVE, {"owner_id": row.owner_id}).scalar():
        return True  # An audit of the whole ledger has seen it before it was archived.
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
    return wrong


TRANSACTION = OwnerPromises(
    kind=OwnerKind.TRANSACTION,
    table="loyalty_transaction",
    key="transaction_id",
    causes=(
        Cause.HOLD,
        Cause.RELEASE,
        Cause.REDEEM,
        Cause.EARN,
        Cause.REFUND,
        Cause.REVERSE,
        Cause.RETURN,
        Cause.CORRECT,
        Cause.CONFIRM,
    ),
    holds={
        HoldStatus.OPEN: "owner.status = :transaction_pending",
        HoldStatus.CAPTURED: "owner.status IN (:transaction_claimed, :transaction_void)",
        HoldStatus.RELEASED: "owner.status <> :transaction_unclaimed",
        HoldStatus.REPLACED: "owner.status <> :transaction_unclaimed",
    },
    told="""owner.status, owner.claimed_ms, owner.points_earned, owner.points_redeemed,
      owner.points_returned, owner.returned, owner.confirmation""",
    sure="""
      member_number IS NOT NULL AND points_earned = earned AND points_redeemed = redeemed
      AND points_returned = taken
      AND (returned IS NOT NULL OR taken = 0 OR confirmation = 'lapsed')
      AND (status = :transaction_claimed AND reversed = 0 AND refunded = 0 AND taken <= earned
        OR status = :transaction_void AND reversed + taken = earned AND refunded = redeemed
        OR status = :transaction_pending AND reversed = 0 AND refunded = 0
          AND earned = 0 AND redeemed = 0 AND claimed_ms IS NULL)
    """,
    faults=_transaction_faults,
)
"""RBI's order, from Identify to its end."""


def _bucket_faults(row: Any, _connection: Connection) -> list[str]:
    """Say where what went out of a bucket is not what transfers say."""
    if row.expired == row.booked:
        return []
    return [f"says {row.expired} points gone where its transfers say {row.booked}"]


BUCKET = OwnerPromises(
    kind=OwnerKind.BUCKET,
    table="bucket",
    key="bucket_id",
    causes=(Cause.EXPIRE,),
    holds={},
    told="owner.expired",
    sure="expired = booked",
    faults=_bucket_faults,
    state="0",
)
"""A member's points that go on one day; nothing is held for it."""


def _award_faults(row: Any, _connection: Connection) -> list[str]:
    """Say where what a goal gave, and lost, is not what transfers say."""
    wrong = []
    for word, told, moved in (
        ("given", row.points, row.earned),
        ("taken back", row.lost_points, row.reversed),
    ):
        if told != moved:
            wrong.append(f"says {told} points {word} where its transfers say {moved}")
    return wrong


GOAL = OwnerPromises(
    kind=OwnerKind.GOAL,
    table="goal_award",
    key="award_id",
    causes=(Cause.EARN, Cause.REVERSE),
    holds={},
    told="owner.points, owner.lost_points",
    sure="points = earned AND lost_points = reversed",
    faults=_award_faults,
    state="0",
)
"""What a goal gave with an order; nothing is held for it."""


def _grant_faults(row: Any, _connection: Connection) -> list[str]:
    """Say where points that bought a grant came back though the member still has it."""
    if row.refunded and row.withdrawn_ms is None:
        return [f"has {row.refunded} points given back and is not withdrawn"]
    return [f"has {row.refunded} of {row.redeemed} points given back"]


GRANT = OwnerPromises(
    kind=OwnerKind.GRANT,
    table="member_grant",
    key="grant_id",
    causes=(Cause.HOLD, Cause.REDEEM, Cause.REFUND),
    holds={HoldStatus.CAPTURED: "1 = 1"},
    told="owner.withdrawn_ms",
    sure="refunded <= redeemed AND (refunded = 0 OR withdrawn_ms IS NOT NULL)",
    faults=_grant_faults,
    state="0",
)
"""What a member bought for points, which come back only where its order is void."""

PROMISES = (TRANSACTION, BUCKET, GOAL, GRANT, RESERVATION, ADHOC)
"""Every kind of owner but merges, which are in `merge_checks`."""


def _owner_of(promises: OwnerPromises, table: str) -> str:
    """Join the owner of a kind to its holds or transfers."""
    return f"""
        LEFT JOIN {promises.table} AS owner ON {table}.owner_kind = {promises.kind:d}
          AND owner.{promises.key} = {table}.transaction_id"""


def transfer_check(promises: OwnerPromises) -> Check:
    """Hold the transfers of a kind of owner to it, also from before its members were merged."""
    causes = ", ".join(f"{cause:d}" for cause in promises.causes)
    return Check(
        "transfer",
        f"is not of a {promises.kind.name.lower()} of the member whose points it moves",
        f"""
        SELECT transfer_id AS row_key
        FROM transfer
        LEFT JOIN account AS source ON source.account_id = source_id
        LEFT JOIN account AS destination ON destination.account_id = destination_id
        {_owner_of(promises, "transfer")}
        WHERE transfer.owner_kind = {promises.kind:d} AND CASE
          WHEN cause = :cause_adjust AND transfer.transaction_id = '' THEN 0
          WHEN cause IN ({causes}) AND owner.program_id = source.program_id
            AND owner.member_number = coalesce(source.member_number, destination.member_number)
            THEN 0
          WHEN cause IN ({causes}) AND owner.program_id = source.program_id AND EXISTS (
            SELECT 1 FROM merged_owner AS own JOIN member_merge USING (merge_id)
            WHERE own.owner_id = transfer.transaction_id AND own.owner_kind = transfer.owner_kind
              AND coalesce(source.member_number, destination.member_number)
                IN (into_number, merged_number)) THEN 0
          ELSE 1 END = 1
        ORDER BY transfer_id
        """,  # noqa: S608 - text of ours.
    )


def hold_check(promises: OwnerPromises) -> Check:
    """Hold the holds of a kind of owner to its state."""
    branches = "".join(
        f"""
          WHEN hold.status = {status:d} AND hold.ended_ms
            IS {"NULL" if status is HoldStatus.OPEN else "NOT NULL"} AND {condition} THEN 0"""
        for status, condition in promises.holds.items()
    )
    name = promises.kind.name.lower()
    return Check(
        "hold",
        f"has status {{status}}, which does not go with its end, its member or its {name}'s "
        "status {owner_status}",
        f"""
        SELECT hold_id AS row_key, hold.status, {promises.state} AS owner_status
        FROM hold {_owner_of(promises, "hold")}
        WHERE hold.owner_kind = {promises.kind:d} AND CASE
          WHEN owner.member_number <> hold.member_number OR owner.member_number IS NULL THEN 1
          {branches}
          ELSE 1 END = 1
        ORDER BY hold_id
        """,  # noqa: S608 - text of ours.
    )


def unknown_owners(table: str, key: str) -> Check:
    """Let no row be of a kind of owner that promises nothing."""
    kinds = ", ".join(f"{kind:d}" for kind in (*(one.kind for one in PROMISES), OwnerKind.MERGE))
    return Check(
        table,
        "is of an owner of kind {owner_kind}, which this version does not know",
        f"""
        SELECT {key} AS row_key, owner_kind FROM {table} WHERE owner_kind NOT IN ({kinds})
        ORDER BY {key}
        """,  # noqa: S608 - text of ours.
    )
