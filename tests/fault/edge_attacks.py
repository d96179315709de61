"""What an Envoy at the edge must do with calls that no till makes, each a line of G27."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import stat as stat_of_file
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess, call_admin
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.support import http2
from tests.support.certificates import Authority
from tests.support.http import HttpClient, Response, read_response
from tests.support.server import ADMIN_KEY, Caller, Front, open_channel, refusal_of
from tests.support.upstream import Upstream, run_upstream

HOME = "127.0.0.1"
MEMBER = f"/loyalty/members/{FARHAN}"
SESSION = "/client/users/anonymous/sessions"
VALIDATE = "/loyalty/transaction/pos/validate/"
LINES = 500
SLACK_S = 3.0
IDLE = 3000
OPEN_MIN = 2000
"""More calls than the server and Envoy's breakers let under way."""

STREAMS = 16

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
        """Send bytes as they are; answers all that comes back until the proxy hangs up."""
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
    """Send bytes as they are; answers all that comes back until the other side hangs up."""
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
    """Make a gRPC call that must be refused; answers its code."""
    async with open_channel(f"{HOME}:{port}") as channel:
        caller = Caller(channel)
        request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
        call = caller.members.GetMember(request, metadata=caller.metadata())
        return (await refusal_of(call)).code


async def stat(envoy: EnvoyProcess, name: str) -> int:
    """Read one of Envoy's counters."""
    text = await envoy.ask(f"/stats?filter=^{name}$")
    return int(text.rpartition(":")[2] or 0)


def ports_of(pid: int) -> set[int]:
    """Give the ports that a process listens on, at any address."""
    files = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        for row in (line.split() for line in rows):
            if row[3] == "0A" and f"socket:[{row[9]}]" in files:
                found.add(int(row[1].rpartition(":")[2], 16))
    return found


async def admin_unreachable(edge: Edge) -> None:
    """The admin page has no port, no other user of the machine may open it, no call leads there."""
    envoy = edge.front.envoy
    assert "LIVE" in await envoy.ask("/ready")
    assert ports_of(envoy.pid) == {edge.port}
    assert stat_of_file.S_IMODE(envoy.admin_socket.stat().st_mode) == 0o600
    for host in (f"{HOME}:9901", "localhost"):
        target = f"http://{host}/config_dump"
        answer = await edge.send(head(f"GET {target} HTTP/1.1", f"host: {host}", KEY, CLOSE))
        assert statuses(answer) == [404], answer[:200]


async def admin_changes_nothing(edge: Edge) -> None:
    """Limits can't be lifted at run time, even by whoever reaches the admin page."""
    path = "/runtime_modify?overload.premature_reset_total_stream_count=1"
    status, answer = await asyncio.to_thread(
        call_admin, edge.front.envoy.admin_socket, "POST", path
    )
    assert status == 503, answer
    entries = json.loads(await edge.front.envoy.ask("/runtime"))["entries"]
    assert {name: entry["final_value"] for name, entry in entries.items()} == {
        "envoy.resource_limits.listener.edge.connection_limit": "40000",
        "overload.premature_reset_total_stream_count": "500",
        "overload.premature_reset_min_stream_lifetime_seconds": "1",
        "http.max_requests_per_io_cycle": "1",
    }


def basket(lines: int) -> str:
    """Write an order whose every line says all that a line can."""
    filled = [
        {
            "productId": f"{number:032}",
            "productType": "item",
            "referenceId": f"{number:032}",
            "price": 9999.99,
            "tax": 1299.99,
            "quantity": 99,
            "loyaltyEngineId": "0b7c5f0e-9d0c-4c0a-8a52-5f6f2f0d1cff",
        }
        for number in range(lines)
    ]
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "1"}
    details = {"currency": "CAD", "order": filled, "payments": [], "posVendor": vendor}
    order = {"status": "PENDING", "channel": "RESTAURANT", "serviceMode": "EAT_IN"}
    return json.dumps(order | {"transactionDetails": details})


