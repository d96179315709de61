"""The JSON door from a till's side: the real server behind a real Envoy."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import grpc
import pytest

from loyalty.v1 import identify_service_pb2, identify_service_pb2_grpc
from tests.support.roots import PYTHONPATH

pytestmark = pytest.mark.any_database

SESSIONS = "/client/users/anonymous/sessions"
IDENTIFY = "/loyalty/identify"
TRANSFERS = "/loyalty/members/4711fc2a-3a8f-414f-a9e7-44dd5231dca7/transfers"
INVALID_CORRELATION_ID = (
    b'{"statusCode":400,"errorMessage":"Invalid Correlation ID","errorCode":"INVALID_REQUEST"}'
)
SECURITY_HEADERS = (
    "referrer-policy",
    "x-xss-protection",
    "strict-transport-security",
    "x-frame-options",
    "content-security-policy",
    "cache-control",
    "x-content-type-options",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a till got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def errors(self) -> dict[str, str]:
        """The field errors of the RBI dialect, message by field."""
        assert self.json["code"] == "ValidationError"
        return {part["field"]: part["message"] for part in self.json["details"]["errors"]}


@dataclass(frozen=True, slots=True)
class Door:
    """The port tills call."""

    port: int

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call as a till does; *body* may be bytes, or anything JSON can hold."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"x-api-key": "sandbox-pos-key"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Call with POST."""
        return self.call("POST", path, body, **headers)

    def raw(self, request: bytes) -> bytes:
        """Send bytes that no HTTP library would, and read until Envoy closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The sandbox on free ports."""
    environment = {
        **os.environ,
        "LOYALTY_DATA_DIR": str(tmp_path_factory.mktemp("sandbox")),
        "LOYALTY_GRPC_PORT": "0",
        "LOYALTY_HTTP_PORT": "0",
        "PYTHONPATH": PYTHONPATH,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "loyalty_service", "sandbox"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = (re.search(r"127\.0\.0\.1:(\d+) \(Envoy\)", line) for line in process.stdout)
        port = next((int(found[1]) for found in ports if found), None)
        assert port is not None, "the sandbox did not start"
        yield Door(port)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def identify_request(**changes: Any) -> dict[str, Any]:
    """Build a good identify request with *changes* to posVendor."""
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "257", **changes}
    return {"identifier": "123456", "posVendor": vendor}


@pytest.mark.parametrize(
    "changes",
    [
        {"storeId": 9999},
        {"terminal": 0, "operator": None, "transactionId": 257},
        {"surprise": {"a": [1, {"b": None}]}},
    ],
)
def test_lenient_fields_are_served(door: Door, changes: dict[str, Any]) -> None:
    """Numbers for strings, null for absent and unknown fields do not stop a till."""
    assert door.post(IDENTIFY, identify_request(**changes)).status == 200


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/xml", "application/grpcish", ""]
)
def test_any_content_type_is_served(door: Door, content_type: str) -> None:
    """Old tills label their JSON wrongly."""
    assert door.post(IDENTIFY, identify_request(), content_type=content_type).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/grpc", "application/grpc+proto"),
        *("application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"),
    ],
)
def test_json_that_says_it_is_grpc_is_answered_as_json(door: Door, content_type: str) -> None:
    """Whoever refuses it, no refusal is 200, and each has the body that JSON would have."""
    void = f"/loyalty/transaction/pos/{GUEST}/void"
    large = b"x" * 800_000
    for method, path, body, key, status in (
        ("POST", IDENTIFY, identify_request(), "sandbox-pos-key", 200),
        ("POST", IDENTIFY, b"{", "sandbox-pos-key", 400),
        ("POST", IDENTIFY, {}, "sandbox-pos-key", 400),
        ("POST", IDENTIFY, {}, "no key", 401),
        ("POST", IDENTIFY, {}, "", 401),
        ("POST", SESSIONS, {}, "", 401),
        ("POST", IDENTIFY, large, "sandbox-pos-key", 413),
        ("POST", "/loyalty/nowhere", {}, "sandbox-pos-key", 404),
        ("OPTIONS", IDENTIFY, None, "sandbox-pos-key", 405),
        ("PUT", void, {}, "sandbox-pos-key", 404),
    ):
        told = door.call(method, path, body, x_api_key=key, content_type=content_type)
        plain = door.call(method, path, body, x_api_key=key, content_type="application/json")
        assert told.status == plain.status == status, (method, path, key)
        assert told.headers["content-type"] == "application/json"
        assert "grpc-status" not in told.headers
        assert status == 200 or told.json == plain.json


