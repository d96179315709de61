"""What the storage has done, in figures that cost almost nothing to keep."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreStats:
    """
    What the store has done since it was opened.

    Attributes:
        writes: Units of work settled.
        commits: Transactions committed, each durable; fewer than writes, since calls share them.
        retries: Transactions that ran again after a conflict or a lost connection.
        waiting: Units of work that wait for a writer now.
        oldest_waiting_s: How long the first of them has waited.
        catalog_age_s: Seconds since the catalogue was last looked at.
        batch_calls: Calls that shared a commit, of the commits that changed anything.
        commit_s: Seconds such a commit took, until it was durable.
        flags: What was let through although it should not be, by kind and reason.
    """

    writes: int
    commits: int
    retries: int
    waiting: int
    oldest_waiting_s: float
    catalog_age_s: float
    batch_calls: Distribution
    commit_s: Distribution
    flags: Mapping[tuple[str, str], int]


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


class Histogram:
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
    def sum(histograms: Sequence[Histogram]) -> Distribution:
        """Read several histograms of the same bounds as one; there must be at least one."""
        counts = zip(*(one._counts for one in histograms), strict=True)  # noqa: SLF001 - its own.
        return Distribution(
            histograms[0]._bounds,  # noqa: SLF001
            tuple(map(sum, counts)),
            sum(one._total for one in histograms),  # noqa: SLF001
        )


RETRY_AFTER_S = 1.0
RETRY_AFTER_MAX_S = 10.0


class TurnedAway:
    """
    Counts of late who was let in and who was not.

    Attributes:
        admitted: Those who were let in.
    """

    def __init__(self) -> None:
        self.admitted = 0.0
        self._refused = 0.0
        self._counted_since = 0.0

    def retry_after_ms(self, now_s: float) -> int:
        """
        Send one more away, so long that those who come back are no more than can be served.

        Args:
            now_s: The time, by a clock that never goes back.
        """
        self._refused += 1
        times = self._refused / max(self.admitted, 1.0)
        if now_s - self._counted_since > 1.0:
            self._counted_since = now_s
            self._refused /= 2
            self.admitted /= 2
        wait_s = min(RETRY_AFTER_S * (1 + times), RETRY_AFTER_MAX_S)
        return round(wait_s) * 1000
