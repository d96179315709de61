"""A run of a till: which calls count for a case, and what is said of those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from loyalty_service.certification import till_run
from loyalty_service.certification.cases import Fault
from loyalty_service.certification.program import Profile, read_program
from loyalty_service.certification.till_run import TillRun, Wishes

CASES = ("RBI-1.1a", "AGAIN-keyed")


class Stage:
    """A sandbox that plays nothing."""

    def bind_case(self, faults: Mapping[str, Fault]) -> None:
        """Play nothing."""

    async def advance(self, by: str) -> None:
        """Stay."""


def call(number: int, name: str, order: str, transaction: str = "") -> dict[str, Any]:
    """Give a call of an order that was answered."""
    request: dict[str, Any] = {"posVendor": {"transactionId": order}} if order else {}
    if transaction and name != "identify":
        request["loyaltyTransactionId"] = transaction
    body = {"transactionId": transaction}
    seen = {"number": number, "at_ms": 0, "done_ms": 0, "call": name, "request": request}
    return {**seen, "headers": {}, "mended": [], "fault": "", "status": 200, "body": body}


async def run_of(*calls: dict[str, Any], refused: str = "") -> TillRun:
    """Have calls come in the second case, after an order 1 of transaction t1 in the first."""
    run = TillRun(Wishes(Profile(name="x"), only=CASES, settle_s=0), read_program(None), Stage())
    task = asyncio.create_task(run.run())
    await asyncio.sleep(0)
    run.saw(call(1, "identify", "1", "t1"))
    run.done(CASES[0])
    async with asyncio.timeout(10):
        while not run.results or "now" not in run.told():  # noqa: ASYNC110 - nothing tells of it.
            await asyncio.sleep(0)
    for one in calls:
        run.saw(one)
    if refused:
        run.turned_away(refused)
    run.done(CASES[1])
    await task
    return run


def test_case_without_a_call_says_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a till that does not reach the sandbox learns it before the case fails."""
    monkeypatch.setattr(till_run, "SILENT_S", 0.0)

    async def hints(*calls: dict[str, Any]) -> list[str]:
        wishes = Wishes(Profile(name="x"), only=CASES, limit_s=240)
        run = TillRun(wishes, read_program(None), Stage())
        task = asyncio.create_task(run.run())
        await asyncio.sleep(0)
        for one in calls:
            run.saw(one)
        told: list[str] = run.told()["now"]["hints"]
        run.stop()
        await task
        return told

    (hint,) = asyncio.run(hints())
    assert "No call has come" in hint
    assert "fails 240 s after it began" in hint
    assert asyncio.run(hints(call(1, "identify", "1", "t1"))) == []


def note(run: TillRun) -> str:
    """Give what the report says of the second case."""
    return run.results[1].note


def test_order_number_that_is_used_again_is_named() -> None:
    """A till with one number for all its orders is not told that it made no call."""
    run = asyncio.run(run_of(call(2, "identify", "1", "t2")))

    assert "Order 1 was an earlier case's" in note(run)
    assert "a number of its own" in note(run)


def test_late_void_of_an_earlier_order_does_not_count() -> None:
    """What a till sends again late, of an order that is over, is no call of the next case."""
    run = asyncio.run(run_of(call(2, "void", "", "t1"), call(3, "identify", "2", "t2")))

    assert [one["number"] for one in run.results[1].trace] == [3]
    assert "earlier case" not in note(run)


def test_refused_calls_are_named() -> None:
    """A till with a wrong API key learns why none of its calls counts."""
    run = asyncio.run(run_of(refused="POST /loyalty/identify got 401 Unauthorized"))

    assert note(run) == (
        "No call reached the host. "
        "Refused before it was read: POST /loyalty/identify got 401 Unauthorized."
    )
