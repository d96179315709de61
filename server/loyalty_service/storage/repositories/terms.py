"""What becomes of the buckets of a program's members when the terms on which points go change."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from sqlalchemy import text

from loyalty_service.domain.expiry import Bucket, BucketPart, Expiry, bucket_suffix, day_of
from loyalty_service.domain.expiry import gone_ms as gone_at
from loyalty_service.domain.goal_cards import tiers_told
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import HoldStatus
from loyalty_service.domain.tier_expiry import last_good_day, moves_days
from loyalty_service.storage.postgresql import LOCK_TERMS
from loyalty_service.storage.repositories.goals import Goals
from loyalty_service.storage.repositories.records import Build
from loyalty_service.storage.repositories.statements import Statements

TIERS_PAGE = 1000
"""Buckets that are read at once when terms change by which tiers have days of theirs."""

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


class Terms(Goals):
    """The terms of a unit of work, and the buckets of before."""

    BUILT: ClassVar[tuple[Build, ...]] = (TermsStatements,)

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
            values |= {
                "rolling": int(rolling),
                "suffix": bucket_suffix(terms, today, last, old=True),
            }
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


_OURS = (Bucket, BucketPart)
