"""A commit whose answer is lost: the database is asked, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.storage import postgresql
from loyalty_service.storage.databases import Database
from tests.support.ledger import audit, count_rows, rows
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


@pytest.mark.parametrize("number", ["another's", "one that is not given out yet"])
async def test_number_of_a_lost_transaction_proves_nothing(
    number: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After a crash the number of a lost transaction is another's, or nobody's yet.

    Neither makes a write that was lost look done: it is run again, and happens once.
    """
    url = postgres.new_database()
    connect = Database.connect_writer
    monkeypatch.setattr(Database, "connect_writer", lambda self: LosingConnection(connect(self)))
    async with demo_store(url) as store:
        await enroll(store, 10)
        before = count_rows(url, "member")
        (newest,) = rows(url, "SELECT max(xmin::text::bigint) AS number FROM member")
        told = newest.number + (0 if number == "another's" else 1_000_000)
        ask = postgresql.status_of
        monkeypatch.setattr(
            postgresql, "status_of", lambda connection, _transaction: ask(connection, str(told))
        )
        LosingConnection.armed = "before"
        await enroll(store, 10)
        assert LosingConnection.armed is None
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
