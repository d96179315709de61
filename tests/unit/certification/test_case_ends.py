"""A run of a till: whose calls count, and when a case is over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from loyalty_service.certification.cases import Fault
from loyalty_service.certification.program import Profile, read_program
from loyalty_service.certification.till_run import TillRun, Wishes

PROFILE = Profile(name="till", has=("pos", "sessions"))


class FakeStage:
    """A sandbox that plays nothing."""

    def bind_case(self, faults: Mapping[str, Fault]) -> None:
        """Play nothing."""

    async def advance(self, by: str) -> None:
        """Leave the clock."""


def begun(*only: str, settle_s: float = 0.0) -> tuple[TillRun, asyncio.Task[None]]:
    """Begin a run."""
    run = TillRun(Wishes(PROFILE, only=only, settle_s=settle_s), read_program(None), FakeStage())
    return run, asyncio.create_task(run.run())


def call(number: int, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Make a call that has arrived."""
    seen = {"number": number, "at_ms": number, "done_ms": None, "call": name, "fault": ""}
    return seen | {"request": request, "headers": {}, "status": 0, "body": None}


def shown(number: int, code: str, order: str) -> dict[str, Any]:
    """Make a call that shows a code."""
    vendor = {"transactionId": order}
    return call(number, "identify", {"identifier": code, "posVendor": vendor})


def answer(run: TillRun, seen: dict[str, Any], status: int, body: Mapping[str, Any]) -> None:
    """Let a call have its answer."""
    seen |= {"status": status, "body": body, "done_ms": seen["at_ms"] + 1}
    run.ended_call(seen)


async def until_tried(run: TillRun, case: str) -> None:
    """Wait until a case is tried."""
    async with asyncio.timeout(5):
        while run.told().get("now", {}).get("id") != case:  # noqa: ASYNC110 - a few turns.
            await asyncio.sleep(0)


async def test_late_void_is_not_of_the_next_case() -> None:
    """A till that voids the last case's order late has not voided anything in the next one."""
    run, task = begun("OT-1", "OT-2")
    await until_tried(run, "OT-1")
    first = shown(1, "900422", "one")
    run.saw(first)
    answer(run, first, 200, {"transactionId": "t-1"})
    run.done("OT-1")
    await until_tried(run, "OT-2")
    run.saw(call(2, "void", {"loyaltyTransactionId": "t-1"}))
    second = shown(3, "900404", "two")
    run.saw(second)
    answer(run, second, 404, {"code": "HashSetNotFoundError"})
    run.done("OT-2")
    await task

    assert [result.verdict for result in run.results] == ["failed", "passed"]


async def test_orders_that_all_have_one_number_are_named() -> None:
    """Who numbers each order alike is told so, not that nothing came."""
    run, task = begun("OT-1", "OT-2")
    for number, case in enumerate(("OT-1", "OT-2")):
        await until_tried(run, case)
        seen = shown(number, "900422", "1")
        run.saw(seen)
        answer(run, seen, 422, {"code": "OrderSelectionStatusUnclaimable"})
        run.done(case)
    await task

    assert [result.verdict for result in run.results] == ["passed", "failed"]
    assert "a number of its own" in run.results[1].note


async def test_case_is_over_when_all_is_there_and_nothing_more_comes() -> None:
    """Nobody need say that a case is over, but it is not while a call has no answer yet."""
    run, task = begun("ES-S1", settle_s=0.02)
    await until_tried(run, "ES-S1")
    session = call(1, "session", {"correlationId": "c", "channel": "STORE"})
    run.saw(session)
    await asyncio.wait((task,), timeout=0.1)
    assert run.state == "running"
    answer(run, session, 200, {})
    async with asyncio.timeout(5):
        await task

    assert run.state == "passed"


@pytest.mark.parametrize(
    "wrong", [{"settle_s": -1}, {"limit_s": 0}, {"limit_s": "inf"}, {"settle_s": "nan"}]
)
def test_times_without_a_bound_are_refused(wrong: Mapping[str, object]) -> None:
    """A run that would never end, or end at once, can't be asked for."""
    with pytest.raises(ValidationError):
        TypeAdapter(Wishes).validate_python({"profile": {"name": "till"}, **wrong})
