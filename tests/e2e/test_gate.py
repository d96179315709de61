"""The gate at the edge: who goes on at all, before anything counts or parses a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport.authentication import bare_key
from loyalty_service.transport.errors.rendering import BUSY
from tests.support import http2
from tests.support.edge_parts import manager_of, rates_of, script_errors
from tests.support.http import HttpClient, Response
from tests.support.server import ADMIN_KEY, Caller, Front, open_channel, refusal_of, run_front
from tests.support.upstream import Upstream, run_upstream

pytestmark = pytest.mark.any_database

MEMBER = f"/loyalty/members/{FARHAN}"
GET_MEMBER = "/loyalty.v1.MemberService/GetMember"
ASKED = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN).SerializeToString()
WRONG = 220
SOME = 20
"""More wrong keys than one address may show at once."""

HALF_CALLS, HALF_BYTES = 60, 500_000
ANSWERED_S = 2.0
"""Before Envoy gives a body up that does not come."""

WHOLE_CALLS = 400
"""More, where no length is told, than an address may have under way of strangers."""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", MEMBER, 401),
        ("POST", "/client/users/anonymous/sessions", 401),
        ("GET", "/nowhere", 401),
        ("POST", "/health", 401),
        ("OPTIONS", MEMBER, 405),
        ("OPTIONS", "/nowhere", 404),
    ],
)
async def test_every_path_asks_for_a_key(front: Front, method: str, path: str, status: int) -> None:
    """Nothing is told without a key, but that a browser may not call."""
    for key in ({}, {"x-api-key": " "}, {"authorization": ""}):
        answer = await front.http.request(method, path, None, key)
        assert answer.status == status
        assert answer.json()["statusCode"] == status


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "application/grpc", "application/grpc+proto", "application/grpcx"),
        *("application/grpc-web", "application/grpc-web-text", "application/grpc-webx", ""),
    ],
)
@pytest.mark.parametrize("path", [MEMBER, GET_MEMBER, "/nowhere"])
@pytest.mark.parametrize("key", ["", "x-api-key: stranger\r\n", "authorization: x\r\n"])
async def test_nobody_waits_for_the_body_of_a_question(
    front: Front, content_type: str, path: str, key: str
) -> None:
    """OPTIONS is answered by its headers, whatever it says that it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.envoy.http_port)
    head = f"OPTIONS {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{key}"
    writer.write(f"{head}content-length: 60000\r\n\r\nhalf".encode())
    try:
        answer = await asyncio.wait_for(reader.readline(), ANSWERED_S)
    finally:
        writer.close()
    assert answer.split()[1] in {b"200", b"401", b"404", b"405"}
    assert script_errors(front.envoy) == []


async def test_health_needs_no_key_and_is_not_watched(front: Front) -> None:
    """A balancer may ask; a stream that stays open is not served."""
    async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", None, None)
        answer = health_pb2.HealthCheckResponse.FromString(await check(b"", timeout=10))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", None, None)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(watch(b"", timeout=10)))
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        len(ASKED).to_bytes(5, "big") + ASKED + b"\0",
    ],
    ids=["none", "too long"],
)
async def test_what_is_not_one_whole_message_goes_no_further(front: Front, body: bytes) -> None:
    """A gRPC-Web call with such a body is refused at once, and the server never hears of it."""
    headers = {"x-api-key": ADMIN_KEY, "content-type": "application/grpc-web+proto"}
    answer = await front.http.request("POST", GET_MEMBER, body, headers)
    # INTERNAL, for of any 400 Envoy makes that over gRPC-Web.
    assert answer.header("grpc-status") == "13"
    whole = len(ASKED).to_bytes(5, "big") + ASKED
    answer = await front.http.request("POST", GET_MEMBER, whole, headers)
    assert answer.status == 200
    assert answer.header("grpc-status") is None
    assert b"Farhan" in answer.body


