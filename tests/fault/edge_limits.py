"""What Envoy does when there is too much of something: calls, memory, connections and time."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import grpc

from tests.fault.edge import (
    HOME,
    KEY,
    MEMBER,
    SESSION,
    SLACK_S,
    Edge,
    get,
    head,
    post,
    refused_over_grpc,
    stat,
    statuses,
)
from tests.fault.keyless_calls import PREFACE, grpc_call
from tests.support.certificates import Authority
from tests.support.edge_parts import rates_of
from tests.support.http import HttpClient, read_response
from tests.support.server import ADMIN_KEY

IDLE = 3000
ACTIVE = "http.edge.downstream_rq_active"
OPEN_MIN = 2000
"""More calls than the server and Envoy's breakers let under way."""

STREAMS = 8


def _breaker(config: dict[str, Any]) -> Any:
    return config["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"][0]


async def _refused(port: int, status: int, **headers: str) -> None:
    """Call in both dialects, each of which must be told in its own words when to come again."""
    legacy = await get(port, **headers)
    session = await post(port, SESSION, "{}")
    for answer in (legacy, session):
        assert answer.status == status, answer
        assert answer.header("retry-after") == "1"
        assert answer.header("content-type") == "application/json"
    assert (legacy.json()["code"], session.json()["errorCode"]) == WORDS[status]


WORDS = {
    429: ("TooManyRequests", "TOO_MANY_REQUESTS"),
    503: ("ServiceUnavailable", "SERVICE_UNAVAILABLE"),
}


async def too_many_calls_are_429(edge: Edge) -> None:
    """An address that calls too often hears so in its dialect; a forged address helps nobody."""

    def few(config: dict[str, Any]) -> None:
        bucket = rates_of(config)["descriptors"][0]["token_bucket"]
        bucket |= {"max_tokens": 3, "tokens_per_fill": 1, "fill_interval": "60s"}

    async with edge.before_stand_in(few) as (upstream, envoy):
        await get(envoy.http_port)  # From now on its key is known, and spends of the address.
        for number in range(3):
            await get(envoy.http_port, x_forwarded_for=f"10.0.0.{number}")
        await _refused(envoy.http_port, 429, x_forwarded_for="10.0.0.9")
        assert len(upstream.calls) == 4
        assert await refused_over_grpc(envoy.http_port) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def all_together_are_limited(edge: Edge) -> None:
    """The bucket of all callers is looked at too."""

    def few(config: dict[str, Any]) -> None:
        rates_of(config)["token_bucket"] |= {
            "max_tokens": 1,
            "tokens_per_fill": 1,
            "fill_interval": "60s",
        }

    async with edge.before_stand_in(few) as (_, envoy):
        await get(envoy.http_port)
        assert (await get(envoy.http_port)).status == 429


async def open_breaker_is_503(edge: Edge) -> None:
    """When the server has all the calls it may have, the next hears 503 at once."""

    def few(config: dict[str, Any]) -> None:
        _breaker(config)["max_requests"] = 1

    async with edge.before_stand_in(few) as (upstream, envoy):
        upstream.hang = True
        waiting = asyncio.create_task(get(envoy.http_port))
        while not upstream.calls:  # noqa: ASYNC110 - it is behind another process.
            await asyncio.sleep(0.01)
        started = time.monotonic()
        await _refused(envoy.http_port, 503)
        assert await refused_over_grpc(envoy.http_port) is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - started < SLACK_S
        # The one that waits is answered within the route's time, which a till can live with.
        assert (await waiting).status == 504
        assert time.monotonic() - started < 5 + SLACK_S


async def full_heap_refuses_calls(edge: Edge) -> None:
    """With its memory used up the proxy refuses calls in JSON, and lives."""

    def small(config: dict[str, Any]) -> None:
        monitor = config["overload_manager"]["resource_monitors"][0]
        monitor["typed_config"]["max_heap_size_bytes"] = 1024 * 1024

    async with edge.before_stand_in(small) as (upstream, envoy):
        async with asyncio.timeout(10):
            action = "overload.envoy.overload_actions.stop_accepting_requests.active"
            while not await stat(envoy, action):  # noqa: ASYNC110 - it is another process.
                await asyncio.sleep(0.05)
        await _refused(envoy.http_port, 503)
        assert not upstream.calls


