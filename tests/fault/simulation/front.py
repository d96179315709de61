"""The storage as handlers and the sweeper see it: that of the server which a call has come to."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.domain.codes import code_digest
from loyalty_service.sweeper import sweep
from tests.fault.handlers import Handler, handlers
from tests.fault.simulation.books import Asked
from tests.fault.simulation.names import Look
from tests.fault.simulation.servers import Server
from tests.support.programs import PROGRAM_ID
from tests.support.stores import PEPPER

CODES = 80
"""Codes are drawn from few, so that the same digits come again and again."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A call that has come to a server."""

    server: Server
    asked: Asked
    fails: str


VISIT: ContextVar[Visit] = ContextVar("visit")


class _Front:
    """The storage as the handlers see it: that of the server which the call has come to."""

    @property
    def catalog(self) -> Any:
        return VISIT.get().server.catalog

    async def write(
        self, work: Any, timeout_s: float = 5.0, reads: Reads = NOTHING, caller: str = ""
    ) -> Any:
        visit = VISIT.get()
        return await visit.server.do(
            visit.asked, work, timeout_s, reads, fails=visit.fails, caller=caller
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(VISIT.get().server.store, name)

    def read(self, _caller: str = "") -> Look:
        return Look(VISIT.get().server.world.engine)


class _SweepStore:
    """The storage as the sweeper sees it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def write(self, work: Any, timeout_s: float = 5.0, reads: Reads = NOTHING) -> Any:
        asked = Asked("look", {})
        # A sweeper may fall behind what has happened to the rows that it has found.
        await asyncio.sleep(self._server.world.sweeper_delay_s())
        if reads.transactions:
            asked = Asked("void_overdue", {"transaction_id": reads.transactions[0]})
        elif reads.digests:
            asked = Asked("expire_code", {"digits": _digits()[reads.digests[0][1]]})
        return await self._server.do(asked, work, timeout_s, reads)


async def sweep_at(server: Server) -> None:
    """End what is overdue, as the sweeper of a server does."""
    await sweep(_SweepStore(server))  # type: ignore[arg-type]


@cache
def _digits() -> dict[bytes, str]:
    drawn = (f"{number:06d}" for number in range(CODES))
    return {code_digest(PEPPER, PROGRAM_ID, digits): digits for digits in drawn}


@cache
def shared_handlers() -> dict[str, Handler]:
    """Give the handlers of all RPCs, which serve for whichever server a call has come to."""
    return handlers(_Front())
