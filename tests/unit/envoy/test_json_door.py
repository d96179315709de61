"""The JSON door's filter alone: what it takes, from whom, and how much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.json_door import (
    IDENTIFY,
    MAX_BODY,
    ORDERS,
    OURS,
    REQUEST_ID,
    SESSIONS,
    THEIRS,
    refused,
    send,
    sent_on,
)
from tests.support.lua_filters import FilteredCall, LuaFilter


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"{}", {}),
        (b"[]", {}),
        (b"VOID", {}),
        (b"{'loyaltyId':5}", {}),
        (b'{"loyaltyId":"%s"}' % OURS.encode(), {"loyaltyId": OURS}),
        (b'{"loyaltyId":5}', {}),
        (b'{"loyaltyId":{},"transactionId":"257",}', {"transactionId": "257"}),
        (b'{"transactionId":257}', {"transactionId": "257"}),
        (b'{"transactionId":[]}', {}),
        (b'{"loyaltyId":"\xff"}', {}),
        (b'{"transactionDetails":{"order":[1,"}"]},"transactionId":"1"}', {"transactionId": "1"}),
        (b'{"a":1,"loyalty_transaction_id":"%s"}' % THEIRS.encode(), {}),
        (b"{" + b'"a":[],' * 12_000 + b'"transactionId":"1"}', {"transactionId": "1"}),
        (b"{" + b'"a":[[]],' * 8_200 + b'"transactionId":"1"}', {}),
    ],
)
def test_void_says_what_its_path_does_not(door: LuaFilter, body: bytes, kept: Any) -> None:
    """Of its body the guest and the till's number are kept, where they are texts."""
    got = sent_on(door, "PUT", f"{ORDERS}/{OURS}/void", body)
    assert got == {**kept, "loyalty_transaction_id": OURS}


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("loyalty_id=x&a=b", "a=b"),
        ("loyaltyId=x", ""),
        ("%6coyaltyId=x&loyalty%5fid.y=z", ""),
        ("pageSize=7&loyaltyId&page_token=a%26b", "pageSize=7&page_token=a%26b"),
    ],
)
def test_path_has_the_last_word_over_the_query(door: LuaFilter, query: str, kept: str) -> None:
    """Parameters of a name that the path fills do not go on."""
    path = f"/loyalty/members/{OURS}/transfers"
    assert send(door, "GET", f"{path}?{query}").header(":path") == f"{path}?{kept}"


@pytest.mark.parametrize(
    ("body", "closed"),
    [
        ("{}", '{"loyalty_id":"%s"}'),
        ('{"a":1}', '{"a":1,"loyalty_id":"%s"}'),
        ('{"a":1, }', '{"a":1, "loyalty_id":"%s"}'),
        ("{ \t\r\n}\n", '{ \t\r\n"loyalty_id":"%s"}\n'),
        ('{"a":"}', '{"a":","loyalty_id":"%s"}'),
        ("[]", "[]"),
        ("", ""),
    ],
)
def test_path_closes_the_body(door: LuaFilter, body: str, closed: str) -> None:
    """Its member is the last, and so holds."""
    call = send(door, "POST", f"/loyalty/members/{OURS}/receipts", body)
    assert call.body == closed.replace("%s", OURS).encode()


def test_path_is_closed_with_as_a_text(door: LuaFilter) -> None:
    """Whatever is escaped in a path is no JSON of its own."""
    path = "/loyalty/members/%22%2c%22a%22%3a%5d%7d%01+:/receipts"
    assert sent_on(door, "POST", path, "{}") == {"loyalty_id": '","a":]}\x01+:'}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("idempotencyKey=a+b", "a+b"),
        ("idempotency_key=a+b&x=+", "a+b"),
        ("idempotency%4bey=+a", "+a"),
        ("idempotencyKey=a%2Bb", None),
        ("x=a+b", None),
    ],
)
def test_key_of_a_query_is_told_as_written(door: LuaFilter, query: str, told: str | None) -> None:
    """Only the server knows whether "+" is a blank."""
    call = send(door, "GET", f"{ORDERS}?{query}")
    assert call.header("loyalty-query-key") == told
    member = send(door, "GET", f"/loyalty/members/{OURS}?{query}")
    assert member.header("loyalty-query-key") is None


