"""What the JSON door's filter makes of bodies as tills write them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.v1 import transaction_service_pb2 as pb
from tests.support.json_door import IDENTIFY, ORDERS, OURS, SESSIONS, send, sent_on
from tests.support.lua_filters import LuaFilter


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


@pytest.mark.parametrize("size", [16_000, 17_000, 200_000])
def test_last_value_of_a_body_is_put_right_whatever_its_size(door: LuaFilter, size: int) -> None:
    """A short body is looked through first, a long one is not."""
    body = f'{{"identifier":"{"7" * size}","posVendor":{{"storeId":" 9 ","terminal":0}}}}'
    vendor = sent_on(door, "POST", IDENTIFY, body)["posVendor"]
    assert vendor == {"storeId": 9, "terminal": "0"}


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
    *(("serviceMode", value, None) for value in ('"ROOM_SERVICE"', "[]", "true")),
    *(("created", value, None) for value in ("{}", "true", '{"a":"}"}', "[[]]")),
    ("created", "7", "7"),
    *(("tax", value, "NaN") for value in ('"n/a"', '"1,200"', "false", "{}", "1e400", "01")),
    *(("tax", value, None) for value in ('""', '" "')),
    *(("name", value, None) for value in ("true", '{"en":"}"}', '["x"]')),
    *(("amount", value, None) for value in ('""', '"8,491"', "1e10", "false", "{}", "[]", "01")),
    ("amount", "958.5", 959),
    ("amount", '"849.00"', 849),
    ("amount", '"8,49"', 8),
    *(("payments", value, None) for value in ('""', "7")),
    *(("appliedDiscounts", value, None) for value in ('""', "false")),
    *(("discountValue", value, None) for value in ("2.5", '"2,50"', '"10%"', "1e12")),
    ("discountValue", '"2,00"', 2),
    *(("details", value, None) for value in ('""', "[]")),
    ("ccToken", '{"a":1}', None),
    *(("posType", value, None) for value in ("true", "{}", "[]")),
    *(("currency", value, None) for value in ("true", "[]")),
    *(("productId", value, None) for value in ("{}", "false")),
    *(("incentiveId", value, None) for value in ("[]", "true")),
    *(("loyaltyEngineId", value, None) for value in ("{}", "true")),
    ("tax", '"1,20"', 1.2),
    ("price", '"8,49"', 8.49),
    ("price", '"-8,49"', -8.49),
    ("payments", '["CASH"]', [None]),
    ("payments", '[{"type":"CASH"},7,{"type":"VISA"}]', [{"type": "CASH"}, None, {"type": "VISA"}]),
    ("appliedDiscounts", '[["x"],{"productId":"}"}]', [None, {"productId": "}"}]),
    ("order", '[{"name":"a}, \\"x\\"]"},"x"]', [{"name": 'a}, "x"]'}, None]),
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
    mended = (
        expected == "NaN"
        or (expected is None and key != "tax")
        or key in {"payments", "appliedDiscounts", "order", "price"}
        or "," in sent
    )
    rounded = key == "amount" and sent in {"958.5", '"8,49"'}
    told = [f"field:{key}"] * mended + ["amount:amount"] * rounded
    assert call.header("loyalty-mended") == (",".join(told) or None)


LINE = '{"transactionDetails":{"order":[{%s}]},"status":"CLAIMED"}'


@pytest.mark.parametrize("kind", PAID)
@pytest.mark.parametrize(
    ("line", "quantity", "price"),
    [
        ('"quantity":2.5,"price":4,"productType":"item"', 1, 10),
        ('"productType":"Item","price":"8,49","quantity":"0.5"', 1, 4.245),
        ('"price":" 8.49\\n","quantity":-0.25,"productType":"combo","incentiveId":""', 1, -2.1225),
        ('"price":3,"quantity":"1.5","productType":1,"loyaltyEngineId":null', 1, 4.5),
        ('"quantity":0.5,"productType":"item"', 1, None),
        ('"quantity":1.9999999,"price":4,"productType":"item"', 2, 4),
        ('"quantity":2.5,"price":4,"productType":"reward"', 2.5, 4),
        ('"quantity":2.5,"price":4,"productType":"item","incentiveId":"a"', 2.5, 4),
        ('"quantity":2.5,"price":4', 2.5, 4),
        ('"quantity":2.5,"price":"x","productType":"item"', 2.5, "x"),
        ('"quantity":10000.5,"price":4,"productType":"item"', 10000.5, 4),
        ('"quantity":"two","price":4,"productType":"item"', "two", 4),
        ('"quantity":"","price":4,"productType":"item"', None, 4),
        ('"quantity":" ","price":4,"productType":"item"', None, 4),
        ('"productType":"item","quantity":"0,50","price":"8,48"', 1, 4.24),
        ('"productType":"reward","quantity":"0,50"', 0.5, None),
        ('"quantity":"1,500","price":4,"productType":"item"', "1,500", 4),
    ],
)
def test_fraction_of_a_product_is_sold_as_one(
    door: LuaFilter, kind: str, line: str, quantity: Any, price: Any
) -> None:
    """For the price of it all; a reward or offer has no fraction, and no number is left alone."""
    call = send(door, *PAID[kind], LINE % line)
    assert call.body is not None
    (sold,) = json.loads(call.body)["transactionDetails"]["order"]
    assert (sold.get("quantity"), sold.get("price")) == (quantity, price)
    weighed = quantity == 1 or '"0,50"' in line
    assert ("field:quantity" in (call.header("loyalty-mended") or "")) is weighed


@pytest.mark.parametrize("kind", PAID)
@pytest.mark.parametrize(("sent", "quantity"), [('"2,00"', 2), ('"-2,00"', -2), ('" 2,00 "', 2)])
def test_comma_of_a_quantity_is_its_point(
    door: LuaFilter, kind: str, sent: str, quantity: int
) -> None:
    """As that of a price is; whatever the line is."""
    for product in ("item", "reward"):
        call = send(door, *PAID[kind], LINE % f'"quantity":{sent},"productType":"{product}"')
        assert call.body is not None
        (sold,) = json.loads(call.body)["transactionDetails"]["order"]
        assert sold["quantity"] == quantity
        assert call.header("loyalty-mended") == "field:quantity"


def test_fraction_of_an_open_order_stays(door: LuaFilter) -> None:
    """It is refused by name, as the contract has whole numbers."""
    line = '"quantity":2.5,"price":"8,49","productType":"item"'
    body = (LINE % line).replace("CLAIMED", "PENDING")
    order = sent_on(door, "PUT", f"{ORDERS}/{OURS}", body)["transactionDetails"]["order"]
    assert order == [{"quantity": 2.5, "price": "8,49", "productType": "item"}]


@pytest.mark.parametrize(
    ("sent", "kept", "told"),
    [
        ('"name":"a","name":"b"', '"name":null,"name":"b"', "field:name"),
        ('"name":"{","price":1,"name":"}"', '"name":null,"price":1,"name":"}"', "field:name"),
        (
            '"incentiveId":"a","incentive_id":"b"',
            '"incentiveId":null,"incentive_id":"b"',
            "field:incentiveId",
        ),
        ('"tax":"x","tax":1', '"tax":null,"tax":1', "field:tax"),
        ('"quantity":2.5,"quantity":1', '"quantity":null,"quantity":1', "field:quantity"),
        ('"name":"a","name":null', '"name":"a","name":null', None),
        ('"name":null,"name":"a"', '"name":null,"name":"a"', None),
        ('"tax":1,"tax":" "', '"tax":1,"tax":null', None),
        ('"price":8,"price":null,"price":9', '"price":null,"price":null,"price":9', "field:price"),
        (
            '"productType":"item","quantity":0.5,"quantity":null,"price":8',
            '"productType":"item","quantity":1,"quantity":null,"price":4',
            "field:quantity",
        ),
        ('"name":"a","x":{"name":"b"}', '"name":"a","x":{"name":"b"}', None),
        ('"name":"a"},{"name":"b"', '"name":"a"},{"name":"b"', None),
        ('"x":1,"x":2', '"x":1,"x":2', None),
    ],
)
def test_last_of_a_name_given_twice_counts_in_a_paid_order(
    door: LuaFilter, sent: str, kept: str, told: str | None
) -> None:
    """The transcoder would refuse it; null, or one of another line, is no second."""
    call = send(door, "POST", ORDERS, LINE % sent)
    assert call.body is not None
    assert f"[{{{kept}}}]" in call.body.decode()
    mended = (call.header("loyalty-mended") or "").split(",")
    assert (told in mended) if told else mended == [""]


@pytest.mark.parametrize("blank", ["\\n", "\\r\\n", "\\t", "\u00a0", "\\u00A0", "\u202f", " "])
@pytest.mark.parametrize(
    ("key", "value"), [("price", "8.49"), ("quantity", "2"), ("productType", "item")]
)
def test_blanks_of_any_kind_around_a_number_are_left_out(
    door: LuaFilter, blank: str, key: str, value: str
) -> None:
    """Line breaks, tabs and blanks that break no line, of open orders as well."""
    line = f'"{key}":"{blank}{value}{blank}{blank}"'
    for status in ("PENDING", "CLAIMED"):
        body = (LINE % line).replace("CLAIMED", status)
        (sold,) = sent_on(door, "PUT", f"{ORDERS}/{OURS}", body)["transactionDetails"]["order"]
        assert str(sold[key]) == value


@given(
    st.one_of(
        st.from_regex(r"[+-]?[0-9]{0,4}(\.[0-9]{0,3})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
        st.from_regex(r"[+-]?0[xX][0-9a-fA-F.]{0,4}(p[0-9])?", fullmatch=True),
        st.text("0123456789+-.eExXpPaAfFiInNtTyY_dD ", max_size=8),
    )
)
@settings(max_examples=300, deadline=None)
def test_number_in_quotes_means_what_it_means_without(text: str) -> None:
    """What goes on as a number is one of decimal digits, and each number of JSON goes on."""
    door = QUOTED_DOOR
    body = json.dumps({"transactionDetails": {"order": [{"price": text}]}})
    order = sent_on(door, "PUT", f"{ORDERS}/{OURS}", body)["transactionDetails"]["order"]
    plain = text.strip(" ")
    number = _read_by_strtod(str(order[0]["price"]))
    if JSON_NUMBER.fullmatch(plain):
        assert number == float(plain)
    elif number is not None:
        assert set(plain) <= set("0123456789+-.eE")
        assert number == float(plain)


JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
QUOTED_DOOR = LuaFilter('require("json_door")')


def _read_by_strtod(text: str) -> float | None:
    """Read a text as the transcoder does: C's strtod, which takes hexadecimal digits as well."""
    if "_" in text:
        return None  # Only Python reads through it.
    with suppress(ValueError):
        number = float(text) if "x" not in text.lower() else float.fromhex(text)
        return number if math.isfinite(number) else None
    return None


