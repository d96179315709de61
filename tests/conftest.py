"""Fixtures of all suites: databases of every kind the store runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.postgres import Postgres, run_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    """A folder of SQLite files for the whole run."""
    return Sqlite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each kind of database in turn."""
    kind: Backend = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    return kind


@pytest.fixture
def database_url(backend: Backend) -> Iterator[str]:
    """A fresh, migrated database of each kind."""
    with fresh_database(backend) as url:
        yield url