def test_byte_order_mark_is_served(door: Door) -> None:
    """A body may start with a UTF-8 byte order mark."""
    body = b"\xef\xbb\xbf" + json.dumps(identify_request()).encode()
    assert door.post(IDENTIFY, body).status == 200


@pytest.mark.parametrize("host", [b"", b"Host: store-9999\r\n"])
def test_http_1_0_is_served(door: Door, host: bytes) -> None:
    """HTTP/1.0 works, with a Host or without."""
    body = json.dumps({"correlationId": "old-till"}).encode()
    answer = door.raw(
        b"POST %s HTTP/1.0\r\n%sx-api-key: sandbox-pos-key\r\nContent-Length: %d\r\n\r\n%s"
        % (SESSIONS.encode(), host, len(body), body)
    )
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")


def test_eligible_discounts_are_absent_and_order_is_present(door: Door) -> None:
    """As the contract's two examples: `eligibleDiscounts` only with discounts, `order` always."""
    without = door.post(IDENTIFY, identify_request()).json
    with_discount = door.post(IDENTIFY, {**identify_request(), "identifier": 234567}).json
    assert "eligibleDiscounts" not in without
    assert without["order"]
    assert with_discount["eligibleDiscounts"]
    assert with_discount["order"] == []


def test_every_wrong_field_is_named(door: Door) -> None:
    """All violations come at once, in the field names of JSON."""
    request = identify_request(storeId=1.5, transactionId=[1], terminal=True)
    assert door.post(IDENTIFY, {**request, "identifier": {}}).errors == {
        "identifier": "must be a string",
        "posVendor.storeId": "must be an integer",
        "posVendor.transactionId": "must be a string",
    }


def test_wrong_query_parameters_are_named(door: Door) -> None:
    """The query is checked like the body."""
    answer = door.call("GET", f"{TRANSFERS}?account=nonsense&pageSize=abc&unknown=1")
    assert answer.errors == {
        "account": "must be one of AVAILABLE, HELD",
        "pageSize": "must be an integer",
    }


@pytest.mark.parametrize("word", ["held", "HELD", "Held"])
def test_enum_words_come_in_any_case(door: Door, word: str) -> None:
    """`held` is `HELD`, and an unknown parameter is ignored."""
    path = f"{TRANSFERS}?account={word}&unknown=1"
    assert door.call("GET", path, x_api_key="sandbox-app-key").status == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[" * 10_000, {"": "JSON is nested deeper than 100 levels (line 1, column 102)"}),
        (b"[]", {"body": "must be a JSON object"}),
    ],
)
def test_malformed_json_is_placed(door: Door, body: bytes, told: dict[str, str]) -> None:
    """What is not JSON is answered with the line and column of the fault."""
    assert door.post(IDENTIFY, body).errors == told


def test_number_too_large_is_placed_or_named(door: Door) -> None:
    """A number that nothing can hold stops a call even in a field that is read by nobody."""
    body = json.dumps({"surprise": 7, **identify_request()}).replace("7", "1e400", 1).encode()
    told = "JSON has a number that is too large (line 1, column 14)"
    assert door.post(IDENTIFY, body).errors == {"": told}

    order = b'{"transactionDetails":{"order":[{"price":-1e999}]}}'
    path = "/loyalty/transaction/pos/4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
    wrong = door.call("PUT", path, order).errors
    assert wrong["transactionDetails.order[0].price"] == "must be a number"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", b'{"identifier":%sx}' % (b"1" * 500_000)),
        ("?" + "a&" * 3_500, b"{"),
    ],
)
def test_long_texts_hold_up_nobody(door: Door, query: str, body: bytes) -> None:
    """Long runs of digits, lines and parameters are refused as soon as any other wrong body."""
    assert door.post(IDENTIFY + query, body).status == 400


@pytest.mark.parametrize("text", [b"a\xff", b"\\ud800"])
def test_broken_text_is_named(door: Door, text: bytes) -> None:
    """Text that is not UTF-8 never reaches the server."""
    answer = door.post(IDENTIFY, b'{"identifier":"%s"}' % text)
    assert answer.errors == {
        "identifier": "must be valid UTF-8 text",
        "posVendor": "is required",
    }


