"""What callers' headers mean at the edge, and what answers carry, on every route."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from loyalty.v1 import member_service_pb2
from loyalty_service.sandbox.fixed_codes import FARHAN
from tests.support import http2
from tests.support.edge_parts import script_errors
from tests.support.http import Response
from tests.support.server import (
    ADMIN_KEY,
    Front,
    identify_request,
    open_channel,
    refusal_of,
    run_front,
)

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
ROUTES = [
    tuple(line.split()[:2]) for line in (ROOT / "generated" / "routes.txt").read_text().splitlines()
]
SESSIONS = "/client/users/anonymous/sessions"
IDENTIFY = "/loyalty/identify"
MEMBER = f"/loyalty/members/{FARHAN}"
GET_MEMBER = "/loyalty.v1.MemberService/GetMember"
KEY = {"x-api-key": ADMIN_KEY}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
AS_OF = re.compile(rb'(?<="asOfTime":")[^"]+')
PAGE = "http://localhost:5173"
LISTED = ("http://localhost:*", "https://kiosks.example.com")
MISSPELT = ("idempotency_key", "x_api_key", "x_user_datetime")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browsed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """A server behind an Envoy that pages of two origins may call."""
    async with run_front(tmp_path_factory.mktemp("browsed"), origins=LISTED) as front:
        yield front
        assert script_errors(front.envoy) == []


async def call(front: Front, method: str, path: str, body: Any = None, **headers: str) -> Response:
    """Call with a key, underscores in names standing for dashes."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = None if body is None else json.dumps(body)
    return await front.http.request(method, path, content, KEY | sent)


def fields(answer: Response) -> dict[str, str]:
    """Give the fields that a refusal names, with what it says of each."""
    errors = answer.json()["details"]["errors"]
    return {error["field"]: error["message"] for error in errors}


def timeless(answer: Response) -> bytes:
    """Give the body without the moment at which its figures were taken."""
    return AS_OF.sub(b"", answer.body)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_trailing_slash_is_served_like_the_path_without(
    front: Front, method: str, path: str
) -> None:
    """On every route and in both dialects, with a query or without, and as an error too."""
    path = re.sub(r"\{.*?\}", FARHAN, path)
    body = None if method == "GET" else {}
    plain, *slashed = [
        await call(front, method, path + end, body) for end in ("", "/", "//", "/?a=b")
    ]
    assert plain.status != 405
    for answer in slashed:
        assert (answer.status, timeless(answer)) == (plain.status, timeless(plain))
    wrong = [await call(front, "PATCH", path + end) for end in ("", "/")]
    assert [answer.status for answer in wrong] == [405, 405]
    assert wrong[0].header("allow") == wrong[1].header("allow")


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (f"POST {SESSIONS}", KEY, 200),
        (f"POST {SESSIONS}/", KEY, 200),
        (f"GET {SESSIONS}", KEY, 405),
        ("POST /client/nowhere", KEY, 404),
        (f"POST {SESSIONS}", {}, 401),
        (f"POST {SESSIONS}", {"x_api_key": ADMIN_KEY}, 400),
        (f"POST {SESSIONS}", {"x-api-key": "nobody's"}, 401),
        (f"POST {SESSIONS}", KEY | {"content-encoding": "br"}, 415),
        (f"POST {SESSIONS}", KEY | {"x-long": "y" * 10_000}, 431),
        (f"POST {SESSIONS}%2F", KEY, 400),
    ],
)
async def test_session_answers_carry_the_gateways_headers(
    front: Front, request_line: str, headers: dict[str, str], status: int
) -> None:
    """Each answer under /client/ has them, an error and one of Envoy's own too, never the same."""
    method, path = request_line.split()
    seen = set()
    for _ in range(2):
        began = int(time.time())
        answer = await front.http.request(method, path, '{"correlationId":"g"}', headers)
        assert answer.status == status
        if status == 431:  # Its path is not known yet, and hence no dialect.
            continue
        assert answer.header("access-control-allow-origin") == "*"
        request_id = answer.header("x-amzn-requestid") or ""
        assert UUID.fullmatch(request_id)
        gateway_id = answer.header("x-amz-apigw-id") or ""
        assert re.fullmatch(r"[A-Za-z0-9+/]{15}=", gateway_id)
        trace = re.fullmatch(
            r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Sampled=0",
            answer.header("x-amzn-trace-id") or "",
        )
        assert trace is not None
        # Envoy's seconds come from a coarse clock, which may be a tick behind.
        assert began - 1 <= int(trace[1], 16) <= time.time()
        seen |= {request_id, gateway_id, trace[2]}
    assert len(seen) == (0 if status == 431 else 6)