@pytest.mark.parametrize("path", [IDENTIFY, SESSIONS, f"{ORDERS}/validate/{OURS}"])
def test_slash_at_the_end_changes_nothing(door: LuaFilter, path: str) -> None:
    """The transcoder does without it, too; two are another path."""
    method = "PUT" if "validate" in path else "POST"
    assert send(door, method, f"{path}/", "{}").reply is None
    assert send(door, method, f"{path}/?a=b", "{}").reply is None
    assert send(door, method, f"{path}//", "{}").reply == "404"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/nowhere", 404, None),
        ("GET", "/", 404, None),
        ("GET", IDENTIFY, 405, "POST"),
        ("OPTIONS", IDENTIFY, 405, "POST"),
        ("DELETE", f"{ORDERS}/{OURS}", 405, "GET, PUT"),
        ("POST", "/loyalty.v1.IdentifyService/Identify", 404, None),
        ("GET", "/client/nowhere", 404, None),
        ("GET", SESSIONS, 405, "POST"),
    ],
)
def test_unknown_path_and_method_are_told_apart(
    door: LuaFilter, method: str, path: str, status: int, allow: str | None
) -> None:
    """405 names the methods that the path takes."""
    call = send(door, method, path, "{}")
    assert call.reply == "404"
    answer = door.response(call, {":status": "404"}, b"")
    assert (answer.header(":status"), answer.header("allow")) == (str(status), allow)
    assert answer.body is not None
    told = json.loads(answer.body)
    message = "No such path" if status == 404 else "This path does not accept that method"
    if path.startswith("/client/"):
        assert told == {
            "statusCode": status,
            "errorMessage": message,
            "errorCode": "INVALID_REQUEST",
        }
    else:
        assert (told["statusCode"], told["message"]) == (status, message)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-length": str(MAX_BODY)}, b"{}", None),
        ({"content-length": str(MAX_BODY + 1)}, None, "413"),
        ({"content-length": "2"}, b" " * (MAX_BODY + 1), "413"),
        ({"content-encoding": "gzip"}, b"{}", "415"),
        ({"content-encoding": " Identity "}, b"{}", None),
        ({"content-encoding": "gzip"}, None, None),
        ({":path": IDENTIFY + "?" + "a" * 8174}, b"{}", None),
        ({":path": IDENTIFY + "?" + "a" * 8175}, b"{}", "400"),
        ({":path": IDENTIFY + "?%ff"}, b"{}", "400"),
        ({}, b"[" + b"," * 24_999, None),
        ({}, b"[" + b"," * 32_000, "400"),
    ],
)
def test_what_is_too_large_is_refused_at_once(
    door: LuaFilter, headers: dict[str, str], body: bytes | None, status: str | None
) -> None:
    """By what is announced, before anything is read, and by what has come."""
    sent = {":method": "POST", ":path": IDENTIFY, **headers}
    assert door.request(sent, body).reply == status


def test_answer_without_the_fixed_headers_gets_them(door: LuaFilter) -> None:
    """Where no route has set them: Envoy's own, and those of an RPC with words of its own."""
    good = {":status": "200", "content-type": "application/json"}
    call = send(door, "POST", "/otp", "{}")
    set_by_route = good | {"x-content-type-options": "nosniff", "cache-control": "private"}
    answered = door.response(call, set_by_route | {"grpc-status": "0", "grpc-message": ""}, b"{}")
    assert dict(answered.headers) == set_by_route
    assert answered.metadata["loyalty.json_door.call"]["grpc_status"] == "OK"
    assert door.response(call, good, b"{}").header("cache-control") == "no-store"
    bad = door.response(call, set_by_route | {":status": "503"}, b"")
    assert bad.header("cache-control") == "no-store"
    session = send(door, "POST", SESSIONS, "{}")
    assert door.response(session, good, b"{}").header("expect-ct") == "max-age=86400"


