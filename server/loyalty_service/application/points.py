"""
The verbs that move a member's points, for any owner: all transfers are made here.

A use case says which verb, for what and how many. Each rule is in one place:

- Whatever points come from, what is owed is paid first, so that no member has points to spend and
  a debt at the same time, and what a member has follows from what came and went alone, not from
  its order.
- A member has no more points in all accounts than the ledger carries in one, so that whatever is
  held or waits may always come back.
- Taking back goes before giving back, and what can't be taken back is owed.
- Points whose day is over are gone: each verb that moves some first books that, one transfer for
  each bucket. Which buckets points come from and go to is `aging`'s.

Each verb expects a locked member. Those that may refuse do so before their first write.
"""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.application import aging
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import PointsInsufficientError
from loyalty_service.domain.expiry import Activity, Bucket, Going
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import (
    NOBODY,
    POINTS_MAX,
    Account,
    AccountKind,
    Cause,
    Origin,
    Owner,
    OwnerKind,
)
from loyalty_service.domain.records import Hold, HoldStatus, Member

Accounts = Mapping[AccountKind, Account]
"""A member's accounts, those of a rare kind included: `Unit.accounts`."""


def owed_points(accounts: Accounts) -> int:
    """Tell how many points a member owes."""
    debt = accounts.get(AccountKind.DEBT)
    return 0 if debt is None else -debt.balance


def points_that_fit(
    accounts: Accounts, points: int, *, waiting: bool = False, past: int = 0
) -> int:
    """
    Tell how many of some points a member may be given: all, unless the ledger carries fewer.

    What pays a debt needs no room, but points that are *waiting* to be confirmed pay none yet. Nor
    do those whose day is *past*, which are booked as gone first.
    """
    paid = 0 if waiting else owed_points(accounts)
    return min(points, paid + past + _room(accounts))


def hold(
    unit: Unit,
    member: Member,
    owner: Owner,
    points: int,
    now_ms: int,
    *,
    expires_ms: int,
    incentive_id: str | None = None,
) -> None:
    """
    Set points aside for an owner until they are captured or released.

    Raises:
        LedgerBrokenError: The member has fewer; callers check first.
    """
    book_past(unit, member, now_ms)
    _set_aside(unit, member, owner, points, now_ms)
    _keep_hold(unit, member, owner, incentive_id, points, now_ms, expires_ms)


def hold_only(
    unit: Unit,
    member: Member,
    owner: Owner,
    wanted: Mapping[str | None, int],
    now_ms: int,
    *,
    expires_ms: int,
) -> None:
    """
    Make the open holds of an owner those *wanted*: how many points for each incentive.

    Only the difference moves: points that a new hold needs do not pay a debt in between.
    """
    missing = dict(wanted)
    ended = []
    for one in unit.open_holds(owner):
        if missing.get(one.incentive_id) == one.points:
            del missing[one.incentive_id]
            unit.change(one, expires_ms=expires_ms)
        else:
            ended.append(one)
    more = sum(missing.values()) - sum(one.points for one in ended)
    if more:
        book_past(unit, member, now_ms)
    if more > 0:
        _set_aside(unit, member, owner, more, now_ms)
    elif more < 0:
        _give_back(unit, member, owner, -more, now_ms)
    for one in ended:
        unit.change(one, status=HoldStatus.REPLACED, ended_ms=now_ms)
    for incentive_id, points in missing.items():
        _keep_hold(unit, member, owner, incentive_id, points, now_ms, expires_ms)


def prolong(unit: Unit, owner: Owner, expires_ms: int) -> None:
    """Keep the open holds of an owner until another time."""
    for one in unit.open_holds(owner):
        unit.change(one, expires_ms=expires_ms)


def capture(unit: Unit, member: Member, owner: Owner, now_ms: int) -> int:
    """Burn what an owner holds; returns how many points."""
    holds = unit.open_holds(owner)
    if not holds:
        return 0
    keep_alive(unit, member, Activity.REDEEM, now_ms)
    origin = Origin(Cause.REDEEM, owner, "", now_ms, now_ms)
    held = member.accounts[AccountKind.HELD]
    for one in holds:
        redeemed = unit.program_account(member.program_id, AccountKind.REDEEMED)
        unit.post(held, redeemed, one.points, origin)
        unit.change(one, status=HoldStatus.CAPTURED, ended_ms=now_ms)
    aging.burn(unit, member, owner)
    return sum(one.points for one in holds)


def release(unit: Unit, member: Member, owner: Owner, now_ms: int) -> int:
    """Give back what an owner holds; returns how many points."""
    holds = unit.open_holds(owner)
    points = sum(one.points for one in holds)
    if points:
        book_past(unit, member, now_ms)
        _give_back(unit, member, owner, points, now_ms)
    for one in holds:
        unit.change(one, status=HoldStatus.RELEASED, ended_ms=now_ms)
    return points