async def test_callers_own_trace_goes_on(front: Front) -> None:
    """A trace of the documented form keeps its root; any other is left out; RBI has none."""
    root = "1-5ec5f9c8-0123456789abcdef01234567"
    body = {"correlationId": "g"}
    for sent in (f"Root={root};Sampled=1", f"Self=1-1-1;Root={root}"):
        answer = await call(front, "POST", SESSIONS, body, x_amzn_trace_id=sent)
        assert answer.header("x-amzn-trace-id") == f"Root={root};Sampled=0"
    assert answer.header("x-amzn-requestid") == answer.header("x-request-id")
    answer = await call(front, "POST", SESSIONS, body, x_amzn_trace_id="Root=1-x")
    assert re.fullmatch(r"Root=1-\w{8}-\w{24};Sampled=0", answer.header("x-amzn-trace-id") or "")
    assert (await call(front, "GET", MEMBER)).header("x-amzn-requestid") is None


@pytest.mark.parametrize("name", MISSPELT)
async def test_key_with_an_underscore_is_refused_by_name(front: Front, name: str) -> None:
    """A till that believes it sent a key or a time is told that it did not, on every door."""
    dashed = name.replace("_", "-")
    told = {dashed: f"must be spelt with dashes: {name} is not read"}
    sent = {name: "2026-01-01T00:00:00Z"}
    answer = await front.http.request("POST", IDENTIFY, "{}", KEY | sent)
    assert (answer.status, fields(answer)) == (400, told)
    answer = await front.http.request("POST", SESSIONS, '{"correlationId":"u"}', KEY | sent)
    assert answer.status == 400
    assert answer.json()["errorMessage"] == f"{dashed} {told[dashed]}"
    for address in (front.server.address, f"127.0.0.1:{front.envoy.http_port}"):
        async with open_channel(address) as channel:
            method: Any = channel.unary_unary(
                "/loyalty.v1.IdentifyService/IdentifyMember", None, None
            )
            asked = identify_request(FARHAN).SerializeToString()
            metadata = (*KEY.items(), *sent.items())
            refusal = await refusal_of(method(asked, metadata=metadata, timeout=10))
            assert (refusal.code, refusal.violations) == (grpc.StatusCode.INVALID_ARGUMENT, told)


async def test_only_key_with_an_underscore_is_refused_by_name(front: Front) -> None:
    """Whoever has no other key hears why it does not count, rather than that there is none."""
    told = {"x-api-key": "must be spelt with dashes: x_api_key is not read"}
    sent = {"x_api_key": ADMIN_KEY}
    answer = await front.http.request("GET", MEMBER, None, sent)
    assert (answer.status, fields(answer)) == (400, told)
    assert answer.json()["details"]["reason"] == "REQUEST_INVALID"
    for address in (front.server.address, f"127.0.0.1:{front.envoy.http_port}"):
        async with open_channel(address) as channel:
            method: Any = channel.unary_unary(
                "/loyalty.v1.IdentifyService/IdentifyMember", None, None
            )
            refusal = await refusal_of(method(b"", metadata=tuple(sent.items()), timeout=10))
            assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", told)


async def test_other_headers_with_an_underscore_are_dropped(front: Front) -> None:
    """A proxy's own header stops no till, and hides behind no name that is checked."""
    sent = {"my_proxy_id": "7", "loyalty_dialect": "es", "_": "", "idempotency_key_2": "k"}
    answer = await front.http.request("GET", MEMBER, None, KEY | sent)
    assert answer.status == 200


ODD = {"x+y": "1", "a!b": "1", "x~z": "1", "^": ""}
"""HTTP has such names, gRPC has not."""


async def test_headers_that_grpc_has_no_name_for_are_dropped(front: Front) -> None:
    """A proxy's own header stops no call, over JSON, gRPC-Web or gRPC, nor after the body."""
    answer = await front.http.request("GET", MEMBER, None, KEY | ODD)
    assert (answer.status, b"Farhan" in answer.body) == (200, True)
    request = member_service_pb2.GetMemberRequest(loyalty_id=FARHAN).SerializeToString()
    message = len(request).to_bytes(5, "big") + request
    web = KEY | {"content-type": "application/grpc-web+proto"} | ODD
    answer = await front.http.request("POST", GET_MEMBER, message, web)
    assert (answer.status, b"Farhan" in answer.body) == (200, True)
    port = front.envoy.http_port
    over_grpc = KEY | {"content-type": "application/grpc", "te": "trailers"} | ODD
    call = await http2.post(port, GET_MEMBER, message, over_grpc)
    assert b"Farhan" in call.body
    session = b'{"correlationId":"t"}'
    call = await http2.post(port, SESSIONS, session, KEY, trailers=ODD)
    assert b"promptMessage" in call.body


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
async def test_encoded_body_is_415_and_says_so(front: Front, encoding: str) -> None:
    """What is packed is not taken for broken JSON, in either dialect."""
    body = gzip.compress(b'{"correlationId":"e"}')
    sent = KEY | {"content-encoding": encoding}
    answer = await front.http.request("POST", IDENTIFY, body, sent)
    assert (answer.status, answer.json()["code"]) == (415, "UnsupportedMediaType")
    assert "content-encoding" in answer.json()["message"]
    answer = await front.http.request("POST", SESSIONS, body, sent)
    assert (answer.status, answer.json()["errorCode"]) == (415, "INVALID_REQUEST")
    assert "content-encoding" in answer.json()["errorMessage"]


