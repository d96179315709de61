"""What the sandbox's board tells, and to whom."""

from __future__ import annotations

import json
import re
import threading
from http.client import HTTPConnection, RemoteDisconnected
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest

from loyalty.v1 import member_service_pb2, member_service_pb2_grpc
from loyalty_service.sandbox.board import board
from loyalty_service.sandbox.demo_data import KEY_IDS
from loyalty_service.sandbox.fixed_codes import ODILE
from loyalty_service.sandbox.run import welcome
from tests.support.sandbox_box import Answer, Box, new_order

SECRET = "an-own-secret-key-0123456789"


def state(running: Box, **query: Any) -> Any:
    """Ask as the page does."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = running.control("GET", f"/board/state?{asked}")
    assert answer.status == 200
    return answer.body


def get_member(port: int, key: str) -> None:
    """Ask for Odile over gRPC."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = member_service_pb2_grpc.MemberServiceStub(channel)  # type: ignore[no-untyped-call]
        request = member_service_pb2.GetMemberRequest(loyalty_id=ODILE)
        stub.GetMember(request, metadata=[("x-api-key", key)], timeout=10)


def test_calls_of_both_doors_are_told_with_their_json(fresh: Box) -> None:
    """JSON, gRPC before Envoy and gRPC at the server are told alike, the refused ones too."""
    fresh.identify("123456", "till-1")
    fresh.identify("123456", "till-2", x_api_key=SECRET)
    for port in (fresh.http, fresh.grpc):
        get_member(port, "sandbox-app-key")
        with pytest.raises(grpc.RpcError):
            get_member(port, SECRET)

    told = state(fresh)
    calls = told["calls"]
    assert [(one["door"], one["protocol"], one["name"], one["status"]) for one in calls] == [
        ("http", "json", "IdentifyMember", "200"),
        ("http", "json", "IdentifyMember", "401"),
        ("http", "grpc", "GetMember", "OK"),
        ("http", "grpc", "GetMember", "UNAUTHENTICATED"),
        ("grpc", "grpc", "GetMember", "OK"),
        ("grpc", "grpc", "GetMember", "UNAUTHENTICATED"),
    ]
    assert json.loads(calls[0]["request"]["body"])["posVendor"]["transactionId"] == "till-1"
    assert json.loads(calls[0]["answer"]["body"])["transactionId"] == told["orders"][0]["id"]
    for call in calls[2::2]:
        assert json.loads(call["request"]["body"]) == {"loyaltyId": ODILE}
        assert json.loads(call["answer"]["body"])["member"]["name"] == "Odile"
    for call in calls[1::2]:
        assert "API_KEY_INVALID" in call["answer"]["body"]
        assert call["gist"].endswith("API_KEY_INVALID")
    text = json.dumps(told)
    assert SECRET not in text
    assert "sandbox-pos-key" not in text
    assert "sandbox-app-key" not in text


def test_calls_of_a_session_are_told_without_the_secret_and_its_token(fresh: Box) -> None:
    """A token's call hides its form and its answer; a refused call of ES says why, and where."""
    form = {
        "grant_type": "client_credentials",
        "client_id": KEY_IDS["sandbox-es-key"],
        "client_secret": "sandbox-es-key",
    }
    token = post(fresh, "/oauth2/token", urlencode(form), "application/x-www-form-urlencoded")
    secret = token["access_token"]
    bearer = {"authorization": f"Bearer {secret}"}
    session = json.dumps({"correlationId": "till 1"})
    post(fresh, f"/client/users/{ODILE}/sessions", session, **bearer)
    post(
        fresh, "/client/users/till%201/reservations", json.dumps({"reservationAmount": 1}), **bearer
    )
    post(fresh, "/loyalty/visits/nobody/trial", "{}", **bearer)

    told = state(fresh)
    assert [(one["name"], one["status"], one["order"], one["gist"]) for one in told["calls"]] == [
        ("IssueToken", "200", "", ""),
        ("StartSession", "200", "till 1", ""),
        ("ReservePoints", "400", "till 1", "Account is not eligible for redemption."),
        ("TryPurchase", "400", "nobody", "Session correlation ID does not exist--create it first"),
    ]
    text = json.dumps(told)
    assert "sandbox-es-key" not in text
    assert secret not in text


