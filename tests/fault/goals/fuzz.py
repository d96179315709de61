"""G25: requests that nobody would send, by the million."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from loyalty_service.domain.keys import Role
from tests.fault.doors import Rpc, all_rpcs
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.fault.inside import Inside
from tests.fault.mutations import Breeder
from tests.fault.strategies import Drawn, http_requests, messages
from tests.fault.worlds import World, Worlds, open_worlds, template
from tests.support.http import read_response
from tests.support.ledger import audit, execute

AT_ONCE = 256
SELDOM = {
    "CodeService/GetCode",
    "MemberService/GetMember",
    "MemberService/ListTransfers",
    "OperatorService/GetLiability",
}
"""Calls with little to get wrong, which cost more to answer than to breed."""

FRESH_EVERY = 4000
"""Calls after which new requests are bred from, because most bred reports end a transaction."""

GUESSES = ("wrong_code", "code_tally", "code_month", "code_refusal")
OPEN_CONNECTIONS = 8
DRAWN_OF_ONE = 1000
"""Draws after which hypothesis begins again from fresh requests."""

PATIENCE_S = 30
TENTH = 10
FAULTS = {"INTERNAL", "UNKNOWN"}
SHOWN_MAX = 2000
GUIDED_S = 60
GUIDED_RUNS = 1_000_000
TARGET = "tests.fault.guided"


@dataclass
class Found:
    """What came of all requests; every fault with what brings it about."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def keep(self, outcome: str, what: Callable[[], str]) -> None:
        """Count an outcome, and keep how it came about when it may not be."""
        self.outcomes[outcome] += 1
        if outcome in FAULTS or (outcome.isdigit() and outcome.startswith("5")):
            self.faults.append(f"{outcome} for {what()}"[:SHOWN_MAX])


def _known(worlds: Worlds) -> list[str]:
    names = [text for world in (worlds.own, *worlds.foreign) for text in world.things.values()]
    return [*names, *worlds.own.program.incentives]


async def _templates(world: World) -> dict[str, Any]:
    return {rpc.name: await template(world, rpc) for rpc in all_rpcs()}


AWAY_MAX = 0.1
"""Part of the bred requests that may be turned away before anybody reads them."""


async def _bred_inside(trial: Trial, worlds: Worlds, found: Found, count: int) -> None:
    """Call the handlers with bred requests, many at once."""
    chance = trial.chance("bred")
    breeder, inside, rpcs = Breeder(chance, _known(worlds)), Inside(worlds.store), all_rpcs()
    keys = [worlds.own.key(), worlds.own.key(Role.ADMIN, "umbrella")]
    weights = [0.1 if rpc.name in SELDOM else 1.0 for rpc in rpcs]
    good: dict[str, Any] = {}

    async def one(rpc: Rpc, data: bytes, headers: Mapping[str, str]) -> None:
        try:
            outcome = await inside.call(rpc, data, headers)
        except Exception as problem:  # noqa: BLE001 - whatever escapes a handler is a crash.
            outcome = "UNKNOWN"
            found.faults.append(f"{rpc.name} let {problem!r} out")
        found.keep(outcome, lambda: f"{rpc.name} {data.hex()} {dict(headers)}")

    for number in range(0, count, AT_ONCE):
        if number % FRESH_EVERY < AT_ONCE:
            for table in GUESSES:
                execute(worlds.database_url, f"DELETE FROM {table}")  # noqa: S608
            good = await _templates(worlds.own)
            if number % (100 * FRESH_EVERY) < AT_ONCE:
                trial.say(f"{number:9} {dict(found.outcomes.most_common(4))}")
        calls = []
        for _ in range(min(AT_ONCE, count - number)):
            (rpc,) = chance.choices(rpcs, weights)
            headers = breeder.headers(chance.choice(keys))
            calls.append((rpc, breeder.data(rpc, good[rpc.name]), headers))
        await asyncio.gather(*(one(*call) for call in calls))


