"""
Traces of calls, from the caller's span to the commit, sent over OTLP.

The SDK costs far more than an identify may, so nothing of it runs for a call that is not sampled,
and this module is not even loaded unless traces are wanted.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from time import monotonic, monotonic_ns, time_ns
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from loyalty_service.observability.access_log import is_fault
from loyalty_service.observability.trail import TRAIL, Parent, Tracing, Trail, read_parent

TRACES_PER_S_MAX = 100
"""Whoever sends `traceparent` says what is sampled; this is the most we let it cost."""

FLUSH_S = 2.0

_FLAGS = slice(54, 55)
_UNSAMPLED = frozenset("02468ace")
"""Last digits of the flags in `traceparent` where the lowest bit is not set."""


class OtlpTracing(Tracing):
    """
    Traces the sampled calls and sends their spans to a collector.

    Args:
        endpoint: The collector, as `http://host:4317` or, over TLS, `https://host:4317`.
        ratio: Share of calls to trace where the caller does not say.
        resource: Who we are.
    """

    def __init__(self, endpoint: str, ratio: float, resource: Resource) -> None:
        self._ratio = ratio
        self._second = 0
        self._count = 0
        self._provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("loyalty")

    def begin(self, method: str, metadata: Mapping[str, str]) -> Trail:
        """See `Tracing.begin`."""
        trail = Trail(metadata)
        TRAIL.set(trail)
        text = metadata.get("traceparent")
        # Most calls end here: a parent is read in full only when it may be sampled.
        if text is not None and text[_FLAGS] in _UNSAMPLED:
            return trail
        parent = None if text is None else read_parent(metadata)
        sampled = random.random() < self._ratio if parent is None else parent.sampled  # noqa: S311
        if sampled and self._may_trace():
            self._start(trail, method, parent)
        return trail

    def end(self, trail: Trail, outcome: str, code: grpc.StatusCode) -> None:
        """See `Tracing.end`."""
        span = trail.span
        if span is None:
            return
        if trail.stages is not None:
            self._add_stages(trail)
        span.set_attribute("rpc.response.status_code", code.name)
        if code.value[0]:
            span.set_attribute("error.type", outcome)
        if is_fault(outcome, code):
            span.set_status(trace.StatusCode.ERROR, outcome)
        span.end()

    def close(self) -> None:
        """See `Tracing.close`."""
        # The SDK waits 10 s for each batch that a collector does not take, whatever it is told.
        flushing = threading.Thread(target=self._provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)
        if flushing.is_alive():
            self._exporter.shutdown()
        self._provider.shutdown()

    def _may_trace(self) -> bool:
        second = int(monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= TRACES_PER_S_MAX

    def _start(self, trail: Trail, method: str, parent: Parent | None) -> None:
        context = None
        if parent is not None:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            caller = trace.SpanContext(
                parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags
            )
            context = trace.set_span_in_context(trace.NonRecordingSpan(caller))
        name = f"loyalty.v1.{method}"
        trail.span = self._tracer.start_span(
            name,
            context,
            trace.SpanKind.SERVER,
            {
                "rpc.system.name": "grpc",
                "rpc.method": name,
                "loyalty.request_id": trail.request_id,
            },
        )
        trail.trace_id = f"{trail.span.get_span_context().trace_id:032x}"

    def _add_stages(self, trail: Trail) -> None:
        """Tell where the time went: waiting, running with others, and making it durable."""
        stages = trail.stages
        if stages is None:
            return
        wall_ns = time_ns() - monotonic_ns()
        size = {"loyalty.batch.size": stages.calls}
        links = [
            trace.Link(other.span.get_span_context())
            for other in stages.traced
            if other is not trail
        ]
        parent = trace.set_span_in_context(trail.span)

        def add(name: str, begun_ns: int, ended_ns: int, context: Any, **more: Any) -> Any:
            span = self._tracer.start_span(name, context, start_time=begun_ns + wall_ns, **more)
            span.end(ended_ns + wall_ns)
            return trace.set_span_in_context(span)

        add("queue", trail.queued_ns, stages.begun_ns, parent)
        inside = add(
            "transaction",
            stages.begun_ns,
            stages.committed_ns,
            parent,
            attributes=size,
            links=links,
        )
        add("commit", stages.committing_ns, stages.committed_ns, inside, attributes=size)
