"""What the trials of an Envoy at the edge share: ways to call it, and to read what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.fixed_codes import FARHAN
from tests.support.http import HttpClient, Response
from tests.support.server import ADMIN_KEY, Caller, Front, open_channel, refusal_of
from tests.support.upstream import Upstream, run_upstream

HOME = "127.0.0.1"
MEMBER = f"/loyalty/members/{FARHAN}"
SESSION = "/client/users/anonymous/sessions"
SLACK_S = 3.0

CLOSE = "connection: close"
KEY = f"x-api-key: {ADMIN_KEY}"

Adapt = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Edge:
    """The shipped proxy before a real server, and a way to run others before a stand-in."""

    front: Front
    folder: Path

    @property
    def port(self) -> int:
        """The port tills call."""
        return self.front.envoy.http_port

    async def send(self, data: bytes) -> bytes:
        """Send bytes as they are; return all that comes back until the proxy hangs up."""
        return await send(self.port, data)

    @asynccontextmanager
    async def before_stand_in(
        self, adapt: Adapt = lambda _: None, *, tls: Path | None = None
    ) -> AsyncIterator[tuple[Upstream, EnvoyProcess]]:
        """Run another Envoy, with one thing changed, before a server that misbehaves."""
        async with run_upstream() as upstream:

            def change(config: dict[str, Any]) -> None:
                # Its health is no matter here, and would flap as connections are cut.
                del config["static_resources"]["clusters"][0]["health_checks"]
                adapt(config)

            folder = self.folder / f"envoy-{upstream.port}"
            envoy = EnvoyProcess(folder=folder, grpc_port=upstream.port, adapt=change, tls=tls)
            async with envoy:
                yield upstream, envoy


async def send(port: int, data: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the other side hangs up."""
    reader, writer = await asyncio.open_connection(HOME, port)
    try:
        writer.write(data)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


def head(*lines: str, body: str = "") -> bytes:
    """Write a request."""
    return ("\r\n".join([*lines, "", ""]) + body).encode("latin-1")


def statuses(answers: bytes) -> list[int]:
    """Read the status of every answer in what came back."""
    pieces = answers.split(b"HTTP/1.1 ")[1:]
    return [int(piece[:3]) for piece in pieces]


async def get(port: int, path: str = MEMBER, **headers: str) -> Response:
    """Ask for JSON."""
    sent = {"x-api-key": ADMIN_KEY} | {name.replace("_", "-"): v for name, v in headers.items()}
    return await HttpClient(HOME, port).request("GET", path, None, sent)


async def post(port: int, path: str, body: str, **headers: str) -> Response:
    """Send JSON."""
    sent = {"x-api-key": ADMIN_KEY} | {name.replace("_", "-"): v for name, v in headers.items()}
    return await HttpClient(HOME, port).request("POST", path, body, sent)


async def refused_over_grpc(port: int) -> grpc.StatusCode:
    """Make a gRPC call that must be refused; return its code."""
    async with open_channel(f"{HOME}:{port}") as channel:
        caller = Caller(channel)
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        call = caller.members.GetMember(request, metadata=caller.metadata())
        return (await refusal_of(call)).code


async def stat(envoy: EnvoyProcess, name: str) -> int:
    """Read one of Envoy's counters."""
    text = await envoy.ask(f"/stats?filter=^{name}$")
    return int(text.rpartition(":")[2] or 0)


def worker_ms(pid: int) -> float:
    """Give how long Envoy's worker has run, to which no neighbour on the machine adds."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text(encoding="ascii").startswith("wrk:worker_0"):
            return int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e6
    raise LookupError("Envoy has no worker")


@dataclass(frozen=True, slots=True)
class Attack:
    """A line of the checklist that only a call can check."""

    line: str
    run: Callable[[Edge], Awaitable[None]]
    quick: bool = False
