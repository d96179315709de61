"""Who is next when several keys want the same: each of them takes its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED_MAX = 1024
"""Keys whose turns are remembered while they have nothing waiting, before they are looked over."""


class FairQueue(Generic[T]):
    """
    What waits, taken from keys in turn by what it costs.

    Each key's own come in the order in which they were put in. A key that had nothing waiting is
    next, whatever others have waiting; of keys that always have something, each gets as much cost
    taken as any other, however many and however dear its own are.

    Attributes:
        count: How much waits.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[T, float]]] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._ends: dict[str, float] = {}
        self._now = 0.0
        self.count = 0
        self._number = 0

    def __len__(self) -> int:
        """Count what waits."""
        return self.count

    def __iter__(self) -> Iterator[T]:
        """Give all that waits, key by key."""
        return (item for own in self._waiting.values() for item, _ in own)

    @property
    def keys(self) -> int:
        """How many keys have something waiting."""
        return len(self._waiting)

    def of(self, key: str) -> int:
        """Count what a key has waiting."""
        return len(self._waiting.get(key, ()))

    def push(self, key: str, item: T, cost: float = 1.0) -> None:
        """Put something in that will take so much, in any unit that all use."""
        self.count += 1
        own = self._waiting.get(key)
        if own is not None:
            own.append((item, cost))
            return
        self._waiting[key] = deque(((item, cost),))
        self._line_up(key, max(self._now, self._ends.get(key, 0.0)))

    def pop(self) -> T | None:
        """Take what is next; nothing where nothing waits."""
        found = self.pop_entry()
        return None if found is None else found[1]

    def pop_entry(self, may: Callable[[str], bool] | None = None) -> tuple[str, T] | None:
        """Take what is next of the keys that *may*, with its key; nothing where there is none."""
        passed = []
        found: tuple[str, T] | None = None
        while self._turns:
            turn = heappop(self._turns)
            at, _, key = turn
            if may is not None and not may(key):
                passed.append(turn)
                continue
            found = key, self._take(key, at)
            break
        for turn in passed:
            heappush(self._turns, turn)
        return found

    def _take(self, key: str, at: float) -> T:
        own = self._waiting[key]
        item, cost = own.popleft()
        self.count -= 1
        self._now = max(self._now, at)
        self._ends[key] = at + cost
        if own:
            self._line_up(key, at + cost)
        else:
            del self._waiting[key]
            self._forget()
        return item

    def _line_up(self, key: str, at: float) -> None:
        self._number += 1
        heappush(self._turns, (at, self._number, key))

    def _forget(self) -> None:
        """Forget keys that have nothing waiting and no turn to make up for."""
        if not self._waiting:
            self._ends.clear()
            self._now = 0.0
        elif len(self._ends) > REMEMBERED_MAX:
            self._ends = {key: end for key, end in self._ends.items() if end > self._now}
