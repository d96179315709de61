"""How the JSON door's filter words what is refused, and puts answers in place."""

from __future__ import annotations

import json

import pytest

from tests.support.json_door import (
    BLANK_LINE,
    IDENTIFY,
    ORDERS,
    OURS,
    REQUEST_ID,
    SESSIONS,
    errors,
    refused,
    send,
)
from tests.support.lua_filters import ROOT, LuaFilter


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"identifier":\n }', {"": "JSON has an unexpected character (line 2, column 2)"}),
        (b'{"identifier":"a"', {"": "JSON ends too early (line 1, column 18)"}),
        (b'{"identifier":"a"} x', {"": "JSON goes on after its end (line 1, column 20)"}),
        (b'{"identifier":"a"}\0', {"": "JSON goes on after its end (line 1, column 19)"}),
        (b'{"identifier" "a"}', {"": 'JSON needs ":" (line 1, column 15)'}),
        (b'{"identifier":"a" 7}', {"": 'JSON needs "," or "}" (line 1, column 19)'}),
        (b"[1 2]", {"": 'JSON needs "," or "]" (line 1, column 4)'}),
        (b"{a:1}", {"": "JSON needs a quoted field name (line 1, column 2)"}),
        (b'{"a":"', {"": "JSON has a string without an end (line 1, column 6)"}),
        (b'{"a":"\\x"}', {"": "JSON has an unknown escape (line 1, column 7)"}),
        (b'{"a":tru}', {"": "JSON has an unknown word (line 1, column 6)"}),
        (b'{"a":01}', {"": "JSON has an unknown word (line 1, column 6)"}),
        (b"[" * 10_000, {"": "JSON is nested deeper than 100 levels (line 1, column 102)"}),
        (b"[]", {"body": "must be a JSON object"}),
        (
            b'{"surprise":1e400,"identifier":"a",%s}' % BLANK_LINE.encode(),
            {"": "JSON has a number that is too large (line 1, column 13)"},
        ),
    ],
)
def test_malformed_json_is_placed(door: LuaFilter, body: bytes, expected: dict[str, str]) -> None:
    """What is not JSON is answered with the line and column of the fault."""
    assert errors(door, "POST", IDENTIFY, body) == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        (
            "POST",
            IDENTIFY,
            '{"identifier":{},"posVendor":{"storeId":1.5,"transactionId":[1],"terminal":true}}',
            {
                "identifier": "must be a string",
                "posVendor.storeId": "must be an integer",
                "posVendor.transactionId": "must be a string",
                "posVendor.posType": "must not be blank",
            },
        ),
        (
            "POST",
            IDENTIFY,
            '{"posVendor":7}',
            {"posVendor": "must be an object", "identifier": "must not be blank"},
        ),
        (
            "POST",
            "/otp",
            '{"loyaltyId":"a","order":[{"incentiveId":"a","quantity":1},{"quantity":"x"},7]}',
            {
                "order[1].quantity": "must be an integer",
                "order[2]": "must be an object",
            },
        ),
        ("POST", "/otp", '{"loyaltyId":"a","order":7}', {"order": "must be a list"}),
        (
            "GET",
            f"/loyalty/members/{OURS}/transfers?account=nonsense&pageSize=abc&unknown=1",
            None,
            {"account": "must be one of AVAILABLE, HELD", "pageSize": "must be an integer"},
        ),
        (
            "GET",
            f"/loyalty/members/{OURS}/transfers?pageSize=99999999999",
            None,
            {"pageSize": "must be an integer from -2147483648 to 2147483647"},
        ),
        ("GET", "/otp/%c3", None, {"otp": "must be valid UTF-8 text"}),
        ("GET", "/otp/1?x=1", None, {"address": "is not an acceptable request"}),
        (
            "POST",
            "/otp",
            '{"loyaltyId":"a","loyalty_id":"b","order":[{"incentiveId":"a","quantity":1,"quantity":1}]}',
            {"loyaltyId": "is given twice", "order[0].quantity": "is given twice"},
        ),
    ],
)
def test_every_wrong_field_is_named(
    door: LuaFilter, method: str, path: str, body: str | None, expected: dict[str, str]
) -> None:
    """All violations come at once, in the field names of JSON, from path, query and body."""
    assert errors(door, method, path, body) == expected


@pytest.mark.parametrize("price", ["8.4 9", "8,49", "", "+", "1e", "nan", "0x10"])
def test_price_that_is_no_number_is_named(door: LuaFilter, price: str) -> None:
    """A text that only resembles a number is told by its field."""
    body = json.dumps({"transactionDetails": {"order": [{"price": price}]}})
    told = errors(door, "PUT", f"{ORDERS}/{OURS}", body)
    assert told["transactionDetails.order[0].price"] == "must be a number"