async def large_basket_enters(edge: Edge) -> None:
    """An order of 500 full lines is served."""
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "full"}
    opened = await post(
        edge.port, "/loyalty/identify", json.dumps({"identifier": FARHAN, "posVendor": vendor})
    )
    assert opened.status == 200, opened
    body = basket(LINES)
    assert 32 * 1024 < len(body) < MESSAGE_BYTES_MAX, len(body)
    transaction = opened.json()["transactionId"]
    answer = await post(edge.port, VALIDATE + transaction, body)
    assert answer.status == 200, answer
    voided = await HttpClient(HOME, edge.port).request(
        "PUT", f"/loyalty/transaction/pos/{transaction}/void", None, {"x-api-key": ADMIN_KEY}
    )
    assert voided.status == 200, voided


async def larger_body_is_413(edge: Edge) -> None:
    """One byte too many is 413 in the caller's dialect, announced, or found out while it comes."""
    # A key that has never worked has 64 KiB without telling, and then may not hear why.
    assert (await get(edge.port)).status == 200
    body = "{}".ljust(MESSAGE_BYTES_MAX + 1)
    chunk = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"

    async def refused(path: str, field: str) -> None:
        announced = await post(edge.port, path, body)
        assert announced.status == 413, announced
        assert field in announced.json()
        lines = (f"POST {path} HTTP/1.1", "host: x", KEY, "transfer-encoding: chunked", CLOSE)
        answer = await edge.send(head(*lines, body=chunk))
        assert statuses(answer)[:1] == [413], answer[:200]

    await asyncio.gather(refused(VALIDATE + "1", "code"), refused(SESSION, "errorCode"))


async def bodies_over_http2(edge: Edge) -> None:
    """Over HTTP/2 enter a body of 512 KiB and an order of 500 full lines; a byte more is 413."""

    async def send_json(path: str, body: str, *, announced: bool = True) -> Any:
        sent = {"x-api-key": ADMIN_KEY, "content-type": "application/json"}
        answer = await http2.post(edge.port, path, body.encode(), sent, announced=announced)
        assert answer.reset is None, answer
        return json.loads(answer.body)

    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "over HTTP/2"}
    asked = json.dumps({"identifier": FARHAN, "posVendor": vendor})
    transaction = (await send_json("/loyalty/identify", asked.ljust(MESSAGE_BYTES_MAX)))[
        "transactionId"
    ]
    answer = await send_json(VALIDATE + transaction, basket(LINES))
    assert answer["transactionId"] == transaction, answer
    for announced in (True, False):
        for path in ("/loyalty/identify", SESSION):
            body = asked.ljust(MESSAGE_BYTES_MAX + 1)
            answer = await send_json(path, body, announced=announced)
            assert answer["statusCode"] == 413, answer
    voided = await HttpClient(HOME, edge.port).request(
        "PUT", f"/loyalty/transaction/pos/{transaction}/void", None, {"x-api-key": ADMIN_KEY}
    )
    assert voided.status == 200, voided


async def headers_are_limited(edge: Edge) -> None:
    """100 headers and 8 KiB of them are enough; an underscore hides no header from a check."""

    async def answered(status: int, *lines: str) -> bytes:
        answer = await edge.send(head(f"GET {MEMBER} HTTP/1.1", "host: x", CLOSE, *lines))
        assert statuses(answer) == [status], (lines[0][:20], answer[:200])
        return answer

    async def refused(status: int, *lines: str) -> None:
        assert b'"statusCode":%d' % status in await answered(status, *lines)

    await asyncio.gather(
        refused(431, *(f"x-{number}: y" for number in range(110))),
        refused(431, f"x-long: {'y' * 10_000}"),
        refused(400, "x_api_key: forged"),
        refused(400, KEY, "idempotency_key: believed"),
        answered(200, KEY, "x_forwarded_for: 10.0.0.1", "loyalty_caller: 1"),
    )


async def paths_are_plain(edge: Edge) -> None:
    """Dots and doubled slashes are resolved before anything looks at a path; %2F is refused."""

    async def answered(path: str, status: int) -> None:
        lines = (f"GET {path} HTTP/1.1", "host: x", f"x-api-key: {ADMIN_KEY}", CLOSE)
        answer = await edge.send(head(*lines))
        assert statuses(answer) == [status], (path, answer[:200])

    await asyncio.gather(
        answered(f"/client/..{MEMBER}", 200),
        answered(f"/loyalty//members/{FARHAN}", 200),
        answered(f"/loyalty%2Fmembers/{FARHAN}", 400),
        answered(f"/loyalty%5cmembers/{FARHAN}", 400),
    )


