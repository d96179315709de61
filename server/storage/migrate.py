"""Brings a database to the schema this version speaks, by Alembic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import OperationalError

from server.storage.databases import Database, UnreachableError

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaError(Exception):
    """Raised when a database has a schema this version can't work with."""


def migrate(database: Database) -> tuple[str | None, str]:
    """
    Apply what is missing; answers the revisions before and after.

    Raises:
        SchemaError: The schema is newer than this version.
        UnreachableError: The database does not answer.
    """
    if database.embedded:
        Path(database.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    with _open(database) as connection:
        before, newest = _revisions(connection)
        if before != newest:
            command.upgrade(_config(connection), "head")
    return before, newest


def require_current(database: Database) -> None:
    """
    Refuse a database whose schema is not this version's.

    Raises:
        SchemaError: The schema is older, newer or absent.
    """
    with _open(database) as connection:
        found, newest = _revisions(connection)
    if found != newest:
        raise SchemaError(
            f"the database has schema {found or 'none'} and this version speaks {newest}: "
            "run `loyalty migrate`"
        )


@contextmanager
def _open(database: Database) -> Iterator[Connection]:
    engine = create_engine(database.sync_url(), poolclass=pool.NullPool)
    try:
        connection = engine.connect()
    except OperationalError as problem:
        place = database.url.render_as_string(hide_password=True)
        raise UnreachableError(f"{place} does not answer: {problem.orig}") from None
    with connection, connection.begin():
        yield connection


def _revisions(connection: Connection) -> tuple[str | None, str]:
    """Read the database's revision and ours; refuse one we have never heard of."""
    scripts = ScriptDirectory.from_config(_config(connection))
    newest = scripts.get_current_head() or ""
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise SchemaError(
            f"the database has schema {found}, which is newer than this version's {newest}: "
            "run a newer version"
        )
    return found, newest


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
