"""Members who were merged into others, and what becomes another member's with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import bindparam, text

from loyalty_service.domain.adhoc import AdhocTransaction
from loyalty_service.domain.expiry import Bucket, BucketPart, ending
from loyalty_service.domain.goal_cards import GoalAward, GoalCard
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.ledger import Account, Cause, OwnerKind
from loyalty_service.domain.merges import MemberMerge
from loyalty_service.domain.points_reservations import PointsReservation, ReservationStatus
from loyalty_service.domain.records import (
    Hold,
    Member,
    Redemption,
    Reservation,
    Transaction,
    TransactionStatus,
)
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build
from loyalty_service.storage.repositories.statements import Kept, Statement, Statements
from loyalty_service.storage.repositories.terms import Terms

MERGE = Kept(MemberMerge, t.MemberMergeTable, ("merge_id",), Rank.MERGES)

_OF = """
(SELECT owner_id FROM merged_owner
 WHERE merge_id = :merge_id AND owner_kind = {kind} AND was_open <= :most_open)
"""
_ORDERS, _AWARDS, _GRANTS, _RESERVED, _ADHOC = (
    _OF.format(kind=int(kind))
    for kind in (
        OwnerKind.TRANSACTION,
        OwnerKind.GOAL,
        OwnerKind.GRANT,
        OwnerKind.RESERVATION,
        OwnerKind.ADHOC,
    )
)
_NOTE = """
INSERT INTO merged_owner (merge_id, owner_kind, owner_id, was_open)
SELECT CAST(:merge_id AS TEXT), {kind}, {key}, {open} FROM {table} WHERE member_number = :source
"""
_NAME = (
    "CAST(:target_text AS TEXT) || substr(bucket_id, CAST(:cut AS INTEGER), "
    "length(bucket_id) + 1 - CAST(:cut AS INTEGER) - CAST(:dropped AS INTEGER)) "
    "|| CAST(:tag AS TEXT)"
)
_OWN_PARTS = """
member_number = :source AND bucket_id LIKE :pattern AND EXISTS (
  SELECT 1 FROM merged_owner WHERE merge_id = :merge_id AND owner_kind = bucket_part.owner_kind
    AND owner_id = bucket_part.owner_id AND was_open <= :most_open)
"""
_OPEN_BUCKETS = f"""
INSERT INTO bucket (bucket_id, program_id, member_number, earned_day, last_day, gone_ms, rolling,
  version, points, expired)
SELECT {_NAME}, program_id, CAST(:target AS BIGINT), earned_day, last_day, gone_ms, rolling,
  version, 0, 0
FROM bucket WHERE bucket_id IN (
  SELECT part.bucket_id FROM merged_owner JOIN bucket_part AS part
    ON part.owner_kind = merged_owner.owner_kind AND part.owner_id = merged_owner.owner_id
  WHERE merged_owner.merge_id = :merge_id AND part.member_number = :source
    AND merged_owner.was_open <= :most_open AND part.bucket_id LIKE :pattern
)
ON CONFLICT (bucket_id) DO NOTHING
"""  # noqa: S608 - text of ours.
_MOVED = f"""
SELECT coalesce(sum(points), 0) FROM (
  SELECT -points AS points, cause, owner_kind, transaction_id FROM transfer
  WHERE source_id = :account_id AND source_sequence > :mark
  UNION ALL
  SELECT points, cause, owner_kind, transaction_id FROM transfer
  WHERE destination_id = :account_id AND destination_sequence > :mark
) AS moved
LEFT JOIN merged_owner AS owner ON owner.merge_id = :merge_id
  AND owner.owner_kind = moved.owner_kind AND owner.owner_id = moved.transaction_id
WHERE (moved.owner_kind = {OwnerKind.BUCKET:d} AND moved.transaction_id LIKE :pattern)
  OR (owner.was_open = 0 AND CAST(:held AS INTEGER) = 0)
  OR (owner.was_open = 1 AND moved.cause = {Cause.REFUND:d} AND CAST(:held AS INTEGER) = 0)
  OR (owner.was_open = 1 AND moved.cause = {Cause.REDEEM:d} AND CAST(:held AS INTEGER) = 1)
