"""
Buckets of members' points, and what each owner has in them; both are locked with their member.

Where a program lets points go, whoever finds a member also finds the buckets whose day is over. No
other buckets are read but those that points come from or go to, however many a member has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from sqlalchemy import bindparam, select, tuple_

from loyalty_service.domain.expiry import Bucket, BucketPart
from loyalty_service.domain.ledger import Owner, OwnerKind
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.members import Members
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Rows, Step
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statement,
    Statements,
    constant,
    rows_of,
    table_of,
)

BUCKET = Kept(Bucket, t.BucketTable, ("bucket_id",), Rank.BUCKETS)
PART = Kept(
    BucketPart,
    t.BucketPartTable,
    ("owner_kind", "owner_id", "bucket_id"),
    Rank.BUCKET_PARTS,
)

PAGE = 8
"""Buckets that are read at once when points are taken: seldom more are needed."""

_BEFORE_ALL, _AFTER_ALL = (-1, "", ""), (2**62, "", "")


class BucketStatements:
    """The statements about buckets and what owners have in them."""

    def __init__(self, by: Statements) -> None:
        bucket, part = BUCKET.table, PART.table
        full = bucket.c.points > constant(0)
        of_member = bucket.c.member_number == bindparam("member_number")
        place = [bucket.c[name] for name in ("gone_ms", "earned_day", "bucket_id")]
        last = [bindparam(f"after_{one.name}", type_=one.type) for one in place]

        def some(*conditions: Any, order: Sequence[Any]) -> Statement:
            return by.compile(
                BUCKET.select()
                .where(of_member, full, *conditions)
                .order_by(*order)
                .limit(constant(PAGE))
                .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
                .with_for_update()
            )

        self.earliest = some(tuple_(*place) > tuple_(*last), order=place)
        self.latest = some(tuple_(*place) < tuple_(*last), order=[one.desc() for one in place])
        self.past = by.compile(
            BUCKET.select()
            .where(of_member, full, bucket.c.gone_ms <= bindparam("now_ms"))
            .order_by(*place)
            .with_for_update()
        )
        self.parts = by.compile(
            PART.select()
            .where(
                part.c.owner_kind == bindparam("owner_kind"),
                part.c.owner_id == bindparam("owner_id"),
            )
            .order_by(part.c.bucket_id)
            .with_for_update()
        )
        self._describe_overdue(by)
        if by.bulk:
            given = rows_of((bucket, "member_number"), (bucket, "gone_ms"))
            self.lock_past = by.compile(
                BUCKET.select()
                .where(
                    bucket.c.member_number == given.c.member_number,
                    bucket.c.gone_ms <= given.c.gone_ms,
                    full,
                )
                .order_by(bucket.c.bucket_id)
                .with_for_update(of=bucket)
            )
            self.lock_parts = by.among(
                PART.select().order_by(*PART.ordered).with_for_update(of=part),
                part,
                ("owner_kind", "owner_id"),
            )

    def _describe_overdue(self, by: Statements) -> None:
        bucket, member = BUCKET.table, table_of(t.MemberTable)
        place = [bucket.c.gone_ms, bucket.c.bucket_id]
        last = [bindparam(f"after_{one.name}", type_=one.type) for one in place]
        self.overdue = by.compile(
            select(*place, member.c.program_id, member.c.loyalty_id)
            .join_from(bucket, member, member.c.number == bucket.c.member_number)
            .where(
                bucket.c.points > constant(0),
                bucket.c.gone_ms <= bindparam("now_ms"),
                tuple_(*place) > tuple_(*last),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )


class Buckets(Members):
    """The buckets of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (BUCKET, PART)
    BUILT: ClassVar[tuple[Build, ...]] = (BucketStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self.as_of_ms = basis.as_of_ms
        self._buckets: dict[int, dict[str, Bucket]] = {}
        """Those that are known, by member."""
        self._past_known: set[int] = set()
        """Numbers of members whose buckets that are past their day are known."""
        self._parts: dict[Owner, list[BucketPart]] = {}

    @property
    def _buckets_by(self) -> BucketStatements:
        return self._statements.of(BucketStatements)

    def bucket(self, bucket_id: str) -> Bucket | None:
        """See `Unit.bucket`."""
        return self._record(Bucket, (bucket_id,))

    def past_buckets(self, member: Member) -> Sequence[Bucket]:
        """See `Unit.past_buckets`."""
        known = self._buckets.get(member.number, {}).values()
        past = [one for one in known if one.points and one.gone_ms <= self.as_of_ms]
        return sorted(past, key=_PLACE)

    def full_buckets(self, member: Member, *, latest_first: bool = False) -> Iterator[Bucket]:
        """See `Unit.full_buckets`."""
        by = self._buckets_by
        statement = by.latest if latest_first else by.earliest
        last = _AFTER_ALL if latest_first else _BEFORE_ALL
        while True:
            self._lock(Rank.BUCKETS)
            places = (member.number, *last)
            rows = self._connection.execute(statement.sql, places).fetchall()
            read = [self._take_bucket(row) for row in rows]
            # What this unit has changed is in its records: the database may not know of it yet.
            page = {one.bucket_id: one for one in read}
            ends = rows and len(rows) == PAGE
            until = read[-1].place if ends else (_BEFORE_ALL if latest_first else _AFTER_ALL)
            low, high = (until, last) if latest_first else (last, until)
            for one in self._buckets.get(member.number, {}).values():
                if low <= one.place <= high and one.place != last:
                    page[one.bucket_id] = one
            for one in sorted(page.values(), key=_PLACE, reverse=latest_first):
                if one.points:
                    yield one
            if not ends:
                return
            last = until

    def parts(self, owner: Owner) -> Sequence[BucketPart]:
        """See `Unit.parts`."""
        known = self._parts.get(owner)
        if known is None:
            # Whoever adds one has asked here before, so that nothing of it is unwritten.
            values = (int(owner.kind), owner.owner_id)
            known = self._query(BucketPart, self._buckets_by.parts, values, flush=False)
            self._parts[owner] = known
        return list(known)

    def overdue_buckets(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str, str, str]]:
        """See `Unit.overdue_buckets`."""
        self.write_records()  # Two looks of one batch must see what was booked between them.
        values = (now_ms, *after, limit)
        return self._connection.execute(self._buckets_by.overdue.sql, values).fetchall()

    # What is known.

    def _ages(self, member: Member) -> bool:
        program = self.catalog.programs.get(member.program_id)
        return program is not None and program.expiry.ages

    def _load_member(self, statement: Statement, values: tuple[Any, ...]) -> Member | None:
        """Find a member with the buckets whose day is over."""
        member = super()._load_member(statement, values)
        if member is not None and member.number not in self._past_known and self._ages(member):
            self._lock(Rank.BUCKETS)
            asked = (member.number, self.as_of_ms)
            rows = self._connection.execute(self._buckets_by.past.sql, asked).fetchall()
            self._take_past((asked,), rows)
        return member

    def buckets_ahead(self, numbers: Keys) -> Step:
        """Read and lock the buckets of members whose day is over."""
        asked = [(number, self.as_of_ms) for (number,) in numbers]
        if not any(program.expiry.ages for program in self.catalog.programs.values()):
            asked = []
        return Step(Rank.BUCKETS, self._buckets_by.lock_past, asked, self._take_past)

    def parts_ahead(self, transactions: Keys) -> Step:
        """Read and lock what transactions have in buckets."""
        owners = [Owner(OwnerKind.TRANSACTION, name) for (name,) in transactions]
        if not any(program.expiry.ages for program in self.catalog.programs.values()):
            owners = []
        return Step(Rank.BUCKET_PARTS, self._buckets_by.lock_parts, owners, self._take_parts)

    def _take_past(self, asked: Keys, rows: Rows) -> None:
        for row in rows:
            self._take_bucket(row)
        for number, _ in asked:
            self._past_known.add(number)
            member = self._members.get(number)
            if member is not None:
                member.past_points = sum(one.points for one in self.past_buckets(member))

    def _take_parts(self, owners: Keys, rows: Rows) -> None:
        for owner in owners:
            self._parts.setdefault(Owner(*owner), [])
        for row in rows:
            part = self._take(self._kept[BucketPart], row)
            self._parts[Owner(OwnerKind(part.owner_kind), part.owner_id)].append(part)

    def _take_bucket(self, row: Sequence[Any]) -> Bucket:
        kept = self._kept[Bucket]
        read: Bucket = kept.load(row)
        known: Bucket | None = self._records.get(kept.place(read))
        if known is not None:
            return known
        taken: Bucket = self._take(kept, row)
        return taken

    def _when_handed_over(self, numbers: Collection[int]) -> None:
        super()._when_handed_over(numbers)
        self._parts.clear()
        for number in numbers:
            self._buckets.pop(number, None)

    def _when_read(self, record: Any) -> None:
        super()._when_read(record)
        self._note_bucket(record)

    def _when_added(self, record: Any) -> None:
        """Know a new bucket, a new part, and that a new transaction has none."""
        super()._when_added(record)
        self._note_bucket(record)
        if isinstance(record, BucketPart):
            owner = Owner(OwnerKind(record.owner_kind), record.owner_id)
            self._parts.setdefault(owner, []).append(record)
        elif isinstance(record, Transaction):
            self._parts[record.owner] = []

    def _note_bucket(self, record: Any) -> None:
        if isinstance(record, Bucket):
            self._buckets.setdefault(record.member_number, {})[record.bucket_id] = record


_PLACE = attrgetter("place")
