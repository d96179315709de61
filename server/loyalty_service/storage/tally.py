"""A histogram that costs nothing to speak of: one thread adds, others read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    How values were spread.

    Attributes:
        bounds: Upper bounds of the buckets, but for the last.
        counts: Values in each bucket, one more than there are bounds.
        total: Sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Tally:
    """Counts the values that one thread adds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    @staticmethod
    def sum(tallies: Sequence[Tally]) -> Distribution:
        """Read several tallies of the same bounds as one; there must be at least one."""
        counts = zip(*(tally._counts for tally in tallies), strict=True)  # noqa: SLF001 - its own.
        return Distribution(
            tallies[0]._bounds,  # noqa: SLF001
            tuple(map(sum, counts)),
            sum(tally._total for tally in tallies),  # noqa: SLF001
        )
