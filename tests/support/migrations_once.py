"""
Migrates empty databases by the statements that Alembic made for the first of them.

Alembic takes a processor for a third of a second to build every schema there ever was, and the
tests migrate a hundred empty databases. What is not empty it migrates itself, and so it does with
the first empty database of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, inspect

Statement = tuple[str, Any]
"""A statement as the driver gets it, and its values."""

READS = ("SELECT", "PRAGMA MAIN.", "PRAGMA TEMP.")
"""What Alembic and SQLAlchemy only ask, which has no part in the schema."""

_alembic = command.upgrade
_kept: dict[tuple[str, ...], list[Statement]] = {}


@contextmanager
def empty_databases_migrated_once() -> Iterator[None]:
    """Let empty databases be migrated by statements that are kept, within the context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", _upgrade)
        yield


def _upgrade(config: Config, revision: str) -> None:
    connection: Connection = config.attributes["connection"]
    if inspect(connection).get_table_names():
        _alembic(config, revision)
        return
    folder = config.get_main_option("script_location") or ""
    made_for = (connection.dialect.name, folder, revision)
    if made_for not in _kept:
        _kept[made_for] = _noted(config, revision)
        return
    for statement, values in _kept[made_for]:
        connection.exec_driver_sql(statement, values)


def _noted(config: Config, revision: str) -> list[Statement]:
    """Migrate a database, and note by what."""
    noted: list[Statement] = []

    def note(*told: Any) -> None:
        _connection, _cursor, statement, values, _context, _many = told
        if not statement.lstrip().upper().startswith(READS):
            noted.append((statement, values or None))

    connection = config.attributes["connection"]
    event.listen(connection, "before_cursor_execute", note)
    try:
        _alembic(config, revision)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return noted
