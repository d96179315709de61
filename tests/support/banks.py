"""A bank: a real server process on a database that can be read meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import psycopg

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.bootstrap import serve
from loyalty_service.domain.grants import GrantTerms
from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.domain.program import RedemptionRules
from loyalty_service.storage.databases import Database
from tests.support.doing import apply_program, create_key
from tests.support.loaded import Forked, start_server
from tests.support.logs import only_errors_logged
from tests.support.programs import PROGRAM_ID, add_member, add_promo_code, demo_program
from tests.support.roots import PYTHONPATH
from tests.support.server import Caller, settings_in
from tests.support.stores import PEPPER, open_store

SECRET = "lk_fault"
STEP, REDEEMED_MAX = 500, 25_000
"""Points by which members reserve some."""

SOLD = "snack"
"""What the program sells for points, besides the demo program's own grants."""

START_S = 60.0

Query = Callable[[str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Bank:
    """
    Servers under test, with members that have points.

    Attributes:
        address: Where the first server answers.
        addresses: Where each of them does.
    """

    address: str
    database_url: str
    loyalty_ids: tuple[str, ...]
    addresses: tuple[str, ...] = ()

    def read(self, look: Callable[[Query], Any]) -> Any:
        """Look at one state of the database, on a connection of its own that can't write."""
        database = Database.from_text(self.database_url)
        if database.embedded:
            path = f"file:{database.url.database}?mode=ro"
            connection: Any = sqlite3.connect(path, uri=True, isolation_level=None)
            begin = "BEGIN"
        else:
            dsn = database.url.render_as_string(hide_password=False)
            connection = psycopg.connect(dsn, autocommit=True)
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        try:
            connection.execute(begin)
            return look(lambda sql: connection.execute(sql).fetchall())
        finally:
            connection.close()


async def prepare_bank(
    database_url: str, points: Sequence[int], pending_lifetime_s: int = 86_400
) -> list[str]:
    """Apply a program whose transactions live so long, and enroll members with these points."""
    demo = demo_program()
    sold = GrantTerms(SOLD, demo.grants["croissant"].incentive_id, points=50, days=30)
    program = replace(
        demo,
        grants={**demo.grants, SOLD: sold},
        pending_lifetime_s=pending_lifetime_s,
        redemption=RedemptionRules(STEP, 20, REDEEMED_MAX, 1000, STEP, 20),
        es=replace(demo.es, reservation_lifetime_s=60),
        void_spent="debt",
        # All tills of a trial share one key, which calls as all of theirs would, about few members.
        limits=Limits.of(
            {
                LimitName.CALLS_PER_KEY_SECOND: 1_000_000,
                LimitName.CODES_PER_MEMBER_MINUTE: 1_000,
                LimitName.ENROLMENTS_PER_KEY_MINUTE: 1_000_000,
                LimitName.POINTS_PER_MEMBER_DAY: 1_000_000_000,
                LimitName.POINTS_PER_KEY_DAY: 1_000_000_000,
            }
        ),
    )
    async with open_store(database_url) as store:

        def fill(unit: Unit, now_ms: int) -> list[str]:
            apply_program(unit, ApplyProgram(program), now_ms)
            create_key(unit, CreateKey(PROGRAM_ID, "bank", Role.ADMIN, secret=SECRET), now_ms)
            add_promo_code(unit, now_ms)
            return [add_member(unit, now_ms, number) for number in points]

        return await store.write(fill)


def process_environment(database_url: str, folder: Path, **settings: str) -> dict[str, str]:
    """Give the variables of a server process on a free port."""
    return {
        **os.environ,
        "LOYALTY_DATABASE_URL": database_url,
        "LOYALTY_DATA_DIR": str(folder),
        "LOYALTY_GRPC_PORT": "0",
        "LOYALTY_CODE_PEPPER": PEPPER.decode(),
        "LOYALTY_SHUTDOWN_NOTICE_S": "0",
        "LOYALTY_LOG_LEVEL": "error",
        "PYTHONPATH": PYTHONPATH,
        **settings,
    }


class ServerProcess:
    """
    A server process that was started.

    Attributes:
        address: Where it serves gRPC.
        pid: Its number.
        start_s: How long it took until it served.
        said: Lines on its standard error so far.
    """

    def __init__(self, process: asyncio.subprocess.Process | Forked) -> None:
        self.address = ""
        self.pid = process.pid
        self.start_s = 0.0
        self.said: list[str] = []
        self._process = process
        self._drain: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        environment: dict[str, str],
        arguments: Sequence[str] = (),
        *,
        module: str = "loyalty_service",
    ) -> ServerProcess:
        """Start a process, of the program unless told another module, and wait until it serves."""
        started = time.monotonic()
        server = cls(await start_server(module, arguments, environment))
        try:
            await server._listen()
        except BaseException:
            await server.kill()
            raise
        server.start_s = time.monotonic() - started
        return server

    async def _listen(self) -> None:
        lines = self._process.stderr
        assert lines is not None
        async with asyncio.timeout(START_S):
            self.address = await _address(lines, self.said)
        self._drain = asyncio.create_task(_keep(lines, self.said))

    async def stop(self, *, quiet: bool = True, allowed: Collection[str] = ()) -> None:
        """
        End it as an operator does; fails when it ends badly, or had something to say.

        A *quiet* server may have said only where it listens, and what is *allowed*.
        """
        self._process.send_signal(signal.SIGTERM)
        assert await self._process.wait() == 0, "\n".join(self.said)
        assert self._drain is not None
        await self._drain
        said = [line for line in self.said[1:] if not any(text in line for text in allowed)]
        assert not quiet or not said, "\n".join(said)

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def kill(self) -> None:
        """End it at once, wherever it is."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._drain is not None:
            await self._drain


@asynccontextmanager
async def run_process(
    database_url: str,
    folder: Path,
    *,
    arguments: Sequence[str] = (),
    allowed: Collection[str] = (),
    **settings: str,
) -> AsyncIterator[str]:
    """
    Run a server process on a free port; return its address and fail when it ends badly.

    It may log no trouble but what is *allowed*.
    """
    environment = process_environment(database_url, folder, **settings)
    server = await ServerProcess.start(environment, arguments)
    try:
        yield server.address
        await server.stop(allowed=allowed)
    finally:
        await server.kill()


async def _address(lines: asyncio.StreamReader, said: list[str]) -> str:
    async for line in lines:
        said.append(line.decode().rstrip())
        found = re.search(r"127\.0\.0\.\d+:[1-9]\d*", said[-1])
        if found:
            return found[0]
    raise AssertionError("the server did not start:\n" + "\n".join(said))


async def _keep(lines: asyncio.StreamReader, said: list[str]) -> None:
    async for line in lines:
        said.append(line.decode().rstrip())  # noqa: PERF401 - whoever waits for a line sees it.


@asynccontextmanager
async def run_here(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[str]:
    """Run a server in this process on a free port: quick to start; return its address."""
    chosen = settings_in(folder, database_url=database_url, writers=2, **settings)
    with only_errors_logged():
        async with serve(chosen) as running:
            yield f"127.0.0.1:{running.grpc_port}"


@asynccontextmanager
async def run_servers(
    database_url: str,
    folder: Path,
    count: int,
    *,
    processes: bool,
    sweep_interval_s: float = 10,
    allowed: Collection[str] = (),
) -> AsyncIterator[list[str]]:
    """
    Run several servers of one database, as processes or all in this one.

    Processes may log no trouble but what is *allowed*.
    """
    async with AsyncExitStack() as stack:
        addresses = []
        for _ in range(count):
            if processes:
                settings = {"WRITERS": "2", "SWEEP_INTERVAL_S": str(sweep_interval_s)}
                named = {f"LOYALTY_{name}": value for name, value in settings.items()}
                server = run_process(database_url, folder, allowed=allowed, **named)
            else:
                server = run_here(database_url, folder, sweep_interval_s=sweep_interval_s)
            addresses.append(await stack.enter_async_context(server))
        yield addresses


@asynccontextmanager
async def open_callers(addresses: Sequence[str], channels: int) -> AsyncIterator[list[Caller]]:
    """Connect to each server with so many channels, each a connection of its own."""
    # One pool of subchannels would put all channels on one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as stack:
        yield [
            Caller(
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(address, options=options)
                ),
                SECRET,
            )
            for _ in range(channels)
            for address in addresses
        ]


@asynccontextmanager
async def open_bank_on(
    database_url: str,
    folder: Path,
    points: Sequence[int],
    pending_lifetime_s: int,
    *,
    servers: int = 1,
    processes: bool = True,
) -> AsyncIterator[Bank]:
    """Run servers for members with these points, whose open transactions live so long."""
    loyalty_ids = await prepare_bank(database_url, points, pending_lifetime_s)
    running = run_servers(database_url, folder, servers, processes=processes, sweep_interval_s=0.2)
    async with running as addresses:
        yield Bank(addresses[0], database_url, tuple(loyalty_ids), tuple(addresses))
