"""
The feed: which events a reader wants, and the one order of what stands in several lanes.

Within a lane events are in the order of their commits. Of one member the counts of the transfers
tell the order, for whoever changes a member's points holds the member until the commit. Everything
else is put in the order of time. A lane of which only a part was looked at bounds what is told of
the others: what comes after that part may belong before them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop
from math import inf

from loyalty_service.domain.events import EventKind, EventPage, FeedPosition, RecordedEvent

TYPE_PREFIX = "loyalty."


def type_of(kind: EventKind) -> str:
    """Name a kind of event as readers of the feed know it; never changed."""
    if kind is EventKind.LEDGER_SUMMED_UP:
        return f"{TYPE_PREFIX}ledger.summed_up"
    noun, verb = kind.name.lower().rsplit("_", 1)
    return f"{TYPE_PREFIX}{noun}.{verb}"


TYPES = {type_of(kind): kind for kind in EventKind}
"""Every type of event, and its kind."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which events a reader wants.

    Attributes:
        program_id: Those of a program; absent for all of the store.
        kinds: Those of some kinds; empty for all.
        members: Those of a member and whoever was merged into it, by number; empty for all, and
            those that are about none.
    """

    program_id: str | None = None
    kinds: frozenset[EventKind] = frozenset()
    members: tuple[int, ...] = ()


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class LaneWindow:
    """
    The part of a lane that was looked at.

    Attributes:
        bound: ID of the last event that was looked at, wanted or not.
        bound_ms: The latest time among them, where the lane was cut short; absent where its end
            was reached.
        events: Those that are wanted.
    """

    bound: int
    bound_ms: int | None
    events: Sequence[RecordedEvent]


def _count(event: RecordedEvent) -> int | None:
    """Count the transfers of a member by then; absent where the event keeps no balances."""
    if event.available is None or event.held is None:
        return None
    return event.available.sequence + event.held.sequence


def _place(event: RecordedEvent) -> tuple[int, float]:
    """Tell where an event is among those of its member; one without a debt is beside the others."""
    count = _count(event) or 0
    return count, inf if event.debt is None else event.debt.sequence


@dataclass(slots=True)
class _Lane:
    window: LaneWindow
    taken: int = 0
    latest_ms: int = 0

    @property
    def head(self) -> RecordedEvent | None:
        events = self.window.events
        return events[self.taken] if self.taken < len(events) else None

    @property
    def head_ms(self) -> int:
        head = self.head
        return self.latest_ms if head is None else max(self.latest_ms, head.recorded_ms)

    @property
    def position(self) -> int:
        head = self.head
        return self.window.bound if head is None else head.event_id - 1


@dataclass(slots=True)
class _Members:
    """Where the events of each member are that have not been taken yet."""

    places: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    taken: defaultdict[int, list[tuple[int, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, event: RecordedEvent) -> None:
        if event.member_number is not None and _count(event) is not None:
            self.places.setdefault(event.member_number, []).append(_place(event))

    def must_wait(self, event: RecordedEvent) -> bool:
        """Tell whether another event of the same member comes first."""
        number = event.member_number
        if number is None or _count(event) is None:
            return False
        first, place = self.places[number][0], _place(event)
        return first[0] < place[0] or (first < place and place[1] != inf)

    def take(self, event: RecordedEvent) -> None:
        number = event.member_number
        if number is None or _count(event) is None:
            return
        # The heap's first need not be this one: events that are beside one another go in any order.
        taken, places = self.taken[number], self.places[number]
        taken.append(_place(event))
        while taken and places and places[0] in taken:
            taken.remove(heappop(places))


def merge(windows: Sequence[LaneWindow], limit: int) -> EventPage:
    """Put at most *limit* events of several lanes in one order."""
    lanes = [_Lane(window) for window in windows]
    members = _Members()
    for window in windows:
        for event in window.events:
            members.add(event)
    for places in members.places.values():
        heapify(places)
    horizon = min((one.bound_ms for one in windows if one.bound_ms is not None), default=None)
    page: list[RecordedEvent] = []
    while len(page) < limit:
        lane = _next(lanes, members, horizon)
        if lane is None or lane.head is None:
            break
        event = lane.head
        lane.latest_ms = lane.head_ms
        lane.taken += 1
        members.take(event)
        page.append(event)
    more = horizon is not None or any(lane.head is not None for lane in lanes)
    return EventPage(tuple(page), FeedPosition(tuple(lane.position for lane in lanes)), more)


def _next(lanes: Sequence[_Lane], members: _Members, horizon: int | None) -> _Lane | None:
    """Choose the lane whose event comes next; absent where that can't be known yet."""
    heads = [lane for lane in lanes if lane.head is not None]
    free = [lane for lane in heads if lane.head and not members.must_wait(lane.head)]
    if not free:
        return None
    first = min(free, key=lambda lane: lane.head_ms)
    if horizon is None or first.head_ms <= horizon:
        return first
    # What waits for it may be taken only after it.
    waits = len(free) < len(heads) and min(lane.head_ms for lane in heads) <= horizon
    return first if waits else None
