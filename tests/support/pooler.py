"""A real PgBouncer before a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from tests.support.http import free_port
from tests.support.installed import program_of
from tests.support.postgres import Postgres

PROGRAM = "pgbouncer"
MODES = ("transaction", "session")

_READY_S = 10.0
_USER = "embedded_postgres"
"""Whom both run as where we are root, which both refuse to be: the socket is that user's own."""

_SETTINGS = """
[databases]
* = host={host} port={port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
admin_users = postgres
server_reset_query_always = 0
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """
    A pooler that answers.

    Attributes:
        mode: When it takes a session from its client: after a session, transaction or statement.
        port: Where it listens, on this machine alone.
    """

    mode: str
    port: int

    def before(self, database_url: str) -> str:
        """Give the URL of a database through the pooler."""
        url = make_url(database_url)
        through = URL.create(
            "postgresql", "postgres", host="127.0.0.1", port=self.port, database=url.database
        )
        return through.render_as_string(hide_password=False)

    def sessions(self, database_url: str) -> int:
        """Count the sessions that it has open to a database."""
        name = make_url(database_url).database
        url = self.before("postgresql:///pgbouncer")
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as console:
            shown = psycopg.ClientCursor(console).execute("SHOW SERVERS")
            columns = [column.name for column in shown.description or ()]
            place = columns.index("database")
            return sum(row[place] == name for row in shown.fetchall())


@contextmanager
def run_pooler(postgres: Postgres, mode: str, size: int = 4) -> Iterator[Pooler]:
    """Run PgBouncer before a server, with so many sessions for each database."""
    program = program_of(PROGRAM)
    assert program is not None, f"{PROGRAM} is not installed: run `make test-extra`"
    place = psycopg.conninfo.conninfo_to_dict(postgres.address)
    with tempfile.TemporaryDirectory(prefix="loyalty-pooler-") as name:
        port = free_port()
        settings = Path(name) / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=place["host"], port=place.get("port", 5432), listen=port, mode=mode, size=size
            ),
            encoding="utf-8",
        )
        command = [program, str(settings)]
        if os.geteuid() == 0:
            shutil.chown(name, _USER)
            shutil.chown(settings, _USER)
            command += ["--user", _USER]
        with (Path(name) / "log").open("w+", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                _wait(process, port, log.name)
                yield Pooler(mode, port)
            finally:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: str) -> None:
    until = time.monotonic() + _READY_S
    while True:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        said = Path(log).read_text(encoding="utf-8")
        assert process.poll() is None, said
        assert time.monotonic() < until, said
        time.sleep(0.02)
