"""A paid order is taken whatever stands in fields that nobody counts with; an open one is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.support.edge_parts import script_errors
from tests.support.http import Response
from tests.support.order_fields import order_fields
from tests.support.server import ADMIN_KEY, Front

pytestmark = pytest.mark.any_database

ORDERS = "/loyalty/transaction/pos"
DETAILS = "transactionDetails"
LINE = f"{DETAILS}/order/0"
PAYMENT = f"{DETAILS}/payments/0"
DISCOUNT = f"{DETAILS}/appliedDiscounts/0/details"
VENDOR = f"{DETAILS}/posVendor"
ABSENT = object()


class Raw(str):
    """A value as it stands in the body."""

    __slots__ = ()


@pytest_asyncio.fixture(loop_scope="session")
async def till(front: Front) -> AsyncIterator[Front]:
    """The shared server behind Envoy, whose scripts must not fail."""
    yield front
    assert script_errors(front.envoy) == []


def _body(status: str, place: str, value: Any) -> bytes:
    """Report an order with one value of its own."""
    body: dict[str, Any] = {
        "channel": "RESTAURANT",
        "serviceMode": "EAT_IN",
        "status": status,
        DETAILS: {
            "currency": "CAD",
            "order": [
                {"productId": "2001", "productType": "item", "referenceId": "1", "price": 8.49}
            ],
            "payments": [{"type": "CASH", "amount": 849}],
            "appliedDiscounts": [],
            "posVendor": {"storeId": 9999, "posType": "Partner", "transactionId": str(uuid4())},
        },
    }
    if place.startswith(DISCOUNT.removesuffix("/details")):
        body[DETAILS]["appliedDiscounts"] = [{"productId": "STAFF", "details": {}}]
    *path, last = place.split("/")
    holder: Any = body
    for part in path:
        holder = holder[int(part) if part.isdigit() else part]
    holder[last] = "PUT HERE" if isinstance(value, Raw) else value
    if value is ABSENT:
        del holder[last]
    text = json.dumps(body).encode()
    return text.replace(b'"PUT HERE"', value.encode("latin-1")) if isinstance(value, Raw) else text


async def _send(till: Front, kind: str, body: bytes) -> Response:
    if kind == "UNCLAIMED":
        return await till.http.request("POST", ORDERS, body, {"x-api-key": ADMIN_KEY})
    vendor = {"storeId": 9999, "posType": "Partner", "transactionId": str(uuid4())}
    guest = await till.server.admin.enroll()
    opened = await till.post("/loyalty/identify", {"identifier": guest, "posVendor": vendor})
    path = f"{ORDERS}/{opened.json()['transactionId']}"
    return await till.http.request("PUT", path, body, {"x-api-key": ADMIN_KEY})


async def _flags(till: Front, kind: str, place: str, value: Any) -> dict[str, list[str]]:
    """Send a paid order, see that it earns, and give the flags by reason."""
    status = "CLAIMED" if kind == "UNCLAIMED" and place != "status" else kind
    with capture_logs() as logs:
        answer = await _send(till, kind, _body(status, place, value))
    assert answer.status == 200, (kind, place, value, answer.body)
    if kind == "CLAIMED":
        assert answer.json()["pointsEarned"] == 84
    return {log["reason"]: log["fields"] for log in logs if log.get("flag") == "order_mended"}


BROKEN_TEXTS = [
    Raw('"Caf\xc3"'),
    Raw('"Cr\xe8me br\xfbl\xe9e"'),
    Raw('"Burger \\ud83c"'),
    Raw('"\\udf54\\ud83c\\udf54 \\\\u \\n\xc3\xa9\xed\xa0\x80"'),
]


@pytest.mark.parametrize("kind", ["CLAIMED", "UNCLAIMED"])
async def test_broken_text_of_a_paid_order_is_taken_and_told(till: Front, kind: str) -> None:
    """Cut at a byte, in another encoding, or half a surrogate pair, wherever any text is taken."""
    for place in (f"{LINE}/name", f"{VENDOR}/operator", f"{VENDOR}/terminal", "unknown"):
        for text in BROKEN_TEXTS:
            told = await _flags(till, kind, place, text)
            field = place.rpartition("/")[2].replace("unknown", "other")
            assert told == {"text": [field]}


async def test_whole_text_is_left_as_it_is(till: Front) -> None:
    """Letters of every length and whole surrogate pairs are no fault."""
    for text in (Raw('"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\x94"'), Raw('"\\ud83c\\udf54\\\\ud83c"')):
        assert await _flags(till, "CLAIMED", f"{LINE}/name", text) == {}


@pytest.mark.parametrize("place", [f"{VENDOR}/transactionId"])
async def test_broken_text_that_counts_is_refused_by_name(till: Front, place: str) -> None:
    """With another letter in it, it would name another order."""
    refused = await _send(till, "CLAIMED", _body("CLAIMED", place, BROKEN_TEXTS[0]))
    assert refused.status == 400
    named = [error["field"] for error in refused.json()["details"]["errors"]]
    assert named == [place.replace("/", ".").replace(".0.", "[0].")]


@pytest.mark.parametrize("kind", ["CLAIMED", "UNCLAIMED"])
async def test_fraction_of_a_cent_that_was_paid_is_rounded_and_told(till: Front, kind: str) -> None:
    """A till that counts in fractions learns it; what adding up doubles leaves behind is none."""
    assert await _flags(till, kind, f"{PAYMENT}/amount", 958.5) == {"amount": ["amount"]}
    assert await _flags(till, kind, f"{PAYMENT}/amount", 958.9999999999998) == {}


async def test_order_is_paid_by_the_number_of_its_status_too(till: Front) -> None:
    """A fraction of a cent in a payment, which nobody counts with, refuses neither."""
    for status in ("CLAIMED", 2):
        body = json.loads(_body("CLAIMED", "status", status))
        body[DETAILS]["payments"][0]["amount"] = 958.5
        assert (await _send(till, "CLAIMED", json.dumps(body).encode())).status == 200


UNTOLD: list[tuple[str, list[Any]]] = [
    ("loyaltyId", [""]),
    ("transactionId", ["", " "]),
    (f"{LINE}/tax", ["", " "]),
    (f"{LINE}/price", [Raw('8.49,"price":null'), Raw('null,"price":8.49')]),
]
"""What many programs write for nothing."""

TOLD: list[tuple[str, list[Any]]] = [
    ("created", [{}]),
    ("channel", ["Kiosk", ABSENT, 99]),
    ("serviceMode", ["ROOM_SERVICE", ABSENT, 99]),
    (f"{LINE}/tax", ["n/a", Raw("1e400")]),
    (f"{LINE}/name", [{"en": '}"'}]),
    (f"{LINE}/parentReferenceId", [False]),
    (f"{LINE}/referenceId", ["a\tb", "r" * 65, {}]),
    (f"{PAYMENT}/type", ["", " ", ABSENT, "\t", "GIFT\tCARD", "X" * 33, {}]),
    (f"{PAYMENT}/amount", ["8,49", 1_000_000_001]),
    (f"{PAYMENT}/ccToken", [{"a": 1}]),
    (f"{VENDOR}/terminal", [{}]),
    (f"{VENDOR}/operator", [False]),
    (f"{DETAILS}/payments", ["", ["CASH"], [{"type": "CASH"}, 7]]),
    (f"{DETAILS}/appliedDiscounts", ["", ["x"]]),
    (f"{DETAILS}/currency", [{}, "C$", ABSENT]),
    (f"{LINE}/price", ["8,49"]),
    (f"{LINE}/quantity", [Raw("1.0000019"), Raw('1,"quantity":"1"'), "1,00"]),
    (f"{VENDOR}/posType", ["", ABSENT, "x" * 65]),
    (f"{DISCOUNT}/discountValue", [2.5]),
    (f"{DISCOUNT}/subtype", ["STAFF", 7]),
    (f"{DISCOUNT}/type", ["manual"]),
    (f"{DISCOUNT}/displayName", [{}]),
    (DISCOUNT, [""]),
]
"""What may hide a fault of the till."""


@pytest.mark.parametrize("kind", ["CLAIMED", "UNCLAIMED"])
@pytest.mark.parametrize(("place", "values"), TOLD, ids=[place for place, _ in TOLD])
async def test_field_nobody_counts_with_refuses_no_paid_order(
    till: Front, kind: str, place: str, values: list[Any]
) -> None:
    """The guest has their points, and the operator hears of the till; an open order is refused."""
    for value in values:
        told = await _flags(till, kind, place, value)
        name = "".join(f"_{it.lower()}" if it.isupper() else it for it in place.rpartition("/")[2])
        assert {field.rpartition(".")[2] for field in told["field"]} == {name}, value
    if kind == "CLAIMED":
        open_one = await _send(till, kind, _body("PENDING", place, values[0]))
        # Any text is taken of an open order too, but nothing else in its place.
        assert open_one.status == 400 or f"{LINE}/tax" == place, place


@pytest.mark.parametrize(("place", "values"), UNTOLD, ids=[place for place, _ in UNTOLD])
async def test_blank_stands_for_absent_in_a_paid_order(
    till: Front, place: str, values: list[Any]
) -> None:
    """Nobody is told of it."""
    for value in values:
        assert await _flags(till, "CLAIMED", place, value) == {}


async def test_status_of_an_unclaimed_may_be_any_word(till: Front) -> None:
    """The call says what it is."""
    for word in ("COMPLETED", "", {}, 99):
        assert await _flags(till, "UNCLAIMED", "status", word) == {"field": ["status"]}


def _texts() -> list[tuple[str, Any]]:
    """Give the place of each text of an order but of those that say which order it is."""
    return [
        (field.path.replace("[]", "/0").replace(".", "/"), field.path)
        for field in order_fields()
        if field.type == "text" and field.path not in IDENTIFYING
    ]


IDENTIFYING = {"loyaltyId", "transactionId", f"{DETAILS}.posVendor.transactionId"}
ANYTHING = ["x" * 5000, "a\x01b\x85", "\r\n", "", {"a": "}"}, ["x"], True, 7, Raw('"\xe9"')]


@pytest.mark.parametrize("kind", ["CLAIMED", "UNCLAIMED"])
@pytest.mark.parametrize("place", [place for place, _ in _texts()])
async def test_no_text_refuses_a_paid_order_that_does_not_say_which(
    till: Front, kind: str, place: str
) -> None:
    """Too long, with control characters, of another type or encoding: the guest has paid."""
    for value in ANYTHING:
        await _flags(till, kind, place, value)


@pytest.mark.parametrize("kind", ["CLAIMED", "UNCLAIMED"])
async def test_weighed_goods_are_sold_as_one(till: Front, kind: str) -> None:
    """What was paid earns: 2.5 at 3.396 are 8.49, and so is half of 16.98."""
    for quantity, price in ((2.5, 3.396), ("0.5", "16,98"), (-0.25, -33.96)):
        place = f"{LINE}/quantity"
        body = json.loads(_body("CLAIMED", place, quantity))
        body[DETAILS]["order"][0]["price"] = price
        answer = await _send(till, kind, json.dumps(body).encode())
        assert answer.status == 200, answer.body
        if kind == "CLAIMED" and quantity != -0.25:
            assert answer.json()["pointsEarned"] == 84
        refused = json.dumps(body | {"status": "PENDING"}).encode()
        if kind == "CLAIMED":
            told = (await _send(till, kind, refused)).json()["details"]["errors"]
            assert {error["field"] for error in told} >= {f"{DETAILS}.order[0].quantity"}


async def test_name_given_twice_is_told_of_an_open_order(till: Front) -> None:
    """Its till can be corrected then."""
    body = _body("PENDING", f"{LINE}/quantity", Raw('1,"quantity":1'))
    answer = await _send(till, "CLAIMED", body)
    assert answer.json()["details"]["errors"] == [
        {"field": f"{DETAILS}.order[0].quantity", "message": "is given twice"}
    ]


async def test_hexadecimal_digits_are_no_number(till: Front) -> None:
    """In a paid order either: nobody can tell what they were meant for."""
    for status in ("PENDING", "CLAIMED"):
        for price in ("0x10", "0X1p4", " -0x1"):
            answer = await _send(till, "CLAIMED", _body(status, f"{LINE}/price", price))
            assert answer.json()["details"]["errors"] == [
                {"field": f"{DETAILS}.order[0].price", "message": "must be a number"}
            ]


async def test_too_many_payments_stay_refused(till: Front) -> None:
    """They protect the server, and no till takes as many."""
    many = [{"type": "CASH", "amount": 10}] * 51
    assert (
        await _send(till, "CLAIMED", _body("CLAIMED", f"{DETAILS}/payments", many))
    ).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"{{{",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff","loyaltyId":"\xff"}',
    ],
)
async def test_void_that_cannot_be_read_says_nothing(till: Front, body: bytes) -> None:
    """Whatever it begins with, it counts as none: the path says all."""
    guest = await till.server.admin.enroll()
    vendor = {"storeId": 9999, "posType": "Partner", "transactionId": str(uuid4())}
    opened = await till.post("/loyalty/identify", {"identifier": guest, "posVendor": vendor})
    path = f"{ORDERS}/{opened.json()['transactionId']}/void"
    answer = await till.http.request("PUT", path, body, {"x-api-key": ADMIN_KEY})
    assert answer.status == 200, answer.body
