"""The server as a whole: health, reflection, shutdown, other storage."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic_ns
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.bootstrap import serve
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.storage import fresh_catalog, writer
from loyalty_service.storage.migrate import SchemaError
from loyalty_service.transport.addresses import AddressError
from loyalty_service.transport.rpcs import SERVICES
from loyalty_service.transport.server import HEALTH_NAMES, LIVENESS
from tests.support.postgres import Postgres
from tests.support.server import (
    POS_KEY,
    Server,
    identify_request,
    run_server,
    settings_in,
)
from tests.support.stores import writers_busy

pytestmark = pytest.mark.any_database

GRPCURL = Path(sys.executable).with_name("grpcurl")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = list(HEALTH_NAMES)
PAUSE_NS = 60_000_000_000


@pytest.mark.parametrize("name", [*NAMES, LIVENESS])
async def test_health_is_serving_for_every_service(server: Server, name: str) -> None:
    """The server and each of its services report SERVING, without a key."""
    health = health_pb2_grpc.HealthStub(server.admin.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    watch = health.Watch(request)
    async with asyncio.timeout(10):
        # The loop of a server that all tests share may have stood still until now.
        while (await watch.read()).status != SERVING:
            pass
    watch.cancel()
    assert (await health.Check(request)).status == SERVING


async def test_server_that_lets_nobody_in_is_not_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the catalogue is too old balancers are told, and who restarts processes is not."""
    monkeypatch.setattr("loyalty_service.transport.server.HEALTH_S", 0.01)
    async with run_server(tmp_path) as server:
        health = health_pb2_grpc.HealthStub(server.admin.channel)

        async def told(name: str, wanted: int) -> None:
            asked = health_pb2.HealthCheckRequest(service=name)
            async with asyncio.timeout(30):
                while (await health.Check(asked)).status != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        with monkeypatch.context() as patch:
            patch.setattr("loyalty_service.storage.fresh_catalog.CATALOG_AGE_MAX_S", 0.0)
            for name in HEALTH_NAMES:
                await told(name, NOT_SERVING)
            await told(LIVENESS, SERVING)
        for name in HEALTH_NAMES:
            await told(name, SERVING)


async def test_server_that_stood_still_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose machine was paused looks at the catalogue before it tells balancers."""
    monkeypatch.setattr("loyalty_service.transport.server.HEALTH_S", 0.01)
    monkeypatch.setattr(fresh_catalog, "CATALOG_POLL_S", 60.0)
    async with run_server(tmp_path) as server:
        seen: asyncio.Queue[int] = asyncio.Queue()
        watching = asyncio.create_task(_watch(server.admin.channel, seen))
        assert await seen.get() == SERVING
        paused_ns = 0
        for module in (fresh_catalog, writer):
            monkeypatch.setattr(module, "monotonic_ns", lambda: monotonic_ns() + paused_ns)
        for _ in range(5):
            paused_ns += PAUSE_NS
            async with asyncio.timeout(30):
                while server.store.refuses() is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert seen.empty()
        watching.cancel()


async def test_shutdown_reports_not_serving_first(tmp_path: Path) -> None:
    """At shutdown watchers hear NOT_SERVING while calls are still answered, then it drains."""
    health_seen: asyncio.Queue[int] = asyncio.Queue()
    stopping = asyncio.Event()

    async def run(started: asyncio.Future[Server]) -> None:
        async with run_server(tmp_path, shutdown_notice_s=0.3) as server:
            started.set_result(server)
            await stopping.wait()

    started: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(run(started))
    server = await started
    # The server's own channel closes first: this one outlives it.
    async with grpc.aio.insecure_channel(server.address) as channel:
        watching = asyncio.create_task(_watch(channel, health_seen))
        assert await health_seen.get() == SERVING
        stopping.set()
        assert await health_seen.get() == NOT_SERVING
        identify = channel.unary_unary("/loyalty.v1.IdentifyService/IdentifyMember")
        request = identify_request(FARHAN).SerializeToString()
        assert await identify(request, metadata=(("x-api-key", POS_KEY),))
        watching.cancel()
        await running


async def _watch(channel: grpc.aio.Channel, seen: asyncio.Queue[int]) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    answers: AsyncIterator[Any] = health.Watch(health_pb2.HealthCheckRequest())
    async for answer in answers:
        seen.put_nowait(answer.status)


async def test_shutdown_answers_the_calls_under_way(tmp_path: Path) -> None:
    """A call that waits for the storage when the server stops is answered all the same."""
    settings = settings_in(tmp_path)
    async with run_server(tmp_path) as seeded:
        loyalty_id = await seeded.admin.enroll()
    async with serve(settings, sandbox=True) as running:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{running.grpc_port}")
        identify = channel.unary_unary("/loyalty.v1.IdentifyService/IdentifyMember")
        async with writers_busy(running.store):
            call = identify(
                identify_request(loyalty_id).SerializeToString(),
                metadata=(("x-api-key", POS_KEY), ("x-request-id", "under-way")),
            )
            async with asyncio.timeout(10):
                # The call is on its way; other work may wait as well.
                while not any(  # noqa: ASYNC110
                    item.trail is not None and item.trail.request_id == "under-way"
                    for item in running.store._waiting
                ):
                    await asyncio.sleep(0.001)
        answer = asyncio.ensure_future(call)
    assert await answer
    await channel.close()


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    """What was answered before a restart is there after it, the sandbox's data once."""
    async with run_server(tmp_path) as server:
        loyalty_id = await server.admin.enroll("Stays")
    async with run_server(tmp_path) as server:
        request = member_service_pb2.GetMemberRequest(loyalty_id=loyalty_id)
        assert (await server.app.call(server.app.members.GetMember, request)).member.name == "Stays"
        assert await server.admin.balances(FARHAN) == (15264, 0)


