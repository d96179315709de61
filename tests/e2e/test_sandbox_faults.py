"""Faults that a till meets in the sandbox by typing a code, through both doors."""

from __future__ import annotations

from http.client import HTTPException, IncompleteRead
from typing import Any

import grpc
import pytest

from loyalty.v1 import identify_service_pb2, identify_service_pb2_grpc
from loyalty_service.sandbox.kinds import FAULT_CODES, Kind, Step
from loyalty_service.transport.errors.catalogue import ROWS
from loyalty_service.transport.errors.error_row import ErrorRow
from tests.support.sandbox_box import Box, new_order, paid

BROKEN = (OSError, HTTPException)


@pytest.fixture(autouse=True)
def nothing_bound(running: Box) -> None:
    """Begin each test with the codes of the table alone."""
    running.control("PUT", "/faults", {})


def code_of(kind: Kind, step: Step = Step.IDENTIFY) -> str:
    """Find the code that brings a fault about."""
    return next(
        code for code, fault in FAULT_CODES.items() if (fault.kind, fault.step) == (kind, step)
    )


def opened(running: Box, code: str, order: str) -> str:
    """Tell the transaction of an order: a second call for it gets its answer."""
    answer = running.identify(code, order)
    assert answer.status == 200
    return str(answer.body["transactionId"])


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.HALF, Kind.NEVER])
def test_answer_that_does_not_come_was_given_all_the_same(running: Box, kind: Kind) -> None:
    """The connection breaks or stays silent; the same call again gets the answer of the first."""
    order = new_order()
    with pytest.raises(IncompleteRead if kind is Kind.HALF else BROKEN):
        running.identify(code_of(kind), order, wait_s=2)

    first = opened(running, code_of(kind), order)
    assert first == opened(running, code_of(kind), order)


@pytest.mark.parametrize(
    ("kind", "at_least", "at_most"), [(Kind.LATE, 6.9, 12), (Kind.SLOW, 3.9, 9)]
)
def test_late_answer_comes_whole(running: Box, kind: Kind, at_least: float, at_most: float) -> None:
    """The answer is late, or its body comes slowly, and it is the right one."""
    order = new_order()
    answer = running.identify(code_of(kind), order)

    assert answer.status == 200
    assert at_least < answer.seconds < at_most
    assert answer.body["transactionId"] == opened(running, code_of(kind), order)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (Kind.UNAVAILABLE, 503, "ServiceUnavailable"),
        (Kind.BUSY, 429, "TooManyRequests"),
        (Kind.TIMEOUT, 504, "Timeout"),
        (Kind.UNKNOWN, 422, "SANDBOX_SURPRISE"),
    ],
)
def test_error_comes_once_for_an_order(running: Box, kind: Kind, status: int, code: str) -> None:
    """The first call of each order gets the error in the contract's form, the second is served."""
    for _ in range(2):
        order = new_order()
        refused = running.identify(code_of(kind), order)
        assert (refused.status, refused.body["code"]) == (status, code)
        assert running.identify(code_of(kind), order).status == 200
    if kind is Kind.BUSY:
        assert refused.headers["retry-after"] == "3"


def points(running: Box) -> tuple[int, int]:
    """Read what the member of the codes has: available and held points."""
    member = running.call(
        "/loyalty/members/c6b1e0f2-94d7-4a38-8e5c-3f27a9d0b614", x_api_key="sandbox-app-key"
    ).body["member"]
    return member["availablePoints"], member["heldPoints"]


@pytest.mark.parametrize(
    "kind", [Kind.LOST, Kind.TIMEOUT, Kind.TWICE, Kind.KILLED, Kind.UNAVAILABLE]
)
def test_claim_is_done_once_whatever_became_of_its_answer(running: Box, kind: Kind) -> None:
    """Points are earned once, by the first call or, where that did nothing, by the second."""
    code = code_of(kind, Step.CLAIM)
    transaction = opened(running, code, new_order())
    before = points(running)
    try:
        first = running.claim(transaction, idempotency_key=transaction)
    except BROKEN:
        assert kind is Kind.LOST
    else:
        expected = {Kind.TWICE: 200, Kind.TIMEOUT: 504}.get(kind, 503)
        assert first.status == expected
        assert ("idempotent-replayed" in first.headers) is (kind is Kind.TWICE)
    running.control("GET", "/clock")  # It answers when the server is back.
    if kind is Kind.UNAVAILABLE:
        assert points(running) == before
    again = running.claim(transaction, idempotency_key=transaction)

    assert again.status == 200
    assert ("idempotent-replayed" in again.headers) is (kind is not Kind.UNAVAILABLE)
    once = points(running)
    running.claim(transaction, idempotency_key=transaction)
    assert points(running) == once