async def _drawn_inside(trial: Trial, worlds: Worlds, found: Found, count: int) -> None:
    """Call the handlers with what hypothesis draws from the descriptors."""
    loop, inside, known = asyncio.get_running_loop(), Inside(worlds.store), _known(worlds)
    headers = worlds.own.headers()
    drawn = st.one_of(
        *(messages(rpc, known).map(lambda message, rpc=rpc: (rpc, message)) for rpc in all_rpcs())
    )

    def call(pair: tuple[Rpc, Any]) -> None:
        rpc, message = pair
        data = message.SerializeToString()
        called = asyncio.run_coroutine_threadsafe(inside.call(rpc, data, headers), loop)
        found.keep(called.result(PATIENCE_S), lambda: f"{rpc.name} {data.hex()}")

    await asyncio.to_thread(_draw, drawn, call, trial.seed, count)


def _draw(
    strategy: st.SearchStrategy[Any], use: Callable[[Any], None], seed: int, count: int
) -> None:
    """Let hypothesis draw so often, and use what it draws."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(strategy)
    def draw(drawn: Any) -> None:
        use(drawn)

    draw()


class Connection:
    """One keep-alive connection to Envoy, opened again whenever it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, bytes]
    ) -> tuple[int, bytes]:
        """Make a request; return status and body."""
        lines = [f"{method} {url} HTTP/1.1", "host: loyalty", f"content-length: {len(body)}"]
        named = [name.encode() + b": " + value for name, value in headers.items()]
        data = b"\r\n".join([*map(str.encode, lines), *named, b"", body])
        async with asyncio.timeout(PATIENCE_S):
            for attempt in range(2):
                fresh = self._streams is None
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                try:
                    writer.write(data)
                    response = await read_response(reader)
                except (ConnectionError, asyncio.IncompleteReadError):
                    # Envoy hangs up after what is no HTTP; the next call finds that out.
                    self.close()
                    if fresh or attempt:
                        raise
                    continue
                if response.header("connection") == "close":
                    self.close()
                return response.status, response.body
        raise ConnectionError("nobody answered")

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _send(connection: Connection, drawn: Drawn, found: Found) -> None:
    """Make a request to Envoy, which must answer in JSON whatever it is."""
    what = f"{drawn.method} {drawn.url} {drawn.body[:600]!r} {drawn.headers}"
    try:
        status, answer = await connection.request(
            drawn.method, drawn.url, drawn.body, drawn.headers
        )
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError) as problem:
        told = f"{problem!r} {what}"
        found.keep("INTERNAL", lambda: told)
        return
    found.keep(str(status), lambda: what)
    try:
        json.loads(answer)
    except ValueError:
        found.faults.append(f"{status} without JSON for {what}: {answer[:200]!r}")


async def _drawn_outside(trial: Trial, worlds: Worlds, found: Found, count: int) -> None:
    """Send what hypothesis draws, as JSON, paths, queries and headers, through a real Envoy."""
    loop, connection = asyncio.get_running_loop(), Connection(worlds.envoy.http_port)

    def send(drawn: Drawn) -> None:
        asyncio.run_coroutine_threadsafe(_send(connection, drawn, found), loop).result(PATIENCE_S)

    try:
        for number in range(0, count, DRAWN_OF_ONE):
            good = await _templates(worlds.own)
            strategy = http_requests(good, worlds.own.key(), _known(worlds))
            few = min(DRAWN_OF_ONE, count - number)
            await asyncio.to_thread(_draw, strategy, send, trial.seed + number, few)
    finally:
        connection.close()


async def _bred_outside(trial: Trial, worlds: Worlds, found: Found, count: int) -> None:
    """Send bred JSON, paths, queries and headers through a real Envoy."""
    chance = trial.chance("json")
    breeder = Breeder(chance, _known(worlds))
    connections = [Connection(worlds.envoy.http_port) for _ in range(OPEN_CONNECTIONS)]
    good: dict[str, Any] = {}

    async def one(connection: Connection) -> None:
        rpc = chance.choice(all_rpcs())
        route = chance.choice(rpc.routes)
        url, content = rpc.call_of(good[rpc.name], rpc.route_for(good[rpc.name]))
        if all(getattr(good[rpc.name], name) for name in route.variables):
            url, content = rpc.call_of(good[rpc.name], route)
        body = b"" if content is None else breeder.json(content)
        url, headers = breeder.url(url), breeder.headers(worlds.own.key())
        headers["content-type"] = chance.choice(("application/json", "text/plain", "", "x/y"))
        method = route.method if chance.random() < 0.97 else chance.choice(("PATCH", "HEAD", "X"))
        if method == "HEAD":
            method = "DELETE"  # An answer to HEAD has a length and no body.
        sent = {name: value.encode() for name, value in headers.items()}
        await _send(connection, Drawn(method, url, body, sent), found)

    try:
        for number in range(0, count, OPEN_CONNECTIONS):
            if number % FRESH_EVERY < OPEN_CONNECTIONS:
                for table in GUESSES:
                    execute(worlds.database_url, f"DELETE FROM {table}")  # noqa: S608
                good = await _templates(worlds.own)
            await asyncio.gather(*(one(connection) for connection in connections))
    finally:
        for connection in connections:
            connection.close()