@pytest.mark.parametrize("value", ["true", "{}", '["x"]', '"Jos\xe9"'])
@pytest.mark.parametrize("name", ["terminal", "operator", "supportingPos"])
def test_text_that_nobody_uses_refuses_no_guest(door: LuaFilter, name: str, value: str) -> None:
    """Of a wrong type it is absent, and of another encoding it is made whole; nobody is told."""
    body = f'{{"identifier":"1","posVendor":{{"{name}":{value},"storeId":1}}}}'.encode("latin-1")
    call = send(door, "POST", IDENTIFY, body)
    assert call.header("loyalty-mended") is None
    assert call.body is not None
    vendor = json.loads(call.body)["posVendor"]
    assert vendor == {name: "Jos\ufffd" if value.startswith('"') else None, "storeId": 1}


def test_identifier_is_not_made_whole(door: LuaFilter) -> None:
    """With another letter in it, it would be another one."""
    for name in ("identifier", "posType", "transactionId"):
        body = f'{{"{name}":"\xe9"}}'.encode("latin-1")
        assert send(door, "POST", IDENTIFY, body).body == body


@pytest.mark.parametrize("padding", [0, 262_144])
@pytest.mark.parametrize(
    ("sent", "got", "told"), [("958.5", 959, "amount:amount"), ("958.0", 958, None)]
)
def test_payment_is_not_rounded_in_silence_however_large_its_order(
    door: LuaFilter, padding: int, sent: str, got: int, told: str | None
) -> None:
    """Payments may decide what an order earns, so the operator is told of a fraction."""
    body = f'{{"status":"CLAIMED","name":"{"b" * padding}","payments":[{{"amount":{sent}}}]}}'
    call = send(door, "PUT", f"{ORDERS}/{OURS}", body)
    assert call.header("loyalty-mended") == told
    assert f'"amount":{got}'.encode() in (call.body or b"")


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
    """U+FFFD replaces what is not a character, and the server is told."""
    call = send(door, "POST", ORDERS, b'{"name":"%s"}' % sent)
    assert call.body is not None
    assert json.loads(call.body)["name"] == expected
    assert (call.header("loyalty-mended") == "text:name") is ("\ufffd" in expected)


def test_text_that_counts_is_not_made_whole(door: LuaFilter) -> None:
    """With another letter in it, it would name another order."""
    body = b'{"name":"\xff","transactionId":"\xff"}'
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
