"""
Events: what happened to members, codes, orders, points, programs and keys, and who did it.

An event names members and orders by their IDs and holds no personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from loyalty_service.domain.records import Member


class EventKind(IntEnum):
    """What happened; the numbers are stored: from 10 to 30 for what codes and orders say."""

    MEMBER_ENROLLED = 1
    MEMBER_SEGMENTED = 2
    MEMBER_UPDATED = 3
    MEMBER_BLOCKED = 4
    MEMBER_UNBLOCKED = 5
    MEMBER_ERASED = 6
    MEMBER_MERGED = 7
    MEMBER_UNMERGED = 8
    CODE_ISSUED = 11
    CODE_REPLACED = 12
    CODE_USED = 13
    CODE_EXPIRED = 14
    CODES_FORGIVEN = 15
    ORDER_OPENED = 21
    ORDER_REPORTED = 22
    ORDER_CLAIMED = 23
    ORDER_VOIDED = 24
    ORDER_RECORDED = 25
    RECEIPT_CLAIMED = 26
    LINES_RETURNED = 27
    ORDER_CONFIRMED = 28
    ORDER_UNCONFIRMED = 29
    POINTS_ADJUSTED = 31
    POINTS_CUT = 32
    POINTS_EXPIRED = 33
    PROGRAM_APPLIED = 41
    KEY_CREATED = 42
    KEY_ROTATED = 43
    KEY_REVOKED = 44
    KEY_CHANGED = 45
    STORE_REPAIRED = 51
    STORE_PRUNED = 52
    LEDGER_SUMMED_UP = 53
    LEDGER_ARCHIVED = 54
    PEPPER_FORGOTTEN = 55
    PEPPER_ACCEPTED = 56
    PEPPER_ROTATED = 57
    PEPPER_RESEALED = 58
    PROMO_CODES_CREATED = 61
    PROMO_CODE_RELEASED = 62
    PROMO_CODE_USED = 63
    GRANT_GIVEN = 71
    GRANT_WITHDRAWN = 72
    GRANT_ACTIVATED = 73
    POINTS_RESERVED = 81
    RESERVATION_LOWERED = 82
    RESERVATION_CANCELLED = 83
    RESERVATION_EXPIRED = 84
    RESERVATION_USED = 85
    ADHOC_REWARDED = 86
    ADHOC_REDEEMED = 87
    ADHOC_VOIDED = 88
    WEBHOOK_ADDED = 91
    WEBHOOK_ROTATED = 92
    WEBHOOK_ENABLED = 93
    WEBHOOK_REMOVED = 94


class ActorKind(IntEnum):
    """Who can change the store; the numbers are stored."""

    KEY = 1
    OPERATOR = 2
    SWEEPER = 3


class Actor(NamedTuple):
    """
    Who made a change; a tuple, since one is made for each call.

    Attributes:
        name: ID of the API key, or the operator's name; empty for the sweeper.
        method: The RPC, as `Service/Method`, or the command; empty where there is none.
        request_id: The call's, as in the logs; empty where there is none.
    """

    kind: ActorKind
    name: str = ""
    method: str = ""
    request_id: str = ""


OPERATOR = Actor(ActorKind.OPERATOR)
SWEEPER = Actor(ActorKind.SWEEPER)


class Event(NamedTuple):
    """
    One change of state, as the use case that made it describes it; a tuple as `Actor` is.

    Attributes:
        program_id: Absent for what is about the whole store.
        member: Whom it is about: the event keeps the balances after it.
        member_number: As above, where the member itself was not read.
        subject: ID of the transaction, key or repair that it is about; empty where there is none.
        before: Number of the status or version before; absent for what is new.
        after: Number of the status or version after; absent where there is none.
        reason: What a person said why; empty where nobody did.
        detail: More, as JSON, for kinds that are rare; empty for all others.
        effective_ms: When it happened; absent where that is when it was recorded.
    """

    kind: EventKind
    program_id: str | None
    member: Member | None = None
    member_number: int | None = None
    subject: str = ""
    before: int | None = None
    after: int | None = None
    reason: str = ""
    detail: str = ""
    effective_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account had after an event, and how many transfers had touched it by then."""

    points: int
    sequence: int


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """
    An event as a reader gets it.

    Attributes:
        event_id: Its place: see `lane_of`.
        unit: Number that all events of one commit share, and no others.
        loyalty_id: The member's; absent where it is about none.
        available: Points the member had to spend after it; absent where it is about no member.
        held: Points that were set aside after it.
        debt: Points below zero that the member owed; absent where no debt was looked at.
    """

    event_id: int
    unit: int
    kind: EventKind
    effective_ms: int
    recorded_ms: int
    by: Actor
    program_id: str | None
    member_number: int | None
    loyalty_id: str | None
    subject: str
    before: int | None
    after: int | None
    available: Balance | None
    held: Balance | None
    debt: Balance | None
    reason: str
    detail: str


LANE_BITS = 48
"""Bits of an event's ID below its lane: room for as many events as will ever be in one."""

_NUMBER_BYTES = LANE_BITS // 8
_NUMBER_MASK = (1 << LANE_BITS) - 1

LANES = 16
"""Number of lanes: as many as there are writers that never wait for each other."""


def event_id_of(lane: int, number: int) -> int:
    """Give the ID of an event from its lane and its number there, which counts from 1."""
    return (lane << LANE_BITS) + number


def lane_of(event_id: int) -> int:
    """Tell the lane of an event."""
    return event_id >> LANE_BITS


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """
    How far a reader has come: the ID of the last event that it has read of each lane.

    Within a lane events are numbered in the order of their commits, without a gap. So whoever has
    read up to one of them has missed none before it, although commits of other lanes overtake.
    """

    last: tuple[int, ...] = tuple(event_id_of(lane, 0) for lane in range(LANES))

    def to_bytes(self) -> bytes:
        """Write it down, always as long."""
        return b"".join((event_id & _NUMBER_MASK).to_bytes(_NUMBER_BYTES) for event_id in self.last)

    @classmethod
    def from_bytes(cls, data: bytes) -> FeedPosition:
        """
        Read what `to_bytes` wrote.

        Raises:
            ValueError: It is something else.
        """
        if len(data) != LANES * _NUMBER_BYTES:
            raise ValueError("is not a position in the feed")
        starts = range(0, len(data), _NUMBER_BYTES)
        numbers = (int.from_bytes(data[start : start + _NUMBER_BYTES]) for start in starts)
        return cls(tuple(event_id_of(lane, number) for lane, number in enumerate(numbers)))

    def after(self, event_id: int) -> FeedPosition:
        """Give the position once an event has been read."""
        lane = lane_of(event_id)
        return FeedPosition((*self.last[:lane], event_id, *self.last[lane + 1 :]))


@dataclass(frozen=True, slots=True)
class EventPage:
    """
    Events that come after a position, and the position after them.

    Attributes:
        more: Whether there was more to look at already.
        lost: Whether some of the store's that stood among those looked at are not kept any more.
    """

    events: tuple[RecordedEvent, ...]
    position: FeedPosition
    more: bool = False
    lost: bool = False
