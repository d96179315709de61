"""Fixtures of all suites: databases of every kind the store runs on."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.loaded import servers_forked
from tests.support.migrations_once import empty_databases_migrated_once
from tests.support.postgres import Postgres, Serializable, run_postgres
from tests.support.sandbox_box import Box, box, first_day
from tests.support.silence import listening
from tests.support.stores import statements_once

SERIALIZABLE = "serializable"


@pytest.fixture(scope="session", autouse=True)
def _short_silence() -> Iterator[None]:
    """Listen hardly at all for servers; what is tried beside one listens as long as it takes."""
    with listening(0.05):
        yield


@pytest.fixture(scope="session", autouse=True)
def _loggers_of_now() -> Iterator[None]:
    """
    Let no logger keep the file that a test wrote to: it is closed when that test is over.

    A server keeps its loggers, since it has one file for as long as it runs.
    """
    configure = structlog.configure

    def uncached(**config: Any) -> None:
        configure(**config | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Compile the statements of a kind of database for the first store alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loyalty_service.storage.store.Statements", statements_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _migrated_once() -> Iterator[None]:
    """Let Alembic migrate the first empty database alone."""
    with empty_databases_migrated_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _servers_forked() -> Iterator[None]:
    """Load the server's modules for the first server process alone."""
    with servers_forked():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL for the whole run."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    """A folder of SQLite files for the whole run."""
    return Sqlite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each kind of database in turn."""
    if request.param == SERIALIZABLE:
        return Serializable(request.getfixturevalue("postgres"))
    kind: Backend = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    return kind


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run choose its databases."""
    parser.addoption(
        "--databases",
        default="sqlite,postgresql",
        help=f"kinds to run on, of sqlite, postgresql and {SERIALIZABLE}, with commas between",
    )

    parser.addoption(
        "--transport",
        choices=("grpcio", "native"),
        default="grpcio",
        help="what carries calls on the servers' gRPC ports",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let every server, in this process or its own, read the transport from its settings."""
    os.environ["LOYALTY_TRANSPORT"] = config.getoption("--transport")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on another transport, what only grpcio promises."""
    if config.getoption("--transport") == "native":
        only = [item for item in items if item.get_closest_marker("grpcio_only")]
        config.hook.pytest_deselected(items=only)
        items[:] = [item for item in items if item not in only]


def pytest_collection_finish() -> None:
    """Look for no garbage among what was loaded: it all stays."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the end of the process clear away what it always did."""
    gc.unfreeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a database on each kind, or on the first where the kind does not matter."""
    if "backend" in metafunc.fixturenames:
        kinds = metafunc.config.getoption("--databases").split(",")
        if metafunc.definition.get_closest_marker("any_database"):
            kinds = kinds[:1]
        metafunc.parametrize("backend", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A sandbox of its own process for the whole run: its start costs more than most tests."""
    with box(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="module")
def running(sandbox: Box) -> Box:
    """The sandbox, in which each file begins on the first day and with no fault bound."""
    return first_day(sandbox)


@pytest.fixture
def fresh(running: Box) -> Box:
    """The sandbox on its first day, for one test."""
    return first_day(running)


@pytest.fixture
def database_url(backend: Backend) -> Iterator[str]:
    """A fresh, migrated database of each kind."""
    with fresh_database(backend) as url:
        yield url
