"""How a till is judged by its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loyalty_service.certification.cases import all_cases
from loyalty_service.certification.program import read_program
from loyalty_service.certification.results import FAILED
from loyalty_service.certification.watch import judge

PROGRAM = read_program(None)


def call(number: int, name: str, request: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """Make a call that a till made."""
    seen = {"number": number, "at_ms": number, "done_ms": number, "call": name, "fault": ""}
    return seen | {"request": request, "headers": {}, "status": 200, "body": {}} | more


def test_second_call_beside_an_open_one_did_not_wait() -> None:
    """A till that calls again while its first call is still open has not waited as it was told."""
    request = {"identifier": "910005", "posVendor": {"transactionId": "1"}}
    calls = [
        call(1, "identify", request, done_ms=None, status=0, body=None),
        call(2, "identify", request, body={"transactionId": "t"}),
    ]
    result = judge(all_cases()["FI-busy"], PROGRAM, calls)

    assert result.verdict == FAILED
    assert "it waited less than 2.9 s" in result.note


def test_order_that_nobody_can_add_up_fails_its_case() -> None:
    """A price that is not a number fails the case, and the run goes on."""
    identify = call(1, "identify", {"identifier": "930000"}, body={"transactionId": "t"})
    line = {"productType": "item", "price": "NaN", "quantity": 1}
    details = {"order": [line], "payments": [{"amount": 849}]}
    report = {"loyaltyTransactionId": "t", "transactionDetails": details}
    result = judge(all_cases()["AGAIN-cents"], PROGRAM, [identify, call(2, "claim", report)])

    assert result.verdict == FAILED
    assert "it can't be read" in result.note
