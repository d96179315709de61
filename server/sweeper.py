"""Ends what is overdue, in small batches, beside the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from server.application.expire_overdue import Expired, expire_overdue
from server.storage.store import Store

BATCH_MAX = 100

log = structlog.get_logger(__name__)


async def sweep_forever(store: Store, interval_s: float, count: Callable[[int], None]) -> None:
    """Sweep every so often; a failed sweep is logged, *count* hears of what a sweep ended."""
    while True:
        try:
            count(await sweep(store))
        except Exception as problem:  # noqa: BLE001 - the next round tries again.
            log.warning("sweep failed", reason=repr(problem))
        await asyncio.sleep(interval_s)


async def sweep(store: Store) -> int:
    """End everything overdue, a batch at a time; answers how much it was."""
    total = 0
    while True:
        expired: Expired = await store.write(
            lambda unit, now_ms: expire_overdue(unit, BATCH_MAX, now_ms)
        )
        total += expired.count
        for transaction_id in expired.transaction_ids:
            log.info("abandoned transaction voided", transaction_id=transaction_id)
        if expired.codes:
            log.info("codes expired", count=expired.codes)
        if not expired.count:
            return total