def post(running: Box, path: str, body: str, kind: str = "application/json", **more: str) -> Any:
    """Call as a program that is not ours does."""
    connection = HTTPConnection("127.0.0.1", running.http, timeout=15)
    connection.request("POST", path, body, {"content-type": kind, **more})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_fault_is_told_with_the_answer_that_was_lost(fresh: Box) -> None:
    """A call whose answer was lost has the answer that the till never saw."""
    with pytest.raises(RemoteDisconnected):
        fresh.identify("910001", new_order())

    told = state(fresh)
    (call,) = told["calls"]
    assert (call["fault"], call["status"], call["broken"]) == ("lost", "200", False)
    assert json.loads(call["answer"]["body"])["transactionId"] == told["orders"][0]["id"]
    assert told["orders"][0]["code"] == "910001"


def test_orders_and_points_are_told_as_they_move(fresh: Box) -> None:
    """A held reward, its claim and what was earned are in the orders, moves and balances."""
    opened = fresh.identify("123456").body["transactionId"]
    told = state(fresh)
    (order,) = told["orders"]
    assert (order["status"], order["member"], order["store"]) == ("PENDING", "Farhan", 9999)
    assert order["holds"] == [{"name": "Free medium coffee", "points": 800, "status": "OPEN"}]
    farhan = {"member": "Farhan", "balances": {"AVAILABLE": 14464, "HELD": 800}}
    assert told["accounts"][0] == farhan

    fresh.claim(opened)
    told = state(fresh)
    assert (told["orders"][0]["status"], told["orders"][0]["earned"]) == ("CLAIMED", 50)
    newest = told["transfers"][0]
    assert (newest["cause"], newest["points"], newest["order"]) == ("EARN", 50, opened)
    assert newest["from"] == {"member": "", "account": "ISSUED"}
    assert newest["to"] == {"member": "Farhan", "account": "AVAILABLE"}

    lines = {"lines": [{"referenceId": "1"}]}
    assert fresh.call(f"/loyalty/transaction/pos/{opened}/return", lines).status == 200
    (order,) = state(fresh)["orders"]
    assert (order["earned"], order["returned"]) == (0, 50)


def test_page_waits_for_what_changes(fresh: Box) -> None:
    """Whoever has seen everything is told of the next call as soon as it comes, and of no other."""
    fresh.identify("123456")
    seen = state(fresh)
    found: list[Any] = []
    waiting = threading.Thread(
        target=lambda: found.append(state(fresh, run=seen["run"], after=seen["revision"]))
    )
    waiting.start()
    fresh.identify("234567")
    waiting.join(8)

    assert [call["gist"] for call in found[0]["calls"]] == ["234567"]
    fresh.control("POST", "/board/clear")
    gone = state(fresh, run=seen["run"], after=found[0]["revision"])
    assert gone["oldest"] == found[0]["calls"][0]["number"] + 1
    assert state(fresh, run="another", after=10_000)["revision"] == gone["revision"]


def test_page_outlives_the_server(fresh: Box) -> None:
    """While the server begins again the board tells so, and goes on afterwards."""
    fresh.control("PUT", "/faults", {"234567": {"fault": "killed", "on": "identify"}})
    assert fresh.identify("234567").status == 503
    fresh.control("GET", "/clock")  # It answers when the server is back.
    told = state(fresh)
    assert told["serving"] is True
    assert [(call["fault"], call["status"]) for call in told["calls"]] == [("killed", "503")]
    fresh.control("POST", "/reset")
    assert state(fresh)["orders"] == []
    assert state(fresh)["calls"] == []


@pytest.mark.parametrize("path", ["/", "/board/board.js", "/board/state"])
@pytest.mark.parametrize(
    "header", [{"host": "example.org"}, {"host": "127.0.0.1.example.org:80"}, {"origin": "null"}]
)
def test_board_is_for_this_machine_alone(running: Box, path: str, header: dict[str, str]) -> None:
    """A name that leads here, and a page of elsewhere, are refused whatever they ask for."""
    refused = running.control("GET", path, **header)
    assert (refused.status, refused.body) == (403, {"error": "only this machine may call"})


def page(running: Box, path: str) -> tuple[Answer, str]:
    """Get a file of the board."""
    connection = HTTPConnection("127.0.0.1", running.control_port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, None, 0), text


def test_page_needs_nobody_else(running: Box) -> None:
    """Each file comes with a policy that forbids other origins, and names nothing of elsewhere."""
    for file in board.FOLDER.iterdir():
        path = "/" if file.name == "index.html" else f"/board/{file.name}"
        answer, text = page(running, path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(board.KINDS[file.suffix])
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"(src|href|import)\s*=?\s*[\"'(]?https?:", text)
        assert "innerHTML" not in text


def test_start_tells_where_the_board_is() -> None:
    """Whoever starts the sandbox reads the board's address."""
    assert "The board, for a browser: http://127.0.0.1:8091/" in welcome(8080, 50051, None, 8091)