async def test_grpc_call_without_a_message_is_told_why(front: Front) -> None:
    """What never comes is missed at once, with the server's words and details."""
    async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
        method: Any = channel.stream_unary(GET_MEMBER, None, None)
        for key, reason in (("", "API_KEY_MISSING"), (ADMIN_KEY, "REQUEST_INVALID")):
            metadata = (("x-api-key", key),) if key else ()
            refusal = await refusal_of(method(iter([]), metadata=metadata, timeout=10))
            assert refusal.reason == reason


async def _wait(front: Front, key: str, **headers: str) -> Response:
    """Make calls under this key until one waits; return that answer. Time makes up for some."""
    for _ in range(WRONG):
        # Some at once, or a slow machine makes fewer than time makes up for.
        asked = [front.get(MEMBER, key, **headers) for _ in range(SOME)]
        for answer in await asyncio.gather(*asked):
            if answer.status == 429:
                return answer
    raise AssertionError("no call waited")


async def test_wrong_keys_make_strangers_wait_and_nobody_else(tmp_path: Path) -> None:
    """After many wrong keys an address shows more in vain; a key that has worked is served on."""
    async with run_front(tmp_path) as front:
        assert (await front.get(MEMBER)).status == 200
        async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
            # Whoever asks for health needs no key, so this one has not worked.
            check = channel.unary_unary("/grpc.health.v1.Health/Check", None, None)
            await check(b"", metadata=(("x-api-key", "asked"),), timeout=10)
        await asyncio.gather(*(front.get(MEMBER, f"wrong-{number}") for number in range(WRONG)))
        answer = await _wait(front, "wrong")
        assert answer.header("retry-after") == "1"
        assert answer.json()["code"] == "TooManyRequests"
        await _wait(front, "wrong", x_forwarded_for="10.0.0.1")
        await _wait(front, "asked")
        assert (await front.get(MEMBER)).status == 200
        async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
            stranger, known = Caller(channel, "stranger"), Caller(channel, ADMIN_KEY)
            request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
            call = stranger.members.GetMember(request, metadata=stranger.metadata())
            assert (await refusal_of(call)).reason in {"SERVER_BUSY", "API_KEY_INVALID"}
            await known.members.GetMember(request, metadata=known.metadata())
        assert script_errors(front.envoy) == []


async def test_a_stranger_waits_after_whatever_did_not_succeed(tmp_path: Path) -> None:
    """A method that nobody serves is counted as a wrong key is."""
    async with (
        run_front(tmp_path) as front,
        open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel,
    ):
        unknown: Any = channel.unary_unary("/loyalty.v1.MemberService/Nothing", None, None)

        async def ask(number: int) -> bool:
            """Tell whether the call was let in."""
            try:
                await unknown(ASKED, metadata=(("x-api-key", f"wrong-{number}"),), timeout=10)
            except grpc.aio.AioRpcError as refused:
                return refused.code() is grpc.StatusCode.UNIMPLEMENTED
            return True

        assert (await front.get(MEMBER)).status == 200
        asked = WRONG
        assert any(await asyncio.gather(*map(ask, range(asked))))
        # Time makes up for some of them meanwhile.
        while all(await asyncio.gather(*map(ask, range(asked, asked + SOME)))):
            asked += SOME
            assert asked < 10 * WRONG
        await _wait(front, "stranger")
        assert (await front.get(MEMBER)).status == 200


async def test_strangers_spend_nothing_of_what_known_keys_may_call(tmp_path: Path) -> None:
    """Calls of an address are counted apart: those of keys that have worked, and of strangers."""

    def let_each_call_twice(config: dict[str, Any]) -> None:
        _let_an_address_call_twice(config)
        known, of_key, strangers = rates_of(config)["descriptors"]
        assert of_key["entries"] == [{"key": "api_key"}]
        strangers["token_bucket"] = known["token_bucket"]

    async with run_front(tmp_path, adapt=let_each_call_twice) as front:
        assert (await front.get(MEMBER)).status == 200
        asked = [(await front.get("/nowhere", f"wrong-{one}")).status for one in range(3)]
        # One of the two the first call of the known key has spent.
        assert asked == [404, 429, 429]
        assert [(await front.get(MEMBER)).status for _ in range(3)] == [200, 200, 429]


