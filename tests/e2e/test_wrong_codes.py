"""Who shows too many wrong codes is told on every door how long to wait."""

from __future__ import annotations

import grpc
import pytest

from loyalty.v1 import code_service_pb2
from loyalty_service.domain.guessing import FREE, ScopeKind
from tests.support.http import Response
from tests.support.server import Front, identify_request

pytestmark = pytest.mark.any_database

TRIES = FREE[ScopeKind.KEY] + 1
TRIES_OF_A_TERMINAL = FREE[ScopeKind.TERMINAL] + 1
FIRST_WAIT_S = 30


async def test_guessing_till_is_told_to_wait(own_front: Front) -> None:
    """JSON callers read 429 with `retry-after`, gRPC callers RetryInfo; a loyalty ID still goes."""
    server = own_front.server
    tries = range(TRIES_OF_A_TERMINAL)
    statuses = [(await _identify(own_front, f"{n:06d}")).status for n in tries]
    assert statuses == [404] * TRIES_OF_A_TERMINAL

    loyalty_id = await server.admin.enroll()
    issued = await server.app.call(
        server.app.codes.IssueCode, code_service_pb2.IssueCodeRequest(loyalty_id=loyalty_id)
    )
    for identifier in ("999999", issued.otp):
        answer = await _identify(own_front, identifier)
        assert answer.status == 429
        assert FIRST_WAIT_S - 10 <= int(answer.header("retry-after") or "0") <= FIRST_WAIT_S
        assert answer.header("content-type") == "application/json"
        assert answer.json() == {
            "statusCode": 429,
            "isEngineError": False,
            "code": "TooManyRequests",
            "message": "This terminal has shown too many wrong codes and must wait before it shows "
            "another",
            "details": {
                "reason": "TOO_MANY_WRONG_CODES",
                "metadata": {
                    "scope": "terminal",
                    "retry_after_ms": answer.json()["details"]["metadata"]["retry_after_ms"],
                },
            },
        }
    refusal = await server.admin.refused(
        server.admin.identifies.IdentifyMember, identify_request(issued.otp)
    )
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_WRONG_CODES",
    )
    assert FIRST_WAIT_S - 10 <= (refusal.retry_s or 0.0) <= FIRST_WAIT_S
    assert refusal.metadata["scope"] == "terminal"
    assert (await _identify(own_front, loyalty_id)).status == 200


async def test_app_asking_at_random_is_told_to_wait(own_front: Front) -> None:
    """An app that asks for codes nobody has is refused like a till that shows them."""
    for n in range(TRIES):
        assert (await own_front.get(f"/otp/{n:06d}", key="sandbox-app-key")).status == 404
    answer = await own_front.get("/otp/999999", key="sandbox-app-key")
    assert answer.status == 429
    assert answer.header("retry-after") is not None


async def test_published_codes_never_make_wait(own_front: Front) -> None:
    """The sandbox's codes may be tried as often as one likes, even while others must wait."""
    for n in range(3 * TRIES):
        code, status = [("900404", 404), ("900422", 422)][n % 2]
        assert (await _identify(own_front, code)).status == status
    async with own_front.server.store.read() as reader:
        assert await reader.code_waits() == []
    answers = [await _identify(own_front, f"{n:06d}") for n in range(3 * TRIES)]
    assert answers[-1].status == 429
    for code, status in (("123456", 200), ("900404", 404)):
        assert (await _identify(own_front, code)).status == status


async def _identify(front: Front, identifier: str) -> Response:
    order = identify_request(identifier).pos_vendor.transaction_id
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": order}
    return await front.post("/loyalty/identify", {"identifier": identifier, "posVendor": vendor})
