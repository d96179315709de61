"""What waits is taken from keys in turn, by what it costs."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.fairness import REMEMBERED_MAX, FairQueue


def _drain(queue: FairQueue[str]) -> list[str]:
    taken = []
    while (item := queue.pop()) is not None:
        taken.append(item)
    return taken


def test_newcomer_is_next_whatever_others_have_waiting() -> None:
    """One item of a key that had none comes after the one that is next, and before all others."""
    queue: FairQueue[str] = FairQueue()
    for number in range(100):
        queue.push("greedy", f"greedy {number}")
    assert queue.pop() == "greedy 0"
    queue.push("at rest", "at rest")
    assert "at rest" in {queue.pop(), queue.pop()}
    assert queue.of("greedy") >= 97
    assert queue.keys == 1


def test_dear_items_count_for_as_much_as_they_cost() -> None:
    """Of two keys that always have something, each gets as much cost taken as the other."""
    queue: FairQueue[str] = FairQueue()
    for _ in range(50):
        queue.push("dear", "dear", 10.0)
    for _ in range(500):
        queue.push("cheap", "cheap", 1.0)
    counts = Counter(queue.pop() for _ in range(110))
    assert 9 <= counts["dear"] <= 11
    assert 99 <= counts["cheap"] <= 101


def test_keys_that_may_not_are_passed_over_and_keep_their_turn() -> None:
    """A key that may not have its turn now loses nothing by it."""
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a")
    queue.push("b", "b")
    assert queue.pop_entry(lambda key: key != "a") == ("b", "b")
    assert queue.pop_entry(lambda key: key != "a") is None
    assert len(queue) == 1
    assert list(queue) == ["a"]
    assert queue.pop() == "a"


def test_keys_are_forgotten_when_they_have_no_turn_to_make_up_for() -> None:
    """A queue that never empties does not remember every key that ever waited."""
    queue: FairQueue[str] = FairQueue()
    queue.push("always", "always", 0.001)
    for number in range(3 * REMEMBERED_MAX):
        queue.push("always", "always", 2.0)
        queue.push(f"key {number}", "once")
        assert queue.pop() is not None
        assert queue.pop() is not None
    assert len(queue._ends) <= REMEMBERED_MAX + 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 10)), max_size=60))
def test_nothing_is_lost_and_a_key_keeps_its_order(pushed: list[tuple[str, float]]) -> None:
    """All comes out that went in, each key's own in the order in which it went in."""
    queue: FairQueue[str] = FairQueue()
    for number, (key, cost) in enumerate(pushed):
        queue.push(key, f"{key}{number:03}", cost)
    taken = _drain(queue)
    for key in "abc":
        own = [item for item in taken if item[0] == key]
        assert own == [f"{key}{n:03}" for n, (one, _) in enumerate(pushed) if one == key]
    assert len(queue) == queue.keys == 0
