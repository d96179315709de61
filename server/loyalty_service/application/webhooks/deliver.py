"""Who delivers to a webhook, how far it has come, and what has not arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.operators.webhooks import WebhookUnknownError, live_webhook
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import FeedPosition
from loyalty_service.domain.webhooks import Delivery, DeliveryStatus

LEASE_MS = 60_000
"""For how long a server delivers to a webhook without saying that it still does."""


@dataclass(frozen=True, slots=True)
class HoldWebhook:
    """A webhook, and the server that is to deliver to it."""

    webhook_id: str
    server: str


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What became of a message.

    Attributes:
        waited: Whether it had to wait before.
        status: WAITING where it is to be sent again.
        attempts: How often it was sent so far; 0 where it waits behind another one.
        next_ms: When it is sent again.
    """

    event_id: int
    member_number: int | None
    waited: bool
    status: DeliveryStatus
    attempts: int
    next_ms: int
    answered: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SettleDeliveries:
    """
    What a server has sent to a webhook.

    Attributes:
        position: How far the feed was read; absent where it was not.
        disabled: Why the webhook is switched off; absent where it is not.
    """

    webhook_id: str
    server: str
    position: FeedPosition | None
    sent: Sequence[Sent]
    disabled: str | None = None


def hold_webhook(unit: Unit, command: HoldWebhook, now_ms: int) -> bool:
    """Have a server be the one that delivers to a webhook; tell whether it is."""
    try:
        webhook = live_webhook(unit, command.webhook_id)
    except WebhookUnknownError:
        return False
    until_ms = webhook.held_until_ms or 0
    if webhook.held_by != command.server and now_ms < until_ms <= now_ms + LEASE_MS:
        return False
    if webhook.disabled_ms is not None:
        return False
    unit.change(webhook, held_by=command.server, held_until_ms=now_ms + LEASE_MS)
    return True


def release_webhook(unit: Unit, command: HoldWebhook, now_ms: int) -> None:
    """Let another server deliver to a webhook at once."""
    webhook = unit.webhook(command.webhook_id)
    if webhook is not None and webhook.held_by == command.server:
        unit.change(webhook, held_until_ms=now_ms)


def settle_deliveries(unit: Unit, command: SettleDeliveries, now_ms: int) -> bool:
    """
    Keep what became of messages; tell whether the server is still the one that delivers.

    Where it is not, nothing is kept: the other one has begun where this one did.
    """
    webhook = unit.webhook(command.webhook_id)
    if webhook is None or webhook.removed_ms is not None or webhook.held_by != command.server:
        return False
    placed = webhook.placed
    for sent in command.sent:
        ended_ms = None if sent.status is DeliveryStatus.WAITING else now_ms
        if sent.waited:
            delivery = unit.delivery(webhook.webhook_id, sent.event_id)
            if delivery is not None and delivery.status is DeliveryStatus.WAITING:
                unit.change(
                    delivery,
                    status=sent.status,
                    attempts=sent.attempts,
                    next_ms=sent.next_ms,
                    answered=sent.answered,
                    problem=sent.problem,
                    ended_ms=ended_ms,
                )
        elif sent.status is not DeliveryStatus.DELIVERED:
            placed += 1
            unit.add(_delivery(webhook.webhook_id, sent, placed, now_ms, ended_ms))
    values: dict[str, object] = {"placed": placed, "held_until_ms": now_ms + LEASE_MS}
    if command.position is not None:
        values["position"] = command.position.to_bytes()
    if command.disabled is not None:
        values |= {"disabled_ms": now_ms, "disabled_reason": command.disabled}
    unit.change(webhook, **values)
    return True


def _delivery(
    webhook_id: str, sent: Sent, place: int, now_ms: int, ended_ms: int | None
) -> Delivery:
    return Delivery(
        webhook_id=webhook_id,
        event_id=sent.event_id,
        member_number=sent.member_number,
        status=sent.status,
        place=place,
        attempts=sent.attempts,
        begun_ms=now_ms,
        next_ms=sent.next_ms,
        answered=sent.answered,
        problem=sent.problem,
        ended_ms=ended_ms,
    )
