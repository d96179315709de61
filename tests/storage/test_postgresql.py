"""What a writer's transactions on PostgreSQL begin with, and what their end says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest
from sqlalchemy import text

from loyalty_service.storage.connections import writing
from loyalty_service.storage.databases import Database, UnreachableError
from loyalty_service.storage.postgresql import begin, commit
from tests.support.databases import fresh_database
from tests.support.postgres import Postgres

REVISION = "SELECT 0"
WARN = "DO $$ BEGIN RAISE WARNING 'as when a wait is cancelled'; END $$"


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A fresh, migrated PostgreSQL database."""
    with fresh_database(postgres) as url:
        yield Database.from_text(url)


def test_settings_end_with_their_transaction(database: Database) -> None:
    """A session is left as it was found: a pooler may give it to anybody."""
    names = ("lock_timeout", "transaction_timeout", "synchronous_commit", "client_min_messages")
    shown = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    with closing(database.connect_writer()) as connection:
        before = connection.execute(shown).fetchone()
        begin(connection, REVISION)
        amid = connection.execute(shown).fetchone()
        connection.execute("ROLLBACK")

        assert amid == ("1s", "5s", "on", "warning")
        assert connection.execute(shown).fetchone() == before
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_each_transaction_has_a_shard_of_its_own(database: Database) -> None:
    """Writers that are at work do not share a shard, while there is a free one."""
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(database.connect_writer())) for _ in range(3)]
        first, second = (begin(c, REVISION, 2).shard for c in connections[:2])
        third = begin(connections[2], REVISION, 2).shard
        assert (first, second) == (0, 1)
        assert third in {0, 1}
        connections[0].execute("COMMIT")
        connections[2].execute("COMMIT")
        assert begin(connections[2], REVISION, 2).shard == 0


def test_statements_have_names_in_a_session_of_ones_own_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the session is another than the connection was given, no statement is named."""
    with closing(database.connect_writer()) as connection:
        begin(connection, REVISION)
        assert connection.prepare_threshold is not None
        connection.execute("ROLLBACK")
        monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _self: 1))
        begin(connection, REVISION)
        assert connection.prepare_threshold is None


def test_commit_that_is_warned_of_is_not_known(database: Database) -> None:
    """A warning leaves open where the commit is; one of an earlier statement does not."""
    with closing(database.connect_writer()) as connection:
        begun = begin(connection, REVISION)
        connection.execute(WARN)
        assert commit(connection, begun)
        begun = begin(connection, REVISION)
        assert not commit(connection, begun, lambda: connection.execute(WARN))


def test_command_that_is_warned_of_does_not_end_well(database: Database) -> None:
    """An operator is told when what a command wrote may be on the primary alone."""
    with pytest.raises(UnreachableError, match="perhaps not on its synchronous standby: not r"):
        _warn_at_the_commit(database)


def _warn_at_the_commit(database: Database) -> None:
    with writing(database) as connection:
        for statement in (
            """CREATE FUNCTION pg_temp.warn() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'not replicated'; RETURN NULL; END $$""",
            "CREATE TEMPORARY TABLE noted (number int)",
            """CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.warn()""",
            "INSERT INTO noted VALUES (1)",
        ):
            connection.execute(text(statement))
