"""How a till's calls are judged: in words that name what is wrong."""

from __future__ import annotations

from typing import Any

from loyalty_service.certification.cases import all_cases
from loyalty_service.certification.looks import LOOKS
from loyalty_service.certification.program import read_program
from loyalty_service.certification.watch import judge

PROGRAM = read_program(None)
NOON_MS = 1_796_058_000_000
"""2026-11-30, 12:00 in Toronto."""


def call(number: int, name: str, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give a call of a till that was answered."""
    seen = {"number": number, "at_ms": NOON_MS, "done_ms": NOON_MS, "call": name}
    answer = {"headers": {}, "mended": [], "fault": "", "status": 200, "body": {}}
    return {**seen, "request": request, **answer, **more}


def claims(first: dict[str, Any], second: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    """Give an order whose claim was sent twice."""
    opened = {"transactionId": "t1", "loyaltyUser": {"id": "g1"}}
    code = {"identifier": PROGRAM.codes["c_lost"].digits}
    both = [
        call(
            number,
            "claim",
            {"loyaltyTransactionId": "t1", **order},
            headers={"idempotency-key": key} if key else {},
        )
        for number, order, key in zip((2, 3), (first, second), keys, strict=True)
    ]
    return [call(1, "identify", code, body=opened), *both]


def order(price: float) -> dict[str, Any]:
    """Give an order with a reward."""
    reward = PROGRAM.products["reward"]
    lines = [{"productType": "item", "price": price}, {"incentiveId": reward.incentiveId}]
    return {"transactionDetails": {"order": lines}}


def note(calls: list[dict[str, Any]]) -> str:
    """Judge a lost claim."""
    return judge(all_cases()["FC-lost"], PROGRAM, calls).note


def test_claim_again_without_its_key_is_named() -> None:
    """A till that forgets its key is told so."""
    assert "it has no idempotency key" in note(claims(order(8.49), order(8.49), "k", ""))


def test_claim_again_with_another_body_names_the_field() -> None:
    """A till that changes its order between two tries is told which field differs."""
    said = note(claims(order(8.49), order(8.5), "k", "k"))

    assert "transactionDetails.order[0].price is 8.5 instead of 8.49" in said


def test_forbidden_call_says_how_it_differs() -> None:
    """A repetition that counts as another call says why it does."""
    other = claims(order(1), order(1), "n", "n")[1] | {"number": 4}
    said = note([*claims(order(8.49), order(8.49), "k", "k"), other])

    assert "it must never claim the order under another key" in said
    assert "it has another idempotency key" in said


def test_same_claim_again_passes() -> None:
    """The same again under the same key is right."""
    assert note(claims(order(8.49), order(8.49), "k", "k")) == ""


def test_time_of_another_zone_is_named() -> None:
    """A till's time counts in the store's zone, or in its own if it says it."""
    known = PROGRAM.known()
    right = ("2026-11-30T12:00:00", "2026-11-30T17:00:00Z", "2026-11-30 12:05:00", "")
    wrong = ("2026-11-30T17:00:00", "2026-11-30T12:00:00Z", "yesterday")
    look = LOOKS["tells_the_time"]

    for told in right:
        assert look(call(1, "identify", {}, headers={"x-user-datetime": told}), known) == "", told
    for told in wrong:
        said = look(call(1, "identify", {}, headers={"x-user-datetime": told}), known)
        assert told in said, told
    unjudged = call(1, "identify", {}, headers={"x-user-datetime": wrong[0]})
    assert look(unjudged, known | {"time_zone": ""}) == ""


def test_what_the_host_put_right_is_named() -> None:
    """A till learns of the fields that a host corrected in its paid order."""
    mended = [{"reason": "field", "field": "amount"}]
    said = LOOKS["nothing_mended"](call(1, "claim", {}, mended=mended), {})

    assert said == "the host had to put right: amount is of a wrong kind, or too long"


def test_one_incentive_told_twice_is_one() -> None:
    """A discount as a line and as applied is one offer; two offers are two."""
    one = {"incentiveId": "a", "productType": "offer"}
    applied = [{"incentiveId": "a", "details": {"type": "offer"}}]
    both = {"order": [one], "appliedDiscounts": applied}
    look = LOOKS["one_offer"]

    assert look(call(1, "claim", {"transactionDetails": both}), {}) == ""
    two = {"order": [one, one | {"incentiveId": "b"}]}
    assert look(call(1, "claim", {"transactionDetails": two}), {}) == "it has 2 offers"