def earn(
    unit: Unit,
    member: Member,
    owner: Owner,
    points: int,
    now_ms: int,
    *,
    confirmed: bool = True,
    effective_ms: int | None = None,
) -> int:
    """
    Give a member the points that an owner earns; returns how many.

    They are fewer than *points* only when the member would have more than the ledger carries.
    Those that are not *confirmed* wait in an account of their own for `confirm`. What was earned at
    an earlier moment goes as soon as if it had come then.
    """
    if points <= 0:
        return 0
    book_past(unit, member, now_ms)
    accounts = unit.accounts(member)
    earned = points_that_fit(accounts, points, waiting=not confirmed)
    if earned <= 0:
        return 0
    issued = unit.program_account(member.program_id, AccountKind.ISSUED)
    since_ms = now_ms if effective_ms is None else effective_ms
    origin = Origin(Cause.EARN, owner, "", since_ms, now_ms)
    if confirmed:
        keep_alive(unit, member, Activity.EARN, now_ms, effective_ms)
        given = _give(unit, accounts, issued, earned, origin)
        aging.bring(unit, member, owner, given, effective_ms)
        book_past(unit, member, now_ms)
    else:
        unit.post(issued, unit.open_account(member, AccountKind.UNCONFIRMED), earned, origin)
    return earned


def confirm(unit: Unit, member: Member, owner: Owner, points: int, now_ms: int) -> None:
    """
    Let a member spend points that an owner earned unconfirmed.

    Raises:
        LedgerBrokenError: Fewer wait; callers check first.
    """
    book_past(unit, member, now_ms)
    waiting = unit.open_account(member, AccountKind.UNCONFIRMED)
    origin = Origin(Cause.CONFIRM, owner, "", now_ms, now_ms)
    keep_alive(unit, member, Activity.EARN, now_ms)
    aging.bring(unit, member, owner, _give(unit, unit.accounts(member), waiting, points, origin))


def reverse(
    unit: Unit,
    member: Member,
    owner: Owner,
    now_ms: int,
    *,
    earned: int,
    burned: int,
    may_owe: bool,
    unconfirmed: int = 0,
    cause: Cause = Cause.REVERSE,
) -> int:
    """
    Take back what an owner *earned*, then give back what it *burned*; returns how many points.

    They are fewer than were burned only when the member would have more than the ledger carries.
    What is spent already becomes a debt. Points that it earned *unconfirmed* go besides. The
    *cause* is another one where only a part of an order came back.

    Raises:
        PointsInsufficientError: Earned points are spent and the member *may_owe* none, or not so
            many.
    """
    require_returnable(unit, member, earned, burned, may_owe=may_owe)
    book_past(unit, member, now_ms)
    if unconfirmed:
        waiting = unit.open_account(member, AccountKind.UNCONFIRMED)
        issued = unit.program_account(member.program_id, AccountKind.ISSUED)
        origin = Origin(cause, owner, "", now_ms, now_ms)
        unit.post(waiting, issued, unconfirmed, origin)
    # At the ledger's limit what is taken makes room for what is given, and the other way round.
    at_hand = min(earned, member.available.balance)
    _take(unit, member, owner, at_hand, now_ms, cause)
    given = _refund(unit, member, owner, burned, now_ms)
    _take(unit, member, owner, earned - at_hand, now_ms, cause)
    back = given + _refund(unit, member, owner, burned - given, now_ms)
    # What came back has its old day: it was there to be taken, and where that is over no more.
    book_past(unit, member, now_ms)
    return back


def require_returnable(
    unit: Unit, member: Member, earned: int, burned: int, *, may_owe: bool
) -> None:
    """
    Refuse to take back what a member has spent already.

    Raises:
        PointsInsufficientError: Earned points are spent, also with those *burned* that come back,
            and the member *may_owe* none, or not so many.
    """
    spendable = member.spendable + burned
    short = max(0, earned - spendable)
    if short and (not may_owe or owed_points(unit.accounts(member)) + short > POINTS_MAX):
        raise PointsInsufficientError(spendable, earned)


def expire(unit: Unit, member: Member, bucket: Bucket, now_ms: int) -> int:
    """Book that the points of a bucket whose day is over are gone; returns how many."""
    points = bucket.points
    if not points or bucket.gone_ms > unit.as_of_ms:
        return 0
    expired = unit.program_account(member.program_id, AccountKind.EXPIRED)
    owner = Owner(OwnerKind.BUCKET, bucket.bucket_id)
    origin = Origin(Cause.EXPIRE, owner, "", now_ms, now_ms)
    unit.post(member.available, expired, points, origin)
    unit.change(bucket, points=0, expired=bucket.expired + points)
    member.past_points = max(0, member.past_points - points)
    return points


def book_past(unit: Unit, member: Member, now_ms: int) -> None:
    """Book that all points are gone whose day is over, so that no verb moves any of them."""
    for bucket in unit.past_buckets(member):
        expire(unit, member, bucket, now_ms)


