"""The JSON door's filter alone: what it makes of a till's call, and how it words a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loyalty.v1 import transaction_service_pb2 as pb
from tests.support.lua_filters import FilteredCall, LuaFilter

SESSIONS = "/client/users/anonymous/sessions"
IDENTIFY = "/loyalty/identify"
ORDERS = "/loyalty/transaction/pos"
OURS = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
THEIRS = "00000000-0000-4000-8000-000000000000"
REQUEST_ID = "9f2c1d3e-0000-4000-8000-00000000abcd"
MAX_BODY = 524_288
BLANK_LINE = '"posVendor":{"storeId":9999,"posType":"Partner","transactionId":"1"}'


@pytest.fixture(scope="module")
def door() -> LuaFilter:
    """The filter as one worker of Envoy loads it."""
    return LuaFilter('require("json_door")')


@pytest.fixture(autouse=True)
def _next_second(door: LuaFilter, request: pytest.FixtureRequest) -> None:
    """Give each test all steps of a second."""
    door.at(abs(hash(request.node.nodeid)) % 1_000_000_000)


def send(
    door: LuaFilter, method: str, path: str, body: str | bytes | None = None, **headers: str
) -> FilteredCall:
    """Call as a till does."""
    sent = {":method": method, ":path": path, "x-request-id": REQUEST_ID}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, str):
        body = body.encode()
    if body is not None:
        sent.setdefault("content-length", str(len(body)))
    return door.request(sent, body)


def sent_on(door: LuaFilter, method: str, path: str, body: str | bytes) -> Any:
    """Give the body that the transcoder gets, parsed."""
    call = send(door, method, path, body)
    assert call.reply is None
    assert call.body is not None
    return json.loads(call.body)


def refused(door: LuaFilter, call: FilteredCall, status: int = 400) -> tuple[int, Any]:
    """Give what the caller reads when Envoy refuses the call."""
    assert call.reply is None or int(call.reply) == status
    answer = door.response(call, {":status": str(status), "content-type": "text/plain"}, b"bad")
    told = answer.header(":status")
    assert answer.body is not None
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("content-type") == "application/json"
    body = json.loads(answer.body)
    assert str(body["statusCode"]) == told
    return body["statusCode"], body


def errors(
    door: LuaFilter, method: str, path: str, body: str | bytes | None = None
) -> dict[str, str]:
    """Give the wrong fields that a refused call is told."""
    _, told = refused(door, send(door, method, path, body))
    assert told["code"] == "ValidationError"
    listed = told["details"]["errors"]
    assert told["details"]["metadata"] == {
        "fields": ",".join(broken["field"] for broken in listed[:10]),
        "violations": str(len(listed)),
    }
    return {broken["field"]: broken["message"] for broken in listed}


@pytest.mark.parametrize(
    ("method", "path", "sent", "expected"),
    [
        ("POST", IDENTIFY, '{"identifier":123456}', {"identifier": "123456"}),
        ("POST", IDENTIFY, '{"identifier" : 1.50 }', {"identifier": "1.50"}),
        ("POST", IDENTIFY, '{"identifier":null}', {"identifier": None}),
        ("POST", IDENTIFY, '{"identifier":true}', {"identifier": True}),
        ("POST", IDENTIFY, '{"identifier":1x}', None),
        ("POST", IDENTIFY, '\ufeff{"identifier":"1"}', {"identifier": "1"}),
        ("POST", IDENTIFY, '{"posVendor":{"terminal":0}}', {"posVendor": {"terminal": "0"}}),
        ("POST", IDENTIFY, '{"posVendor":{"storeId":"9.000"}}', {"posVendor": {"storeId": 9}}),
        ("POST", IDENTIFY, '{"posVendor":{"storeId":9.5}}', {"posVendor": {"storeId": 9.5}}),
        ("POST", IDENTIFY, '{"posVendor":{"storeId":01.0}}', None),
        ("POST", IDENTIFY, '{"a":"\\"identifier\\":7"}', {"a": '"identifier":7'}),
        ("POST", SESSIONS, '{"correlationId":7}', {"correlationId": 7}),
        ("POST", SESSIONS, '{"anonymousSessionId":true}', {"anonymousSessionId": "true"}),
        ("POST", SESSIONS, '{"locale":"fr"}', {"locale": None}),
        ("POST", SESSIONS, '{"locale":"fr-CA"}', {"locale": "fr-CA"}),
        ("POST", SESSIONS, '{"channel":["a"],"x":[1]}', {"channel": None, "x": [1]}),
        ("POST", SESSIONS, '{"channel":{"a":"}"}}', {"channel": None}),
        ("POST", SESSIONS, '{"channel":7}', {"channel": "7"}),
        ("POST", "/otp", '{"order":{}}', {"order": []}),
        ("POST", "/otp", '{"order": { } }', {"order": []}),
        ("POST", "/otp", '{"a":{}}', {"a": {}}),
    ],
)
def test_what_tills_write_otherwise_is_put_right(
    door: LuaFilter, method: str, path: str, sent: str, expected: Any
) -> None:
    """Numbers for texts, fractions of nothing, words for flags: what the transcoder takes."""
    call = send(door, method, path, sent)
    assert call.body is not None
    if expected is None:
        assert call.body == sent.encode()
    else:
        assert json.loads(call.body) == expected


ORDER_REQUESTS = [
    ("PUT", f"{ORDERS}/validate/{OURS}", pb.ValidateOrderRequest),
    ("PUT", f"{ORDERS}/{OURS}", pb.ReportOrderRequest),
    ("POST", ORDERS, pb.RecordUnclaimedOrderRequest),
]


def _places(message: Descriptor, start: str = "{", end: str = "}") -> Iterator[tuple[Any, str]]:
    """Give each field of a message, and of those within it, and a body with %s for its value."""
    for field in message.fields:
        before, after = ("[", "]") if field.is_repeated else ("", "")
        opened = f'{start}"{field.json_name}" : {before}'
        if field.message_type is None:
            yield field, f"{opened}%s{after}{end}"
        else:
            yield from _places(field.message_type, f"{opened}{{", f"}}{after}{end}")


def _value_at(body: bytes | None) -> Any:
    """Give the one value that a body of `_places` has; what the path fills is none of it."""
    assert body is not None
    value = json.loads(body)
    while isinstance(value, dict | list):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return value


@pytest.mark.parametrize(("method", "path", "request_class"), ORDER_REQUESTS)
def test_number_is_a_text_where_its_field_is_one(
    door: LuaFilter, method: str, path: str, request_class: Any
) -> None:
    """What a key means in another message does not count: its place in the body tells."""
    for field, body in _places(request_class.DESCRIPTOR):
        for number in ("1", "-1", "1.5"):
            taken = _value_at(send(door, method, path, body % number).body)
            if field.type == FieldDescriptor.TYPE_STRING:
                assert taken == number, body
            else:
                assert not isinstance(taken, str), body


@pytest.mark.parametrize(("method", "path", "request_class"), ORDER_REQUESTS)
def test_blanks_around_a_value_are_left_out(
    door: LuaFilter, method: str, path: str, request_class: Any
) -> None:
    """Tills with fields of a fixed width fill them up; texts are left to the server."""
    kinds = {
        FieldDescriptor.TYPE_INT32: "9",
        FieldDescriptor.TYPE_DOUBLE: "8.49",
        FieldDescriptor.TYPE_ENUM: "",
    }
    for field, body in _places(request_class.DESCRIPTOR):
        if field.type not in kinds:
            continue
        plain = kinds[field.type] or field.enum_type.values[1].name
        call = send(door, method, path, body % f'" {plain}  "')
        assert str(_value_at(call.body)) == plain, body
        assert call.header("loyalty-mended") is None


@pytest.mark.parametrize("value", ['""', '" "'])
def test_blank_price_of_a_paid_order_is_absent(door: LuaFilter, value: str) -> None:
    """Of an open order it is refused by name."""
    line = f'{{"transactionDetails":{{"order":[{{"price":{value}}}]}},"status":"%s"}}'
    paid = sent_on(door, "PUT", f"{ORDERS}/{OURS}", line % "CLAIMED")
    assert paid["transactionDetails"]["order"] == [{"price": None}]
    still_open = sent_on(door, "PUT", f"{ORDERS}/{OURS}", line % "PENDING")
    assert still_open["transactionDetails"]["order"] == [{"price": value.strip('"')}]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ('"payments":[{"x":[{"details":{"type":1}}],"type":1}]', '"1"'),
        ('"appliedDiscounts":[{"details":{"a":"}]","type":1}}]', "1"),
        ('"appliedDiscounts":[{"details":{"type":" Reward "}}]', '"reward"'),
        ('"payments":[{"type":"REWARD"}]', '"REWARD"'),
        ('"payments":{"type":1}', "1"),
        ('"x":{"payments":[{"type":1}]}', "1"),
        ('"payments":[' + '{"x":1},' * 30_000 + '{"type":1}]', "1"),
    ],
)
def test_key_of_several_meanings_is_told_by_its_place(
    door: LuaFilter, sent: str, expected: str
) -> None:
    """A payment's type is a text, a discount's a word; elsewhere it is neither."""
    body = f'{{"transactionDetails":{{{sent}}}}}'
    call = send(door, "PUT", f"{ORDERS}/validate/{OURS}", body)
    assert call.body is not None
    assert call.body.decode().rpartition('"type":')[2].startswith(expected)


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("1998.9999999999998", "1999"),
        ('"849.00"', "849"),
        ("-1.0", "-1"),
        ("1e3", "1000"),
        ("1.5", "1.5"),
        ('"1.5"', '"1.5"'),
        ("1e10", "1e10"),
        ("1.", "1."),
        ('"1.0', '"1.0'),
    ],
)
def test_whole_numbers_are_those_of_doubles(door: LuaFilter, value: str, whole: str) -> None:
    """What adding up doubles leaves behind is taken off; a real fraction stays."""
    call = send(door, "PUT", f"{ORDERS}/validate/{OURS}", f'{{"quantity":{value}}}')
    assert call.body is not None
    assert call.body.decode().startswith(f'{{"quantity":{whole}')


PAID = {"unclaimed": ("POST", ORDERS), "claimed": ("PUT", f"{ORDERS}/{OURS}")}
MENDED: list[tuple[str, str, Any]] = [
    *(("channel", value, None) for value in ('"Kiosk"', '""', "{}", "1.5", "[1,[2]]")),
    *(("channel", f'"{word}"', word) for word in ("restaurant", "Restaurant")),
    ("channel", "99", 99),
    *(("serviceMode", value, None) for value in ('"DELIVERY"', "[]", "true")),
    *(("created", value, None) for value in ("{}", "true", '{"a":"}"}', "[[]]")),
    ("created", "7", "7"),
    *(("tax", value, "NaN") for value in ('"n/a"', '"1,20"', "false", "{}", "1e400", "01")),
    *(("tax", value, None) for value in ('""', '" "')),
    *(("name", value, None) for value in ("true", '{"en":"}"}', '["x"]')),
    *(("amount", value, None) for value in ('""', '"8,49"', "1e10", "false", "{}", "[]", "01")),
    ("amount", "958.5", 959),
    ("amount", '"849.00"', 849),
    *(("payments", value, None) for value in ('""', "7")),
    *(("appliedDiscounts", value, None) for value in ('""', "false")),
    *(("discountValue", value, None) for value in ("2.5", '"10%"', "1e12")),
    *(("details", value, None) for value in ('""', "[]")),
    ("ccToken", '{"a":1}', None),
]


@pytest.mark.parametrize("kind", PAID)
@pytest.mark.parametrize(("key", "sent", "expected"), MENDED)
def test_paid_order_is_mended(
    door: LuaFilter, kind: str, key: str, sent: str, expected: Any
) -> None:
    """What nobody counts with is taken out, and the server hears of it, but of blanks."""
    body = f'{{"status":"CLAIMED","{key}":{sent}}}'
    call = send(door, *PAID[kind], body)
    assert call.body is not None
    assert json.loads(call.body)[key] == expected
    mended = expected == "NaN" or (expected is None and key != "tax")
    assert call.header("loyalty-mended") == (f"field:{key}" if mended else None)


@pytest.mark.parametrize("status", ['"PENDING"', '"VOID"', "1", '"claimed?"', "null"])
def test_open_order_is_not_mended(door: LuaFilter, status: str) -> None:
    """Before the guest has paid, whatever is wrong is refused."""
    body = f'{{"status":{status},"channel":"Kiosk","amount":958.5}}'
    call = send(door, "PUT", f"{ORDERS}/{OURS}", body)
    assert call.header("loyalty-mended") is None
    assert call.body is not None
    assert b'"channel":"Kiosk"' in call.body
    assert b'"amount":958.5' in call.body


@pytest.mark.parametrize("status", ['"CLAIMED"', '"claimed"', '" Claimed "', "2", " 2 "])
def test_order_is_paid_in_any_spelling(door: LuaFilter, status: str) -> None:
    """A word in any case, with blanks, or its number."""
    body = f'{{"status":{status},"channel":"Kiosk"}}'
    got = send(door, "PUT", f"{ORDERS}/{OURS}", body)
    assert got.header("loyalty-mended") == "field:channel"


def test_status_is_mended_of_an_unclaimed_order_alone(door: LuaFilter) -> None:
    """The call says what it is."""
    assert sent_on(door, "POST", ORDERS, '{"status":"COMPLETED"}')["status"] is None
    call = send(door, "PUT", f"{ORDERS}/{OURS}", '{"status":"CLAIMED","a":{"status":"COMPLETED"}}')
    assert call.header("loyalty-mended") is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"Caf\xc3", "Caf\ufffd"),
        (b"Cr\xe8me", "Cr\ufffdme"),
        (b"a \\ud83c", "a \ufffd"),
        (
            b"\\udf54\\ud83c\\udf54 \\\\u \\n\xc3\xa9\xed\xa0\x80",
            "\ufffd\U0001f354 \\u \n\xe9" + "\ufffd" * 3,
        ),
        ("é€🍔".encode(), "é€🍔"),
        (b"\\ud83c\\udf54\\\\ud83c", "\U0001f354\\ud83c"),
    ],
)
def test_text_of_a_paid_order_is_made_whole(door: LuaFilter, sent: bytes, expected: str) -> None:
    """U+FFFD takes the place of what is no character, and the server hears of it."""
    call = send(door, "POST", ORDERS, b'{"name":"%s"}' % sent)
    assert call.body is not None
    assert json.loads(call.body)["name"] == expected
    assert (call.header("loyalty-mended") == "text:name") is ("\ufffd" in expected)


def test_text_that_counts_is_not_made_whole(door: LuaFilter) -> None:
    """With another letter in it, it would name another product."""
    body = b'{"name":"\xff","productId":"\xff"}'
    call = send(door, "POST", ORDERS, body)
    assert call.body == body
    assert call.header("loyalty-mended") is None


def test_texts_are_made_whole_within_the_steps_of_a_body(door: LuaFilter) -> None:
    """What costs too much is left to the transcoder, and no other body spends any of it."""
    body = b'{"name":"' + b"\xff" * 4000 + b'"}'
    mended = [send(door, "POST", ORDERS, body).header("loyalty-mended") for _ in range(20)]
    assert mended == ["text:name"] * 20
    assert send(door, "POST", ORDERS, body * 17).header("loyalty-mended") is None


@pytest.mark.parametrize(
    ("lines", "mended"), [(3_000, True), (13_000, False)], ids=["an order", "beyond any order"]
)
def test_paid_orders_are_mended_up_to_a_size(door: LuaFilter, lines: int, *, mended: bool) -> None:
    """Well above the fullest order."""
    body = b'{"a":[' + b'{"name":"x"},' * lines + b'{}],"channel":"Kiosk"}'
    call = send(door, "POST", ORDERS, body)
    assert (call.header("loyalty-mended") is not None) is mended


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
    """Only the server knows whether "+" is a blank; the caller's own header says nothing."""
    call = send(door, "GET", f"{ORDERS}?{query}", loyalty_query_key="forged")
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
    message = "No such path" if status == 404 else "This path does not take that method"
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
        ({}, b"[" + b"," * 25_000, "400"),
    ],
)
def test_what_is_too_large_is_refused_at_once(
    door: LuaFilter, headers: dict[str, str], body: bytes | None, status: str | None
) -> None:
    """By what is announced, before anything is read, and by what has come."""
    sent = {":method": "POST", ":path": IDENTIFY, **headers}
    assert door.request(sent, body).reply == status


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
        (b"[]", {"": "must be a JSON object"}),
        (
            b'{"surprise":1e400,"identifier":"a",%s}' % BLANK_LINE.encode(),
            {"": "JSON has a number that is too large (line 1, column 13)"},
        ),
        (
            b'{"surprise":"\xff","identifier":"a",%s}' % BLANK_LINE.encode(),
            {"": "JSON has text that is not valid UTF-8 (line 1, column 13)"},
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
                "posVendor.terminal": "must be a string",
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
                "order[1].incentiveId": "must not be blank",
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
        ("GET", "/otp/1?x=1", None, {"": "is not an acceptable request"}),
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
    """Beyond its bounds the answer names no field."""
    assert errors(door, "POST", IDENTIFY, body) == {"": "is not an acceptable request"}


RBI_FIXED = {
    400: ("ValidationError", "Request body is invalid"),
    401: ("Unauthorized", "Authentication is missing or not valid"),
    403: ("Forbidden", "This key may not do that"),
    404: ("NotFound", "No such path"),
    408: ("RequestTimeout", "The request did not arrive in time"),
    413: ("PayloadTooLarge", "Request body is larger than 512 KiB"),
    415: ("UnsupportedMediaType", "Send the body as it is: no content-encoding is taken"),
    418: ("ValidationError", "Request body is invalid"),
    429: ("TooManyRequests", "Too many requests, try again later"),
    431: ("HeadersTooLarge", "Request headers are too large"),
    500: ("InternalServerError", "Something went wrong"),
    501: ("NotImplemented", "This call is not offered"),
    502: ("BadGateway", "The service gave no usable answer"),
    503: ("ServiceUnavailable", "The service is not available, try again later"),
    504: ("Timeout", "The service did not answer in time"),
    599: ("InternalServerError", "Something went wrong"),
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
    from tests.support.lua_filters import ROOT  # noqa: PLC0415

    return LuaFilter('require("json_door")', WORDS.format(root=ROOT))


@pytest.mark.parametrize(
    ("body", "message", "code", "status"),
    [
        ('{"loyaltyId":[]}', "Invalid loyaltyId", "INVALID_REQUEST", 400),
        ("{}", "loyaltyId is mandatory", "MISSING", 409),
        ('{"order":7,"loyaltyId":[]}', "Invalid order", "INVALID_REQUEST", 400),
        ("[]", "must be a JSON object", "INVALID_REQUEST", 400),
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


def test_inner_headers_of_a_caller_do_not_go_on(door: LuaFilter) -> None:
    """Nobody says for us which dialect, which query key, or what was put right."""
    call = send(
        door,
        *("POST", SESSIONS, "{}"),
        loyalty_dialect="rbi",
        loyalty_mended="field:x",
        grpc_timeout="1S",
        x_secret_bin="AA",
        content_type="application/grpcish",
    )
    assert call.header("loyalty-dialect") == "es"
    assert call.header("content-type") == "application/json"
    for name in ("loyalty-mended", "grpc-timeout", "x-secret-bin"):
        assert call.header(name) is None


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto"])
def test_grpc_passes_untouched(door: LuaFilter, content_type: str) -> None:
    """But for what a caller says in our name."""
    path = "/loyalty.v1.IdentifyService/Identify"
    body = b"\0\0\0\0\x02{}"
    call = send(door, "POST", path, body, content_type=content_type, loyalty_dialect="es")
    assert (call.reply, call.body, call.metadata) == (None, body, {})
    assert call.header("loyalty-dialect") is None
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
    assert sorted(kinds) == ["outcome", "report", "session", "unclaimed", "void"]


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
    """Its answer names no field."""
    call = spend(worker, b'{"transactionDetails":7}', "1")
    assert taken(worker, "1") <= 26
    _, told = refused(worker, call)
    assert told["details"]["errors"] == [{"field": "", "message": "is not an acceptable request"}]
