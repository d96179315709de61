"""
Buckets of members' points, and what each owner has in them; both are locked with their member.

Where a program lets points go, whoever finds a member also finds the buckets whose day is over. No
other buckets are read but those that points come from or go to, however many a member has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from operator import attrgetter
from typing import Any, ClassVar

from sqlalchemy import bindparam, select, text, tuple_

from loyalty_service.domain.expiry import Bucket, BucketPart, Expiry, bucket_suffix, day_of
from loyalty_service.domain.expiry import gone_ms as gone_at
from loyalty_service.domain.goal_cards import tiers_told
from loyalty_service.domain.ledger import AccountKind, Owner, OwnerKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import HoldStatus, Member, Transaction
from loyalty_service.domain.tier_expiry import last_good_day, moves_days
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.postgresql import LOCK_TERMS
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

TIERS_PAGE = 1000
"""Buckets that are read at once when terms change by which tiers have days of theirs."""

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


_OPEN_BUCKETS = f"""
INSERT INTO bucket (bucket_id, program_id, member_number, earned_day, last_day, gone_ms, rolling,
  version, points, expired)
SELECT CAST(member.number AS TEXT) || CAST(:suffix AS TEXT), member.program_id, member.number,
  CAST(:earned_day AS TEXT), CAST(:last_day AS TEXT), CAST(:gone_ms AS BIGINT),
  CAST(:rolling AS INTEGER), CAST(:version AS INTEGER), free.balance, 0
FROM member
JOIN account AS free ON free.member_number = member.number
  AND free.kind = {AccountKind.AVAILABLE:d}
JOIN account AS held ON held.member_number = member.number AND held.kind = {AccountKind.HELD:d}
WHERE member.program_id = :program_id AND (free.balance > 0 OR held.balance > 0)
"""  # noqa: S608 - numbers of ours.

_OPEN_PARTS = f"""
INSERT INTO bucket_part (owner_kind, owner_id, bucket_id, member_number, earned, held, burned)
SELECT hold.owner_kind, hold.transaction_id, bucket.bucket_id, hold.member_number, 0,
  CAST(sum(hold.points) AS BIGINT), 0
FROM hold JOIN bucket
  ON bucket.bucket_id = CAST(hold.member_number AS TEXT) || CAST(:suffix AS TEXT)
WHERE hold.status = {HoldStatus.OPEN:d} AND bucket.program_id = :program_id
GROUP BY hold.owner_kind, hold.transaction_id, bucket.bucket_id, hold.member_number
"""  # noqa: S608 - numbers of ours.

_CARRY_OVER = """
UPDATE bucket SET last_day = :last_day, gone_ms = :gone_ms
WHERE program_id = :program_id AND gone_ms > :now_ms
"""
_FREEZE = "UPDATE bucket SET rolling = 0 WHERE program_id = :program_id AND rolling = 1"
_EMPTY = "UPDATE bucket SET points = 0, rolling = 0 WHERE program_id = :program_id"
_WITH_TIERS = f"""
SELECT bucket.bucket_id, bucket.earned_day, bucket.last_day, card.tiers
FROM bucket LEFT JOIN goal_card AS card ON card.member_number = bucket.member_number
WHERE bucket.program_id = :program_id AND bucket.points > 0 AND bucket.gone_ms > :now_ms
  AND bucket.bucket_id > :after
