"""
Which buckets a member's points come from and go to, where the program lets points go.

A verb of `points` that moves points to or from the account of those that can be spent says so here,
and moves them there: both always have the same. What goes first is spent first. What is held or
burned is kept by its owner, so that it comes back to where it was, with its old day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from loyalty_service.application.unit import Unit
from loyalty_service.domain.expiry import (
    FOR_EVER_MS,
    Activity,
    Bucket,
    BucketPart,
    Expiry,
    Going,
    bucket_suffix,
    day_of,
    ending,
    gone_ms,
)
from loyalty_service.domain.ledger import LedgerBrokenError, Owner
from loyalty_service.domain.records import Member
from loyalty_service.domain.tier_expiry import last_good_day


def terms_of(unit: Unit, member: Member) -> Expiry:
    """Give the terms on which a member's points go."""
    return unit.catalog.programs[member.program_id].expiry


def bring(
    unit: Unit, member: Member, owner: Owner, points: int, at_ms: int | None = None
) -> Bucket | None:
    """
    Put points that an owner brings into the bucket of today; tell which that is.

    Those of an earlier moment are put into the bucket of its day.
    """
    terms = terms_of(unit, member)
    if not terms.ages or points <= 0:
        return None
    day = _today(unit, member) if at_ms is None else _day(unit, member, at_ms)
    last = last_good_day(terms, member.tiers, day)
    bucket = _opened(unit, member, day, last, late=at_ms is not None)
    unit.change(bucket, points=bucket.points + points)
    if owner.owner_id:
        part = _part(unit, member, owner, bucket)
        unit.change(part, earned=part.earned + points)
    return bucket


def spend(unit: Unit, member: Member, points: int) -> tuple[tuple[Bucket, int], ...]:
    """Take points that are spent out of buckets; tell how many out of which."""
    if not terms_of(unit, member).ages:
        return ()
    return _taken(unit, points, unit.full_buckets(member))


def set_aside(unit: Unit, member: Member, owner: Owner, points: int) -> None:
    """Take points that an owner holds out of buckets, and remember of which."""
    for bucket, number in spend(unit, member, points):
        part = _part(unit, member, owner, bucket)
        unit.change(part, held=part.held + number)


def burn(unit: Unit, member: Member, owner: Owner) -> None:
    """Remember of all that an owner holds that it is burned."""
    if terms_of(unit, member).ages:
        for part in unit.parts(owner):
            if part.held:
                unit.change(part, held=0, burned=part.burned + part.held)


def bring_back(
    unit: Unit, member: Member, owner: Owner, points: int, kept: int, *, burned: bool
) -> None:
    """
    Put points that an owner held or burned back into their buckets, of which *kept* come.

    Where not all come back, what goes first stays with the owner. What pays a debt is what goes
    first. Points from a time before points went, or whose bucket is not known, are in that of old
    points.
    """
    terms = terms_of(unit, member)
    if not terms.ages:
        return
    what = "burned" if burned else "held"
    had = [(_bucket(unit, part), part) for part in unit.parts(owner) if getattr(part, what)]
    if terms.by_tier:
        for bucket, _ in had:
            _prolong(unit, member, bucket)
    had.sort(key=lambda pair: pair[0].place, reverse=True)
    left, back = points, []
    for bucket, part in had:
        number = min(left, getattr(part, what))
        if number:
            unit.change(part, **{what: getattr(part, what) - number})
            back.append((bucket, number))
            left -= number
    if left:
        today = _today(unit, member)
        back.insert(0, (_opened(unit, member, today, terms.last_day_of_old(today), old=True), left))
        back.sort(key=lambda pair: pair[0].place, reverse=True)
    owed = points - kept
    for bucket, number in reversed(back):
        paid = min(owed, number)
        owed -= paid
        if number > paid:
            unit.change(bucket, points=bucket.points + number - paid)


