"""A real PostgreSQL that archives its log, and recoveries of it to a moment."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL

from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from tests.support.standby import RUNS_AS, kill_server, run_program

_PORT = 5432
_READY_S = 30.0

# The commands of docs/operations/backup.md, with this server's folders.
_ARCHIVE = (
    "test ! -f {archive}/%f && cp %p {archive}/.%f && sync {archive}/.%f && "
    "mv {archive}/.%f {archive}/%f"
)
_RESTORE = "cp {archive}/%f %p"


class Archived:
    """
    A server whose log is archived, on a socket in a folder of its own.

    Attributes:
        url: A migrated database of it.
        recovered_url: The same database as it was at the moment that it was recovered to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive = folder / "archive"
        self._base = folder / "base"
        self.url = self._url("data")
        self.recovered_url = self._url("recovered")

    def start(self) -> None:
        """Make the server and its archive."""
        self._make(self._archive)
        data = self._folder / "data"
        run_program("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write("archive_mode = on\narchive_timeout = 60\n")
            settings.write(f"archive_command = '{_ARCHIVE.format(archive=self._archive)}'\n")
        self._start("data")
        migrate(Database.from_text(self.url))

    def back_up(self) -> None:
        """Take a base backup, and have PostgreSQL check its files."""
        run_program(
            *(
                "pg_basebackup",
                "-D",
                self._base,
                "-d",
                f"host={self._sockets('data')} user=postgres",
            ),
            *("--checkpoint=fast", "--wal-method=stream"),
        )
        run_program("pg_verifybackup", self._base)

    def moment(self) -> str:
        """Tell the time by the database, as an operator notes it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            (told,) = connection.execute("SELECT clock_timestamp()::text").fetchone() or ("",)
        return str(told)

    def lose(self, *, with_log: bool) -> None:
        """End the server at once; *with_log* once the archive has all of its log."""
        if with_log:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SELECT pg_switch_wal()")
                asked = "SELECT last_archived_wal >= pg_walfile_name(%s) FROM pg_stat_archiver"
                (end,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
                (before,) = connection.execute(
                    "SELECT (%s::pg_lsn - 1)::text", (end,)
                ).fetchone() or ("",)
                until = time.monotonic() + _READY_S
                while connection.execute(asked, (before,)).fetchone() != (True,):
                    assert time.monotonic() < until, "the log was not archived"
                    time.sleep(0.02)
        kill_server(self._folder / "data")

    def recover(self, moment: str) -> float:
        """Bring the base backup forward to a moment, and open it; returns the seconds it took."""
        started = time.monotonic()
        data = self._folder / "recovered"
        shutil.copytree(self._base, data, copy_function=_copy_owned)
        _own(data)
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"restore_command = '{_RESTORE.format(archive=self._archive)}'\n")
            settings.write(f"recovery_target_time = '{moment}'\n")
            settings.write("recovery_target_action = 'promote'\narchive_mode = off\n")
        (data / "recovery.signal").touch()
        self._start("recovered")
        with psycopg.connect(self.recovered_url, autocommit=True) as connection:
            until = time.monotonic() + _READY_S
            while connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
                assert time.monotonic() < until, "the recovery does not end"
                time.sleep(0.02)
        return time.monotonic() - started

    def stop(self) -> None:
        """End whatever runs."""
        for name in ("data", "recovered"):
            kill_server(self._folder / name)

    def _start(self, name: str) -> None:
        self._make(self._sockets(name))
        options = f"-p {_PORT} -c listen_addresses='' "
        options += f"-c unix_socket_directories={self._sockets(name)}"
        log = self._folder / f"{name}.log"
        run_program("pg_ctl", "-D", self._folder / name, "-w", "-o", options, "-l", log, "start")

    def _sockets(self, name: str) -> Path:
        return self._folder / f"s-{name}"

    def _url(self, name: str) -> str:
        query = {"host": str(self._sockets(name)), "port": str(_PORT)}
        url = URL.create("postgresql", "postgres", database="postgres", query=query)
        return url.render_as_string(hide_password=False)

    def _make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        _own(folder)


def _copy_owned(source: str, target: str) -> str:
    shutil.copy2(source, target)
    _own(Path(target))
    return target


def _own(place: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(place, RUNS_AS, RUNS_AS)
        for child in place.iterdir() if place.is_dir() else ():
            _own(child)


@contextmanager
def run_archived() -> Iterator[Archived]:
    """
    Run a server that archives its log, and end all that was started.

    Where we are root, the user they run as is made by the first server of `run_postgres`.
    """
    # A socket's path must be short, so it is not below a folder of the caller's.
    with tempfile.TemporaryDirectory(prefix="loyalty-wal-") as name:
        folder = Path(name)
        _own(folder)
        server = Archived(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