def test_caller_does_not_choose_the_dialect(door: LuaFilter) -> None:
    """Nobody says for us which it is, and what only resembles gRPC is none."""
    call = send(
        door,
        *("POST", SESSIONS, "{}"),
        loyalty_dialect="rbi",
        content_type="application/grpcish",
    )
    assert call.header("loyalty-dialect") == "es"
    assert call.header("content-type") == "application/json"


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto"])
def test_grpc_passes_untouched(door: LuaFilter, content_type: str) -> None:
    """What a caller says in our name is gone by then: see the gate."""
    path = "/loyalty.v1.IdentifyService/Identify"
    body = b"\0\0\0\0\x02{}"
    call = send(door, "POST", path, body, content_type=content_type)
    assert (call.reply, call.body, call.metadata) == (None, body, {})
    headers = {":status": "200", "content-type": content_type, "grpc-status": "3"}
    answer = door.response(call, headers, b"")
    assert dict(answer.headers) == headers


def test_reply_that_no_filter_saw_gets_the_gateways_headers(door: LuaFilter) -> None:
    """Under /client/, which Envoy's own configuration tells by this header."""
    es = {":status": "401", "expect-ct": "max-age=86400", "x-request-id": REQUEST_ID}
    assert door.response(None, es, b"{}").header("x-amzn-requestid") == REQUEST_ID
    rbi = {":status": "401", "x-request-id": REQUEST_ID}
    assert dict(door.response(None, rbi, b"{}").headers) == rbi


def test_trace_of_the_callers_own_goes_on(door: LuaFilter) -> None:
    """Its root does, if it has the form; the rest is ours."""
    root = f"1-{'a' * 8}-{'b' * 24}"
    for sent, told in ((f"Root={root};Sampled=1", f"Root={root};Sampled=0"), ("Root=1", None)):
        call = send(door, "POST", SESSIONS, "{}", x_amzn_trace_id=sent)
        answer = door.response(call, {":status": "200"}, b"{}")
        shown = answer.header("x-amzn-trace-id")
        assert shown is not None
        assert (
            shown.endswith("-" + REQUEST_ID.replace("-", "")[-24:] + ";Sampled=0") or shown == told
        )


def test_rules_of_routes_name_routes_that_exist(door: LuaFilter) -> None:
    """A route that is renamed keeps its leniency, or fails here."""
    kinds = [route.kind for route in door.load("json_requests").routes.values() if route.kind]
    assert sorted(kinds) == [
        *("identify", "outcome", "purchase", "purchase", "purchase", "purchase"),
        *("report", "session", "token", "unclaimed", "unclaimed", "void"),
    ]


LARGE = b'{"x":[' + b"0," * 2_500 + b"0]}"
BROKEN = b'{"name":"\xff"}'


def spend(door: LuaFilter, body: bytes, caller: str, stranger: str | None = None) -> FilteredCall:
    """Call as somebody of whom the gate has told."""
    headers = {"loyalty-caller": caller}
    if stranger is not None:
        headers["loyalty-stranger"] = stranger
    sent = {":method": "POST", ":path": ORDERS, "content-length": str(len(body)), **headers}
    return door.request(sent, body)


@pytest.fixture
def worker() -> LuaFilter:
    """A filter to which each call costs eight milliseconds."""
    door = LuaFilter('require("json_door")')
    door.work(0.008)
    return door


