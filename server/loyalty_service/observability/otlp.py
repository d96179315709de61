"""The OpenTelemetry collector: where traces and measurements go, if one is set."""

from __future__ import annotations

import uuid
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from loyalty_service.observability.otlp_metrics import OtlpMetrics
from loyalty_service.observability.otlp_tracing import OtlpTracing


class Otlp:
    """
    Sends traces and measurements to a collector.

    What else there is to say about the way there (headers, certificates, compression) is taken
    from the standard variables, `OTEL_EXPORTER_OTLP_*`, and more words about this server from
    `OTEL_RESOURCE_ATTRIBUTES`.

    Args:
        endpoint: The collector, as `http://host:4317` or, over TLS, `https://host:4317`.
        ratio: Share of calls to trace where the caller does not say.
        registry: What is measured.
    """

    def __init__(self, endpoint: str, ratio: float, registry: CollectorRegistry) -> None:
        resource = Resource.create(
            {
                "service.name": "loyalty",
                "service.version": version("loyalty-service"),
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        self.tracing = OtlpTracing(endpoint, ratio, resource)
        self._metrics = OtlpMetrics(endpoint, resource, registry)

    def close(self) -> None:
        """Send what was not sent yet, waiting a few seconds at most."""
        self.tracing.close()
        self._metrics.close()
