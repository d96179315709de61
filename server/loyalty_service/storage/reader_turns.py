"""Who may read next: callers take turns at the readers, and none has them all."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from loyalty_service.domain.fairness import FairQueue
from loyalty_service.storage.databases import READERS

READERS_OF_ONE = READERS // 2
"""Readers that one caller may hold: another always finds one that will be free soon."""


class ReaderTurns:
    """The readers that are in use, and who waits for one."""

    def __init__(self) -> None:
        self._reading: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @contextlib.asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[None]:
        """Hold a reader, as soon as it is the *caller's* turn."""
        await self._take(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _take(self, caller: str) -> None:
        if not self._waiting and self._may_read(caller):
            self._reading[caller] += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(caller, future)
        self._let_in()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give_back(caller)
            raise

    def _may_read(self, caller: str) -> bool:
        return self._reading.total() < READERS and self._reading[caller] < READERS_OF_ONE

    def _give_back(self, caller: str) -> None:
        self._reading[caller] -= 1
        if not self._reading[caller]:
            del self._reading[caller]
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            found = self._waiting.pop_entry(self._may_read)
            if found is None:
                return
            caller, future = found
            if not future.done():
                self._reading[caller] += 1
                future.set_result(None)