def test_two_hundred_wrong_fields_are_named(door: LuaFilter) -> None:
    """More would not help."""
    body = json.dumps({"loyaltyId": "a", "order": [7] * 300})
    assert len(errors(door, "POST", "/otp", body)) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 3_000 + b"1]",
        b'{"a":"%s"' % (b"\\n" * 4_000),
        b'{"a":"%s"' % (b"b" * 65_536),
    ],
    ids=["nodes", "escapes", "bytes"],
)
def test_walk_through_a_body_has_an_end(door: LuaFilter, body: bytes) -> None:
    """Beyond its bounds the answer names the body, and the bound."""
    told = errors(door, "POST", IDENTIFY, body)
    bound = "65536 bytes" if len(body) > 65_536 else "3000 parts"
    assert told == {
        "body": f"is not acceptable; beyond {bound} it is not looked at what is wrong in it"
    }


def test_paid_order_that_is_too_large_to_be_put_right_is_told_the_bound(door: LuaFilter) -> None:
    """Its till sends it with shorter texts."""
    body = b'{"status":"CLAIMED","a":"%s"' % (b"b" * 262_144)
    told = errors(door, "PUT", f"{ORDERS}/{OURS}", body)
    assert told == {"body": "is not acceptable; beyond 262144 bytes a paid order is not put right"}


RBI_FIXED = {
    400: ("ValidationError", "Request body is invalid"),
    401: ("Unauthorized", "Authentication is missing or not valid"),
    403: ("Forbidden", "The API key does not allow this call"),
    404: ("NotFound", "No such path"),
    408: ("RequestTimeout", "The request did not arrive in time"),
    413: ("PayloadTooLarge", "Request body is larger than 512 KiB"),
    415: ("UnsupportedMediaType", "Send the body unencoded: content-encoding is not supported"),
    418: ("ValidationError", "Request body is invalid"),
    429: ("TooManyRequests", "Too many requests, try again later"),
    431: ("HeadersTooLarge", "Request headers are too large"),
    500: ("InternalServerError", "The service failed"),
    501: ("NotImplemented", "This call is not offered"),
    502: ("BadGateway", "The service gave no usable answer"),
    503: ("ServiceUnavailable", "The service is not available, try again later"),
    504: ("Timeout", "The service did not answer in time"),
    599: ("InternalServerError", "The service failed"),
}
RBI_DETAILS = {
    400: '{"reason":"REQUEST_INVALID","metadata":{"fields":"","violations":"0"}}',
    401: '{"reason":"API_KEY_MISSING","metadata":{}}',
    429: '{"reason":"SERVER_BUSY","metadata":{"retry_after_ms":"1000"}}',
}
ES_CODES = {
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "TIMEOUT",
    599: "INTERNAL_ERROR",
}


@pytest.mark.parametrize("status", RBI_FIXED)
def test_refusal_of_envoy_is_worded_to_the_letter(door: LuaFilter, status: int) -> None:
    """Each status has the words of the call's dialect, and a wait where trying again helps."""
    code, message = RBI_FIXED[status]
    details = RBI_DETAILS.get(status, "{}")
    es_code = ES_CODES.get(status, "INVALID_REQUEST")
    for path, body in (
        (
            IDENTIFY,
            (
                f'{{"statusCode":{status},"isEngineError":false,"code":"{code}",'
                f'"message":"{message}","details":{details}}}'
            ),
        ),
        (
            SESSIONS,
            f'{{"statusCode":{status},"errorMessage":"{message}","errorCode":"{es_code}"}}',
        ),
    ):
        call = send(door, "POST", path, '{"correlationId":"a"}')
        # A bare status of gRPC: of Envoy's own 400 the call's fields are told.
        answer = door.response(call, {":status": str(status), "grpc-status": "3"}, b"")
        assert answer.body == body.encode()
        assert answer.header("retry-after") == ("1" if status in {429, 503} else None)


@pytest.mark.parametrize(
    "body",
    [
        *("{", "[]", "7", "", '{"correlationId":5}', '{"correlationId":{},"channel":{}}'),
        *('{"correlationId":null}', "{}"),
        *('{"correlationId":7,"channel":tru}', '{"correlationId":7,"a":1e400}'),
    ],
)
def test_unreadable_correlation_id_is_the_documented_answer(door: LuaFilter, body: str) -> None:
    """The one error that the session's contract shows, to the byte, whatever else is wrong."""
    answer = door.response(send(door, "POST", SESSIONS, body), {":status": "400"}, b"")
    assert answer.body == (
        b'{"statusCode":400,"errorMessage":"Invalid Correlation ID","errorCode":"INVALID_REQUEST"}'
    )
    assert answer.header("x-amzn-requestid") == REQUEST_ID
    assert answer.header("x-amzn-trace-id") is not None


