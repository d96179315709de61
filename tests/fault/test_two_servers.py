"""Two servers on one PostgreSQL behind one Envoy, one of them killed under load."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from server.sandbox.envoy_process import EnvoyProcess
from tests.support.postgres import run_postgres

CALLERS = 16
CALLS = 1500
KILL_AFTER = 400
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "server" / "sandbox" / "program.yaml"


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(environment: dict[str, str], *arguments: str) -> str:
    """Run the command line to its end; answers what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


async def answering(port: int) -> None:
    """Wait until a server listens."""
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


class Till:
    """One keep-alive connection to Envoy."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Make a call; answers status and JSON."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", "host: loyalty", f"x-api-key: {self._key}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["content-type: application/json", f"content-length: {len(data)}", "", ""]
        writer.write("\r\n".join(lines).encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        return int(head.split()[1]), json.loads(await reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


async def test_killed_server_costs_only_the_calls_under_way(tmp_path: Path) -> None:
    """Of two servers one is killed: the other serves on, and nothing is lost or done twice."""
    with run_postgres() as postgres, ExitStack() as cleanup:
        url = postgres.new_database()
        environment = {
            **os.environ,
            "LOYALTY_DATABASE_URL": url,
            "LOYALTY_CODE_PEPPER": "p" * 32,
            "LOYALTY_SHUTDOWN_NOTICE_S": "0",
        }
        command(environment, "apply", str(PROGRAM), "--yes")
        key = command(environment, "keys", "create", "demo-ca", "tills", "--role", "admin")
        ports = [free_port(), free_port()]
        servers = []
        for port in ports:
            server = subprocess.Popen(  # noqa: ASYNC220 - it returns at once.
                [sys.executable, "-m", "server", "serve"],
                env={**environment, "LOYALTY_GRPC_PORT": str(port)},
                cwd=ROOT,
            )
            cleanup.callback(server.wait)
            cleanup.callback(server.terminate)
            servers.append(server)
        await asyncio.gather(*(answering(port) for port in ports))
        envoy = EnvoyProcess(folder=tmp_path, grpc_port=ports[0], other_grpc_ports=ports[1:])
        async with envoy:
            outcomes, retried = await _drive(envoy.http_port, key, servers[0])

        assert outcomes[200] == CALLS
        lost = outcomes.total() - CALLS
        sys.stdout.write(f"\n{CALLS} calls, {lost} failed at the kill, {retried} repeated\n")
        assert lost <= CALLERS, "more calls failed than were under way"
        with psycopg.connect(url) as connection:
            members = connection.execute("SELECT count(*) FROM member").fetchone()
            total = connection.execute("SELECT sum(balance) FROM account").fetchone()
        assert members == (CALLS,)
        assert total == (0,)


async def _drive(
    http_port: int, key: str, victim: subprocess.Popen[bytes]
) -> tuple[Counter[int], int]:
    """Enroll members from many tills; a call that fails is sent again under the same key."""
    outcomes: Counter[int] = Counter()
    numbers = iter(range(CALLS))
    retried = 0

    async def work() -> None:
        nonlocal retried
        till = Till(http_port, key)
        for number in numbers:
            if number == KILL_AFTER:
                victim.send_signal(signal.SIGKILL)
            body = {"name": f"Guest {number}"}
            while True:
                status, _ = await till.post(
                    "/loyalty/members", body, idempotency_key=f"member-{number}"
                )
                outcomes[status] += 1
                if status == 200:
                    break
                retried += 1
        till.close()

    await asyncio.gather(*(work() for _ in range(CALLERS)))
    return outcomes, retried