async def _guided(trial: Trial, database_url: str) -> int:
    """Let atheris look for inputs that reach new lines, in a process of its own."""
    if importlib.util.find_spec("atheris") is None:
        trial.require(
            holds=False,
            problem="atheris is not installed: `make fault` does it, or pip install atheris",
        )
        return 0
    corpus = trial.folder / "corpus"
    corpus.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", TARGET, database_url, str(corpus)),
        *(f"-seed={trial.seed % 2**31 or 1}", f"-max_total_time={GUIDED_S}"),
        *(f"-runs={GUIDED_RUNS}", "-max_len=4096", "-timeout=20", f"-artifact_prefix={corpus}/"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode(errors="replace")
    end = "\n".join(said.splitlines()[-25:])
    trial.require(process.returncode == 0, f"atheris found something: {end}")
    done = [line for line in said.splitlines() if line.startswith("Done ")]
    trial.require(done, f"atheris did not run to its end: {end}")
    return int(done[-1].split()[1]) if done else 0


async def run(trial: Trial) -> None:
    """Breed, draw and guide requests of every call, then audit what they left."""
    found = Found()
    async with AsyncExitStack() as cleanup:
        # However slow the machine: what is turned away because others wait, nobody looks at.
        patch = cleanup.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("loyalty_service.storage.store.WAIT_MAX_S", PATIENCE_S)
        # Nor what two keys have under way beyond their shares, who make all of these calls.
        for target in ("KEY_TARGET_S", "TARGET_S"):
            patch.setattr(f"loyalty_service.transport.admission.{target}", PATIENCE_S)
        url = trial.new_database()
        worlds = await open_worlds(cleanup, url, trial.folder)
        bred, drawn, outside = trial.choose((1_000_000, 10_000, 20_000), (600, 30, 120))
        if trial.full and trial.kind == POSTGRESQL:
            # Its commits cost so much more, and its part in what is malformed is small.
            bred, drawn, outside = bred // TENTH, drawn // TENTH, outside // TENTH
            trial.figure("of SQLite's number", "a tenth")
        started = time.monotonic()
        await _bred_inside(trial, worlds, found, bred)
        trial.figure("bred protobuf requests", bred)
        away = found.outcomes["RESOURCE_EXHAUSTED"]
        trial.require(away < bred * AWAY_MAX, f"{away} of them were turned away, and not looked at")
        trial.figure("a second", round(bred / (time.monotonic() - started)))
        await _drawn_inside(trial, worlds, found, drawn)
        trial.figure("drawn from descriptors", drawn)
        await _drawn_outside(trial, worlds, found, drawn)
        trial.figure("drawn as JSON", drawn)
        started = time.monotonic()
        await _bred_outside(trial, worlds, found, outside)
        trial.figure("bred JSON through Envoy", outside)
        trial.figure("of JSON a second", round(outside / (time.monotonic() - started)))
        process = worlds.envoy._process
        trial.require(process is not None and process.poll() is None, "Envoy ended")
        if trial.full:
            copy = trial.new_database()
            trial.figure("guided by coverage", await _guided(trial, copy))
            audit(copy)
    trial.figure("answered OK", found.outcomes["OK"] + found.outcomes["200"])
    trial.figure("faults", len(found.faults))
    trial.say(str(dict(found.outcomes.most_common())))
    trial.problems += found.faults[:20]
    audit(url)


GOALS = (
    Goal(
        "G25",
        "Fuzz",
        "No request, however malformed, crashes the server, fails inside or unbalances a ledger.",
        run,
    ),
)
