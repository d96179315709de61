"""A database that may lose what it acknowledged is not served from, unless that is allowed."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from loyalty_service.cli import main
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.platforms import PLATFORMS
from loyalty_service.storage import durability
from loyalty_service.storage.databases import Database
from loyalty_service.storage.durability import (
    UnsafeDatabaseError,
    require_durable_sqlite,
    require_synced,
)
from loyalty_service.storage.postgresql import begin
from tests.support.banks import ServerProcess, process_environment, run_process
from tests.support.databases import fresh_database
from tests.support.postgres import Postgres
from tests.support.programs import put_program
from tests.support.stores import open_store


@contextmanager
def switched_off(postgres: Postgres, setting: str) -> Iterator[None]:
    """Run the server with a setting off, as new sessions find it."""
    try:
        _switch(postgres, f"ALTER SYSTEM SET {setting} = off", setting, "off")
        yield
    finally:
        _switch(postgres, f"ALTER SYSTEM RESET {setting}", setting, "on")


def _switch(postgres: Postgres, statement: str, setting: str, wanted: str) -> None:
    postgres.run(statement)
    postgres.run("SELECT pg_reload_conf()")
    until = time.monotonic() + 20
    while postgres.ask(f"SHOW {setting}") != wanted:
        assert time.monotonic() < until, f"{setting} does not turn {wanted}"


def test_sqlite_that_does_not_sync_every_commit_is_refused(tmp_path: Path) -> None:
    """Only a log that is synced with each commit will do."""
    connection = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    for journal, synchronous in (("wal", "NORMAL"), ("wal", "OFF"), ("delete", "FULL")):
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        with pytest.raises(UnsafeDatabaseError, match=f"journal_mode = {journal} and synchronous"):
            require_durable_sqlite(connection)
    connection.close()


def test_writer_of_sqlite_syncs_every_commit(tmp_path: Path) -> None:
    """The connection that the server writes on is set up as is required."""
    connection = Database.from_text(f"sqlite:///{tmp_path / 'some.db'}").connect_writer()
    require_durable_sqlite(connection)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_writer_of_postgresql_waits_for_the_sync_of_a_commit(postgres: Postgres) -> None:
    """Transactions that would not wait by default are made to, unless data loss is allowed."""
    with fresh_database(postgres) as url:
        name = Database.from_text(url).url.database
        for value in ("off", "local", "remote_write", "on", "remote_apply"):
            postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
            found = []
            for allowed in (False, True):
                database = Database.from_text(url, allow_data_loss=allowed)
                with closing(database.connect_writer()) as connection:
                    begin(connection, "SELECT 0")
                    found += connection.execute("SHOW synchronous_commit").fetchone()
            strict = value if value in {"on", "remote_apply"} else "on"
            assert found == [strict, value]


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_postgresql_that_may_lose_points_is_refused(postgres: Postgres, setting: str) -> None:
    """A server that does not sync, or may leave half a page behind, is written to by nobody."""
    with fresh_database(postgres) as url, switched_off(postgres, setting):
        with pytest.raises(
            UnsafeDatabaseError, match=f"runs with {setting} = off: acknowledged points could"
        ):
            Database.from_text(url).require_durable()
        Database.from_text(url, allow_data_loss=True).require_durable()


@pytest.mark.parametrize(
    ("name", "setting", "refused"),
    [
        ("neon", "fsync", ""),
        ("aurora", "full_page_writes", ""),
        ("zfs", "full_page_writes", ""),
        ("zfs", "fsync", "fsync = off"),
    ],
)
def test_platform_makes_up_for_what_it_keeps_itself(
    postgres: Postgres, name: str, setting: str, refused: str
) -> None:
    """A file system that writes pages as a whole does not sync what nobody syncs."""
    with fresh_database(postgres) as url, switched_off(postgres, setting):
        database = Database.from_text(url, platform=PLATFORMS[name])
        if not refused:
            database.require_durable()
        else:
            with pytest.raises(UnsafeDatabaseError, match=refused):
                database.require_durable()


def test_settings_that_a_database_does_not_have_are_not_taken_to_be_on() -> None:
    """What speaks PostgreSQL's protocol only must be named, so that somebody answers for it."""
    with pytest.raises(UnsafeDatabaseError, match="fsync = unknown and full_page_writes = unknown"):
        require_synced(None, None)
    require_synced(None, None, PLATFORMS["yugabytedb"])


async def test_platform_is_told_at_the_start_and_by_the_audit(
    postgres: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever reads the log, or an audit, learns what the answers rest on."""
    settings = {"LOYALTY_DURABILITY": "platform:neon", "LOYALTY_LOG_LEVEL": "info"}
    with fresh_database(postgres) as url, switched_off(postgres, "fsync"):
        server = await ServerProcess.start(process_environment(url, tmp_path, **settings))
        await server.stop(quiet=False)
        (serving,) = (
            line
            for line in map(json.loads, filter(is_json, server.said))
            if line["event"] == "serving"
        )
        assert serving["durability"] == "platform:neon"
        for name, value in process_environment(url, tmp_path, **settings).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["loyalty", "audit"])
        with pytest.raises(SystemExit, match="0"):
            main()
        assert "Commits rest on platform:neon (Neon" in capsys.readouterr().out


def is_json(line: str) -> bool:
    """Tell a line of the log from what is said to a person."""
    return line.startswith("{")


async def test_server_refuses_to_start_where_points_may_be_lost(
    postgres: Postgres, tmp_path: Path
) -> None:
    """It says why in one line and ends with 1; told to accept the loss, it serves."""
    with fresh_database(postgres) as url, switched_off(postgres, "fsync"):
        refused = subprocess.run(  # noqa: ASYNC221 - nothing else waits.
            [sys.executable, "-m", "loyalty_service", "serve"],
            env=process_environment(url, tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert refused.stderr.startswith(
            "PostgreSQL runs with fsync = off: acknowledged points could"
        )
        assert refused.stderr.count("\n") == 1
        assert "--allow-data-loss" in refused.stderr
        async with run_process(url, tmp_path, arguments=["--allow-data-loss"]) as address:
            assert address


async def test_writer_that_meets_an_unsafe_server_serves_nothing(postgres: Postgres) -> None:
    """After a failover to a server that does not sync, calls fail until it does."""
    with fresh_database(postgres) as url:
        async with open_store(url) as store:
            await put_program(store)
            with switched_off(postgres, "fsync"):
                _cut_connections(url)
                with pytest.raises(StorageUnavailableError):
                    await store.write(lambda unit, _: unit.catalog)
            assert await store.write(lambda unit, _: len(unit.catalog.programs)) == 1


def _cut_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'loyalty-writer' AND datname = current_database()"
        )


def test_folder_in_memory_is_told_from_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server can warn of a database that is gone when the machine goes off."""
    memory = tmp_path / "memory"
    memory.mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nnone {memory} tmpfs rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(durability, "_MOUNTS", mounts)
    assert durability.is_in_memory(memory / "some.db")
    assert not durability.is_in_memory(tmp_path / "memory-like" / "some.db")
    assert not durability.is_in_memory(tmp_path / "some.db")
    mounts.unlink()
    assert not durability.is_in_memory(memory / "some.db")
