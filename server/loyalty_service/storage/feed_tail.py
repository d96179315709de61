"""Tells whoever waits for events that there are more: one small question for all that wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sqlmodel import func, select

from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.storage.readers import Readers
from loyalty_service.storage.tables import EventLaneTable

LOOK_S = 0.2
"""Seconds between two looks while somebody waits."""

OWN = ""
"""Whom it is asked for: the server itself."""

log = structlog.get_logger(__name__)


class FeedTail:
    """
    Counts the events of the store while somebody waits for more.

    Attributes:
        count: How many there were at the last look.
    """

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.count = 0
        self._changed = asyncio.Event()
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    async def more_than(self, count: int, timeout_s: float) -> int:
        """Wait until there are not *count* events any more, or time is over; return how many."""
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while self.count == count:
                        await self._changed.wait()
        finally:
            self._waiting -= 1
        return self.count

    async def _look(self) -> None:
        while self._waiting:
            try:
                async with self._readers.one(OWN) as reader:
                    found = await reader.session.exec(select(func.sum(EventLaneTable.newest)))
                    count = int(found.one() or 0)
            except LoyaltyError as problem:
                log.warning("events not counted", reason=type(problem).__name__)
            else:
                if count != self.count:
                    self.count = count
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
