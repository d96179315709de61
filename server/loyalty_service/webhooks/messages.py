"""Words the message that tells a webhook of an event, as CloudEvents and Standard Webhooks say."""

from __future__ import annotations

import json

from google.protobuf import json_format

from loyalty_service.domain.events import RecordedEvent
from loyalty_service.domain.webhooks import Webhook, signatures
from loyalty_service.transport.servicers.event import event_name, event_told


def message_of(webhook: Webhook, event: RecordedEvent, now: int) -> tuple[dict[str, str], bytes]:
    """Give headers and body of the message that tells of an event."""
    told = json_format.MessageToDict(event_told(event), always_print_fields_with_no_presence=True)
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    name, second = event_name(event), now // 1000
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "loyalty-service",
        "webhook-id": name,
        "webhook-timestamp": str(second),
        "webhook-signature": signatures(webhook.secrets_at(now), name, second, body),
    }, body
