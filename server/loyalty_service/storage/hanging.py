"""Tells of a commit that hangs, and of what it waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import psycopg
import structlog

from loyalty_service.storage.databases import Database

HANGS_S = 5.0
"""Time after which a commit hangs: tills have given up by then."""

LOOK_S = 1.0
ASK_S = 2.0

_WAITS = """
SELECT wait_event_type || ': ' || wait_event, pg_blocking_pids(pid)
FROM pg_stat_activity WHERE pid = %s
"""
_STANDBY = "IPC: SyncRep"

log = structlog.get_logger(__name__)


class Committer(Protocol):
    """A writer, as far as its commits are looked at."""

    @property
    def committing(self) -> tuple[float, int] | None:
        """When the commit under way began, monotonic, and PostgreSQL's number of its session."""


async def watch_commits(database: Database, writers: Sequence[Committer]) -> None:
    """Look every second for commits that hang, and tell of each once, and when it is over."""
    told: dict[int, float] = {}
    while True:
        await asyncio.sleep(LOOK_S)
        for number, writer in enumerate(writers):
            committing = writer.committing
            now_s = time.monotonic()
            since_s = told.get(number)
            if since_s is not None and (committing is None or committing[0] != since_s):
                del told[number]
                log.warning("commit hangs no more", seconds=round(now_s - since_s, 1))
            elif since_s is None and committing is not None and now_s - committing[0] > HANGS_S:
                told[number] = committing[0]
                waits_for = await _reason(database, committing[1])
                log.error(
                    "commit hangs", seconds=round(now_s - committing[0], 1), waits_for=waits_for
                )


async def _reason(database: Database, session: int) -> str:
    """Word what a commit waits for."""
    if database.embedded:
        return "the disk to sync the log"
    with suppress(TimeoutError, psycopg.Error, OSError):
        async with asyncio.timeout(ASK_S):
            connection = await database.connect_beside("loyalty-watch")
            async with connection:
                row = await (await connection.execute(_WAITS, (session,))).fetchone()
            if row is None:
                return "nothing: PostgreSQL has no such session any more"
            event, blockers = row
            if event == _STANDBY:
                return "a synchronous standby"
            if blockers:
                return f"{event}, held by sessions {', '.join(map(str, blockers))}"
            return event or "nothing: the answer may be lost on its way"
    return "PostgreSQL, which answers no other connection either"
