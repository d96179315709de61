"""The paid purchase of a session is taken, whatever stands in what does not say whose it is."""

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
from tests.support.server import ADMIN_KEY, Front

pytestmark = pytest.mark.any_database

LINE: dict[str, Any] = {"sku": "2001", "quantity": 1, "saleAmount": 1000}
HEADERS = {"x-api-key": ADMIN_KEY}


@pytest_asyncio.fixture(loop_scope="session")
async def till(front: Front) -> AsyncIterator[Front]:
    """The shared server behind Envoy, whose scripts must not fail."""
    yield front
    assert script_errors(front.envoy) == []


async def _send(till: Front, call: str, body: bytes) -> Response:
    """Send a purchase in a new session of a new member."""
    guest, visit = await till.server.admin.enroll(), str(uuid4())
    session = json.dumps({"correlationId": visit}).encode()
    started = await till.http.request("POST", f"/client/users/{guest}/sessions", session, HEADERS)
    assert started.status == 200, started.body
    return await till.http.request("POST", f"/loyalty/visits/{visit}/{call}", body, HEADERS)


async def _told(till: Front, call: str, body: Any, points: int) -> set[str]:
    """Send a purchase, see what it earns, and give the names of what was put right."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with capture_logs() as logs:
        answer = await _send(till, call, text)
    assert answer.status == 200, (body, answer.body)
    assert answer.json()["pointsEarned"] == points, (body, answer.body)
    fields = [log["fields"] for log in logs if log.get("flag") == "order_mended"]
    return {name.rpartition(".")[2] for several in fields for name in several}


OF_A_LINE: list[tuple[str, list[Any], int, str]] = [
    ("quantity", ["abc", True, [1], {"a": "}"}, "1e400"], 100, "quantity"),
    ("saleAmount", ["abc", True, [1], {"a": 1}], 0, "sale_amount"),
    ("sku", [True, [1], {"a": 1}], 100, "sku"),
    ("subCategory", [True, [1], {}], 100, "sub_category"),
    ("itemTax", ["abc", [1], False], 100, "item_tax"),
    ("itemDiscount", ["x", {}], 100, "item_discount"),
    ("originalSaleAmount", ["x", {}], 100, "original_sale_amount"),
]
OF_A_PURCHASE: list[tuple[str, list[Any], str]] = [
    ("tender", ["abc", [], 1], "tender"),
    ("confirmation", ["x", [], {"mode": {}}], "confirmation"),
    ("callId", [{}, False], "call_id"),
    ("channel", [{}, True], "channel"),
    ("locale", [[]], "locale"),
    ("action", [{}], "action"),
    ("transactionDate", [[1], {}], "transaction_date"),
]


@pytest.mark.parametrize("call", ["purchase", "offline-purchase"])
@pytest.mark.parametrize(("name", "values", "points", "field"), OF_A_LINE)
async def test_unreadable_field_of_a_line_is_left_out_and_told(
    till: Front, call: str, name: str, values: list[Any], points: int, field: str
) -> None:
    """Without its price a line earns nothing; the guest has the points of all others."""
    for value in values:
        told = await _told(till, call, {"saleLineItems": [LINE | {name: value}]}, points)
        assert told == {field}, value


@pytest.mark.parametrize(("name", "values", "field"), OF_A_PURCHASE)
async def test_unreadable_field_of_a_purchase_is_left_out_and_told(
    till: Front, name: str, values: list[Any], field: str
) -> None:
    """Nobody counts points by it."""
    for value in values:
        told = await _told(till, "purchase", {"saleLineItems": [LINE], name: value}, 100)
        assert told <= {field, "mode"}, value
        assert told, value


async def test_what_is_no_line_is_left_out_and_the_others_earn(till: Front) -> None:
    """A text, a number and a list between two lines."""
    lines = [LINE, "coupon", 7, [1], LINE]
    assert await _told(till, "purchase", {"saleLineItems": lines}, 200) == {"sale_line_items"}


async def test_blank_and_filled_up_numbers_are_read(till: Front) -> None:
    """Blank stands for absent, and zeros before a number are no part of it."""
    lines = [LINE | {"quantity": "", "itemTax": " "}, LINE | {"saleAmount": "0500"}]
    assert (await _told(till, "purchase", {"saleLineItems": lines}, 150)) <= {"sale_amount"}


async def test_broken_text_of_a_purchase_is_taken(till: Front) -> None:
    """A product whose name is cut at a byte is one that nobody knows."""
    body = b'{"saleLineItems":[{"sku":"Caf\xc3","quantity":1,"saleAmount":1000}]}'
    assert await _told(till, "purchase", body, 100) == {"sku"}


async def test_trial_is_refused_by_the_field(till: Front) -> None:
    """Nothing is paid yet, and the till's vendor can correct it."""
    answer = await _send(
        till, "trial", json.dumps({"saleLineItems": [LINE | {"quantity": "abc"}]}).encode()
    )
    assert answer.status == 400
    assert b"saleLineItems[0].quantity" in answer.body


@pytest.mark.parametrize("token", [{}, [1], "no such token"])
async def test_token_that_nobody_can_read_refuses_the_purchase(till: Front, token: Any) -> None:
    """Left out, it would leave the guest the points and the till without its money."""
    body = {"saleLineItems": [LINE], "reservationToken": token}
    answer = await _send(till, "purchase", json.dumps(body).encode())
    assert answer.status == 400