async def test_an_answer_that_is_not_taken_is_given_up(tmp_path: Path) -> None:
    """Over HTTP/2, whoever opens no window for an answer loses the call, and keeps the others."""

    def wait_shorter(config: dict[str, Any]) -> None:
        manager = manager_of(config)
        assert manager["stream_flush_timeout"] == "5s"
        manager["stream_flush_timeout"] = "0.2s"

    async with _before_stand_in(tmp_path, wait_shorter) as (_upstream, envoy):
        reader, writer = await asyncio.open_connection("127.0.0.1", envoy.http_port)
        fields = {":method": "GET", ":scheme": "http", ":authority": "x", ":path": MEMBER}
        block = b"".join(http2.literal(*field) for field in fields.items())
        flags = http2.END_HEADERS | http2.END_STREAM
        writer.write(
            http2.MAGIC
            + http2.frame(http2.SETTINGS, 0, 0, http2.NO_WINDOW)
            + http2.frame(http2.HEADERS, flags, 1, block)
        )
        async with asyncio.timeout(5):
            while (head := await reader.readexactly(9))[3] != http2.RESET:
                assert head[3] not in {http2.DATA, http2.GO_AWAY}
                await reader.readexactly(int.from_bytes(head[:3], "big"))
        writer.close()


def _spellings(key: str, chance: Random) -> list[tuple[tuple[str, str], ...]]:
    """Give headers that carry one key, in the ways that the server takes it."""

    def blanks(most: int = 90) -> str:
        return "".join(chance.choices(" \t", k=chance.randint(0, most)))

    def bearer() -> str:
        scheme = "".join(chance.choice((letter, letter.upper())) for letter in "bearer")
        return f"{scheme} {blanks()}{key}{blanks()}"

    return [
        (("x-api-key", key),),
        (("x-api-key", f"{blanks()}{key}{blanks()}"), ("authorization", "Bearer other")),
        (("x-api-key", "other"), ("X-Api-Key", key)),
        (("x-api-key", "other"), ("x-api-key", blanks()), ("authorization", bearer())),
        *((("authorization", bearer()),) for _ in range(3)),
        (("authorization", bearer()), ("x-api-key", "")),
        (("authorization", "Basic x"), ("x-api-key", key)),
    ]


async def test_a_key_is_one_key_however_it_is_spelt(tmp_path: Path) -> None:
    """The gate counts what the server reads, and hands that on; so does the limit of each key."""

    def show_whom_the_gate_counts(config: dict[str, Any]) -> None:
        (host,) = manager_of(config)["route_config"]["virtual_hosts"]
        del host["request_headers_to_remove"]
        assert {
            "actions": [
                {"request_headers": {"header_name": "loyalty-caller", "descriptor_key": "api_key"}}
            ]
        } in rates_of(config)["rate_limits"]

    async with _before_stand_in(tmp_path, show_whom_the_gate_counts) as (upstream, envoy):
        client = HttpClient("127.0.0.1", envoy.http_port)
        counted: dict[str, set[str]] = {}
        # Of the last a blank is a part: HTTP has no other blanks than spaces and tabs.
        for key in ("lk_one", "lk_two two", "\xa0lk_one"):
            for headers in _spellings(key, Random(key)):  # noqa: S311 - the same each time.
                lines = [f"POST {GET_MEMBER} HTTP/1.1", "host: x", "connection: close"]
                lines += ["content-type: application/grpc-web+proto", "content-length: 5"]
                lines += [f"{name}: {value}" for name, value in headers]
                await client.send("\r\n".join([*lines, "", ""]).encode("latin-1") + bytes(5))
                sent = {name.lower(): value for name, value in headers}
                arrived = upstream.calls.pop()
                assert bare_key(arrived) == bare_key(sent) == arrived["x-api-key"] == key, headers
                assert "authorization" not in arrived
                counted.setdefault(key, set()).add(arrived["loyalty-caller"])
        assert [len(callers) for callers in counted.values()] == [1] * 3
        assert len(set.union(*counted.values())) == 3
        assert script_errors(envoy) == []


