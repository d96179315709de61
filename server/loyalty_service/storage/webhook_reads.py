"""Reads webhooks, and what has not arrived yet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.webhooks import Delivery, DeliveryStatus, Webhook
from loyalty_service.storage.member_reads import record_of
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.webhooks import open_secrets
from loyalty_service.storage.tables import DeliveryTable, WebhookTable

DELIVERED = DeliveryStatus.DELIVERED
"""What the index leaves out: most have arrived."""


class WebhookReads:
    """The part of a reader that reads webhooks."""

    _session: AsyncSession
    _seal: Seal

    async def webhooks(self) -> Sequence[Webhook]:
        """See `Reader.webhooks`."""
        rows = await self._session.exec(
            select(WebhookTable)
            .where(col(WebhookTable.removed_ms).is_(None))
            .order_by(col(WebhookTable.webhook_id))
        )
        return [record_of(Webhook, row) for row in rows]

    async def webhook(self, webhook_id: str) -> Webhook | None:
        """See `Reader.webhook`."""
        row = await self._session.get(WebhookTable, webhook_id)
        if row is None or row.removed_ms is not None:
            return None
        webhook = record_of(Webhook, row)
        open_secrets(webhook, self._seal)
        return webhook

    async def deliveries(
        self, webhook_id: str, statuses: Sequence[DeliveryStatus], limit: int
    ) -> Sequence[Delivery]:
        """See `Reader.deliveries`."""
        table = DeliveryTable
        rows = await self._session.exec(
            select(table)
            .where(
                table.webhook_id == webhook_id,
                col(table.status).in_([int(status) for status in statuses]),
                *(() if DELIVERED in statuses else (table.status != int(DELIVERED),)),
            )
            .order_by(col(table.place))
            .limit(limit)
        )
        return [record_of(Delivery, row, status=DeliveryStatus(row.status)) for row in rows]
