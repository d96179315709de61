"""A commit whose answer is lost: the database is asked, and nothing is done twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.storage import postgresql
from loyalty_service.storage.databases import Database
from tests.support.ledger import audit, count_rows
from tests.support.postgres import Postgres
from tests.support.programs import demo_program, enroll
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


class HangingConnection:
    """
    A connection that its writer loses at the commit, which the database goes on with.

    Attributes:
        hanging: What still is to be committed.
        looks: How often somebody asked whether a transaction has ended.
        looked_twice: Whether that was more than once.
    """

    armed = False
    hanging: Any = None
    looks = 0
    looked_twice = threading.Event()

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: Any, *values: Any) -> Any:
        """Run a statement; the commit is left to whoever has the connection then."""
        if sql == postgresql.IS_OVER:
            HangingConnection.looks += 1
            if HangingConnection.looks > 1:
                HangingConnection.looked_twice.set()
        if sql == "COMMIT" and HangingConnection.armed:
            HangingConnection.armed = False
            HangingConnection.hanging, self._connection = self._connection, Gone()
            raise psycopg.errors.AdminShutdown("terminating connection")
        return self._connection.execute(sql, *values)


class Gone:
    """What is left of a connection that was lost."""

    closed = True

    def close(self) -> None:
        """Do nothing."""


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


async def test_commit_that_is_still_under_way_is_waited_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is looked for once it has ended, in a state of the database that is newer."""
    url = postgres.new_database()
    postgres.run(
        f"ALTER DATABASE {make_url(url).database} SET default_transaction_isolation = serializable"
    )
    connect = Database.connect_writer
    monkeypatch.setattr(Database, "connect_writer", lambda self: HangingConnection(connect(self)))
    async with demo_store(url) as store:
        before = count_rows(url, "member")
        HangingConnection.armed = True
        enrolling = asyncio.create_task(enroll(store, 10))
        await asyncio.to_thread(HangingConnection.looked_twice.wait, 5)
        assert not enrolling.done()
        HangingConnection.hanging.execute("COMMIT")
        HangingConnection.hanging.close()
        await enrolling
        assert count_rows(url, "member") == before + 1
    audit(url)
    postgres.drop(url)


async def test_commit_that_can_not_be_proved_is_not_answered(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost commit that left no row of its own is not called done: the caller must ask again."""
    url = postgres.new_database()
    connect = Database.connect_writer
    monkeypatch.setattr(Database, "connect_writer", lambda self: LosingConnection(connect(self)))
    async with demo_store(url) as store:
        program = demo_program()
        await store.refresh_catalog()
        LosingConnection.armed = "after"
        with pytest.raises(StorageUnavailableError):
            await store.write(lambda unit, now: unit.save_program(program, now))
    postgres.drop(url)
