"""Move points from one member to another as members are merged, and back."""

from __future__ import annotations

from collections.abc import Iterable

from loyalty_service.application import aging
from loyalty_service.application.points import book_past, owed_points, points_that_fit
from loyalty_service.application.unit import Unit
from loyalty_service.domain.expiry import Bucket, ending
from loyalty_service.domain.ledger import NOBODY, POINTS_MAX, AccountKind, Cause, Origin
from loyalty_service.domain.merges import MemberMerge, bucket_of_other, own_bucket
from loyalty_service.domain.records import Member


def net_points(unit: Unit, member: Member) -> int:
    """Tell what a member has, held points too, less what it owes."""
    return member.available.balance + member.held.balance - owed_points(unit.accounts(member))


def waiting_points(unit: Unit, member: Member) -> int:
    """Tell how many points of a member are not confirmed yet."""
    waiting = unit.accounts(member).get(AccountKind.UNCONFIRMED)
    return 0 if waiting is None else waiting.balance


def fits(unit: Unit, member: Member, other: Member) -> bool:
    """Tell whether the ledger carries the points of two members together."""
    accounts, others = unit.accounts(member), unit.accounts(other)
    had = sum(one.balance for kind, one in others.items() if kind is not AccountKind.DEBT)
    gone = member.past_points + other.past_points
    owed = owed_points(accounts) + owed_points(others)
    return points_that_fit(accounts, had, past=gone) >= had and owed <= POINTS_MAX


def bring_over(unit: Unit, merge: MemberMerge, source: Member, target: Member, now_ms: int) -> None:
    """
    Move all points of a member to another, and pay first what one of the two owes.

    Points keep the day on which they go, in buckets of their own.
    """
    origin = _origin(merge, source, target, now_ms)
    mine = unit.accounts(source)
    for kind in (AccountKind.HELD, AccountKind.UNCONFIRMED):
        waiting = mine.get(kind)
        if waiting is not None and waiting.balance:
            unit.post(waiting, unit.open_account(target, kind), waiting.balance, origin)
    owed = owed_points(mine)
    if owed:
        _pay(unit, target, source, owed, origin)
    else:
        _bring_free(unit, source, target, origin)


def _bring_free(unit: Unit, source: Member, target: Member, origin: Origin) -> None:
    accounts = unit.accounts(target)
    paid = min(source.available.balance, owed_points(accounts))
    if paid:
        unit.post(source.available, accounts[AccountKind.DEBT], paid, origin)
        aging.spend(unit, source, paid)
    left = source.available.balance
    if left:
        unit.post(source.available, target.available, left, origin)
    for bucket in [*unit.full_buckets(source)]:
        name = bucket_of_other(bucket.bucket_id, source.number, target.number)
        _pour(unit, bucket, name, target, bucket.points)


def _pay(unit: Unit, payer: Member, debtor: Member, owed: int, origin: Origin) -> None:
    """Have a member pay what another owes, or owe it."""
    debt = unit.accounts(debtor)[AccountKind.DEBT]
    paid = min(owed, payer.available.balance)
    if paid:
        unit.post(payer.available, debt, paid, origin)
        aging.spend(unit, payer, paid)
    if owed > paid:
        unit.post(unit.open_account(payer, AccountKind.DEBT), debt, owed - paid, origin)


def give_back(
    unit: Unit, merge: MemberMerge, source: Member, target: Member, due: int, now_ms: int
) -> int:
    """
    Give a member what is *due* of what it brought, as far as it is there; returns how much.

    It comes out of the buckets in which it was brought, then of those that go first. Below zero the
    member owes it again.
    """
    origin = _origin(merge, source, target, now_ms)
    if due < 0:
        return -_owe_again(unit, source, target, -due, origin)
    points = min(due, source.available.balance)
    if not points:
        return 0
    unit.post(source.available, target.available, points, origin)
    brought = [
        one for one in unit.full_buckets(source) if one.bucket_id.endswith(ending(target.number))
    ]
    left = points
    for bucket in reversed(brought):
        number = min(left, bucket.points)
        left -= number
        if number:
            _pour_back(unit, bucket, source, target, number)
    for bucket, number in aging.spend(unit, source, left) if left else ():
        unit.change(bucket, points=bucket.points + number)
        _pour_back(unit, bucket, source, target, number)
    return points


def give_back_waiting(
    unit: Unit, merge: MemberMerge, source: Member, target: Member, due: int, now_ms: int
) -> None:
    """Give a member what is *due* of points that its own orders have earned unconfirmed."""
    points = min(due, waiting_points(unit, source))
    if points > 0:
        origin = _origin(merge, source, target, now_ms)
        waiting = unit.accounts(source)[AccountKind.UNCONFIRMED]
        unit.post(waiting, unit.open_account(target, AccountKind.UNCONFIRMED), points, origin)


def _owe_again(unit: Unit, source: Member, target: Member, owed: int, origin: Origin) -> int:
    """Have a member owe again what the other one paid for it, as far as the ledger carries it."""
    accounts = unit.accounts(source)
    given = points_that_fit(accounts, owed)
    if not given:
        return 0
    debt = unit.open_account(target, AccountKind.DEBT)
    paid = min(given, owed_points(accounts))
    if paid:
        unit.post(debt, accounts[AccountKind.DEBT], paid, origin)
    if given > paid:
        unit.post(debt, source.available, given - paid, origin)
        aging.bring(unit, source, NOBODY, given - paid)
    return given


def _pour_back(unit: Unit, bucket: Bucket, source: Member, target: Member, points: int) -> None:
    _pour(unit, bucket, own_bucket(bucket.bucket_id, source.number, target.number), target, points)


def _pour(unit: Unit, bucket: Bucket, name: str, member: Member, points: int) -> None:
    """Put points of a bucket into one of another member that goes on the same day."""
    other = unit.bucket(name)
    unit.change(bucket, points=bucket.points - points)
    if other is None:
        unit.add(
            Bucket(
                bucket_id=name,
                program_id=member.program_id,
                member_number=member.number,
                earned_day=bucket.earned_day,
                last_day=bucket.last_day,
                gone_ms=bucket.gone_ms,
                rolling=bucket.rolling,
                version=bucket.version,
                points=points,
            )
        )
        return
    last = max(bucket, other, key=lambda one: one.gone_ms) if other.points else bucket
    unit.change(other, points=other.points + points, last_day=last.last_day, gone_ms=last.gone_ms)


def book_both(unit: Unit, members: Iterable[Member], now_ms: int) -> None:
    """Book what is past of members, so that only points that are good move."""
    for member in members:
        book_past(unit, member, now_ms)


def _origin(merge: MemberMerge, source: Member, target: Member, now_ms: int) -> Origin:
    note = f"{source.loyalty_id} to {target.loyalty_id}"
    return Origin(Cause.MERGE, merge.owner, note, now_ms, now_ms)