@pytest.mark.parametrize("body", [b"{", b'{"correlationId":{},"channel":{}}'])
def test_unreadable_correlation_id_is_the_documented_answer(door: Door, body: bytes) -> None:
    """The one error the session contract shows, to the byte."""
    answer = door.post(SESSIONS, body)
    assert answer.status == 400
    assert answer.body == INVALID_CORRELATION_ID
    assert answer.headers["content-length"] == "88"


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("POST", "/nowhere", 404, "NotFound", None),
        ("GET", IDENTIFY, 405, "MethodNotAllowed", "POST"),
        ("DELETE", "/otp/123456", 405, "MethodNotAllowed", "GET"),
        ("POST", "/loyalty.v1.IdentifyService/IdentifyMember", 404, "NotFound", None),
    ],
)
def test_wrong_path_or_method_is_told(
    door: Door, method: str, path: str, status: int, code: str, allow: str | None
) -> None:
    """404 and 405 are told apart, and 405 lists the methods."""
    answer = door.call(method, path)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers.get("allow") == allow


@pytest.mark.parametrize(
    "form", ["{'identifier':'%s','posVendor':%s}", "{identifier:'%s',posVendor:%s}"]
)
def test_other_quotes_are_taken(door: Door, form: str) -> None:
    """The transcoder takes single quotes, and keys without any; README.md says so."""
    order = identify_request()
    body = form % (order["identifier"], json.dumps(order["posVendor"]))
    assert door.post(IDENTIFY, body.encode()).status == 200


def test_body_limit_is_exact(door: Door) -> None:
    """512 KiB is read, one byte more is 413."""
    body = json.dumps(identify_request()).encode()
    assert door.post(IDENTIFY, body.ljust(524_288)).status == 200
    refused = door.post(IDENTIFY, body.ljust(524_289))
    assert (refused.status, refused.json["code"]) == (413, "PayloadTooLarge")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"NONSENSE", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx-a: " + b"y" * 40_000, 431),
        (b"GET /a%2Fb HTTP/1.1\r\nHost: x", 400),
        (b"GET /a%2Fb HTTP/1.1\r\nHost: x\r\ncontent-type: application/grpcish", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x", 403),
    ],
)
def test_bad_http_is_answered_in_json(door: Door, request_head: bytes, status: int) -> None:
    """Even what no filter sees has a JSON body and the security headers."""
    answer = door.raw(request_head + b"\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["statusCode"] == status
    for name in (*SECURITY_HEADERS, "x-request-id"):
        assert f"\r\n{name}: ".encode() in head


def test_two_idempotency_keys_are_refused(door: Door) -> None:
    """Whoever asks later what became of a call under one of them must not hear that it is new."""
    body = json.dumps(identify_request()).encode()
    answer = door.raw(
        b"POST %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: sandbox-pos-key\r\n"
        b"idempotency-key: a\r\nIdempotency-Key: b\r\ncontent-length: %d\r\n\r\n%s"
        % (IDENTIFY.encode(), len(body), body)
    )
    head, _, told = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(told)["details"]["errors"] == [
        {"field": "idempotency-key", "message": "must be given once"}
    ]


@pytest.mark.parametrize(
    ("path", "body"), [(SESSIONS, {"correlationId": "a"}), (SESSIONS, {}), (IDENTIFY, {})]
)
def test_answers_carry_security_headers(door: Door, path: str, body: Any) -> None:
    """Good and bad answers carry them, and a request id that no caller chose."""
    forged = "00000000-0000-4000-8000-000000000000"
    answers = [door.post(path, body, x_request_id=forged) for _ in range(2)]
    for answer in answers:
        assert set(SECURITY_HEADERS) <= set(answer.headers)
        assert answer.headers["content-type"] == "application/json"
        assert not [name for name in answer.headers if name.startswith(("grpc-", "loyalty-"))]
    assert len({forged, *(answer.headers["x-request-id"] for answer in answers)}) == 3


def test_session_headers_are_the_documented_ones(door: Door) -> None:
    """The fixed headers of the session contract, to the byte."""
    headers = door.post(SESSIONS, {"correlationId": "a"}).headers
    documented = {
        "referrer-policy": "no-referrer",
        "x-xss-protection": "1;mode=block",
        "access-control-allow-origin": "*",
        "expect-ct": "max-age=86400",
        "strict-transport-security": "max-age=31536000",
        "feature-policy": "vibrate 'none'; geolocation 'none'",
        "x-frame-options": "sameorigin",
        "content-security-policy": (
            "connect-src 'none';object-src https://*.cloudfront.net;"
            "script-src https://*.cloudfront.net"
        ),
        "cache-control": "no-cache, no-store, must-revalidate",
        "x-content-type-options": "nosniff",
    }
    assert documented.items() <= headers.items()


def test_server_refusal_keeps_its_status(door: Door) -> None:
    """HTTP 422, which gRPC has no code for, reaches the till."""
    answer = door.post(IDENTIFY, {**identify_request(), "identifier": "900422"})
    assert (answer.status, answer.json["code"]) == (422, "OrderSelectionStatusUnclaimable")
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_replayed_answer_is_marked(door: Door) -> None:
    """The header that marks a replay passes the transcoder."""
    sent = [
        door.post(SESSIONS, {"correlationId": "r"}, idempotency_key="replayed") for _ in range(2)
    ]
    assert "idempotent-replayed" not in sent[0].headers
    assert sent[1].headers["idempotent-replayed"] == "true"


def test_key_with_blanks_is_asked_about_as_it_was_sent(door: Door) -> None:
    """HTTP trims the header that a call came with, and not the query that asks about it."""
    assert door.post(SESSIONS, {"correlationId": "t"}, idempotency_key="trail  ").status == 200
    place = "/loyalty/transaction/pos?idempotencyKey="
    for spelt in ("trail", "trail%20%20", "%20trail"):
        assert door.call("GET", place + spelt).json["outcome"] == "OUTCOME_COMMITTED"
    refused = door.call("GET", place + "%20%20")
    assert (refused.status, refused.errors) == (400, {"idempotencyKey": "must not be all blank"})


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:5173", 204), ("https://example.com", 405)]
)
def test_pages_of_this_machine_may_call_the_sandbox(door: Door, origin: str, status: int) -> None:
    """Whoever builds a page at home needs no proxy for it."""
    asked = door.call("OPTIONS", IDENTIFY, origin=origin, access_control_request_method="POST")
    assert asked.status == status
    assert (asked.headers.get("access-control-allow-origin") == origin) is (status == 204)