def stub(channel: grpc.Channel) -> Any:
    """Make a stub; what protoc writes for them has no types."""
    return identify_service_pb2_grpc.IdentifyServiceStub(channel)  # type: ignore[no-untyped-call]


def identify(channel: grpc.Channel, code: str, order: str, **headers: str) -> Any:
    """Show a code as a kiosk does."""
    request = identify_service_pb2.IdentifyMemberRequest(
        identifier=code,
        pos_vendor={"store_id": 9999, "pos_type": "Partner", "transaction_id": order},  # type: ignore[arg-type]
    )
    metadata = [
        ("x-api-key", "sandbox-pos-key"),
        *((name.replace("_", "-"), value) for name, value in headers.items()),
    ]
    return stub(channel).IdentifyMember(request, metadata=metadata, timeout=12)


@pytest.mark.parametrize("door", ["http", "grpc"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.LOST, grpc.StatusCode.UNAVAILABLE),
        (Kind.HALF, grpc.StatusCode.UNAVAILABLE),
        (Kind.BUSY, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (Kind.TIMEOUT, grpc.StatusCode.DEADLINE_EXCEEDED),
        (Kind.UNKNOWN, grpc.StatusCode.FAILED_PRECONDITION),
        (Kind.LATE, None),
        (Kind.SLOW, None),
        (Kind.TWICE, None),
    ],
)
def test_kiosk_meets_the_fault_over_grpc(
    running: Box, door: str, kind: Kind, expected: grpc.StatusCode | None
) -> None:
    """A kiosk sees the same once for an order, before Envoy and behind it, and then its answer."""
    order = new_order()
    # Not one connection: a call sent on the one that was just cut is lost with it.
    options = [("grpc.use_local_subchannel_pool", 1)]
    address = f"127.0.0.1:{getattr(running, door)}"
    with grpc.insecure_channel(address, options) as channel:
        if expected is None:
            identify(channel, code_of(kind), order)
        else:
            with pytest.raises(grpc.RpcError) as failed:
                identify(channel, code_of(kind), order)
            error: Any = failed.value
            assert error.code() is expected
    with grpc.insecure_channel(address, options) as channel:
        assert identify(channel, code_of(kind), order).transaction_id


def test_code_of_an_app_gets_a_fault(running: Box) -> None:
    """Any code can be bound to a fault in any call of its order, as often as is said."""
    bound = running.control(
        "PUT", "/faults", {"234567": {"fault": "unavailable", "on": "validate", "times": 2}}
    )
    assert bound.body["codes"]["234567"]["on"] == "validate"
    transaction = opened(running, "234567", new_order())
    path = f"/loyalty/transaction/pos/validate/{transaction}"
    statuses = [running.call(path, paid()).status for _ in range(3)]
    assert statuses[:2] == [503, 503]
    assert statuses[2] != 503

    running.control("PUT", "/faults", {})
    assert "234567" not in running.control("GET", "/faults").body["codes"]


@pytest.mark.parametrize(
    "wrong",
    [{"12": "lost"}, {"234567": "unheard of"}, {"234567": {"fault": "lost", "on": "never"}}, []],
)
def test_wrong_fault_is_refused(running: Box, wrong: Any) -> None:
    """A code, a kind or a call that there is not is told, and nothing is bound."""
    assert running.control("PUT", "/faults", wrong).status == 400
    assert "234567" not in running.control("GET", "/faults").body["codes"]


def test_script_asks_for_a_fault_by_its_name(running: Box) -> None:
    """A header brings about the fault of one call; an unknown one is refused."""
    assert running.identify("234567", sandbox_fault="unavailable").status == 503
    with pytest.raises(BROKEN):
        running.identify("234567", sandbox_fault="lost")
    refused = running.identify("234567", sandbox_fault="unheard of")
    assert refused.body["details"]["metadata"]["fields"] == "sandbox-fault"
    assert running.identify("234567").status == 200


@pytest.mark.parametrize("row", ROWS, ids=[row.reason for row in ROWS])
def test_every_error_can_be_had_by_a_code(running: Box, row: ErrorRow) -> None:
    """A code that is bound to a reason is refused with that error, and then served."""
    running.control("PUT", "/faults", {"234567": row.reason})
    order = new_order()
    refused = running.identify("234567", order)

    assert refused.status == row.http
    assert refused.body["code"] == row.rbi
    assert refused.body["details"]["reason"] == row.reason
    assert running.identify("234567", order).status == 200


def test_key_of_one_store_is_refused_elsewhere(running: Box) -> None:
    """The sandbox has a key that is limited to store 1001."""
    refused = running.identify("234567", x_api_key="sandbox-one-store-key")
    assert refused.body["details"]["reason"] == "STORE_NOT_ALLOWED"