def still_good(unit: Unit, member: Member, owner: Owner, burned: int) -> int:
    """Tell how many of the points that an owner burned have a day that is not over."""
    if not terms_of(unit, member).ages:
        return burned
    over = sum(
        part.burned
        for part in unit.parts(owner)
        if part.burned and _gone_ms(unit, member, _bucket(unit, part)) <= unit.as_of_ms
    )
    return max(0, burned - over)


def take_back(unit: Unit, member: Member, owner: Owner, points: int, missing: int) -> None:
    """
    Take points that an owner earned out of buckets: its own first, then what goes last.

    Those that are *missing* are owed, and no more the owner's either.
    """
    if not terms_of(unit, member).ages:
        return
    left = points
    parts = [part for part in unit.parts(owner) if part.earned]
    for part in parts:
        bucket = _bucket(unit, part)
        number = min(left, part.earned, bucket.points)
        if number:
            unit.change(bucket, points=bucket.points - number)
            unit.change(part, earned=part.earned - number)
            left -= number
    _taken(unit, left, unit.full_buckets(member, latest_first=True) if left else ())
    elsewhere = left + missing
    for part in parts:
        number = min(elsewhere, part.earned)
        if number:
            unit.change(part, earned=part.earned - number)
            elsewhere -= number


def keep_alive(unit: Unit, member: Member, activity: Activity, at_ms: int | None = None) -> None:
    """Move the day of all points that an activity, of now or earlier, keeps from going."""
    terms = terms_of(unit, member)
    if terms.rolls and activity in terms.activities:
        _roll(unit, member, at_ms)


def follow_tiers(unit: Unit, member: Member) -> None:
    """Let a member's points be good for as long as a tier lets them that was just reached."""
    terms = terms_of(unit, member)
    if not terms.by_tier:
        return
    # All are known before any is moved: they are read in the order of their days.
    for bucket in [*unit.full_buckets(member)]:
        if bucket.gone_ms > unit.as_of_ms and not bucket.rolling:
            _prolong(unit, member, bucket)
    if terms.rolls:
        _roll(unit, member)


def goings(unit: Unit, member: Member, moved: Iterable[tuple[Bucket, int]]) -> tuple[Going, ...]:
    """Tell on which days points go that were moved, as callers are told, each day once."""
    terms = terms_of(unit, member)
    days: dict[str, int] = {}
    for bucket, points in moved:
        if bucket.gone_ms == FOR_EVER_MS:
            continue
        days[bucket.last_day] = days.get(bucket.last_day, 0) + points
    return tuple(Going(terms.told_day(day), points) for day, points in sorted(days.items()))


def next_going(unit: Unit, member: Member) -> Going | None:
    """Tell the nearest day on which points of a member go, and how many do."""
    terms = terms_of(unit, member)
    if not terms.ages:
        return None
    points, last_day = 0, ""
    for bucket in unit.full_buckets(member):
        if bucket.gone_ms <= unit.as_of_ms:
            continue
        if bucket.gone_ms == FOR_EVER_MS or last_day not in {"", bucket.last_day}:
            break
        last_day = bucket.last_day
        points += bucket.points
    return Going(terms.told_day(last_day), points) if points else None


def _today(unit: Unit, member: Member) -> date:
    return _day(unit, member, unit.as_of_ms)


def _day(unit: Unit, member: Member, at_ms: int) -> date:
    return day_of(at_ms, unit.catalog.programs[member.program_id].time_zone)


def _name(member: Member, terms: Expiry, earned: date, last: date, *, old: bool = False) -> str:
    return f"{member.number}{bucket_suffix(terms, earned, last, old=old)}"


