"""One transaction on a connection of its own, for the work that operators ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, pool
from sqlalchemy.exc import DatabaseError, OperationalError

from loyalty_service.storage.databases import (
    BUSY_TIMEOUT_S,
    Database,
    UnreachableError,
    is_absent,
    prepare_file,
)


@contextmanager
def reading(database: Database, *, drafts: bool = False) -> Iterator[Connection]:
    """
    Open a read-only transaction, which sees one state of the whole store until it ends.

    It makes nobody wait; meanwhile the log of an embedded database can't be emptied.

    Args:
        database: What to read.
        drafts: Whether temporary tables may be made, in which changes are tried.

    Raises:
        UnreachableError: The database does not answer, or does not exist.
    """
    require_database(database)
    with _transaction(database, _engine(database, "BEGIN", "REPEATABLE READ")) as connection:
        if database.embedded:
            if not drafts:
                connection.exec_driver_sql("PRAGMA query_only = ON")
        else:
            if not drafts:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        yield connection
        if drafts:
            connection.rollback()


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """
    Open a transaction that is committed as a whole, changes of the schema included, or not at all.

    On an embedded database it is the only writer. Foreign keys are not checked there, because
    tables that are built again could not be put in place of the old ones otherwise.

    Raises:
        UnreachableError: The database does not answer or exist; or it committed, and perhaps
            not on its synchronous standby.
    """
    if database.embedded:
        prepare_file(Path(database.url.database or ""))
    engine = _engine(database, "BEGIN IMMEDIATE", "READ COMMITTED")
    warnings: list[str] = []
    with _transaction(database, engine) as connection:
        if not database.embedded:
            if not database.allow_data_loss:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.exec_driver_sql("SET LOCAL client_min_messages = warning")
        yield connection
        if not database.embedded:
            driver: Any = connection.connection.driver_connection
            driver.add_notice_handler(lambda told: warnings.append(str(told.message_primary)))
    if warnings:
        place = database.shown
        raise UnreachableError(
            f"{place} has committed, but perhaps not on its synchronous standby: {warnings[0]}. "
            "Check whether the change is there once the standby is back"
        )


def engine_of(database: Database) -> Engine:
    """Make what opens a connection on which nothing begins or ends a transaction by itself."""
    if database.embedded:
        return create_engine(
            database.sync_url(),
            poolclass=pool.NullPool,
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": BUSY_TIMEOUT_S},
        )
    return _engine(database, "BEGIN", "AUTOCOMMIT")


def require_database(database: Database) -> None:
    """
    Refuse to create what was to be read.

    Raises:
        UnreachableError: There is no such file.
    """
    if is_absent(database):
        raise UnreachableError(f"there is no database at {database.url.database}")


@contextmanager
def _transaction(database: Database, engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except DatabaseError as problem:
        # Subclasses are about statements, but for the one that is about the connection.
        if type(problem) not in {DatabaseError, OperationalError}:
            raise
        place = database.shown
        raise UnreachableError(f"{place} does not answer: {problem.orig}") from None


def _engine(database: Database, begin: str, isolation: str) -> Engine:
    url = database.sync_url()
    if not database.embedded:
        return create_engine(
            url,
            poolclass=pool.NullPool,
            isolation_level=isolation,
            hide_parameters=True,
            creator=database.connect_answering,
        )
    engine = create_engine(
        url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        # The driver would begin nothing for a query or a change of the schema.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # What a tool writes over is gone from the file too, as what a server does.
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
        connection.exec_driver_sql(begin)

    return engine