def test_grpc_error_passes_untouched(door: Door) -> None:
    """On the same port a gRPC caller gets its own error, even one that claims to speak JSON."""
    with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
        stub = identify_service_pb2_grpc.IdentifyServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.IdentifyMember(
                identify_service_pb2.IdentifyMemberRequest(identifier="?"),
                metadata=[("x-api-key", "sandbox-pos-key"), ("loyalty-dialect", "rbi")],
                timeout=5,
            )
    trailers = {name for name, _ in caught.value.trailing_metadata()}
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-status-details-bin" in trailers
    assert not [name for name in trailers if name.startswith("loyalty-http")]


def test_grpc_web_passes(door: Door) -> None:
    """A gRPC-Web call is answered as gRPC-Web."""
    message = identify_service_pb2.IdentifyMemberRequest(identifier="?").SerializeToString()
    answer = door.post(
        "/loyalty.v1.IdentifyService/IdentifyMember",
        b"\0" + len(message).to_bytes(4, "big") + message,
        content_type="application/grpc-web+proto",
    )
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert answer.headers["grpc-status"] == "3"


def test_value_of_a_wrong_type_hides_no_missing_field(door: Door) -> None:
    """A call that the door itself refuses names what is missing as well, in the server's words."""
    vendor = {"storeId": "9999", "terminal": []}
    refused = door.post(IDENTIFY, {"posVendor": vendor})
    assert refused.status == 400
    assert {broken["field"]: broken["message"] for broken in refused.json["details"]["errors"]} == {
        "posVendor.transactionId": "must not be blank",
        "posVendor.posType": "must not be blank",
        "identifier": "must not be blank",
    }
    missing = door.post(IDENTIFY, {"posVendor": {"storeId": "9999"}})
    told = {broken["field"]: broken["message"] for broken in missing.json["details"]["errors"]}
    assert told == {
        "posVendor.transactionId": "must not be blank",
        "posVendor.posType": "must not be blank",
        "identifier": "must not be blank",
    }