async def test_server_runs_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    """The same server on PostgreSQL answers the same."""
    url = postgres.new_database()
    async with run_server(tmp_path, database_url=url) as server:
        answer = await server.till.call(
            server.till.identifies.IdentifyMember, identify_request("123456")
        )
        assert answer.balances[0].amount == 14464
        assert await server.admin.balances(FARHAN) == (14464, 800)
    postgres.drop(url)


async def test_server_refuses_an_unmigrated_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    """A shared database is not migrated by a server that starts: it says what to run."""
    url = postgres.empty_database()
    with pytest.raises(SchemaError, match="loyalty migrate"):
        async with run_server(tmp_path, database_url=url):
            pass
    postgres.drop(url)


async def test_taken_port_is_refused(server: Server, tmp_path: Path) -> None:
    """A second server on the same port does not start."""
    with pytest.raises(AddressError, match="set LOYALTY_GRPC_PORT"):
        async with run_server(tmp_path, grpc_port=server.running.grpc_port):
            pass


async def _grpcurl(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        GRPCURL,
        "-plaintext",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_grpcurl_lists_every_service(server: Server) -> None:
    """Reflection lists the contract's services, health and itself."""
    code, output, errors = await _grpcurl(server.address, "list")
    assert (code, errors) == (0, "")
    assert set(output.split()) >= {*NAMES[1:], "grpc.health.v1.Health"}


@pytest.mark.parametrize("name", NAMES[1:])
async def test_grpcurl_describes_every_service(server: Server, name: str) -> None:
    """Reflection describes each service with all of its methods."""
    code, output, errors = await _grpcurl(server.address, "describe", name)
    assert (code, errors) == (0, "")
    (service,) = (service for service in SERVICES if service.full_name == name)
    assert all(f"rpc {method.name}" in output for method in service.methods)


async def test_reflection_is_off_unless_asked_for(own_server: Server) -> None:
    """A server without the setting does not know the service."""
    code, output, errors = await _grpcurl(own_server.address, "list")
    assert code != 0
    assert output == ""
    assert "does not support the reflection API" in errors


async def test_grpcurl_calls_with_json(server: Server) -> None:
    """A developer calls with JSON and an API key, and reads JSON."""
    request = {
        "identifier": "234567",
        "posVendor": {"storeId": 9999, "posType": "Partner", "transactionId": "grpcurl"},
    }
    code, output, errors = await _grpcurl(
        *("-H", f"x-api-key: {POS_KEY}", "-d", json.dumps(request)),
        *(server.address, "loyalty.v1.IdentifyService/IdentifyMember"),
    )
    assert (code, errors) == (0, "")
    answer = json.loads(output)
    assert answer["balances"] == [{"amount": 14464, "currency": "points"}]
    assert answer["eligibleDiscounts"][0]["details"]["type"] == "offer"


async def test_grpcurl_shows_the_details_of_an_error(server: Server) -> None:
    """A refusal shows its reason and fields in grpcurl."""
    code, _output, errors = await _grpcurl(
        *("-H", f"x-api-key: {POS_KEY}", "-d", "{}"),
        *(server.address, "loyalty.v1.IdentifyService/IdentifyMember"),
    )
    assert code != 0
    for words in ("InvalidArgument", "REQUEST_INVALID", "identifier", "pos_vendor"):
        assert words in errors
