"""What the pages for callers list is what the contract, the edge and the filter have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from loyalty_service.domain.breaches import Breach
from loyalty_service.domain.feed import TYPES
from loyalty_service.domain.keys import Role
from loyalty_service.transport.call import DEADLINE_MAX_S
from loyalty_service.transport.errors.account_rows import ACCOUNT_ROWS
from loyalty_service.transport.errors.catalogue import ROWS
from loyalty_service.transport.errors.edge import DOOR, LOCAL_REPLIES, EdgeRow
from loyalty_service.transport.errors.es_rows import ES_ROWS
from loyalty_service.transport.rpcs import RPCS
from tests.support.lua_filters import LuaFilter
from tests.support.order_fields import OrderField, order_fields

ROOT = Path(__file__).resolve().parents[2]
REPORT = "/loyalty/transaction/pos/4711fc2a-3a8f-414f-a9e7-44dd5231dca7"


@pytest.fixture(scope="module")
def door() -> LuaFilter:
    """The filter as one worker of Envoy loads it."""
    return LuaFilter('require("json_door")')


def rows(page: str, title: str) -> list[list[str]]:
    """Give the cells of the table under a title, without its heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.split(r"\n#+ ", text.partition(f"## {title}\n")[2])[0]
    lines = [line for line in found.splitlines() if line.startswith("| ")]
    assert lines, f"{page} has no table under {title}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_json_call_is_listed() -> None:
    """The page has each route with its method and roles, in their order."""
    routes = (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines()
    expected = []
    for route in routes:
        verb, path, rpc = route.split()
        method = rpc.removeprefix("loyalty.v1.")
        roles = {role.value for role in RPCS[method].roles - {Role.ADMIN}}
        expected.append((f"`{verb} {path}`", f"`{method}`", roles))

    listed = [
        (cells[0], cells[1], set(filter(None, cells[2].split(", "))))
        for cells in rows("calling.md", "JSON")
        if cells[0].startswith("`")
    ]
    assert listed == expected
    assert all(Role.ADMIN in rpc.roles for rpc in RPCS.values())


def test_every_field_of_an_order_is_listed() -> None:
    """The page has the path, type and range of each, and whether it is required."""
    listed = [cells[:4] for cells in rows("orders.md", "Fields of an order")]

    assert listed == [
        [f"`{field.path}`", field.type, field.range, field.required] for field in order_fields()
    ]


@pytest.mark.parametrize("field", order_fields(), ids=lambda field: field.path)
def test_page_tells_which_wrong_fields_a_claim_takes(door: LuaFilter, field: OrderField) -> None:
    """A value of another kind is left out on its way, or stays and is refused, as it says there."""
    told = {cells[0]: cells[4] for cells in rows("orders.md", "Fields of an order")}
    wrong = '""' if "object" in field.type else "true"
    data = f'{{"status":"CLAIMED",{(field.body % wrong)[1:]}'.encode()
    call = door.request({":method": "PUT", ":path": REPORT, "content-length": str(len(data))}, data)
    assert call.body is not None
    value = json.loads(call.body)
    for name in field.path.split("."):
        value = value[name.removesuffix("[]")]
        value = value[0] if name.endswith("[]") else value
    taken = value is None or value == "NaN"
    assert told[f"`{field.path}`"].startswith("taken") is taken


OF_OTHER_CALLS = {
    "CORRELATION_ID_INVALID",
    "IDENTIFICATION_FAILED",
    "IDENTIFIER_INVALID",
    "IDENTIFIER_TYPE_DISABLED",
    "CODE_NOT_FOUND",
    "CODE_ALREADY_USED",
    "TOO_MANY_WRONG_CODES",
    "GUEST_CHANGED",
    "RECEIPT_NOT_FOUND",
    "RECEIPT_ALREADY_CLAIMED",
    "RECEIPT_EXPIRED",
    "RECEIPT_LIMIT_REACHED",
    "VOID_TOO_LATE",
    "RETURN_TOO_LATE",
    "TRANSACTION_NOT_RETURNABLE",
    "PROMO_CODE_NOT_FOUND",
    "PROMO_CODE_ALREADY_REDEEMED",
    "PROMO_CODE_INVALID",
    "CONTRACT_NOT_SERVED",
    "EMAIL_TAKEN",
    "IDENTIFIER_TAKEN",
    "AMOUNT_BEYOND_LIMIT",
    *(row.reason for row in (*ES_ROWS, *ACCOUNT_ROWS)),
}
"""What neither a claim nor an order without a guest is ever refused with."""


def test_page_tells_what_a_till_does_with_every_refused_claim() -> None:
    """Each error of the catalogue that a claim can get has its row, and each of Envoy's own."""
    answers = ", ".join(cells[0] for cells in rows("orders.md", "A claim that is refused"))
    ours = {row.reason: row for row in ROWS}
    assert set(ours) >= OF_OTHER_CALLS
    for reason in set(ours) - OF_OTHER_CALLS:
        row = ours[reason]
        assert str(row.http) in answers, reason
        if row.retry_after_ms is None and row.http < 429:
            assert f"`{row.rbi}`" in answers, reason
    replies = [reply for replies in LOCAL_REPLIES.values() for reply in replies]
    for edge in (*DOOR, *(reply.row for reply in replies)):
        assert not isinstance(edge, EdgeRow) or str(edge.http) in answers, edge


def test_page_lists_every_way_to_break_a_rule() -> None:
    """With its code and rule, in the order of the table in the code."""
    listed = [(*cells[:2], cells[-1]) for cells in rows("errors.md", "Broken rules")]
    assert listed == [
        (f"`{one.value.code}`", f"`{one.value.rule_id}`", f"`{one.name.lower()}`") for one in Breach
    ]


def test_every_answer_of_envoys_own_is_listed() -> None:
    """The page has each with its words, and says of each whether it may be sent again."""
    replies = [reply for replies in LOCAL_REPLIES.values() for reply in replies]
    own = {*_words(DOOR), *_words(reply.row for reply in replies)}
    later = {*_words(reply.row for reply in replies if reply.again)}
    listed = rows("errors.md", "What Envoy answers by itself")

    assert {tuple(cells[:4]) for cells in listed} == own
    assert len(listed) == len(own)
    again = {tuple(cells[:4]) for cells in listed if cells[4].startswith("yes")}
    assert later <= again
    assert {cells[4].partition(",")[0].partition(":")[0] for cells in listed} == {"yes", "no"}


def _words(found: Iterable[object]) -> set[tuple[str, ...]]:
    return {
        (str(row.http), f"`{row.rbi}`", f"`{row.es}`", row.message)
        for row in found
        if isinstance(row, EdgeRow)
    }


def test_page_tells_how_long_a_call_takes() -> None:
    """Whoever waits as long as it says hears the server's own answer, and Envoy's."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    config = (ROOT / "envoy" / "envoy.yaml").read_text(encoding="utf-8")
    told = re.search(r"wait (\d) s for an answer\. .* within ([\d.]+) s, .* after (\d) s\.", text)
    assert told is not None
    waits, server, envoy = (float(seconds) for seconds in told.groups())
    assert server == DEADLINE_MAX_S
    assert f"timeout: {envoy:.0f}s" in config
    assert waits > envoy > server


def test_page_lists_every_type_of_event() -> None:
    """With the states that it may have, in the order of the code."""
    listed = [cells[0] for cells in rows("events.md", "Types")]
    assert listed == [f"`{name}`" for name in TYPES]
