"""Calls that Envoy must take, refuse or change by what is in them: bodies, headers and paths."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.fixed_codes import FARHAN
from loyalty_service.transport.server import MESSAGE_BYTES_MAX
from tests.fault.edge import CLOSE, HOME, KEY, MEMBER, SESSION, Edge, get, head, post, statuses
from tests.support import http2
from tests.support.http import HttpClient
from tests.support.server import ADMIN_KEY, Caller, open_channel

VALIDATE = "/loyalty/transaction/pos/validate/"
LINES = 500


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
    await _void(edge, transaction)


async def _void(edge: Edge, transaction: str) -> None:
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
    await _void(edge, transaction)


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
        "loyalty-mended": "field:price",
        "te": "forged",
    }
    async with edge.before_stand_in() as (upstream, envoy):
        await get(envoy.http_port, **forged)
        async with open_channel(f"{HOME}:{envoy.http_port}") as channel:
            caller = Caller(channel)
            ours = tuple(item for item in forged.items() if item[0].startswith("loyalty-"))
            request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN)
            await caller.members.GetMember(request, metadata=(*caller.metadata(), *ours))
        seen, over_grpc = upstream.calls
    assert not [name for name in over_grpc if name.startswith("loyalty-")], over_grpc
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