UNCLEAR = (
    ("content-length: 4", "transfer-encoding: chunked"),
    ("transfer-encoding: chunked", "transfer-encoding: identity"),
    ("content-length: 4", "content-length: 5"),
    ("content-length: +4",),
    ("content-length: 4, 4",),
    ("transfer-encoding: xchunked",),
    ("transfer-encoding : chunked",),
    (" transfer-encoding: chunked",),
)
"""Headers that leave it open where a request ends."""


async def nothing_is_smuggled(edge: Edge) -> None:
    """Whatever leaves it open where a request ends is refused, and what follows is not read."""
    inner = head(f"GET {MEMBER} HTTP/1.1", "host: x", f"x-api-key: {ADMIN_KEY}").decode()

    async def refused(*lines: str) -> None:
        first = (f"POST {SESSION} HTTP/1.1", KEY, "host: x")
        answer = await edge.send(head(*first, *lines, body="0\r\n\r\n" + inner))
        found = statuses(answer)
        assert len(found) == 1, (lines, found)
        assert found[0] in {400, 501}, (lines, answer[:200])
        assert FARHAN.encode() not in answer, lines

    await asyncio.gather(*(refused(*lines) for lines in UNCLEAR))


async def old_and_pipelined_calls_are_served(edge: Edge) -> None:
    """HTTP/1.0 needs no host; calls sent in one go are answered one by one, in order."""
    key = f"x-api-key: {ADMIN_KEY}"
    old = await edge.send(head(f"GET {MEMBER} HTTP/1.0", key))
    assert old.split(b"\r\n")[0].endswith(b"200 OK"), old[:200]
    both = head(f"GET {MEMBER} HTTP/1.1", "host: x", key) + head(
        "GET /nowhere HTTP/1.1", "host: x", key, "connection: close"
    )
    assert statuses(await edge.send(both)) == [200, 404]