async def test_body_as_it_is_may_say_so(front: Front) -> None:
    """`identity` is no encoding, and without a body there is nothing to decode."""
    session = {"correlationId": "i"}
    for encoding in ("identity", "Identity", ""):
        answer = await call(front, "POST", SESSIONS, session, content_encoding=encoding)
        assert answer.status == 200
    assert (await call(front, "GET", MEMBER, content_encoding="gzip")).status == 200


async def test_empty_object_for_a_list_is_an_empty_list(front: Front) -> None:
    """`payments: {}` is no payment, rather than one that lacks everything."""
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "of empty objects"}
    line = {"productId": "2001", "productType": "item", "referenceId": "1", "price": 8.49}
    details = {"currency": "CAD", "order": [line], "payments": {}, "posVendor": vendor}
    unclaimed = {"channel": "RESTAURANT", "serviceMode": "TAKEOUT", "transactionDetails": details}
    place = "/loyalty/transaction/pos"
    assert (await call(front, "POST", place, unclaimed)).status == 200


def preflight(path: str, origin: str, method: str = "POST") -> dict[str, Any]:
    """Ask as a browser does before it sends what a page wants."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type,idempotency-key,x-api-key",
    }
    return {"method": "OPTIONS", "path": path, "body": None, "headers": headers}


@pytest.mark.parametrize("origin", [PAGE, "http://localhost", "https://kiosks.example.com"])
@pytest.mark.parametrize("path", [IDENTIFY, "/loyalty.v1.IdentifyService/IdentifyMember"])
async def test_page_on_the_list_may_call(browsed: Front, path: str, origin: str) -> None:
    """Its browser is told what it may send and read, of errors and of Envoy's own answers too."""
    asked = await browsed.http.request(**preflight(path, origin))
    assert (asked.status, asked.body) == (204, b"")
    assert asked.header("access-control-allow-origin") == origin
    allowed = (asked.header("access-control-allow-headers") or "").split(", ")
    assert {"content-type", "idempotency-key", "x-api-key", "x-grpc-web"} <= set(allowed)
    web = {"content-type": "application/grpc-web+proto"} if "v1." in path else {}
    for key in (KEY, {"x-api-key": "nobody's"}, {}):
        answer = await browsed.http.request("POST", path, "{}", key | web | {"origin": origin})
        assert answer.header("access-control-allow-origin") == origin
        assert answer.header("vary") == "origin"
        exposed = (answer.header("access-control-expose-headers") or "").split(", ")
        assert {"grpc-status", "grpc-message", "x-request-id", "idempotent-replayed"} <= set(
            exposed
        )


@pytest.mark.parametrize(
    "origin",
    [
        "https://localhost:5173",
        "http://localhost.example.com",
        "http://localhost:5173.example.com",
        "http://localhost:",
        "https://kiosks.example.com:8443",
        "null",
    ],
)
async def test_page_off_the_list_may_not_call(browsed: Front, origin: str) -> None:
    """Its browser hears nothing that lets it go on; the call itself, without one, is served."""
    asked = await browsed.http.request(**preflight(IDENTIFY, origin))
    assert asked.status == 405
    assert asked.header("access-control-allow-origin") is None
    answer = await call(browsed, "GET", MEMBER, origin=origin)
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") is None


@pytest.mark.parametrize("origin", [PAGE, "https://anywhere.example.com"])
async def test_any_page_may_call_the_session_contract(browsed: Front, origin: str) -> None:
    """Under /client/ that contract's own `*` holds, whatever is on the list."""
    asked = await browsed.http.request(**preflight(SESSIONS, origin))
    assert (asked.status, asked.header("access-control-allow-origin")) == (204, "*")
    for body in ('{"correlationId":"b"}', "{}"):
        answer = await browsed.http.request("POST", SESSIONS, body, KEY | {"origin": origin})
        assert answer.header("access-control-allow-origin") == "*"
        assert "x-amzn-requestid" in (answer.header("access-control-expose-headers") or "")


async def test_no_page_may_call_unless_it_is_listed(front: Front) -> None:
    """As it is shipped, Envoy tells no page that it may, and OPTIONS still lists the methods."""
    asked = await front.http.request(**preflight(IDENTIFY, PAGE))
    assert (asked.status, asked.header("allow")) == (405, "POST")
    assert asked.header("access-control-allow-origin") is None
