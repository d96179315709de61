"""The demo visit as a developer runs it: against a real server behind a real Envoy."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import pytest_asyncio

from loyalty_service.cli import main
from loyalty_service.sandbox.demo_visit import pretty
from loyalty_service.sandbox.fixed_codes import AMIRA
from tests.support.roots import PYTHONPATH
from tests.support.server import Front, give_points, run_front

pytestmark = pytest.mark.any_database

STEPS, ES_STEPS = 10, 12
NOWHERE = "127.0.0.1:1"


async def run_demo(http: str, grpc: str) -> subprocess.CompletedProcess[str]:
    """Run `loyalty demo` in a process of its own to its end."""
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "PYTHONPATH": PYTHONPATH,
    }
    command = [sys.executable, "-m", "loyalty_service", "demo", "--http", http, "--grpc", grpc]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def play(http: str, grpc: str) -> subprocess.CompletedProcess[str]:
    """Run `loyalty demo` in a thread of this process, which is quicker to start."""
    arguments = ["demo", "--http", http, "--grpc", grpc]

    def run() -> subprocess.CompletedProcess[str]:
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.StringIO()) as err,
        ):
            patch.setenv("COLUMNS", "80")
            patch.setattr("sys.argv", ["loyalty", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        code = int(ended.value.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return await asyncio.to_thread(run)


def addresses(front: Front) -> tuple[str, str]:
    """Give the addresses of Envoy and of gRPC."""
    return f"127.0.0.1:{front.envoy.http_port}", front.server.address


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo_front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """A server whose member Amira nobody else uses."""
    async with run_front(tmp_path_factory.mktemp("demo")) as running:
        yield running


async def test_demo_plays_the_visit_on_both_doors(demo_front: Front) -> None:
    """Each step is printed with its call, its answer and what happened to the points."""
    ran = await run_demo(*addresses(demo_front))

    assert (ran.returncode, ran.stderr) == (0, "")
    for number in range(1, max(STEPS, ES_STEPS) + 1):
        times = (2 if number <= STEPS else 0) + (1 if number <= ES_STEPS else 0)
        assert ran.stdout.count(f"\n{number:2}  ") == times
    assert "  > POST /loyalty/identify\n" in ran.stdout
    assert "  > loyalty.v1.IdentifyService/IdentifyMember\n" in ran.stdout
    for line in (
        "  = points: available 30000, held 0\n",
        "  = points: available 30000 -> 29200 (-800), held 0 -> 800 (+800)\n",
        "  = points: available 29200 -> 28000 (-1200), held 800 -> 2000 (+1200)\n",
        "  = points: available 28000 -> 28084 (+84), held 2000 -> 0 (-2000)\n",
        "  = points: available 28084 -> 28000 (-84), held 0\n",
        "  = points: available 28000 -> 30000 (+2000), held 0\n",
    ):
        assert ran.stdout.count(line) >= 2
    es = ran.stdout.partition("A till of the ES contract")[2]
    assert es.count("  = points: available 0 -> 84 (+84), held 0\n") == 1
    assert '"errorMessage": "Invalid Correlation ID"' in es
    assert '"errorMessage": "Session Closed"' in es
    assert '"dollarsToThreshold": 1.05' in es
    assert "  = points: available 5000 -> 30000 (+25000), held 25000 -> 0 (-25000)\n" in es
    assert "All visits went as expected." in es


async def test_demo_shows_a_refusal_in_each_dialect(demo_front: Front) -> None:
    """A used code, broken rules and a missing field read as they do on each door."""
    ran = await play(*addresses(demo_front))

    json_door, grpc_door = ran.stdout.split("\ngRPC, ")
    assert "  < 422 Unprocessable Entity" in json_door
    assert '"code": "OrderSelectionStatusUnclaimable"' in json_door
    assert '"code": "exceeds-limit-per-order"' in json_door
    assert '"errorCode": "INVALID_REQUEST"' in json_door
    assert "  < FAILED_PRECONDITION" in grpc_door
    assert '"reason": "CODE_ALREADY_USED"' in grpc_door
    assert '"reason": "RULES_FAILED"' in grpc_door
    assert '"reason": "REQUEST_INVALID"' in grpc_door


async def test_demo_leaves_the_points_as_they_were(demo_front: Front) -> None:
    """The demo can be played any number of times."""
    for _ in range(2):
        ran = await play(*addresses(demo_front))
        assert ran.returncode == 0, ran.stderr

    assert await demo_front.server.admin.balances(AMIRA) == (30000, 0)


@pytest.mark.parametrize("absent", ["http", "grpc"])
async def test_absent_door_is_named(demo_front: Front, absent: str) -> None:
    """Where nothing answers, the address and what to do are said, and the exit code is 1."""
    http, grpc = addresses(demo_front)
    ran = await play(*((NOWHERE, grpc) if absent == "http" else (http, NOWHERE)))

    assert ran.returncode == 1
    assert "Nothing answers at " in ran.stderr
    assert NOWHERE in ran.stderr
    assert "make run" in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_unexpected_points_end_the_demo(own_front: Front) -> None:
    """A step that does not do what the visit promises ends it with exit code 1."""

    async def meddle() -> None:
        while True:
            await give_points(own_front.server.store, AMIRA, 1)

    meddling = asyncio.create_task(meddle())
    ran = await play(*addresses(own_front))
    meddling.cancel()

    assert ran.returncode == 1
    assert "Step 1 is not as expected: expected available +0 and held +0" in ran.stderr


@contextmanager
def some_web_server(body: bytes) -> Iterator[str]:
    """Something else that speaks HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"{}"])
async def test_another_server_is_told_apart(body: bytes) -> None:
    """What answers, but not as a sandbox does, is called that."""
    with some_web_server(body) as address:
        ran = await play(address, NOWHERE)

    assert ran.returncode == 1
    assert "is no sandbox" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_pretty_json_is_the_same_json(width: int) -> None:
    """Layout never changes the value, and no line that can be broken is too long."""
    value = {
        "empty": {},
        "none": [],
        "order": [{"id": "x" * 8, "quantity": 1, "name": "café"}, {"deep": {"er": [1, 2, 3]}}],
        "flag": True,
        "note": None,
    }

    text = pretty(value, width)

    assert json.loads(text) == value
    assert max(map(len, text.splitlines())) <= max(width, 24)
