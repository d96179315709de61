"""
End what is overdue: open transactions with their holds, unused codes, and points.

What is overdue is searched for without locks. Each row is ended in a unit of work of its own, which
looks at it again and takes its locks in the usual order. A row that can't be ended does not keep
others from being ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.codes.issue_code import expired
from loyalty_service.application.orders.void_transaction import void, voided_events
from loyalty_service.application.perform import Done
from loyalty_service.application.points import expire
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.records import CodeStatus, TransactionStatus


@dataclass(frozen=True, slots=True)
class OverdueTransaction:
    """An open transaction that was past its time when it was looked for."""

    expires_ms: int
    transaction_id: str

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(transactions=(self.transaction_id,))


@dataclass(frozen=True, slots=True)
class OverdueCode:
    """An unused code that was past its time when it was looked for."""

    expires_ms: int
    program_id: str
    digest: bytes

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(digests=((self.program_id, self.digest),))


@dataclass(frozen=True, slots=True)
class OverdueBucket:
    """Points of a member whose day was over when they were looked for."""

    gone_ms: int
    bucket_id: str
    program_id: str
    loyalty_id: str

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))


def find_overdue_transactions(
    unit: Unit, after: OverdueTransaction | None, limit: int, now_ms: int
) -> Sequence[OverdueTransaction]:
    """Find at most *limit* overdue transactions that come *after* another, the oldest first."""
    last = (0, "") if after is None else (after.expires_ms, after.transaction_id)
    return [OverdueTransaction(*row) for row in unit.overdue_transactions(now_ms, last, limit)]


def find_overdue_codes(
    unit: Unit, after: OverdueCode | None, limit: int, now_ms: int
) -> Sequence[OverdueCode]:
    """Find at most *limit* overdue codes that come *after* another, the oldest first."""
    last = (0, "", b"") if after is None else (after.expires_ms, after.program_id, after.digest)
    return [OverdueCode(*row) for row in unit.overdue_codes(now_ms, last, limit)]


def find_overdue_buckets(
    unit: Unit, after: OverdueBucket | None, limit: int, now_ms: int
) -> Sequence[OverdueBucket]:
    """Find at most *limit* buckets past their day that come *after* another, the oldest first."""
    last = (0, "") if after is None else (after.gone_ms, after.bucket_id)
    return [OverdueBucket(*row) for row in unit.overdue_buckets(now_ms, last, limit)]


def void_overdue(unit: Unit, overdue: OverdueTransaction, now_ms: int) -> Done[bool]:
    """Void a transaction unless it has ended or got more time meanwhile; tells whether it did."""
    transaction = unit.transaction(overdue.transaction_id)
    if (
        transaction is None
        or transaction.status is not TransactionStatus.PENDING
        or transaction.expires_ms > now_ms
    ):
        return Done(False)  # noqa: FBT003 - the result is one word.
    void(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)
    events = voided_events(unit, transaction, TransactionStatus.PENDING)
    return Done(True, events=events)  # noqa: FBT003


def expire_code(unit: Unit, overdue: OverdueCode, now_ms: int) -> Done[bool]:
    """Expire a code unless it has ended or was given out again; tells whether it did."""
    code = unit.code(overdue.program_id, overdue.digest)
    if code is None or code.status is not CodeStatus.PENDING or code.expires_ms > now_ms:
        return Done(False)  # noqa: FBT003 - the result is one word.
    unit.change(code, status=CodeStatus.EXPIRED, updated_ms=now_ms)
    return Done(True, events=(expired(code),))  # noqa: FBT003


def expire_bucket(unit: Unit, overdue: OverdueBucket, now_ms: int) -> Done[bool]:
    """Book points as gone unless that is done or they got more time; tells whether it did."""
    member = unit.member(overdue.program_id, overdue.loyalty_id)
    bucket = unit.bucket(overdue.bucket_id)
    if member is None or bucket is None or not expire(unit, member, bucket, now_ms):
        return Done(False)  # noqa: FBT003 - the result is one word.
    event = Event(EventKind.POINTS_EXPIRED, overdue.program_id, member, subject=bucket.bucket_id)
    return Done(True, events=(event,))  # noqa: FBT003
