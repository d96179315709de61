"""An OpenTelemetry collector that keeps what it is sent, behind a real port."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was sent."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    failed: bool
    attributes: dict[str, Any]
    links: tuple[str, ...]


@dataclass
class Collector:
    """
    What came in.

    Attributes:
        port: Where it listens on 127.0.0.1.
        spans: All spans, as they came.
        metrics: The newest state of each metric, by name.
    """

    port: int = 0
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The address to send to."""
        return f"http://127.0.0.1:{self.port}"

    def await_that(self, holds: Callable[[], bool], within_s: float = 30.0) -> None:
        """Wait until what was sent is as it should be."""
        until = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < until, f"came: {self.spans} {sorted(self.metrics)}"
            time.sleep(POLL_S)


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, kept: Collector) -> None:
        self._kept = kept

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Keep spans."""
        for resource in request.resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self._kept.spans.extend(_span(service, span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, kept: Collector) -> None:
        self._kept = kept

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Keep metrics."""
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self._kept.metrics.update({metric.name: metric for metric in scope.metrics})
        return metrics_service_pb2.ExportMetricsServiceResponse()


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Listen on a free port and keep what comes."""
    kept = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Traces(kept), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Metrics(kept), server)
    kept.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield kept
    finally:
        server.stop(None).wait()


def _span(service: str, span: Any) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        begun_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
