"""Lock all redemptions of a session's member at once, tell what is locked, and unlock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loyalty_service.application.accounts.visits import read_visit, visit
from loyalty_service.application.perform import Done
from loyalty_service.application.reading import Reader
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import RedemptionNotAllowedError
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member


class LockedBy(StrEnum):
    """Who keeps a member from redeeming, in the words of the contract."""

    MEMBER = "CUX"
    OPERATOR = "CONSOLE"


@dataclass(frozen=True, slots=True)
class RedemptionLock:
    """
    What keeps a member from redeeming.

    Attributes:
        since_ms: Since when; absent where an older version did not keep that.
    """

    loyalty_id: str
    by: LockedBy
    since_ms: int | None


@dataclass(frozen=True, slots=True)
class LockRedemption:
    """Whose redemptions to lock, or to unlock, and why."""

    key: ApiKey
    correlation_id: str
    reason: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(sessions=((self.key.program_id, self.correlation_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return (self.correlation_id, self.reason)


def lock_redemption(unit: Unit, command: LockRedemption, now_ms: int) -> Done[RedemptionLock]:
    """
    Keep a session's member from redeeming, at every till; one who is locked stays as they are.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID.
    """
    _, session = visit(unit, command.key, command.correlation_id, now_ms)
    member = member_of(unit, session)
    events: tuple[Event, ...] = ()
    if member.locked_ms is None:
        before = member.kept_from
        unit.change_member(member, locked_ms=now_ms, lock_reason=command.reason)
        events = (_told(EventKind.MEMBER_BLOCKED, member, before, command.reason),)
    lock = RedemptionLock(member.loyalty_id, LockedBy.MEMBER, member.locked_ms)
    return Done(lock, stores=session.stores, events=events)


def unlock_redemption(unit: Unit, command: LockRedemption, now_ms: int) -> Done[None]:
    """
    Lift the lock that a member has set; what an operator has blocked stays blocked.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID, or of a member
            who was named by what others may know.
    """
    _, session = visit(unit, command.key, command.correlation_id, now_ms)
    member = member_of(unit, session)
    if session.earn_only:
        raise RedemptionNotAllowedError
    events: tuple[Event, ...] = ()
    if member.locked_ms is not None:
        before = member.kept_from
        unit.change_member(member, locked_ms=None, lock_reason=None)
        events = (_told(EventKind.MEMBER_UNBLOCKED, member, before, command.reason),)
    return Done(None, stores=session.stores, events=events)


async def list_locks(
    reader: Reader, program: Program, key: ApiKey, correlation_id: str, now_ms: int
) -> tuple[RedemptionLock, ...]:
    """
    Tell what keeps a session's member from redeeming.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
    """
    _, member = await read_visit(reader, program, key, correlation_id, now_ms)
    return () if member is None else locks_of(member)


def locks_of(member: Member) -> tuple[RedemptionLock, ...]:
    """Give the locks of a member: the member's own, and an operator's."""
    locks = []
    if member.locked_ms is not None:
        locks.append(RedemptionLock(member.loyalty_id, LockedBy.MEMBER, member.locked_ms))
    if Blocked.REDEEM in Blocked(member.blocked or 0):
        locks.append(RedemptionLock(member.loyalty_id, LockedBy.OPERATOR, member.blocked_ms))
    return tuple(locks)


def _told(kind: EventKind, member: Member, before: Blocked, reason: str | None) -> Event:
    return Event(
        kind,
        member.program_id,
        member,
        before=int(before),
        after=int(member.kept_from),
        reason=reason or "",
    )
