"""A commit whose answer is lost: the database is asked, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from server.storage.databases import Database
from tests.support.ledger import audit, count_rows
from tests.support.postgres import Postgres
from tests.support.programs import enroll
from tests.support.stores import demo_store


class LosingConnection:
    """A connection that is shut down once, after its commit came through or before it."""

    armed: str | None = None

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._committing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: Any, *values: Any) -> Any:
        """Run a statement; leave a commit out when it is to be lost before it."""
        if sql == "COMMIT" and LosingConnection.armed is not None:
            self._committing = True
            if LosingConnection.armed == "before":
                return None
        return self._connection.execute(sql, *values)

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Open a pipeline; what comes after a commit in it is lost."""
        with self._connection.pipeline():
            yield
        if self._committing:
            LosingConnection.armed = None
            self._committing = False
            raise psycopg.errors.AdminShutdown("terminating connection")


@pytest.mark.parametrize("when", ["after", "before"])
async def test_lost_commit_is_asked_about(
    when: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the connection is lost before or after the commit, the effect happens once."""
    url = postgres.new_database()
    connect = Database.connect_writer
    monkeypatch.setattr(Database, "connect_writer", lambda self: LosingConnection(connect(self)))
    async with demo_store(url) as store:
        before = count_rows(url, "member")
        LosingConnection.armed = when
        await enroll(store, 10)
        assert LosingConnection.armed is None
        assert count_rows(url, "member") == before + 1
    audit(url)
    postgres.drop(url)
