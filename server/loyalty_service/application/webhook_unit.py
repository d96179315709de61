"""What use cases about webhooks may ask of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loyalty_service.domain.webhooks import Delivery, Webhook

WebhookRecord = Delivery | Webhook
"""What it keeps."""


class WebhookUnit(Protocol):
    """The part of a unit of work that keeps webhooks."""

    def webhook(self, webhook_id: str) -> Webhook | None:
        """Find a webhook, removed or not, and lock it."""

    def webhooks_of(self, program_id: str) -> int:
        """Count the webhooks of a program that are not removed."""

    def delivery(self, webhook_id: str, event_id: int) -> Delivery | None:
        """Find a message of a locked webhook that did not arrive at once."""

    def deliveries_left(self, webhook_id: str) -> Sequence[Delivery]:
        """Find the messages of a locked webhook that wait or were given up."""