@pytest.mark.parametrize(("name", "start"), [("x-api-key", ""), ("authorization", "Bearer ")])
async def test_what_is_longer_than_a_key_is_none(front: Front, name: str, start: str) -> None:
    """A key that nobody could have is not kept, counted, or asked about."""
    longer = await front.http.request("GET", MEMBER, None, {name: start.ljust(257, "k")})
    assert longer.status == 401
    assert "required" in longer.json()["message"]
    asked = await front.http.request("GET", MEMBER, None, {name: start.ljust(256, "k")})
    assert (asked.status, asked.json()["message"]) == (
        401,
        "The API key is unknown, revoked or of another region",
    )


async def test_a_first_call_may_be_large_if_it_says_so(tmp_path: Path) -> None:
    """What a stranger does not announce is read up to 64 KiB, and a known key's up to 512 KiB."""
    body = f'{{"identifier":"{FARHAN}"}}'.encode()
    headers = {"x-api-key": ADMIN_KEY, "content-type": "application/json"}
    async with run_front(tmp_path) as front:
        port = front.envoy.http_port

        async def identify(size: int, *, announced: bool) -> bytes:
            call = await http2.post(
                port, "/loyalty/identify", body.ljust(size), headers, announced=announced
            )
            return call.body

        assert b"PayloadTooLarge" in await identify(65537, announced=False)
        # It lacks a vendor: the server, or the transcoder, has read it.
        assert b"is required" in await identify(500, announced=False)
        assert b"PayloadTooLarge" not in await identify(524288, announced=True)
        assert (await front.get(MEMBER)).status == 200
        assert b"PayloadTooLarge" not in await identify(524288, announced=False)
        assert script_errors(front.envoy) == []


