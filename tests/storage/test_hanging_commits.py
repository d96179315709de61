"""A commit that hangs is told of while it hangs, with what it waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from loyalty_service.storage import hanging
from loyalty_service.storage.databases import Database
from tests.support.postgres import Postgres


@dataclass
class Hanging:
    """A writer whose commit began a while ago."""

    committing: tuple[float, int] | None


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hanging, "LOOK_S", 0.01)


@contextmanager
def session_that_waits(url: str) -> Iterator[tuple[int, int]]:
    """Keep a session waiting for another; return the numbers of both."""
    with (
        closing(psycopg.connect(url, autocommit=True)) as holder,
        closing(psycopg.connect(url, autocommit=True)) as waiter,
    ):
        holder.execute("SELECT pg_advisory_lock(1)")
        waiter.pgconn.send_query(b"SELECT pg_advisory_lock(1)")
        yield waiter.info.backend_pid, holder.info.backend_pid


async def told(database: Database, writer: Hanging, lines: int) -> Sequence[dict[str, Any]]:
    """Watch a writer until so many lines are logged; its commit ends after the first."""
    with capture_logs() as logs:
        watching = asyncio.create_task(hanging.watch_commits(database, [writer]))
        async with asyncio.timeout(10):
            while len(logs) < lines:
                await asyncio.sleep(0.005)
                if logs:
                    writer.committing = None
        watching.cancel()
    return [dict(line) for line in logs]


async def test_commit_that_waits_for_a_session_names_it(postgres: Postgres) -> None:
    """Who holds what the commit needs is told, so that somebody can end that session."""
    url = postgres.new_database()
    with session_that_waits(url) as (waiter, holder):
        writer = Hanging((time.monotonic() - 10, waiter))
        hangs, over = await told(Database.from_text(url), writer, 2)
    assert hangs["event"] == "commit hangs"
    assert hangs["waits_for"] == f"Lock: advisory, held by sessions {holder}"
    assert hangs["seconds"] >= 10
    assert over["event"] == "commit hangs no more"


async def test_commit_of_an_embedded_database_waits_for_the_disk(tmp_path: Path) -> None:
    """SQLite's commit waits for nothing but the sync of its log."""
    database = Database.from_text(f"sqlite:///{tmp_path / 'x.db'}")
    hangs, _ = await told(database, Hanging((time.monotonic() - 10, 0)), 2)
    assert hangs["waits_for"] == "the disk to sync the log"


async def test_database_that_answers_nobody_is_named(tmp_path: Path) -> None:
    """Where nobody can be asked, that is what is told."""
    database = Database.from_text(f"postgresql:///loyalty?host={tmp_path}")
    hangs, _ = await told(database, Hanging((time.monotonic() - 10, 7)), 2)
    assert hangs["waits_for"] == "PostgreSQL, which answers no other connection either"


async def test_quick_commit_is_not_told(tmp_path: Path) -> None:
    """A commit that has just begun is no hanging one."""
    database = Database.from_text(f"sqlite:///{tmp_path / 'x.db'}")
    with capture_logs() as logs:
        watching = asyncio.create_task(
            hanging.watch_commits(database, [Hanging((time.monotonic(), 0))])
        )
        await asyncio.sleep(0.1)
        watching.cancel()
    assert logs == []
