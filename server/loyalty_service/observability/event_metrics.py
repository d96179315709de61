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


class DeliveryMetrics:
    """Counts messages to webhooks, and shows what waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "loyalty_webhook_attempts",
            "Attempts to deliver a message to a webhook, by outcome: delivered, failed or dead.",
            ("outcome",),
            registry=registry,
        )
        for outcome in ("delivered", "failed", "dead"):
            self._attempts.labels(outcome)
        self._waiting = Gauge(
            "loyalty_webhook_waiting",
            "Messages that did not arrive and are sent again, of webhooks of this server.",
            registry=registry,
        )
        self._oldest = Gauge(
            "loyalty_webhook_oldest_waiting_seconds",
            "Age of the oldest of them.",
            registry=registry,
        )
        self._shown: dict[str, tuple[int, float]] = {}

    def count(self, outcome: str) -> None:
        """Count an attempt."""
        self._attempts.labels(outcome).inc()

    def show_waiting(self, webhook_id: str, count: int, oldest_s: float) -> None:
        """Show how many messages of a webhook wait, and how old the oldest is."""
        self._shown[webhook_id] = count, oldest_s
        self._waiting.set(sum(waiting for waiting, _ in self._shown.values()))
        self._oldest.set(max(oldest for _, oldest in self._shown.values()))
