"""Sends the measurements that Prometheus reads to an OpenTelemetry collector as well."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from time import time_ns
from typing import Any

import structlog
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.samples import Sample

EVERY_S = 15.0
CLOSE_WAIT_S = 3.0
CUMULATIVE = export.AggregationTemporality.CUMULATIVE

_UNKNOWN: Any = None
"""Prometheus keeps no extremes, and the protocol lets them out."""

Labels = tuple[tuple[str, str], ...]

log = structlog.get_logger(__name__)


class OtlpMetrics:
    """
    Reads the registry every so often and sends what it holds.

    There is one set of counters, so that both ways of watching tell the same.

    Args:
        endpoint: The collector, as `http://host:4317` or, over TLS, `https://host:4317`.
        resource: Who we are.
        registry: What to send.
        every_s: Seconds between two times.
    """

    def __init__(
        self,
        endpoint: str,
        resource: Resource,
        registry: CollectorRegistry,
        every_s: float = EVERY_S,
    ) -> None:
        self._exporter = OTLPMetricExporter(endpoint, timeout=CLOSE_WAIT_S)
        self._resource = resource
        self._registry = registry
        self._every_s = every_s
        self._started_ns = time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loyalty-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send the last counts, but wait for no collector that is away."""
        self._stop.set()
        self._thread.join(2 * CLOSE_WAIT_S)
        self._exporter.shutdown(CLOSE_WAIT_S * 1000)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._send()
        self._send()

    def _send(self) -> None:
        try:
            self._exporter.export(self.collect())
        except Exception as problem:  # noqa: BLE001 - the next time sends all of it again.
            log.warning("metrics not sent", reason=f"{type(problem).__name__}: {problem}")

    def collect(self) -> export.MetricsData:
        """Read the registry in the collector's terms."""
        now_ns = time_ns()
        metrics = [
            metric
            for family in self._registry.collect()
            for metric in _translate(family, self._started_ns, now_ns)
        ]
        scope = export.ScopeMetrics(InstrumentationScope("loyalty"), metrics, "")
        return export.MetricsData([export.ResourceMetrics(self._resource, [scope], "")])


def _translate(family: Metric, started_ns: int, now_ns: int) -> Iterator[export.Metric]:
    points: list[export.NumberDataPoint]
    match family.type:
        case "histogram":
            groups = _group(family.samples)
            yield _metric(
                family,
                family.name,
                export.Histogram(
                    [_histogram(labels, group, started_ns, now_ns) for labels, group in groups],
                    CUMULATIVE,
                ),
            )
        case "counter":
            points = _numbers(family.samples, f"{family.name}_total", started_ns, now_ns)
            yield _metric(
                family, f"{family.name}_total", export.Sum(points, CUMULATIVE, is_monotonic=True)
            )
        case _:
            for name in dict.fromkeys(sample.name for sample in family.samples):
                points = _numbers(family.samples, name, started_ns, now_ns)
                yield _metric(family, name, export.Gauge(points))


def _metric(family: Metric, name: str, data: export.DataT) -> export.Metric:
    return export.Metric(name, family.documentation, family.unit, data)


def _numbers(
    samples: Iterable[Sample], name: str, started_ns: int, now_ns: int
) -> list[export.NumberDataPoint]:
    return [
        export.NumberDataPoint(sample.labels, started_ns, now_ns, sample.value)
        for sample in samples
        if sample.name == name
    ]


def _group(samples: Iterable[Sample]) -> Iterable[tuple[Labels, list[Sample]]]:
    """Bring the buckets, count and sum of each combination of labels together."""
    groups: dict[Labels, list[Sample]] = {}
    for sample in samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        groups.setdefault(labels, []).append(sample)
    return groups.items()


def _histogram(
    labels: Labels, samples: Iterable[Sample], started_ns: int, now_ns: int
) -> export.HistogramDataPoint:
    bounds: list[float] = []
    counts: list[int] = []
    below, total = 0, 0.0
    for sample in samples:
        if "le" in sample.labels:
            bounds.append(float(sample.labels["le"]))
            counts.append(int(sample.value) - below)
            below = int(sample.value)
        elif sample.name.endswith("_sum"):
            total = sample.value
    return export.HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=started_ns,
        time_unix_nano=now_ns,
        count=below,
        sum=total,
        bucket_counts=counts,
        explicit_bounds=bounds[:-1],
        min=_UNKNOWN,
        max=_UNKNOWN,
    )
