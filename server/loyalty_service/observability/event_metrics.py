"""Counts streams of events, and how they end."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from loyalty_service.observability.outcomes import OK


class EventMetrics:
    """Counts streams; without a registry it does nothing."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._open: Gauge | None = None
        self._ended: Counter | None = None
        if registry is None:
            return
        self._open = Gauge(
            "loyalty_event_streams", "Streams of events that are open.", registry=registry
        )
        self._ended = Counter(
            "loyalty_event_streams_ended",
            "Streams of events that have ended, by outcome: OK or the reason of their error.",
            ("outcome",),
            registry=registry,
        )
        self._ended.labels(OK)

    def opened(self) -> None:
        """Count a stream that begins."""
        if self._open is not None:
            self._open.inc()

    def closed(self) -> None:
        """Count a stream that was open and is no more."""
        if self._open is not None:
            self._open.dec()

    def ended(self, outcome: str) -> None:
        """Count how a stream, or a call for one that was refused, has ended."""
        if self._ended is not None:
            self._ended.labels(outcome).inc()
