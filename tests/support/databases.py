"""Fresh, migrated databases of every kind the store runs on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from tests.support.postgres import Postgres, Serializable


class Sqlite:
    """Files copied from one that was migrated once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._template = folder / "migrated.db"
        migrate(Database.from_text(f"sqlite:///{self._template}"))
        # Whatever still waits in the log moves into the file that is copied.
        connection = sqlite3.connect(self._template)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()

    def new_database(self) -> str:
        """Create a migrated file; return its URL."""
        path = self._new_path()
        shutil.copy(self._template, path)
        return f"sqlite:///{path}"

    def empty_database(self) -> str:
        """Name a file that does not exist; return its URL."""
        return f"sqlite:///{self._new_path()}"

    def copy_database(self, database_url: str) -> str:
        """Copy a database that nobody has open; return the copy's URL."""
        path = self._new_path()
        shutil.copy(database_url.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"

    def drop(self, database_url: str) -> None:
        """Remove a file with its log."""
        path = Path(database_url.removeprefix("sqlite:///"))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def _new_path(self) -> Path:
        return self._folder / f"test-{next(self._numbers)}.db"


Backend = Sqlite | Postgres | Serializable


@contextmanager
def fresh_database(backend: Backend) -> Iterator[str]:
    """Create a migrated database for the time of the context; return its URL."""
    url = backend.new_database()
    try:
        yield url
    finally:
        backend.drop(url)