async def reflection_is_off(edge: Edge) -> None:
    """Without LOYALTY_REFLECTION nobody reads the contract from the server."""
    async with open_channel(f"{HOME}:{edge.port}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        try:
            await anext(aiter(stub.ServerReflectionInfo(iter([request]))))
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error  # noqa: PT017 - of two ends.
        else:
            raise AssertionError("reflection answers")


async def callers_headers_are_not_ours(edge: Edge) -> None:
    """x-envoy-* and a forwarded address or certificate of a caller's own never arrive."""
    forged = {
        "x-envoy-external-address": "10.0.0.1",
        "x-envoy-upstream-rq-timeout-ms": "60000",
        "x-envoy-retry-on": "5xx",
        "x-envoy-max-retries": "9",
        "x-envoy-expected-rq-timeout-ms": "1",
        "x-envoy-decorator-operation": "forged",
        "x-forwarded-for": "10.0.0.1",
        "x-forwarded-client-cert": "By=forged",
        "x-request-id": "forged",
        # Which mean something between Envoy and the server, and nothing on a JSON call.
        "grpc-timeout": "x",
        "grpc-encoding": "nope",
        "grpc-accept-encoding": "nope",
        "grpc-status": "16",
        "grpc-forged": "forged",
        "forged-bin": "%%%",
        "loyalty-dialect": "forged",
        "loyalty-forged": "forged",
        "te": "forged",
    }
    async with edge.before_stand_in() as (upstream, envoy):
        await get(envoy.http_port, **forged)
        (seen,) = upstream.calls
    kept = {name: value for name, value in seen.items() if seen.get(name) == forged.get(name)}
    assert not kept, kept
    assert seen["x-envoy-external-address"] == HOME, seen


async def what_was_cut_off_is_not_sent_again(edge: Edge) -> None:
    """A call whose connection breaks is given to no server again, with a key or without one."""
    body = json.dumps({"identifier": FARHAN})
    async with edge.before_stand_in() as (upstream, envoy):
        upstream.cut = True
        for headers in ({}, {"idempotency_key": "k"}):
            upstream.calls.clear()
            answer = await post(envoy.http_port, "/loyalty/identify", body, **headers)
            assert answer.status == 503, answer
            assert answer.header("retry-after") == "1"
            assert len(upstream.calls) == 1, (headers, len(upstream.calls))


def _rates(config: dict[str, Any]) -> Any:
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager["http_filters"][4]["typed_config"]


def _breaker(config: dict[str, Any]) -> Any:
    return config["static_resources"]["clusters"][0]["circuit_breakers"]["thresholds"][0]


async def too_many_calls_are_429(edge: Edge) -> None:
    """An address that calls too often hears so in its dialect; a forged address helps nobody."""

    def few(config: dict[str, Any]) -> None:
        bucket = _rates(config)["descriptors"][0]["token_bucket"]
        bucket |= {"max_tokens": 3, "tokens_per_fill": 1, "fill_interval": "60s"}

    async with edge.before_stand_in(few) as (upstream, envoy):
        for number in range(3):
            await get(envoy.http_port, x_forwarded_for=f"10.0.0.{number}")
        legacy = await get(envoy.http_port, x_forwarded_for="10.0.0.9")
        session = await post(envoy.http_port, SESSION, "{}")
        assert len(upstream.calls) == 3
        for answer in (legacy, session):
            assert answer.status == 429, answer
            assert answer.header("retry-after") == "1"
            assert answer.header("content-type") == "application/json"
        assert legacy.json()["code"] == "TooManyRequests"
        assert session.json()["errorCode"] == "TOO_MANY_REQUESTS"
        assert await refused_over_grpc(envoy.http_port) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def all_together_are_limited(edge: Edge) -> None:
    """The bucket of all callers is looked at too."""

    def few(config: dict[str, Any]) -> None:
        _rates(config)["token_bucket"] |= {
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
        legacy = await get(envoy.http_port)
        session = await post(envoy.http_port, SESSION, "{}")
        assert await refused_over_grpc(envoy.http_port) is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - started < SLACK_S
        for answer in (legacy, session):
            assert answer.status == 503, answer
            assert answer.header("retry-after") == "1"
        assert legacy.json()["code"] == "ServiceUnavailable"
        assert session.json()["errorCode"] == "SERVICE_UNAVAILABLE"
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
        legacy = await get(envoy.http_port)
        session = await post(envoy.http_port, SESSION, "{}")
        for answer in (legacy, session):
            assert answer.status == 503, answer
            assert answer.header("retry-after") == "1"
        assert legacy.json()["code"] == "ServiceUnavailable"
        assert session.json()["errorCode"] == "SERVICE_UNAVAILABLE"
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


async def long_texts_hold_up_nobody(edge: Edge) -> None:
    """Digits, lines and parameters without end are refused at once, by a filter that runs alone."""
    client = HttpClient(HOME, edge.port)
    headers = {"content-type": "application/json", "x-api-key": ADMIN_KEY}
    digits, line = "1" * 500_000, "a" * 500_000
    for path, body in (
        ("/loyalty/identify", f'{{"posVendor":{{"terminal":{digits}x}}}}'),
        ("/loyalty/identify", f'{{"identifier":{digits}x}}'),
        ("/loyalty/identify", f'{{"a":"{line}",\n"b":}}'),
        (f"/loyalty/identify?{line[:7_000]}", "{"),
    ):
        async with asyncio.timeout(10):
            answer = await client.request("POST", path, body, headers)
        assert answer.status == 400, answer


async def open_streams_keep_nobody_out(edge: Edge) -> None:
    """Whoever announces a long call, or asks about health, and stays silent, takes no places."""
    client = HttpClient(HOME, edge.port)
    writers = []
    total = "http.edge.downstream_rq_total"
    before = await stat(edge.front.envoy, total)
    try:
        for path in ("/grpc.health.v1.Health/Check", "/loyalty.v1.IdentifyService/IdentifyMember"):
            writers += [await _open_streams(edge, path) for _ in range(OPEN_MIN // 2 // STREAMS)]
        async with asyncio.timeout(10):
            while await stat(edge.front.envoy, total) < before + OPEN_MIN:  # noqa: ASYNC110 - is elsewhere.
                await asyncio.sleep(0.05)
        # They may hold 24 MiB of an address, which is 16 or 80 KiB each.
        assert await stat(edge.front.envoy, "http.edge.downstream_rq_active") < OPEN_MIN
        for _ in range(20):
            answer = await client.request("GET", MEMBER, None, {"x-api-key": ADMIN_KEY})
            assert answer.status == 200, answer
    finally:
        for writer in writers:
            writer.close()


async def _open_streams(edge: Edge, path: str) -> asyncio.StreamWriter:
    """Open as many gRPC calls as one connection may have, whose messages never come."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "x",
        ":path": path,
        "te": "trailers",
        "content-type": "application/grpc",
        "x-api-key": "k",
    }
    block = b"".join(http2.literal(name, value) for name, value in fields.items())
    _, writer = await asyncio.open_connection(HOME, edge.port)
    writer.write(PREFACE)
    for stream in range(1, 2 * STREAMS, 2):
        writer.write(http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block))
    await writer.drain()
    return writer


PREFACE = http2.MAGIC + http2.frame(http2.SETTINGS, 0, 0, b"")
# POST, http, the authority x and a path, with HPACK's fixed table, and a key. Its body never comes.
HEADERS = bytes([0x83, 0x86, 0x01, 1]) + b"x" + bytes([0x04, 17]) + b"/loyalty/identify"
HEADERS += http2.literal("x-api-key", "k")
PING = http2.frame(http2.PING, 0, 0, bytes(8))


async def rapid_resets_are_cut(edge: Edge) -> None:
    """Who opens streams only to reset them is disconnected."""
    cancel = (8).to_bytes(4, "big")
    before = await stat(edge.front.envoy, "http.edge.downstream_rq_too_many_premature_resets")
    reader, writer = await asyncio.open_connection(HOME, edge.port)
    writer.write(PREFACE)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            for stream in range(1, 4000, 2):
                opening = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, HEADERS)
                writer.write(opening + http2.frame(http2.RESET, 0, stream, cancel))
                await writer.drain()
            while await reader.read(65536):
                pass
    writer.close()
    name = "http.edge.downstream_rq_too_many_premature_resets"
    assert await stat(edge.front.envoy, name) == before + 1


async def ping_floods_are_cut(edge: Edge) -> None:
    """Who asks for answers and never reads them is disconnected."""
    closed = "http.edge.downstream_cx_destroy_local"
    before = await stat(edge.front.envoy, closed)
    loop = asyncio.get_running_loop()
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.setblocking(False)  # noqa: FBT003 - it takes no name.
        await loop.sock_connect(caller, (HOME, edge.port))
        await loop.sock_sendall(caller, PREFACE)
        cut = False
        try:
            async with asyncio.timeout(20):
                for _ in range(2000):
                    await loop.sock_sendall(caller, PING * 1000)
        except ConnectionError:
            cut = True
    assert cut, "two million pings were taken"
    assert await stat(edge.front.envoy, closed) == before + 1


@dataclass(frozen=True, slots=True)
class Attack:
    """A line of the checklist that only a call can check."""

    line: str
    run: Callable[[Edge], Awaitable[None]]
    quick: bool = False


ATTACKS = (
    Attack("the admin page is unreachable from outside", admin_unreachable, quick=True),
    Attack("limits can't be lifted while it runs", admin_changes_nothing, quick=True),
    Attack("an order of 500 full lines enters", large_basket_enters, quick=True),
    Attack("a body past 512 KiB is 413", larger_body_is_413, quick=True),
    Attack("bodies are taken over HTTP/2 alike", bodies_over_http2, quick=True),
    Attack("headers are limited", headers_are_limited, quick=True),
    Attack("paths are plain", paths_are_plain, quick=True),
    Attack("nothing is smuggled", nothing_is_smuggled, quick=True),
    Attack("old and pipelined calls are served", old_and_pipelined_calls_are_served, quick=True),
    Attack("reflection is off", reflection_is_off, quick=True),
    Attack("what was cut off is not sent again", what_was_cut_off_is_not_sent_again, quick=True),
    Attack("long texts hold up nobody", long_texts_hold_up_nobody, quick=True),
    Attack("open streams keep nobody out", open_streams_keep_nobody_out),
    Attack("callers' headers are not ours", callers_headers_are_not_ours),
    Attack("too many calls of an address are 429", too_many_calls_are_429),
    Attack("too many calls of all are 429", all_together_are_limited),
    Attack("an open breaker is 503, a stuck server 504", open_breaker_is_503),
    Attack("a full heap refuses calls", full_heap_refuses_calls),
    Attack("connections are limited", connections_are_limited),
    Attack("idle connections make room", idle_connections_make_room),
    Attack("slow callers are cut", slow_callers_are_cut),
    Attack("silence and slow handshakes are cut", slow_handshakes_are_cut),
    Attack("rapid resets are cut", rapid_resets_are_cut),
    Attack("ping floods are cut", ping_floods_are_cut),
)
