"""Add, change and remove webhooks, and send again what has not arrived."""

from __future__ import annotations

import json
from dataclasses import dataclass

from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind, FeedPosition
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.webhooks import OLD_SECRET_MS, DeliveryStatus, Webhook, new_secret

WEBHOOKS_MAX = 20
"""Webhooks that a program may have."""


class WebhookUnknownError(Exception):
    """Raised when there is no webhook of this name."""


class TooManyWebhooksError(Exception):
    """Raised when a program has as many webhooks as it may have."""


@dataclass(frozen=True, slots=True)
class AddWebhook:
    """
    Whom to tell of which types of events, from which position on; all types where empty.

    Attributes:
        reason: What the operator says why; empty where nothing is said.
    """

    program_id: str
    url: str
    types: tuple[str, ...]
    position: FeedPosition
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangeWebhook:
    """A webhook, and why it changes; empty where nothing is said."""

    webhook_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplayDeliveries:
    """A webhook, of whose messages those that were given up are sent again."""

    webhook_id: str


def add_webhook(unit: Unit, command: AddWebhook, now_ms: int) -> Done[Webhook]:
    """
    Add a webhook, whose secret exists outside the store only in the answer.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        TooManyWebhooksError: It has WEBHOOKS_MAX already.
    """
    unit.lock_catalog()
    program = program_of(unit, command.program_id)
    if unit.webhooks_of(program.program_id) >= WEBHOOKS_MAX:
        raise TooManyWebhooksError(program.program_id)
    webhook = Webhook(
        webhook_id=new_id(now_ms),
        program_id=program.program_id,
        url=command.url,
        types=json.dumps(sorted(set(command.types))),
        secret=new_secret(),
        old_secret=None,
        old_until_ms=None,
        position=command.position.to_bytes(),
        placed=0,
        created_ms=now_ms,
    )
    unit.add(webhook)
    return Done(webhook, events=(_told(EventKind.WEBHOOK_ADDED, webhook, command.reason),))


def rotate_webhook(unit: Unit, command: ChangeWebhook, now_ms: int) -> Done[Webhook]:
    """
    Give a webhook another secret; the old one signs as well for a day.

    Raises:
        WebhookUnknownError: There is none of this name.
    """
    webhook = live_webhook(unit, command.webhook_id)
    unit.change(
        webhook,
        old_secret=webhook.secret,
        old_until_ms=now_ms + OLD_SECRET_MS,
        secret=new_secret(),
    )
    return Done(webhook, events=(_told(EventKind.WEBHOOK_ROTATED, webhook, command.reason),))


def enable_webhook(unit: Unit, command: ChangeWebhook, now_ms: int) -> Done[Webhook]:
    """
    Switch a webhook on that was switched off: it is told of all that it has missed.

    Raises:
        WebhookUnknownError: There is none of this name.
    """
    del now_ms
    webhook = live_webhook(unit, command.webhook_id)
    if webhook.disabled_ms is None:
        return Done(webhook)
    unit.change(webhook, disabled_ms=None, disabled_reason=None)
    return Done(webhook, events=(_told(EventKind.WEBHOOK_ENABLED, webhook, command.reason),))


def remove_webhook(unit: Unit, command: ChangeWebhook, now_ms: int) -> Done[Webhook]:
    """
    Remove a webhook with its secrets: nothing more is sent to it.

    Raises:
        WebhookUnknownError: There is none of this name.
    """
    webhook = live_webhook(unit, command.webhook_id)
    unit.change(webhook, removed_ms=now_ms, secret=b"", old_secret=None, old_until_ms=None)
    return Done(webhook, events=(_told(EventKind.WEBHOOK_REMOVED, webhook, command.reason),))


def replay_deliveries(unit: Unit, command: ReplayDeliveries, now_ms: int) -> Done[int]:
    """
    Send again what was given up, and at once what waits; returns how many messages that are.

    Raises:
        WebhookUnknownError: There is none of this name.
    """
    webhook = live_webhook(unit, command.webhook_id)
    found = unit.deliveries_left(webhook.webhook_id)
    for delivery in found:
        attempts = delivery.attempts if delivery.status is DeliveryStatus.WAITING else 0
        unit.change(
            delivery,
            status=DeliveryStatus.WAITING,
            attempts=attempts,
            next_ms=now_ms,
            ended_ms=None,
        )
    return Done(len(found))


def live_webhook(unit: Unit, webhook_id: str) -> Webhook:
    """
    Find a webhook, and lock it.

    Raises:
        WebhookUnknownError: There is none of this name.
    """
    webhook = unit.webhook(webhook_id)
    if webhook is None or webhook.removed_ms is not None:
        raise WebhookUnknownError(webhook_id)
    return webhook


def _told(kind: EventKind, webhook: Webhook, reason: str) -> Event:
    # The path of an address may be as good as a password.
    about = {"types": json.loads(webhook.types)}
    return Event(
        kind,
        webhook.program_id,
        subject=webhook.webhook_id,
        reason=reason,
        detail=json.dumps(about, separators=(",", ":")),
    )
