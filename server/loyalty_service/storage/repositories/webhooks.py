"""Webhooks, whose secrets are sealed with the code pepper, and messages that did not arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from sqlalchemy import bindparam, func, select

from loyalty_service.domain.webhooks import Delivery, DeliveryStatus, Webhook
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build, Records
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statements,
    constant,
    table_of,
)

SCOPE = "webhook"
"""What secrets of webhooks are sealed for; no partner's scope is called so."""


def open_secrets(webhook: Webhook, seal: Seal) -> None:
    """
    Open the secrets of a webhook as they were read.

    Raises:
        SealError: They were sealed with another pepper.
    """
    if webhook.secret:
        webhook.secret = seal.open(bytes(webhook.secret), SCOPE, webhook.webhook_id)
    if webhook.old_secret:
        webhook.old_secret = seal.open(bytes(webhook.old_secret), SCOPE, webhook.webhook_id)


def sealed(webhook: Webhook, seal: Seal) -> Webhook:
    """Give a webhook as it is written: with its secrets sealed."""
    return replace(
        webhook,
        secret=_sealed(webhook.secret, webhook, seal) or b"",
        old_secret=_sealed(webhook.old_secret, webhook, seal),
    )


def _sealed(secret: bytes | None, webhook: Webhook, seal: Seal) -> bytes | None:
    return seal.close(secret, SCOPE, webhook.webhook_id) if secret else None


WEBHOOK = Kept(
    Webhook,
    t.WebhookTable,
    ("webhook_id",),
    Rank.WEBHOOKS,
    opened=open_secrets,
    closed=sealed,
)
DELIVERY = Kept(
    Delivery,
    t.DeliveryTable,
    ("webhook_id", "event_id"),
    Rank.DELIVERIES,
    status=DeliveryStatus,
)


class WebhookStatements:
    """The statements about webhooks."""

    def __init__(self, by: Statements) -> None:
        webhook, delivery = table_of(t.WebhookTable), table_of(t.DeliveryTable)
        self.count = by.compile(
            select(func.count()).where(
                webhook.c.program_id == bindparam("program_id"), webhook.c.removed_ms.is_(None)
            )
        )
        self.left = by.compile(
            DELIVERY.select()
            .where(
                delivery.c.webhook_id == bindparam("webhook_id"),
                delivery.c.status != constant(int(DeliveryStatus.DELIVERED)),
            )
            .order_by(delivery.c.event_id)
            .with_for_update()
        )


class Webhooks(Records):
    """The webhooks of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (WEBHOOK, DELIVERY)
    BUILT: ClassVar[tuple[Build, ...]] = (WebhookStatements,)

    def webhook(self, webhook_id: str) -> Webhook | None:
        """See `Unit.webhook`."""
        return self._record(Webhook, (webhook_id,))

    def webhooks_of(self, program_id: str) -> int:
        """See `Unit.webhooks_of`."""
        sql = self._statements.of(WebhookStatements).count.sql
        (count,) = self._connection.execute(sql, (program_id,)).fetchone()
        return int(count)

    def delivery(self, webhook_id: str, event_id: int) -> Delivery | None:
        """See `Unit.delivery`."""
        return self._record(Delivery, (webhook_id, event_id))

    def deliveries_left(self, webhook_id: str) -> Sequence[Delivery]:
        """See `Unit.deliveries_left`."""
        return self._query(Delivery, self._statements.of(WebhookStatements).left, (webhook_id,))