WORDS = """
local table = dofile("{root}/generated/edge_errors.lua")
local function words(message, code, status)
  return {{ message = message, code = code or "INVALID_REQUEST", status = status or 400 }}
end
table.routes["POST /otp"] = {{
  dialect = "es",
  fields = {{
    loyaltyId = {{
      wrong = words("Invalid loyaltyId"),
      missing = words("loyaltyId is mandatory", "MISSING", 409),
    }},
    order = {{ wrong = words("Invalid order") }},
  }},
  answers = {{ [415] = words("No encodings", "ENCODED"), [405] = words("Not so", "METHOD", 403) }},
}}
return table
"""


@pytest.fixture(scope="module")
def other_words() -> LuaFilter:
    """The filter with words of its own for issuing a code."""
    return LuaFilter('require("json_door")', WORDS.format(root=ROOT))


@pytest.mark.parametrize(
    ("body", "message", "code", "status"),
    [
        ('{"loyaltyId":[]}', "Invalid loyaltyId", "INVALID_REQUEST", 400),
        ("{}", "loyaltyId is mandatory", "MISSING", 409),
        ('{"order":7,"loyaltyId":[]}', "Invalid order", "INVALID_REQUEST", 400),
        ("[]", "body must be a JSON object", "INVALID_REQUEST", 400),
    ],
)
def test_rpc_has_words_of_its_own(
    other_words: LuaFilter, body: str, message: str, code: str, status: int
) -> None:
    """Of the wrong fields the first speaks that its contract has words for; others keep theirs."""
    call = send(other_words, "POST", "/otp", body)
    assert call.header("loyalty-dialect") == "es"
    assert refused(other_words, call) == (
        status,
        {"statusCode": status, "errorMessage": message, "errorCode": code},
    )
    by_path = {":status": "200", "x-content-type-options": "nosniff", "grpc-status": "0"}
    assert other_words.response(call, by_path, b"{}").header("expect-ct") == "max-age=86400"
    rbi = send(other_words, "POST", IDENTIFY, "{}")
    assert "isEngineError" in refused(other_words, rbi)[1]


def test_rpc_has_words_of_its_own_for_what_envoy_refuses(other_words: LuaFilter) -> None:
    """By the status that it would have."""
    call = send(other_words, "POST", "/otp", "{}", content_encoding="gzip")
    told = {"statusCode": 400, "errorMessage": "No encodings", "errorCode": "ENCODED"}
    assert refused(other_words, call, 415) == (400, told)


def test_answer_of_the_server_is_put_in_place(door: LuaFilter) -> None:
    """What it has made ready, in headers or trailers, is what the caller reads."""
    inner = {"loyalty-http-status": "422", "loyalty-http-body": '{"statusCode":422}'}
    bare = {":status": "400", "grpc-status": "9", "retry-after": "3"}
    call = send(door, "POST", IDENTIFY, "{}")
    for answer in (
        door.response(call, {**bare, **inner}, b'{"code":9,"message":""}'),
        door.response(call, bare, b"", {**inner, "grpc-status": "9"}),
    ):
        assert (answer.header(":status"), answer.body) == ("422", b'{"statusCode":422}')
        assert answer.header("retry-after") == "3"
        assert not [name for name, _ in answer.headers if name.startswith(("grpc-", "loyalty-"))]
        assert answer.metadata["loyalty.json_door.call"]["grpc_status"] == "FailedPrecondition"


def test_empty_discounts_are_left_out_of_an_answer(door: LuaFilter) -> None:
    """As the contract's examples; any other answer stays as it is."""
    call = send(door, "POST", IDENTIFY, "{}")
    good = {":status": "200", "content-type": "application/json"}
    for sent, shown in (
        (b'{"order":[],"eligibleDiscounts":[],"a":1}', b'{"order":[],"a":1}'),
        (b'{"eligibleDiscounts":[1]}', b'{"eligibleDiscounts":[1]}'),
    ):
        assert door.response(call, good, sent).body == shown
    other = send(door, "POST", "/otp", "{}")
    assert door.response(other, good, b'{"eligibleDiscounts":[],}').body == (
        b'{"eligibleDiscounts":[],}'
    )
