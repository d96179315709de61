"""What an operator watches: calls by method and outcome, and how the store keeps up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OK = "OK"


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


class CallMetrics:
    """Counts and times calls; without a registry it does nothing."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._duration = (
            None
            if registry is None
            else Histogram(
                "rpc_server_call_duration_seconds",
                "Time a call took, by outcome: OK or the reason of its error.",
                ("rpc_method", "outcome"),
                buckets=BUCKETS_S,
                registry=registry,
            )
        )
        self._children: dict[tuple[str, str], Any] = {}

    def record(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call. *outcome* is OK or the reason of its error."""
        if self._duration is None:
            return
        child = self._children.get((method, outcome))
        if child is None:
            child = self._children[method, outcome] = self._duration.labels(method, outcome)
        child.observe(seconds)


class _StoreCollector:
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


class Telemetry:
    """
    Measures, and serves the measurements to Prometheus on a port of its own.

    Args:
        host: Address to listen on.
        port: Where; 0 measures nothing and costs nothing.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self._registry = CollectorRegistry() if port else None
        self._expired: Counter | None = None
        if self._registry is not None:
            self._expired = Counter(
                "loyalty_expired",
                "Abandoned transactions voided and codes expired.",
                registry=self._registry,
            )
            self._server = start_http_server(port, host, self._registry)
        self.calls = CallMetrics(self._registry)

    def count_expired(self, count: int) -> None:
        """Count what a sweep ended."""
        if self._expired is not None:
            self._expired.inc(count)

    def watch_store(self, stats: Callable[[], Stats]) -> None:
        """Show what the store counts."""
        if self._registry is not None:
            self._registry.register(_StoreCollector(stats))

    def close(self) -> None:
        """Stop measuring and let go of the port."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