def keep_alive(
    unit: Unit, member: Member, activity: Activity, now_ms: int, at_ms: int | None = None
) -> None:
    """Move the day on which points go, where the program counts an activity, of now or earlier."""
    if aging.terms_of(unit, member).rolls:
        book_past(unit, member, now_ms)
        aging.keep_alive(unit, member, activity, at_ms)


def adjust(unit: Unit, member: Member, points: int, note: str, now_ms: int) -> tuple[Going, ...]:
    """
    Give a member points on somebody's word, or below zero take some.

    Tells on which days the points go that came or, below zero, went. What is taken beyond what the
    member has becomes a debt.

    Raises:
        LedgerBrokenError: The member would have, or owe, more than the ledger carries; callers
            check first.
    """
    book_past(unit, member, now_ms)
    keep_alive(unit, member, Activity.ADJUST, now_ms)
    adjusted = unit.program_account(member.program_id, AccountKind.ADJUSTED)
    origin = Origin(Cause.ADJUST, NOBODY, note, now_ms, now_ms)
    if points > 0:
        given = _give(unit, unit.accounts(member), adjusted, points, origin)
        bucket = aging.bring(unit, member, NOBODY, given)
        return aging.goings(unit, member, () if bucket is None else ((bucket, given),))
    at_hand = min(-points, member.available.balance)
    if at_hand:
        unit.post(member.available, adjusted, at_hand, origin)
    if -points > at_hand:
        unit.post(unit.open_account(member, AccountKind.DEBT), adjusted, -points - at_hand, origin)
    spent = aging.spend(unit, member, at_hand) if at_hand else ()
    return aging.goings(unit, member, ((bucket, -number) for bucket, number in spent))


def _room(accounts: Accounts) -> int:
    """Tell how many more points the ledger carries for a member; all others may come back."""
    had = sum(one.balance for kind, one in accounts.items() if kind is not AccountKind.DEBT)
    return POINTS_MAX - had


def _give(unit: Unit, accounts: Accounts, source: Account, points: int, origin: Origin) -> int:
    """
    Move points from an account to a member, to the debt first; returns how many can be spent.

    This is the only way on which points become available: see decision 20.
    """
    paid = min(points, owed_points(accounts))
    if paid:
        unit.post(source, accounts[AccountKind.DEBT], paid, origin)
    if points > paid:
        unit.post(source, accounts[AccountKind.AVAILABLE], points - paid, origin)
    return points - paid


def _set_aside(unit: Unit, member: Member, owner: Owner, points: int, now_ms: int) -> None:
    accounts = member.accounts
    origin = Origin(Cause.HOLD, owner, "", now_ms, now_ms)
    unit.post(accounts[AccountKind.AVAILABLE], accounts[AccountKind.HELD], points, origin)
    aging.set_aside(unit, member, owner, points)


def _give_back(unit: Unit, member: Member, owner: Owner, points: int, now_ms: int) -> None:
    accounts = unit.accounts(member)
    origin = Origin(Cause.RELEASE, owner, "", now_ms, now_ms)
    kept = _give(unit, accounts, accounts[AccountKind.HELD], points, origin)
    aging.bring_back(unit, member, owner, points, kept, burned=False)
    book_past(unit, member, now_ms)


def _take(unit: Unit, member: Member, owner: Owner, points: int, now_ms: int, cause: Cause) -> None:
    """Take earned points back, those that are missing from the debt account."""
    if not points:
        return
    issued = unit.program_account(member.program_id, AccountKind.ISSUED)
    origin = Origin(cause, owner, "", now_ms, now_ms)
    at_hand = min(points, member.available.balance)
    if at_hand:
        unit.post(member.available, issued, at_hand, origin)
    aging.take_back(unit, member, owner, at_hand, points - at_hand)
    if points > at_hand:
        unit.post(unit.open_account(member, AccountKind.DEBT), issued, points - at_hand, origin)


def _refund(unit: Unit, member: Member, owner: Owner, points: int, now_ms: int) -> int:
    """Give burned points back, as many as the ledger carries; returns how many."""
    if not points:
        return 0
    accounts = unit.accounts(member)
    given = points_that_fit(accounts, points)
    redeemed = unit.program_account(member.program_id, AccountKind.REDEEMED)
    origin = Origin(Cause.REFUND, owner, "", now_ms, now_ms)
    kept = _give(unit, accounts, redeemed, given, origin)
    aging.bring_back(unit, member, owner, given, kept, burned=True)
    return given


def _keep_hold(
    unit: Unit,
    member: Member,
    owner: Owner,
    incentive_id: str | None,
    points: int,
    now_ms: int,
    expires_ms: int,
) -> None:
    unit.add(
        Hold(
            hold_id=new_id(now_ms),
            owner_kind=owner.kind,
            owner_id=owner.owner_id,
            member_number=member.number,
            incentive_id=incentive_id,
            points=points,
            status=HoldStatus.OPEN,
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
    )