def taken(worker: LuaFilter, caller: str, stranger: str | None = None, body: bytes = LARGE) -> int:
    """Count the calls that one has taken at once, all of which fail."""
    for number in range(1_000):
        call = spend(worker, body, caller, stranger)
        if call.reply is not None:
            assert call.reply == "429"
            assert call.metadata["loyalty.gate"] == {"full": "time"}
            assert refused(worker, call, 429)[1]["code"] == "TooManyRequests"
            return number
    return 1_000


def test_strangers_dear_bodies_are_bounded_for_all_of_them(worker: LuaFilter) -> None:
    """However many they are; small ones have their own bound, and known keys lose nothing."""
    all_of_them = sum(taken(worker, "1", f"10.0.0.{number}") for number in range(100))
    assert all_of_them * 0.008 <= 0.31
    assert spend(worker, LARGE, "1").reply is None
    assert 10 <= taken(worker, "2", "10.0.1.1", BROKEN) <= 26
    mended = spend(worker, BROKEN, "1")
    assert (mended.reply, mended.header("loyalty-mended")) == (None, "text:name")
    worker.at(1_000_010)
    before = 1_000_010
    passed = 0
    for tenth in range(100):
        worker.at(before + tenth / 10)
        passed += taken(worker, "3", "10.0.2.1")
    assert passed * 0.008 <= 0.15 + 10 * 0.05 + 0.1


def test_strangers_who_succeed_spend_nothing(worker: LuaFilter) -> None:
    """After a start of Envoy all tills are strangers."""
    for number in range(500):
        call = spend(worker, LARGE, str(number), "10.0.0.1")
        assert call.reply is None
        worker.response(call, {":status": "200", "content-type": "application/json"}, b"{}")


def test_worker_is_shared_by_keys(worker: LuaFilter) -> None:
    """One alone may have most of it; another goes first, and then both have half."""
    assert 20 <= taken(worker, "1") <= 26
    assert spend(worker, LARGE, "2").reply is None
    served = {"1": 0, "2": 0}
    for hundredth in range(100, 1_000):
        worker.at(1_000_000 + hundredth / 100)
        for caller, offers in (("1", 10), ("2", 1)):
            served[caller] += sum(spend(worker, LARGE, caller).reply is None for _ in range(offers))
    seconds = {caller: calls * 0.008 / 9 for caller, calls in served.items()}
    assert seconds["1"] + seconds["2"] == pytest.approx(0.4, abs=0.05)
    assert seconds["2"] >= 0.17


def test_small_demand_of_a_key_is_met_whatever_another_asks(worker: LuaFilter) -> None:
    """Five calls a second beside one that takes all it gets."""
    refusals = 0
    for hundredth in range(1_000):
        worker.at(1_000_000 + hundredth / 100)
        for _ in range(10):
            spend(worker, LARGE, "1")
        if hundredth % 20 == 0:
            refusals += spend(worker, LARGE, "2").reply is not None
    assert refusals == 0


def test_refused_body_is_not_walked_without_time(worker: LuaFilter) -> None:
    """Its answer names no field, where a caller with time left hears of each."""
    body = b'{"transactionDetails":7}'
    last = spend(worker, body, "1")
    _, told = refused(worker, last)
    assert told["details"]["errors"][0]["field"] == "transactionDetails"
    while (call := spend(worker, body, "1")).reply is None:
        last = call
    _, told = refused(worker, last)
    assert told["details"]["errors"] == [
        {
            "field": "body",
            "message": (
                "is not acceptable; its caller has sent too much to look at what is wrong in it now"
            ),
        }
    ]


def test_refused_call_hears_nothing_of_anothers_body(door: LuaFilter) -> None:
    """Though the filter keeps only the last one, and both callers ask the same."""
    first = send(door, "POST", IDENTIFY, '{"identifier":{}}')
    second = send(door, "POST", IDENTIFY, '{"posVendor":7}')
    _, told = refused(door, first)
    (only,) = told["details"]["errors"]
    assert only["message"] == "is not an acceptable request"
    _, told = refused(door, second)
    assert "posVendor" in {wrong["field"] for wrong in told["details"]["errors"]}