def _opened(
    unit: Unit,
    member: Member,
    earned: date,
    last: date,
    *,
    old: bool = False,
    late: bool = False,
) -> Bucket:
    """
    Find the bucket of points of a day, or of *old* ones, or open one.

    Points that come *late* make those that roll go no sooner.
    """
    program = unit.catalog.programs[member.program_id]
    terms = program.expiry
    name = _name(member, terms, earned, last, old=old)
    bucket = unit.bucket(name)
    if bucket is None:
        bucket = Bucket(
            bucket_id=name,
            program_id=member.program_id,
            member_number=member.number,
            earned_day=earned.isoformat(),
            last_day=last.isoformat(),
            gone_ms=gone_ms(last, program.time_zone),
            rolling=int(name.endswith(".rolling")),
            version=terms.version,
            points=0,
        )
        unit.add(bucket)
    elif not bucket.points and bucket.rolling:
        # All that was in it may be gone: what comes now has its day by itself.
        known = date.fromisoformat(bucket.last_day)
        _move(unit, member, bucket, max(last, known) if late else last)
    if terms.by_tier:
        _prolong(unit, member, bucket)
    return bucket


def _roll(unit: Unit, member: Member, at_ms: int | None = None) -> None:
    """
    Have points that go together go as late as an activity of today lets them, held ones, too.

    An activity of an earlier moment makes none of them go sooner.
    """
    terms = terms_of(unit, member)
    day = _today(unit, member) if at_ms is None else _day(unit, member, at_ms)
    last = last_good_day(terms, member.tiers, day)
    name = _name(member, terms, day, last)
    for one in (name, *(f"{name}{ending(number)}" for number in member.others)):
        bucket = unit.bucket(one)
        over = bucket is not None and bucket.points > 0 and bucket.gone_ms <= unit.as_of_ms
        if bucket is not None and bucket.rolling and not over:
            known = date.fromisoformat(bucket.last_day)
            _move(unit, member, bucket, last if at_ms is None else max(last, known))


def _prolong(unit: Unit, member: Member, bucket: Bucket) -> None:
    """Have a bucket's points go as late as the tiers of their member let them."""
    _move(unit, member, bucket, _kept_until(unit, member, bucket))


def _kept_until(unit: Unit, member: Member, bucket: Bucket) -> date:
    """Tell until when the tiers of their member keep a bucket's points."""
    earned, last = map(date.fromisoformat, (bucket.earned_day, bucket.last_day))
    return last_good_day(terms_of(unit, member), member.tiers, earned, last)


def _gone_ms(unit: Unit, member: Member, bucket: Bucket) -> int:
    """Tell when points go that would come back into a bucket."""
    program = unit.catalog.programs[member.program_id]
    if not program.expiry.by_tier:
        return bucket.gone_ms
    return gone_ms(_kept_until(unit, member, bucket), program.time_zone)


def _move(unit: Unit, member: Member, bucket: Bucket, last: date) -> None:
    """Let the points of a bucket go on another day; no sooner where tiers have days of theirs."""
    program = unit.catalog.programs[member.program_id]
    told = last.isoformat()
    if program.expiry.by_tier and bucket.gone_ms > unit.as_of_ms:
        told = max(told, bucket.last_day)
    if bucket.last_day != told:
        gone = gone_ms(date.fromisoformat(told), program.time_zone)
        unit.change(bucket, last_day=told, gone_ms=gone)


def _part(unit: Unit, member: Member, owner: Owner, bucket: Bucket) -> BucketPart:
    """Find what an owner has in a bucket, or begin to count it."""
    for part in unit.parts(owner):
        if part.bucket_id == bucket.bucket_id:
            return part
    part = BucketPart(int(owner.kind), owner.owner_id, bucket.bucket_id, member.number)
    unit.add(part)
    return part


def _bucket(unit: Unit, part: BucketPart) -> Bucket:
    bucket = unit.bucket(part.bucket_id)
    if bucket is None:
        raise LedgerBrokenError(f"bucket {part.bucket_id} is gone")
    return bucket


def _taken(unit: Unit, points: int, buckets: Iterable[Bucket]) -> tuple[tuple[Bucket, int], ...]:
    """Take points out of buckets, one after the other."""
    taken = []
    left = points
    if left > 0:
        for bucket in buckets:
            number = min(left, bucket.points)
            unit.change(bucket, points=bucket.points - number)
            taken.append((bucket, number))
            left -= number
            if not left:
                break
    if left > 0:
        raise LedgerBrokenError(f"buckets have {left} points too few")
    return tuple(taken)