"""  # noqa: S608 - text of ours.
_OWNERS = """
SELECT owner_id FROM merged_owner WHERE merge_id = :merge_id AND was_open <= :most_open
"""
_STILL_OPEN = f"""
SELECT transaction_id FROM loyalty_transaction
WHERE status = {TransactionStatus.PENDING:d} AND transaction_id IN (
  SELECT owner_id FROM merged_owner
  WHERE merge_id = :merge_id AND owner_kind = {OwnerKind.TRANSACTION:d} AND was_open = 1)
UNION ALL
SELECT reservation_token FROM points_reservation
WHERE status = {ReservationStatus.HELD:d} AND reservation_token IN (
  SELECT owner_id FROM merged_owner
  WHERE merge_id = :merge_id AND owner_kind = {OwnerKind.RESERVATION:d} AND was_open = 1)
ORDER BY transaction_id
"""  # noqa: S608 - text of ours.
_COUNTED = f"""
SELECT counted FROM loyalty_transaction
WHERE member_number = :number AND status = {TransactionStatus.CLAIMED:d} AND counted IS NOT NULL
"""  # noqa: S608 - text of ours.
_AWARDED = """
SELECT goal_id, period, rounds - lost_rounds, tier, day, awarded_ms
FROM goal_award WHERE member_number = :number AND rounds > lost_rounds ORDER BY award_id
"""
_ARCHIVED = """
SELECT count(*) FROM checkpoint WHERE archived_ms IS NOT NULL AND recorded_ms >= :since_ms
"""


class MergeStatements:
    """The statements that make one member's rows another's."""

    def __init__(self, by: Statements) -> None:
        def one(sql: str) -> Statement:
            return by.compile(text(sql))

        is_open = f"CASE status WHEN {TransactionStatus.PENDING:d} THEN 1 ELSE 0 END"
        is_held = f"CASE status WHEN {ReservationStatus.HELD:d} THEN 1 ELSE 0 END"
        self.note = tuple(
            one(_NOTE.format(kind=int(kind), key=key, table=table, open=opened))
            for kind, table, key, opened in (
                (OwnerKind.TRANSACTION, "loyalty_transaction", "transaction_id", is_open),
                (OwnerKind.GOAL, "goal_award", "award_id", "0"),
                (OwnerKind.GRANT, "member_grant", "grant_id", "0"),
                (OwnerKind.RESERVATION, "points_reservation", "reservation_token", is_held),
                (OwnerKind.ADHOC, "adhoc_transaction", "adhoc_id", "0"),
            )
        )
        owners = (_ORDERS, _GRANTS, _RESERVED, _ADHOC)
        held = " OR ".join(f"transaction_id IN {those}" for those in owners)
        self.move = tuple(
            one(
                f"UPDATE {table} SET member_number = :target "  # noqa: S608 - text of ours.
                f"WHERE member_number = :source AND ({condition})"
            )
            for table, condition in (
                ("goal_award", f"award_id IN {_AWARDS}"),
                ("member_grant", f"grant_id IN {_GRANTS}"),
                ("points_reservation", f"reservation_token IN {_RESERVED}"),
                ("adhoc_transaction", f"adhoc_id IN {_ADHOC}"),
                ("loyalty_transaction", f"transaction_id IN {_ORDERS}"),
                ("hold", held),
                ("reservation", f"transaction_id IN {_ORDERS}"),
                ("redemption", f"transaction_id IN {_ORDERS}"),
            )
        )
        self.open_buckets = one(_OPEN_BUCKETS)
        self.move_parts = one(
            f"UPDATE bucket_part SET member_number = :target, bucket_id = {_NAME} "  # noqa: S608
            f"WHERE {_OWN_PARTS}"
        )
        self.drop_card = one("DELETE FROM goal_card WHERE member_number = :number")
        self.owners = one(_OWNERS)
        self.moved = one(_MOVED)
        self.still_open = one(_STILL_OPEN)
        self.counted = one(_COUNTED)
        self.awarded = one(_AWARDED)
        self.archived = one(_ARCHIVED)
        merge = MERGE.table
        self.newest = by.compile(
            MERGE.select()
            .where(merge.c.merged_number == bindparam("number"), merge.c.undone_ms.is_(None))
            .with_for_update()
        )


class Merges(Terms):
    """The merges of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (MERGE,)
    BUILT: ClassVar[tuple[Build, ...]] = (MergeStatements,)

    def merge_of(self, member: Member) -> MemberMerge | None:
        """See `MergeUnit.merge_of`."""
        found = self._query(MemberMerge, self._merges_by.newest, (member.number,))
        return found[0] if found else None

    def hand_over(self, merge: MemberMerge, source: Member, target: Member) -> None:
        """See `MergeUnit.hand_over`."""
        undone = merge.merged_number == target.number
        self.flush()
        given = {
            "merge_id": merge.merge_id,
            "source": source.number,
            "target": target.number,
            "target_text": str(target.number),
            "cut": len(str(source.number)) + 1,
            "tag": "" if undone else ending(source.number),
            "dropped": len(ending(target.number)) if undone else 0,
            "pattern": f"%{ending(target.number)}" if undone else "%",
            "most_open": int(not undone),
        }
        by = self._merges_by
        for rank in (Rank.TRANSACTIONS, Rank.REDEMPTIONS):
            self._lock(rank)
        steps = () if undone else by.note
        for step in (*steps, *by.move, by.open_buckets, by.move_parts):
            self._run(step, given)
        self._take_over(merge, source, target, undone=undone)

    def _take_over(
        self, merge: MemberMerge, source: Member, target: Member, *, undone: bool
    ) -> None:
        """Have what this unit knows be as the database has it now."""
        given = {"merge_id": merge.merge_id, "most_open": int(not undone)}
        owners = {row[0] for row in self._rows(self._merges_by.owners, given)}
        numbers = {source.number, target.number}
        for place, record in [*self._records.items()]:
            if isinstance(record, _HANDED_OVER):
                if record.member_number == source.number and _owner_id(record) in owners:
                    record.member_number = target.number
            elif isinstance(record, Bucket | BucketPart) and record.member_number in numbers:
                del self._records[place]
        self._absent = {place for place in self._absent if place[0] not in {Bucket, BucketPart}}
        self._when_handed_over(numbers)

    def drop_card(self, member: Member) -> None:
        """See `MergeUnit.drop_card`."""
        self.flush()
        self._run(self._merges_by.drop_card, {"number": member.number})
        self._records.pop((GoalCard, member.number), None)
        self._absent.add((GoalCard, member.number))
        self.hold_card(member, None)

    def moved_since(self, merge: MemberMerge, account: Account, mark: int, *, held: bool) -> int:
        """See `MergeUnit.moved_since`."""
        self.flush()
        given = {
            "merge_id": merge.merge_id,
            "account_id": account.account_id,
            "mark": mark,
            "pattern": f"%{ending(merge.merged_number)}",
            "held": int(held),
        }
        return int(self._rows(self._merges_by.moved, given)[0][0])

    def still_open(self, merge: MemberMerge) -> Sequence[str]:
        """See `MergeUnit.still_open`."""
        self.flush()
        return [
            row[0] for row in self._rows(self._merges_by.still_open, {"merge_id": merge.merge_id})
        ]

    def counted_orders(self, member: Member) -> Sequence[str]:
        """See `MergeUnit.counted_orders`."""
        self.flush()
        return [row[0] for row in self._rows(self._merges_by.counted, {"number": member.number})]

    def awards_left(self, member: Member) -> Sequence[tuple[str, int, int, str | None, int, int]]:
        """See `MergeUnit.awards_left`."""
        self.flush()
        return self._rows(self._merges_by.awarded, {"number": member.number})

    def archived_since(self, since_ms: int) -> bool:
        """See `MergeUnit.archived_since`."""
        return bool(self._rows(self._merges_by.archived, {"since_ms": since_ms})[0][0])

    @property
    def _merges_by(self) -> MergeStatements:
        return self._statements.of(MergeStatements)

    def _rows(self, statement: Statement, given: dict[str, Any]) -> list[Any]:
        values = [given[name] for name in statement.names]
        return list(self._connection.execute(statement.sql, values).fetchall())


_HANDED_OVER = (
    Transaction,
    Hold,
    Reservation,
    Redemption,
    Grant,
    GoalAward,
    PointsReservation,
    AdhocTransaction,
)


def _owner_id(record: Any) -> str:
    """Tell by which order, award or grant a record goes with its member."""
    if isinstance(record, Grant):
        return record.grant_id
    if isinstance(record, GoalAward):
        return record.award_id
    if isinstance(record, PointsReservation):
        return record.reservation_token
    if isinstance(record, AdhocTransaction):
        return record.adhoc_id
    return str(record.owner_id if isinstance(record, Hold) else record.transaction_id)
