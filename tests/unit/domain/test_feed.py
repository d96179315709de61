"""The order of events that stand in several lanes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from loyalty_service.domain.events import (
    LANES,
    OPERATOR,
    Balance,
    EventKind,
    FeedPosition,
    RecordedEvent,
    event_id_of,
    lane_of,
)
from loyalty_service.domain.feed import TYPES, LaneWindow, merge, type_of


def event(
    lane: int, number: int, time_ms: int, member: int | None = None, count: int = 0
) -> RecordedEvent:
    """Make an event that stands at a place, after so many transfers of its member."""
    balance = None if member is None else Balance(count, count)
    return RecordedEvent(
        event_id=event_id_of(lane, number),
        unit=1,
        kind=EventKind.POINTS_ADJUSTED,
        effective_ms=time_ms,
        recorded_ms=time_ms,
        by=OPERATOR,
        program_id="p",
        member_number=member,
        loyalty_id=None,
        subject="",
        before=None,
        after=None,
        available=balance,
        held=None if member is None else Balance(0, 0),
        debt=None,
        reason="",
        detail="",
    )


def windows(
    events: Sequence[RecordedEvent], *, cut: dict[int, int] | None = None
) -> list[LaneWindow]:
    """Give the lanes of events; those in *cut* were looked at up to a time."""
    found = []
    for lane in range(LANES):
        mine = [one for one in events if lane_of(one.event_id) == lane]
        bound = mine[-1].event_id if mine else event_id_of(lane, 0)
        found.append(LaneWindow(bound, (cut or {}).get(lane), mine))
    return found


def numbers(page: Sequence[RecordedEvent]) -> list[tuple[int, int]]:
    """Give lane and number of events."""
    return [
        (lane_of(one.event_id), one.event_id - event_id_of(lane_of(one.event_id), 0))
        for one in page
    ]


def test_types_are_those_that_readers_know() -> None:
    """The names are fixed; each kind has one of its own."""
    assert type_of(EventKind.ORDER_CLAIMED) == "loyalty.order.claimed"
    assert type_of(EventKind.PROMO_CODES_CREATED) == "loyalty.promo_codes.created"
    assert len(TYPES) == len(EventKind)


def test_lanes_are_merged_by_time() -> None:
    """Of different members the earlier event comes first."""
    page = merge(windows([event(0, 1, 10, 1, 1), event(0, 2, 30, 1, 2), event(3, 1, 20, 2, 1)]), 10)
    assert numbers(page.events) == [(0, 1), (3, 1), (0, 2)]
    assert not page.more


def test_member_stays_in_order_whatever_the_clocks_say() -> None:
    """An event that came later, by the count of its member, waits for the earlier one."""
    first, second = event(0, 1, 50, 1, 1), event(3, 1, 20, 1, 2)
    page = merge(windows([first, second, event(5, 1, 60, 2, 1)]), 10)
    assert page.events[:2] == (first, second)


def test_page_that_is_full_goes_on_where_it_ended() -> None:
    """Pages of one event each are the same as one of all."""
    events = [event(0, 1, 50, 1, 1), event(0, 2, 51, 1, 3), event(3, 1, 20, 1, 2), event(3, 2, 60)]
    whole = merge(windows(events), 10)
    found: list[RecordedEvent] = []
    position = FeedPosition()
    while len(found) < len(events):
        left = [one for one in events if one.event_id > position.last[lane_of(one.event_id)]]
        page = merge(windows(left), 1)
        assert page.more is (len(left) > 1)
        position = FeedPosition(
            tuple(max(old, new) for old, new in zip(position.last, page.position.last, strict=True))
        )
        found += page.events
    assert found == list(whole.events)


def test_what_follows_the_end_of_a_cut_lane_waits() -> None:
    """Where a lane was looked at up to a time, nothing later is told of the others."""
    early, late = event(3, 1, 20, 2, 1), event(3, 2, 40, 2, 2)
    page = merge(
        windows([event(0, 1, 10, 1, 1), event(0, 2, 30, 1, 2), early, late], cut={0: 30}), 10
    )
    assert page.more
    assert late not in page.events
    assert page.position.last[3] == early.event_id


@pytest.mark.parametrize("seed", range(30))
def test_any_interleaving_keeps_lanes_and_members_in_order(seed: int) -> None:
    """Events in lanes by chance, by clocks that are wrong, come each once and in order."""
    chance = Random(seed)  # noqa: S311 - it decides an order.
    counts = dict.fromkeys(range(4), 0)
    filled = dict.fromkeys(range(5), 0)
    events = []
    for moment in range(60):
        lane, member = chance.randrange(5), chance.randrange(4)
        filled[lane] += 1
        counts[member] += chance.randrange(2)
        time_ms = 1000 + moment * 10 + chance.randrange(-40, 41)
        events.append(event(lane, filled[lane], time_ms, member, counts[member]))
    found: list[RecordedEvent] = []
    position = FeedPosition()
    while True:
        left = [one for one in events if one.event_id > position.last[lane_of(one.event_id)]]
        page = merge(windows(sorted(left, key=lambda one: one.event_id)), chance.randrange(1, 9))
        position = FeedPosition(
            tuple(max(old, new) for old, new in zip(position.last, page.position.last, strict=True))
        )
        found += page.events
        if not page.more:
            break
    assert sorted(one.event_id for one in found) == sorted(one.event_id for one in events)
    for member in counts:
        told = [
            one.available.points for one in found if one.member_number == member and one.available
        ]
        assert told == sorted(told)
    for lane in filled:
        ids = [one.event_id for one in found if lane_of(one.event_id) == lane]
        assert ids == sorted(ids)


def test_position_is_written_and_read_alike() -> None:
    """All positions take as much room, and say the same when they are read."""
    moved = FeedPosition().after(event_id_of(7, 123_456))
    assert len(moved.to_bytes()) == len(FeedPosition().to_bytes())
    assert FeedPosition.from_bytes(moved.to_bytes()) == moved
    with pytest.raises(ValueError, match="position"):
        FeedPosition.from_bytes(b"")


def test_events_beside_one_another_do_not_wait() -> None:
    """Of events after the same transfer none waits for another."""
    same = [event(lane, 1, 10 - lane, 1, 1) for lane in range(3)]
    for ordered in permutations(same):
        page = merge(windows(sorted(ordered, key=lambda one: one.event_id)), 10)
        assert len(page.events) == len(same)