async def test_strangers_hold_little_and_nobody_else_waits(tmp_path: Path) -> None:
    """Half calls of an address are taken up to a bound; what is known, and what is done, is not."""
    half = (
        f"POST /loyalty/identify HTTP/1.1\r\nhost: x\r\nx-api-key: stranger\r\n"
        f"content-length: {HALF_BYTES}\r\n\r\n"
    ).encode()
    async with run_front(tmp_path) as front:
        assert (await front.get(MEMBER)).status == 200
        held = [
            await asyncio.open_connection("127.0.0.1", front.envoy.http_port)
            for _ in range(HALF_CALLS)
        ]
        for _, writer in held:
            writer.write(half)
        refused = [asyncio.create_task(reader.readline()) for reader, _ in held]
        done, _ = await asyncio.wait(refused, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert {task.result().split()[1] for task in done} == {b"429"}
        assert (await front.get(MEMBER, "stranger")).status in {401, 429}
        assert (await front.get(MEMBER)).status == 200
        for _, writer in held:
            writer.close()
        await asyncio.gather(*refused, return_exceptions=True)
        assert script_errors(front.envoy) == []


async def test_many_strangers_whose_calls_are_done_hold_nothing(tmp_path: Path) -> None:
    """What was answered makes room: calls one after another are never refused for it."""

    def let_health_be_asked_often(config: dict[str, Any]) -> None:
        (host,) = manager_of(config)["route_config"]["virtual_hosts"]
        del host["routes"][0]["typed_per_filter_config"]["envoy.filters.http.local_ratelimit"]

    async with (
        run_front(tmp_path, adapt=let_health_be_asked_often) as front,
        open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel,
    ):
        check = channel.unary_unary("/grpc.health.v1.Health/Check", None, None)
        for _ in range(WHOLE_CALLS):
            await check(b"", timeout=10)


async def test_what_needs_no_key_spends_nothing_of_the_tills(tmp_path: Path) -> None:
    """A browser's questions and those about health leave an address all of its calls."""
    async with run_front(tmp_path, adapt=_let_an_address_call_twice) as front:
        async with open_channel(f"127.0.0.1:{front.envoy.http_port}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check", None, None)
            for _ in range(3):
                await check(b"", timeout=10)
                asked = await front.http.request("OPTIONS", MEMBER, None, {})
                assert asked.status == 405
        # The first call of the key is a stranger's.
        asked = [(await front.get(MEMBER)).status for _ in range(4)]
        assert asked == [200, 200, 200, 429]


def _let_an_address_call_twice(config: dict[str, Any]) -> None:
    bucket = rates_of(config)["descriptors"][0]["token_bucket"]
    bucket |= {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "3600s"}


PLACES = 64
"""Calls that a key has under way before anything is known of it; fewer than Envoy has places."""

CHANNELS = 12
"""Of which each has 8 calls at once."""


async def test_a_key_takes_no_more_places_than_the_server_gives_it(tmp_path: Path) -> None:
    """Others always find room: of a key that the server refuses so much goes on as it takes."""

    def let_a_key_call_often(config: dict[str, Any]) -> None:
        # More than it calls here, so that nothing but its places refuses it, however fast all goes.
        rates_of(config)["descriptors"][1]["token_bucket"]["max_tokens"] = 1000

    async with (
        _before_stand_in(tmp_path, let_a_key_call_often) as (upstream, envoy),
        AsyncExitStack() as stack,
    ):
        channels = [
            await stack.enter_async_context(open_channel(f"127.0.0.1:{envoy.http_port}"))
            for _ in range(CHANNELS)
        ]
        numbers = count()

        def call(key: str) -> Any:
            method: Any = channels[next(numbers) % CHANNELS].unary_unary(GET_MEMBER, None, None)
            return method(ASKED, metadata=(("x-api-key", key),), timeout=30)

        async def refused(key: str, calls: int) -> int:
            """Leave so many calls unanswered; return how many were refused at once."""
            upstream.hang, before = True, len(upstream.calls)
            made = [call(key) for _ in range(calls)]
            found = 0
            while len(upstream.calls) - before + found < calls:
                await asyncio.sleep(0.01)
                found = sum(one.done() for one in made)
            upstream.hang = False
            assert await call("at rest") == b""
            upstream.release()
            await asyncio.gather(*made, return_exceptions=True)
            return found

        # Strangers have less under way.
        assert await call("greedy") == b""
        assert await refused("greedy", PLACES + 6) == 6
        upstream.busy = True
        for _ in range(4):
            made = [call("greedy") for _ in range(50)]
            for busy in await asyncio.gather(*made, return_exceptions=True):
                assert isinstance(busy, grpc.aio.AioRpcError)
                assert busy.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                told = (*(busy.initial_metadata() or ()), *(busy.trailing_metadata() or ()))
                assert BUSY[0] not in dict(told)
        upstream.busy = False
        # Of 64 places 200 refusals leave 57.4.
        assert await refused("greedy", PLACES) == PLACES - 58
        assert script_errors(envoy) == []


@asynccontextmanager
async def _before_stand_in(
    folder: Path, adapt: Callable[[dict[str, Any]], None] = lambda _: None
) -> AsyncIterator[tuple[Upstream, EnvoyProcess]]:
    def change(config: dict[str, Any]) -> None:
        del config["static_resources"]["clusters"][0]["health_checks"]
        adapt(config)

    async with (
        run_upstream() as upstream,
        EnvoyProcess(folder=folder, grpc_port=upstream.port, adapt=change) as envoy,
    ):
        yield upstream, envoy
