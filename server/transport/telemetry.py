"""What an operator watches: calls by method and outcome, and how the store keeps up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import start_http_server

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
    """Counts and times calls; names follow OpenTelemetry's conventions for RPC servers."""

    def __init__(self, meter: Meter) -> None:
        self._duration = meter.create_histogram(
            "rpc.server.call.duration", unit="s", description="Time a call took, by outcome."
        )
        self._attributes: dict[tuple[str, str], dict[str, str]] = {}

    def record(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call. *outcome* is OK or the reason of its error."""
        attributes = self._attributes.get((method, outcome))
        if attributes is None:
            attributes = {"rpc.method": method, "rpc.response.status_code": outcome}
            self._attributes[method, outcome] = attributes
        self._duration.record(seconds, attributes)


class Telemetry:
    """
    Measures, and serves the measurements to Prometheus on a port of its own.

    Args:
        port: Where; 0 measures nothing and costs nothing.
        host: Address to listen on.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self.meter: Meter = NoOpMeter("loyalty")
        self._provider: MeterProvider | None = None
        if port:
            buckets = ExplicitBucketHistogramAggregation(BUCKETS_S)
            self._provider = MeterProvider(
                metric_readers=[PrometheusMetricReader()],
                resource=Resource.create({"service.name": "loyalty"}),
                views=[View(instrument_name="rpc.server.call.duration", aggregation=buckets)],
            )
            self.meter = self._provider.get_meter("loyalty")
            self._server = start_http_server(port, host)
        self.calls = CallMetrics(self.meter)
        self.expired = self.meter.create_counter(
            "loyalty.expired", description="Abandoned transactions voided and codes expired."
        )

    def watch_store(self, stats: Callable[[], Stats]) -> None:
        """Show what the store counts."""

        def watch(
            pick: Callable[[Stats], int],
        ) -> Callable[[CallbackOptions], Iterable[Observation]]:
            return lambda _options: [Observation(pick(stats()))]

        counter, gauge = self.meter.create_observable_counter, self.meter.create_observable_gauge
        counter("loyalty.store.writes", [watch(lambda seen: seen.writes)])
        counter("loyalty.store.commits", [watch(lambda seen: seen.commits)])
        counter("loyalty.store.retries", [watch(lambda seen: seen.retries)])
        gauge("loyalty.store.waiting", [watch(lambda seen: seen.waiting)])

    def close(self) -> None:
        """Stop measuring and let go of the port."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
        if self._provider is not None:
            self._provider.shutdown()