async def connections_are_limited(edge: Edge) -> None:
    """One connection more than the listener may have is closed; the others are served."""

    def few(config: dict[str, Any]) -> None:
        layer = config["layered_runtime"]["layers"][0]["static_layer"]
        layer["envoy.resource_limits.listener.edge.connection_limit"] = 3

    async with edge.before_stand_in(few) as (_, envoy):
        held = [await asyncio.open_connection(HOME, envoy.http_port) for _ in range(3)]
        reader, writer = await asyncio.open_connection(HOME, envoy.http_port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        reader, writer = held[0]
        writer.write(head(f"GET {MEMBER} HTTP/1.1", "host: x", KEY))
        assert (await read_response(reader)).status == 200
        for _, writer in held:
            writer.close()


async def idle_connections_make_room(edge: Edge) -> None:
    """As memory runs out, connections that do nothing are closed within seconds, not minutes."""

    def small(config: dict[str, Any]) -> None:
        monitor = config["overload_manager"]["resource_monitors"][0]
        monitor["typed_config"]["max_heap_size_bytes"] = 128 * 1024 * 1024

    async with edge.before_stand_in(small) as (_, envoy), asyncio.timeout(60):
        held = [await asyncio.open_connection(HOME, envoy.http_port) for _ in range(IDLE)]
        try:
            for _, writer in held:
                writer.write(PREFACE)
            name = "http.edge.downstream_cx_idle_timeout"
            while await stat(envoy, name) < IDLE // 2:
                assert (await get(envoy.http_port)).status == 200
                await asyncio.sleep(0.1)
        finally:
            for _, writer in held:
                writer.transport.abort()


async def slow_callers_are_cut(edge: Edge) -> None:
    """Headers that drip for 3 s, or a body for 5 s, are answered 408 and the connection ends."""

    async def drip(start: bytes, drop: bytes) -> tuple[bytes, float]:
        reader, writer = await asyncio.open_connection(HOME, edge.port)
        started = time.monotonic()
        writer.write(start)
        answer = asyncio.create_task(reader.read(65536))
        while not answer.done() and time.monotonic() - started < 30:
            writer.write(drop)
            await asyncio.wait([answer], timeout=0.5)
        took_s = time.monotonic() - started
        writer.close()
        return await answer, took_s

    headers, body = await asyncio.gather(
        drip(f"GET {MEMBER} HTTP/1.1\r\nhost: x\r\n".encode(), b"x-a: b\r\n"),
        drip(
            head(f"POST {SESSION} HTTP/1.1", "host: x", "x-api-key: k", "content-length: 1000"),
            b" ",
        ),
    )
    for (answer, took_s), limit_s in ((headers, 3), (body, 5)):
        assert statuses(answer) == [408], answer[:200]
        assert limit_s - 1 < took_s < limit_s + SLACK_S, took_s


CLIENT_HELLO_START = bytes([22, 3, 1, 2, 0, 1])
"""A TLS record of 512 bytes is announced, and a ClientHello begins."""


async def slow_handshakes_are_cut(edge: Edge) -> None:
    """Who connects and says nothing is hung up on after 3 s, and in a TLS handshake after 5 s."""
    certificates = edge.folder / "tls"
    authority = Authority("edge")
    authority.sign("edge").write(certificates, "edge")
    async with edge.before_stand_in(tls=certificates) as (_, envoy):
        context = ssl.create_default_context(cadata=authority.pem.decode())
        secure = HttpClient(HOME, envoy.http_port, context)
        assert (await secure.request("GET", MEMBER, None, {"x-api-key": ADMIN_KEY})).status == 200

        async def cut_after(sent: bytes) -> float:
            reader, writer = await asyncio.open_connection(HOME, envoy.http_port)
            started = time.monotonic()
            writer.write(sent)
            async with asyncio.timeout(30):
                assert await reader.read() == b""
            writer.close()
            return time.monotonic() - started

        silent_s, begun_s = await asyncio.gather(cut_after(b""), cut_after(CLIENT_HELLO_START))
        assert 2 < silent_s < 3 + SLACK_S, silent_s
        assert 4 < begun_s < 5 + SLACK_S, begun_s


async def open_streams_keep_nobody_out(edge: Edge) -> None:
    """Whoever announces a long call, or asks about health, and stays silent, takes no places."""
    client = HttpClient(HOME, edge.port)
    writers = []
    total = "http.edge.downstream_rq_total"
    before = await stat(edge.front.envoy, total)
    try:
        for path in ("/grpc.health.v1.Health/Check", "/loyalty.v1.IdentifyService/IdentifyMember"):
            writers += [
                await _open_streams(edge, path) for _ in range(OPEN_MIN // 2 // STREAMS + 1)
            ]
        async with asyncio.timeout(10):
            while await stat(edge.front.envoy, total) < before + OPEN_MIN:  # noqa: ASYNC110 - is elsewhere.
                await asyncio.sleep(0.05)
        # They may hold 8 MiB of an address, each 16 KiB or more.
        async with asyncio.timeout(SLACK_S):  # They would end by themselves after 5 s.
            while await stat(edge.front.envoy, ACTIVE) >= OPEN_MIN:  # noqa: ASYNC110 - is elsewhere.
                await asyncio.sleep(0.05)
        for _ in range(20):
            answer = await client.request("GET", MEMBER, None, {"x-api-key": ADMIN_KEY})
            assert answer.status == 200, answer
    finally:
        for writer in writers:
            writer.close()


async def _open_streams(edge: Edge, path: str) -> asyncio.StreamWriter:
    """Open as many gRPC calls as one connection may have, whose messages never come."""
    _, writer = await asyncio.open_connection(HOME, edge.port)
    writer.write(grpc_call(path, None, key="k", ended=False, streams=STREAMS))
    await writer.drain()
    return writer
