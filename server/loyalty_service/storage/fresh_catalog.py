"""Keeps the catalogue fresh, so that a key that was revoked lets nobody in for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic_ns

import structlog

from loyalty_service.domain.clock import ClockCheck, ClockState, now_ms, rfc3339
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.program import Catalog
from loyalty_service.observability.paced import Paced
from loyalty_service.storage.databases import Database
from loyalty_service.storage.reads import SqlReader
from loyalty_service.storage.writer import Writer

CATALOG_POLL_S = 1.0
CATALOG_WAIT_S = 2.0
CATALOG_AGE_MAX_S = 4.0
"""Older than this it is not trusted: a key may be revoked, which all must know within 5 s."""

log = structlog.get_logger(__name__)


class FreshCatalog:
    """
    The part of a store that knows the catalogue, and how old what it knows is.

    Attributes:
        catalog: The newest catalogue seen, at most a second old.
        clock: What the server's clock is good for.
    """

    def __init__(self, database: Database, writers: Sequence[Writer], clock: ClockCheck) -> None:
        self.catalog = Catalog(revision=-1)
        self.clock = clock
        self._database = database
        self._writers = writers
        self._watches_clock = False
        self._catalog_read_ns = 0
        self._freshening: asyncio.Task[bool] | None = None
        self._stale = Paced()
        self._too_old = Paced()

    @property
    def replicated(self) -> bool:
        """Whether commits wait for a synchronous standby, as of the last of them."""
        return any(writer.replicated for writer in self._writers)

    @property
    def survives_failover(self) -> bool:
        """Whether what is acknowledged is on another machine too, as far as the database tells."""
        platform = self._database.platform
        return self.replicated or (platform is not None and platform.replicates)

    async def refresh_catalog(self, timeout_s: float = 5.0) -> None:
        """Take up what operators changed."""
        raise NotImplementedError

    def read(self, caller: str = ...) -> AbstractAsyncContextManager[SqlReader]:
        """Open a reader over one consistent state."""
        raise NotImplementedError

    async def require_fresh_catalog(self) -> None:
        """
        Make sure that what operators changed a while ago is known, a revoked key above all.

        Every commit looks at the catalogue, so this waits only when none succeeded for seconds.

        Raises:
            ServerClockWrongError: The server's clock is too far off to serve anybody.
            StorageUnavailableError: The database can't be asked.
        """
        self.clock.require_right()
        if self._catalog_age_s() <= CATALOG_AGE_MAX_S:
            return
        # A batch that is run again in parts commits long before it ends.
        self._take_up_catalog()
        if self._catalog_age_s() <= CATALOG_AGE_MAX_S:
            return
        # One look serves all that wait; whoever gives up waiting must not end it for the others.
        if self._freshening is None or self._freshening.done():
            self._freshening = asyncio.create_task(self._freshen())
        if not await asyncio.shield(self._freshening):
            raise StorageUnavailableError

    async def _freshen(self) -> bool:
        try:
            await self.refresh_catalog(CATALOG_WAIT_S)
        except Exception as problem:  # noqa: BLE001 - whatever it is, nobody may be let in.
            if (told := self._too_old.due()) is not None:
                why = self._database.why(problem)
                log.warning("catalogue too old to let anyone in", reason=why, **told)
            return False
        return True

    def _catalog_age_s(self) -> float:
        return (monotonic_ns() - self._catalog_read_ns) / 1e9

    def _take_up_catalog(self) -> None:
        """Know what the writers saw when they last committed; they may be at work meanwhile."""
        for writer in self._writers:
            # The time is read before the catalogue, which may only be newer than it says.
            read_ns = writer.catalog_read_ns
            catalog = writer.catalog
            self._catalog_read_ns = max(self._catalog_read_ns, read_ns)
            if catalog.revision > self.catalog.revision:
                self.catalog = catalog

    def refuses(self) -> str | None:
        """Tell why no call would be let in now; nothing where their keys are known and the time."""
        self._take_up_catalog()
        if self._catalog_age_s() > CATALOG_AGE_MAX_S:
            return f"the catalogue is too old: {self._database.place} does not answer"
        if self.clock.state is ClockState.WRONG:
            return f"the clock is wrong by {self.clock.offset_ms / 1000} s"
        return None

    async def _keep_catalog_fresh(self) -> None:
        while True:
            await asyncio.sleep(CATALOG_POLL_S)
            if self._watches_clock:
                self._watch_clock()
            try:
                await self.refresh_catalog()
            except Exception as problem:  # noqa: BLE001 - tried again in a second.
                if (told := self._stale.due()) is not None:
                    why = self._database.why(problem)
                    log.warning("catalogue not refreshed", reason=why, **told)

    async def compare_clock(self) -> None:
        """
        Compare this machine's clock with PostgreSQL's, once.

        Servers do so with each beat. An operator's command has none, and a clock that is ahead
        would let it end for good what members have.
        """
        if self._database.embedded:
            return
        async with self.read() as reader:
            before_ms = now_ms()
            database_ms = await reader.clock_ms()
            self.clock.compare(before_ms, database_ms, now_ms())

    def _compare_clock(self, newest_ms: int | None) -> None:
        """Compare the clock of an embedded database's server with what it can be compared with."""
        if newest_ms is not None and self.clock.is_behind(newest_ms):
            log.warning("clock is behind what the store has recorded", recorded=rfc3339(newest_ms))
        self.clock.watch()

    def _watch_clock(self) -> None:
        before = self.clock.state
        state = self.clock.watch()
        if state is not before:
            log.error("clock was set", state=state.value, moved_s=self.clock.offset_ms / 1000)
