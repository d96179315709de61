"""Keeps a courier for each webhook, so that one that hangs holds up none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from loyalty_service.config import Settings
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.identifiers import random_id
from loyalty_service.domain.webhooks import WAITS_S
from loyalty_service.storage.store import Store
from loyalty_service.webhooks.courier import Courier, DeliveryWatch, Unwatched
from loyalty_service.webhooks.http_post import Poster, new_poster

LOOK_S = 2.0
"""Seconds between two looks for webhooks that were added or removed."""

log = structlog.get_logger(__name__)


async def deliver(store: Store, settings: Settings, watch: DeliveryWatch | None) -> None:
    """Deliver to the webhooks of a store, as the settings say, until cancelled."""
    poster = new_poster(
        settings.webhook_timeout_s, allow_private=settings.webhook_private_addresses
    )
    await deliver_forever(store, poster, watch)


async def deliver_forever(
    store: Store,
    poster: Poster,
    watch: DeliveryWatch | None = None,
    waits_s: Sequence[float] = WAITS_S,
) -> None:
    """Deliver to all webhooks of a store that no other server delivers to."""
    server = random_id()
    couriers: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            try:
                async with store.read() as reader:
                    found = {one.webhook_id for one in await reader.webhooks()}
            except LoyaltyError as problem:
                log.warning("webhooks not read", reason=type(problem).__name__)
            else:
                for webhook_id in couriers.keys() - found:
                    couriers.pop(webhook_id).cancel()
                for webhook_id in found:
                    task = couriers.get(webhook_id)
                    if task is not None and not task.done():
                        continue
                    if task is not None and not task.cancelled() and task.exception():
                        log.error("courier failed", exc_info=task.exception())
                    courier = Courier(
                        store, webhook_id, server, poster, watch or Unwatched(), waits_s
                    )
                    couriers[webhook_id] = asyncio.create_task(courier.run())
            await asyncio.sleep(LOOK_S)
    finally:
        for task in couriers.values():
            task.cancel()
        if couriers:
            await asyncio.wait(couriers.values())
