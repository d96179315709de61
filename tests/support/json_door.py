"""Calls of a till at the JSON door's filter alone, without Envoy."""

from __future__ import annotations

import json
from typing import Any

from tests.support.lua_filters import FilteredCall, LuaFilter

SESSIONS = "/client/users/anonymous/sessions"
IDENTIFY = "/loyalty/identify"
ORDERS = "/loyalty/transaction/pos"
OURS = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
THEIRS = "00000000-0000-4000-8000-000000000000"
REQUEST_ID = "9f2c1d3e-0000-4000-8000-00000000abcd"
MAX_BODY = 524_288
BLANK_LINE = '"posVendor":{"storeId":9999,"posType":"Partner","transactionId":"1"}'


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
