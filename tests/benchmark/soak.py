"""
`python -m tests.benchmark.soak`: a server under a mix of calls for hours, to see whether it grows.

Reads, identifies, claims, repeated claims, sessions, refusals, hang-ups and deadlines go over gRPC,
and identifies over JSON through Envoy. After each part all calls end, connections are closed, and
what the server holds is measured at rest. It fails when a call is answered wrong, when the server
has grown, or when its rows are not those of the calls that were answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.transport.choosing import GRPCIO
from tests.benchmark.echo import NATIVE
from tests.benchmark.http_connection import HttpConnection
from tests.benchmark.loads import IDENTIFY, requests
from tests.benchmark.machine import count_of, cpu_s, describe, memory_mib, resident_mib
from tests.benchmark.population import Population, populate
from tests.benchmark.soak_calls import CLAIM, OK, Calls
from tests.benchmark.soak_calls import IDENTIFY as IDENTIFIED
from tests.benchmark.soak_client import PUT_OFF, Connection, Tally
from tests.benchmark.subjects import process, server_settings, wait_for_health
from tests.benchmark.watched import ASK
from tests.support.edge_parts import let_one_key_call_for_all
from tests.support.http import free_port

CONNECTIONS = 8
FLIGHT_EACH = 8
JSON_CONNECTIONS = 2
JSON_SHARE = 0.02
JSON = "identify, JSON"
BUSY_STATUSES = {b"429", b"503", b"504"}
MEMBERS = 50_000
REST_S = 1.5
"""Time after the last answer in which all that belongs to calls is let go of."""

STALL_S = 120.0
"""Time without any answer after which the soak gives up."""

SETTLED, SETTLED_CALLS = 0.1, 50_000
"""Calls, or part of them, after which a server has all that it needs, and should grow no more."""

PUT_OFF_MAX = 0.01
"""Part of the calls for which a server may have no time; on a machine of its own there are none."""

GROWTH_MAX = 1.1
"""Memory and objects at the end, beside those of a server that had settled."""


@dataclass(frozen=True, slots=True)
class Held:
    """
    What a server holds at rest, after so many calls.

    Attributes:
        calls_per_s: Answers a second in the part that ended, rests left out.
        server_us: The server's processor time for each of them.
        own_mib: Resident memory, apart from what is mapped from files.
        database_mib: The database's files.
    """

    calls: int
    wrong: int
    seconds: float
    calls_per_s: float
    server_us: float
    client_us: float
    rss_mib: float
    own_mib: float
    files: int
    threads: int
    tasks: int
    objects: int
    envoy_mib: float
    database_mib: float


@dataclass(slots=True)
class Soaked:
    """What is under load."""

    port: int
    pid: int
    told: Path
    envoy: EnvoyProcess
    database: Path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--part", type=int, default=100_000, help="calls between two looks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transport", choices=(GRPCIO, NATIVE), default=NATIVE)
    parser.add_argument("--folder", type=Path, default=Path("build"))
    parser.add_argument("--pause-while", type=Path, help="no calls while this file is there")
    return parser.parse_args()


@asynccontextmanager
async def _run_server(options: argparse.Namespace, folder: Path) -> AsyncIterator[Soaked]:
    database, told = folder / "soak.db", folder / "told.json"
    await populate(f"sqlite:///{database}", Population(members=MEMBERS))
    port, log = free_port(), folder / "server.log"
    settings = server_settings(port, folder / "home", options.transport)
    settings["LOYALTY_DATABASE_URL"] = f"sqlite:///{database}"
    command = [sys.executable, "-m", "tests.benchmark.watched", str(told), "serve"]
    with process(command, log, **settings) as pid:
        wait_for_health(port, log)
        envoy = EnvoyProcess(
            folder=folder / "envoy",
            grpc_port=port,
            native=options.transport == NATIVE,
            adapt=let_one_key_call_for_all,
        )
        async with envoy:
            yield Soaked(port, pid, told, envoy, database)


class Soak:
    """A run: its calls, what came of them, and what the server held after each part."""

    def __init__(self, options: argparse.Namespace, soaked: Soaked) -> None:
        self._options = options
        self._soaked = soaked
        self._most = options.calls
        self._calls = Calls(options.seed, MEMBERS)
        self._until = 0
        self._json_made = 0
        self._paused = False
        self.tally = Tally()
        self.held: list[Held] = []

    async def run(self) -> None:
        """
        Make all calls, part by part.

        Raises:
            RuntimeError: The server answers no more.
        """
        self.held.append(self._look(0.0, 0, self._spent()))
        while self.tally.done < self._most:
            begun, spent = self.tally.done, self._spent()
            self._until = min(self._most, begun + self._options.part)
            seconds = await self._part()
            await asyncio.sleep(REST_S)
            self.held.append(self._look(seconds, begun, spent))
            _show(json.dumps(asdict(self.held[-1])))

    def stop(self) -> None:
        """Make no more calls than are in flight."""
        self._most = self._until = self.tally.done

    def _spent(self) -> tuple[float, float]:
        return cpu_s({self._soaked.pid}), time.process_time()

    async def _part(self) -> float:
        """Make the calls of a part on new connections; returns its seconds, pauses left out."""
        loop = asyncio.get_running_loop()
        opened: list[Connection] = []
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(
                lambda: Connection(self._calls, self.tally, FLIGHT_EACH, self._may_send),
                "127.0.0.1",
                self._soaked.port,
            )
            opened.append(connection)
        doors = [asyncio.create_task(self._json_door()) for _ in range(JSON_CONNECTIONS)]
        worked = await self._watch(opened)
        await asyncio.gather(*doors)
        for connection in opened:
            connection.close()
        await asyncio.gather(*(connection.lost for connection in opened))
        return worked

    def _may_send(self) -> bool:
        return not self._paused and self.tally.done < self._until

    async def _watch(self, opened: list[Connection]) -> float:
        """Keep the connections busy until the part is over and nothing is in flight."""
        worked, last, seen = 0.0, self.tally.done, time.monotonic()
        while self._may_send() or self._paused or any(one.open for one in opened):
            began = time.monotonic()
            pause = self._options.pause_while
            self._paused = pause is not None and pause.exists()
            for connection in opened:
                connection.fill()
            await asyncio.sleep(0.05)
            now = time.monotonic()
            worked += 0.0 if self._paused else now - began
            if self.tally.done != last or self._paused:
                last, seen = self.tally.done, now
            if now - seen > STALL_S or all(one.lost.done() for one in opened):
                raise RuntimeError(f"no answers any more: {self.tally.failures}")
        return worked

    async def _json_door(self) -> None:
        """Make JSON calls through Envoy, as many as their share of all calls."""
        connection: HttpConnection | None = None
        while self._may_send() or self._paused:
            if self._paused and connection is not None:
                # Envoy itself closes one that is idle for long.
                connection.close()
                connection = None
            if self._paused or self._json_made >= JSON_SHARE * self.tally.done:
                await asyncio.sleep(0.01)
                continue
            if connection is None:
                connection = await HttpConnection.open(self._soaked.envoy.http_port)
            number, self._json_made = self._json_made, self._json_made + 1
            ((request,),) = requests(IDENTIFY, "json", number, 1, MEMBERS)
            answer = await connection.send(request.data)
            if answer.startswith(b"HTTP/1.1 200") and request.marker in answer:
                self.tally.end(JSON, "200")
            elif answer[9:12] in BUSY_STATUSES:
                self.tally.end(JSON, PUT_OFF)
            else:
                self.tally.fail(JSON, repr(answer))
        if connection is not None:
            connection.close()

    def _look(self, seconds: float, begun: int, spent: tuple[float, float]) -> Held:
        soaked, after = self._soaked, self._spent()
        made = self.tally.done - begun
        resident = resident_mib(soaked.pid)
        told = _ask(soaked)
        each = max(made, 1)
        return Held(
            calls=self.tally.done,
            wrong=self.tally.wrong,
            seconds=round(seconds, 1),
            calls_per_s=round(made / seconds) if seconds else 0,
            server_us=round((after[0] - spent[0]) / each * 1e6, 1),
            client_us=round((after[1] - spent[1]) / each * 1e6, 1),
            rss_mib=resident["VmRSS"],
            own_mib=resident["RssAnon"],
            files=count_of(soaked.pid, "fd"),
            threads=count_of(soaked.pid, "task"),
            tasks=told["tasks"],
            objects=told["objects"],
            envoy_mib=round(memory_mib(soaked.envoy.pid), 1),
            database_mib=round(_size(soaked.database) / 2**20, 1),
        )

    def problems(self, rows: dict[str, int]) -> list[str]:
        """Tell what is wrong: answers, growth, or rows that no call explains."""
        found = [f"wrong: {line}" for line in self.tally.failures]
        off = sum(count for (_, how), count in self.tally.ended.items() if how == PUT_OFF)
        if off > PUT_OFF_MAX * self.tally.done:
            found.append(f"put off: {off} of {self.tally.done} calls")
        least = max(SETTLED * self.tally.done, SETTLED_CALLS)
        last = self.held[-1]
        settled = next((one for one in self.held if one.calls >= least), last)
        if settled is last:
            _show(f"Too few calls to tell growth, which takes more than {SETTLED_CALLS}.")
        found += [
            f"{name}: {getattr(settled, name)}, then {getattr(last, name)}"
            for name in ("files", "threads", "tasks")
            if getattr(last, name) > getattr(settled, name)
        ]
        if last.own_mib > GROWTH_MAX * settled.own_mib:
            found.append(f"memory: {settled.own_mib} MiB, then {last.own_mib}")
        if last.objects > GROWTH_MAX * settled.objects:
            found.append(f"objects: {settled.objects}, then {last.objects}")
        return found if self.tally.wrong else [*found, *self._unexplained(rows)]

    def _unexplained(self, rows: dict[str, int]) -> Iterator[str]:
        """Compare rows with the calls that were answered, and those of which it is open."""
        ended = self.tally.ended
        identified = ended[IDENTIFIED, str(OK)] + ended[JSON, "200"]
        # Each member was welcomed, and each claim earned.
        claimed = MEMBERS + ended[CLAIM, str(OK)]
        for table, least, kind in (
            ("loyalty_transaction", identified, IDENTIFIED),
            ("transfer", claimed, CLAIM),
        ):
            most = least + ended[kind, PUT_OFF] + ended[JSON, PUT_OFF]
            if not least <= rows[table] <= most:
                yield f"rows of {table}: {rows[table]}, not {least}"


def _ask(soaked: Soaked) -> dict[str, int]:
    """Let the server tell what it holds; there is no call that this could hold up."""
    soaked.told.unlink(missing_ok=True)
    os.kill(soaked.pid, ASK)
    until = time.monotonic() + STALL_S
    while not soaked.told.exists() and time.monotonic() < until:
        time.sleep(0.05)
    told: dict[str, int] = json.loads(soaked.told.read_text(encoding="utf-8"))
    return told


def _size(database: Path) -> int:
    files = (database.with_name(database.name + end) for end in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _contents(database: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Count the rows of each table, and the MiB of each table with its indexes."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        tables = dict(
            connection.execute(
                "SELECT name, tbl_name FROM sqlite_master WHERE type IN ('table', 'index')"
            ).fetchall()
        )
        rows = {
            table: connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608
            for table in sorted(set(tables.values()))
        }
        sizes: dict[str, float] = {}
        with suppress(sqlite3.OperationalError):  # Not every SQLite can tell.
            for name, size in connection.execute(
                "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
            ):
                table = tables.get(name, name)
                sizes[table] = round(sizes.get(table, 0.0) + size / 2**20, 1)
    connection.close()
    return rows, sizes


def _show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _run(options: argparse.Namespace, folder: Path) -> tuple[Soak, Path]:
    async with _run_server(options, folder) as soaked:
        soak = Soak(options, soaked)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, soak.stop)
        await soak.run()
        return soak, soaked.database


def _report(options: argparse.Namespace, started: str, soak: Soak, database: Path) -> list[str]:
    """Print and write what was found; returns what is wrong with it."""
    rows, sizes = _contents(database)
    problems = soak.problems(rows)
    report: dict[str, Any] = {
        "started": started,
        "machine": describe(options.folder).as_json(),
        "transport": options.transport,
        "seed": options.seed,
        "calls": soak.tally.done,
        "ended": {f"{kind}: {how}": count for (kind, how), count in soak.tally.ended.items()},
        "held": [asdict(one) for one in soak.held],
        "rows": rows,
        "mib": sizes,
        "problems": problems,
    }
    target = options.folder / "soak.json"
    target.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name in ("ended", "rows", "mib"):
        _show(f"{name}: {json.dumps(report[name])}")
    return problems


def main() -> int:
    """Soak, print what was held after each part, and write `soak.json`; 1 on any problem."""
    options = _options()
    folder = options.folder / f"soak-{os.getpid()}"
    folder.mkdir(parents=True)
    started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    try:
        soak, database = uvloop.run(_run(options, folder))
        problems = _report(options, started, soak, database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in problems:
        _show(f"PROBLEM: {line}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
