"""What is read where it is kept, whenever Prometheus asks: the store, its files, and the server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)


class Spread(Protocol):
    """Number of values in each bucket; the last bucket has no upper bound."""

    @property
    def bounds(self) -> tuple[float, ...]:
        """Upper bounds of the buckets."""

    @property
    def counts(self) -> tuple[int, ...]:
        """Values in each bucket."""

    @property
    def total(self) -> float:
        """Sum of all values."""


class Stats(Protocol):
    """What the store counts."""

    @property
    def writes(self) -> int:
        """Units of work settled."""

    @property
    def commits(self) -> int:
        """Transactions committed."""

    @property
    def retries(self) -> int:
        """Transactions that ran again."""

    @property
    def waiting(self) -> int:
        """Units of work that wait."""

    @property
    def oldest_waiting_s(self) -> float:
        """How long the first of them has waited."""

    @property
    def catalog_age_s(self) -> float:
        """Seconds since the catalogue was last looked at."""

    @property
    def batch_calls(self) -> Spread:
        """Calls that shared a commit."""

    @property
    def commit_s(self) -> Spread:
        """Seconds a commit took."""

    @property
    def flags(self) -> Mapping[tuple[str, str], int]:
        """What was let through, by kind and reason."""


class ClockReading(Protocol):
    """What is known of the server's clock."""

    @property
    def offset_ms(self) -> int:
        """How far it is ahead of the database's."""

    @property
    def may_end(self) -> bool:
        """Whether what is overdue may be ended by it."""


class StoreCollector:
    """Reads what the store counts, when it is asked for."""

    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Give the counts of now."""
        seen = self._stats()
        yield CounterMetricFamily("loyalty_store_writes", "Units settled.", seen.writes)
        yield CounterMetricFamily("loyalty_store_commits", "Commits.", seen.commits)
        yield CounterMetricFamily("loyalty_store_retries", "Transactions again.", seen.retries)
        yield GaugeMetricFamily("loyalty_store_waiting", "Units that wait.", seen.waiting)
        yield GaugeMetricFamily(
            "loyalty_store_oldest_waiting_seconds",
            "How long the first of the waiting units has waited.",
            seen.oldest_waiting_s,
        )
        yield GaugeMetricFamily(
            "loyalty_catalog_age_seconds",
            "Time since keys and programs were last looked at for changes.",
            seen.catalog_age_s,
        )
        yield _histogram(
            "loyalty_store_batch_calls", "Units that shared a commit.", seen.batch_calls
        )
        yield _histogram(
            "loyalty_store_commit_seconds",
            "Time to write a batch down and sync it.",
            seen.commit_s,
        )
        flags = CounterMetricFamily(
            "loyalty_flags",
            "What was let through although it should not be.",
            labels=("flag", "reason"),
        )
        for labels, count in seen.flags.items():
            flags.add_metric(labels, count)
        yield flags


class FileCollector:
    """Measures the files of an embedded database, and the room that is left for them."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Give the sizes of now."""
        size = GaugeMetricFamily(
            "loyalty_database_file_bytes", "Size of the database's files.", labels=("file",)
        )
        for kind, suffix in (("database", ""), ("log", "-wal")):
            try:
                size.add_metric((kind,), Path(f"{self._database}{suffix}").stat().st_size)
            except OSError:
                size.add_metric((kind,), 0)
        yield size
        free = GaugeMetricFamily(
            "loyalty_disk_free_ratio", "Free part of the disk that holds the database."
        )
        try:
            disk = shutil.disk_usage(self._database.parent)
        except OSError:
            return
        free.add_metric((), disk.free / disk.total)
        yield free


def _histogram(name: str, words: str, spread: Spread) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, words)
    below = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*spread.bounds, float("inf")), spread.counts, strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), below))
    family.add_metric((), buckets, spread.total)
    return family


class ServiceCollector:
    """Reads whether calls are let in, and how far the clock is off, when it is asked for."""

    def __init__(self, serving: Callable[[], bool], clock: ClockReading) -> None:
        self._serving = serving
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Give what holds now."""
        yield GaugeMetricFamily(
            "loyalty_serving", "1 while calls are let in, else 0.", int(self._serving())
        )
        yield GaugeMetricFamily(
            "loyalty_clock_offset_seconds",
            "How far the clock is ahead of the database's, or has moved by itself.",
            self._clock.offset_ms / 1000,
        )
        yield GaugeMetricFamily(
            "loyalty_clock_trusted",
            "1 while what is overdue may be ended by the clock, else 0.",
            int(self._clock.may_end),
        )