ORDER BY bucket.bucket_id LIMIT {TIERS_PAGE:d}
"""  # noqa: S608 - a number of ours.
_PROLONG = "UPDATE bucket SET last_day = :last_day, gone_ms = :gone_ms WHERE bucket_id = :bucket_id"
_FORGET_PARTS = """
DELETE FROM bucket_part
WHERE bucket_id IN (SELECT bucket_id FROM bucket WHERE program_id = :program_id)
"""


class TermsStatements:
    """The statements that change all buckets of a program at once, when its terms change."""

    def __init__(self, by: Statements) -> None:
        self.open_buckets = by.compile(text(_OPEN_BUCKETS))
        self.open_parts = by.compile(text(_OPEN_PARTS))
        self.carry_over = by.compile(text(_CARRY_OVER))
        self.freeze = by.compile(text(_FREEZE))
        self.empty = by.compile(text(_EMPTY))
        self.forget_parts = by.compile(text(_FORGET_PARTS))
        self.with_tiers = by.compile(text(_WITH_TIERS))
        self.prolong = by.compile(text(_PROLONG))


class Buckets(Members):
    """The buckets of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (BUCKET, PART)
    BUILT: ClassVar[tuple[Build, ...]] = (BucketStatements, TermsStatements)

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
        self.flush()  # Two looks of one batch must see what was booked between them.
        values = (now_ms, *after, limit)
        return self._connection.execute(self._buckets_by.overdue.sql, values).fetchall()

    def change_terms(self, old: Program | None, new: Program, now_ms: int) -> None:
        """See `Unit.change_terms`."""
        before = Expiry() if old is None else old.expiry
        if old is None or not moves_days(old, new):
            return
        self.flush()
        if self._bulk:
            # No writer is left that goes by the terms of before, and none begins until the commit.
            self._connection.execute(LOCK_TERMS)
        by = self._statements.of(TermsStatements)
        values: dict[str, Any] = {"program_id": new.program_id, "now_ms": now_ms}
        run = self._connection.execute
        terms = new.expiry
        today = day_of(now_ms, new.time_zone)
        last = terms.last_day_of_old(today)
        values |= {
            "last_day": last.isoformat(),
            "gone_ms": gone_at(last, new.time_zone),
            "earned_day": today.isoformat(),
            "version": terms.version,
        }
        if before.version == terms.version:
            steps = []
        elif not terms.ages:
            steps = [by.empty, by.forget_parts]
        elif before.ages:
            steps = [by.freeze]
            if terms.carried_over is not None:
                steps.append(by.carry_over)
        else:
            steps = [by.open_buckets, by.open_parts]
            rolling = terms.rolls and terms.carried_over is None
            values |= {"rolling": int(rolling), "suffix": bucket_suffix(terms, today, last)}
        for step in steps:
            run(step.sql, [values[name] for name in step.names])
        if terms.by_tier:
            self._follow_tiers(new, now_ms)
        self._forget_buckets()

    def _follow_tiers(self, program: Program, now_ms: int) -> None:
        """Have points that members have go as late as their tiers let them; see `tier_expiry`."""
        by = self._statements.of(TermsStatements)
        run = self._connection.execute
        after: str | None = ""
        while after is not None:
            asked = {"program_id": program.program_id, "now_ms": now_ms, "after": after}
            rows = run(by.with_tiers.sql, [asked[name] for name in by.with_tiers.names]).fetchall()
            for bucket_id, earned_day, last_day, told in rows:
                tiers = tiers_told(told, program.tiers, program.goals)
                earned, known = map(date.fromisoformat, (earned_day, last_day))
                last = last_good_day(program.expiry, tiers, earned, known)
                if last > known:
                    moved: dict[str, Any] = {
                        "bucket_id": bucket_id,
                        "last_day": last.isoformat(),
                        "gone_ms": gone_at(last, program.time_zone),
                    }
                    run(by.prolong.sql, [moved[name] for name in by.prolong.names])
            after = rows[-1][0] if len(rows) == TIERS_PAGE else None

    def _forget_buckets(self) -> None:
        """Take it that nothing is known of any bucket: all may have changed."""
        self._records = {
            place: record for place, record in self._records.items() if place[0] not in _OURS
        }
        self._absent = {place for place in self._absent if place[0] not in _OURS}
        self._buckets.clear()
        self._parts.clear()
        self._past_known.clear()

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
_OURS = (Bucket, BucketPart)