def test_door_and_server_want_nothing_of_a_paid_order_that_it_may_do_without(door: Door) -> None:
    """Beside a wrong type, too, neither names channel, service mode and currency."""
    empty = door.post("/loyalty/transaction/pos", {"transactionDetails": {}}).json
    wrong = door.post("/loyalty/transaction/pos", {"transactionDetails": {"order": 7}}).json
    named = [[broken["field"] for broken in told["details"]["errors"]] for told in (empty, wrong)]
    wanted = ["transactionDetails.posVendor"]
    assert named == [wanted, ["transactionDetails.order", *wanted]]


@pytest.mark.parametrize("path", ["/validate/{id}", "/{id}"])
def test_door_and_server_miss_the_same_fields(door: Door, path: str) -> None:
    """Beside a wrong type the door names what the server names of an empty body."""
    place = "/loyalty/transaction/pos" + path.format(id="4711fc2a-3a8f-414f-a9e7-44dd5231dca7")
    by_server = door.call("PUT", place, {}).errors
    by_door = door.call("PUT", place, {"created": {}}).errors
    assert by_door == {"created": "must be a string", **by_server}
    assert len(by_server) >= 3


ORDERS = "/loyalty/transaction/pos"
GUEST = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
ODD_LINES = [
    {"productType": "combo", "price": 5.0, "referenceId": 1, "quantity": "1.000"},
    {"price": 22.689999999999998, "name": "Big\nMac" * 99, "parentReferenceId": 0},
    {"price": "849.00", "quantity": -1.0, "tax": 0.123456},
    {"price": "900.00", "quantity": 1},
]
ODD_PAYMENTS = [
    {"amount": 1998.9999999999998, "type": "CASH"},
    {"amount": "-849.00", "type": "CHANGE"},
]


def odd_order(status: str, *lines: Any, payments: Any = ODD_PAYMENTS) -> dict[str, Any]:
    """Report lines that nobody would write, and that tills send every day."""
    order = [{"productId": "1", "productType": "item", **line} for line in (*ODD_LINES, *lines)]
    vendor = {**identify_request()["posVendor"], "terminal": "7\r\n" + "x" * 99, "operator": "\0"}
    details = {"currency": "CAD", "order": order, "payments": payments, "posVendor": vendor}
    kind = {"channel": "Restaurant", "serviceMode": "EAT_IN", "status": status}
    return {**kind, "created": "x" * 99, "transactionDetails": details}


def test_numbers_and_texts_of_any_till_are_taken(door: Door) -> None:
    """Noise, quoted fractions of nothing, lines below 0 and foul texts stop no order at all."""
    opened = door.post(IDENTIFY, {**identify_request(), "identifier": GUEST}).json["transactionId"]
    for path in (f"{ORDERS}/validate/{opened}", f"{ORDERS}/{opened}"):
        assert door.call("PUT", path, odd_order("PENDING")).status == 200
    claimed = door.call("PUT", f"{ORDERS}/{opened}", odd_order("CLAIMED"))
    assert claimed.json["pointsEarned"] == 786


@pytest.mark.parametrize("unclaimed", [False, True])
def test_paid_order_is_not_refused_for_a_detail(door: Door, *, unclaimed: bool) -> None:
    """What is refused by its field while the order is open is put right once it is paid."""
    opened = door.post(IDENTIFY, {**identify_request(), "identifier": GUEST}).json["transactionId"]
    odd = {"price": 8.495, "parentReferenceId": "nowhere"}
    for path, status in (("/validate/", "CLAIMED"), ("/", "PENDING")):
        answer = door.call("PUT", f"{ORDERS}{path}{opened}", odd_order(status, odd))
        place = "transactionDetails.order[4]"
        assert answer.errors == {
            f"{place}.price": "must have at most 2 digits after the point",
            f"{place}.parentReferenceId": "must name a line of the order",
        }
    fraction = [{"amount": 19.99, "type": "CASH"}]
    pending = door.call("PUT", f"{ORDERS}/{opened}", odd_order("PENDING", payments=fraction))
    assert pending.errors == {"transactionDetails.payments[0].amount": "must be an integer"}
    order = odd_order("claimed", odd, payments=fraction)
    if unclaimed:
        answer = door.post(ORDERS, order)
        assert answer.status == 200, answer.body
    else:
        assert door.call("PUT", f"{ORDERS}/{opened}", order).json["pointsEarned"] == 871
