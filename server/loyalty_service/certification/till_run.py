"""A run of a till through its cases: what to type next, what has come, and what came out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Annotated, Any, Protocol

from pydantic import Field

from loyalty_service.certification.cases import Case, Fault, cases_of, newest_revision
from loyalty_service.certification.phrases import actions_of, said
from loyalty_service.certification.program import Profile, TestProgram
from loyalty_service.certification.results import FAILED, NOT_RUN, PASSED, Result, totals
from loyalty_service.certification.untried import till_lacks
from loyalty_service.certification.watch import CALLS_MAX, complete, judge
from loyalty_service.domain.clock import ahead_ms, now_ms, rfc3339
from loyalty_service.domain.operator_error import OperatorError

LIMIT_S = 300.0
SETTLE_S = 3.0
SECONDS_MAX = 86_400
LONGER = 10
"""So many times the quiet time where nothing shows that the cashier has done all."""

SILENT_S = 30.0
"""
After so long without a call it is told how long a case may take.

It may take its whole time all the same: a cashier may be on the way to the till.
"""

SKIPPED = "It was skipped."
HINTS_MAX = 3

ENDINGS = {"claim", "void", "unclaimed", "session", "return", "status", "purchase", "cancel"}
OPENINGS = {"identify", "unclaimed"}
"""What a till calls first for an order."""


class RunError(OperatorError):
    """Raised when a run can't be had so; the message says why."""


class Stage(Protocol):
    """What the sandbox does for a run."""

    def bind_case(self, faults: Mapping[str, Fault]) -> None:
        """Play these faults, by the digits of a code; `` is for orders without a guest."""
        ...

    async def advance(self, by: str) -> None:
        """Move the clock."""
        ...


@dataclass(slots=True)
class Wishes:
    """
    How a run is to be.

    Attributes:
        only: The cases to try; all of the revision that the till has the features for, when empty.
        settle_s: Quiet time after the last call of a case before it is judged; 0 waits to be told.
        limit_s: Time for one case.
        known_failures: Cases that may fail, with the reason of each, as the report tells them.
    """

    profile: Profile
    revision: str = ""
    only: tuple[str, ...] = ()
    settle_s: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = SETTLE_S
    limit_s: Annotated[float, Field(ge=1, le=SECONDS_MAX)] = LIMIT_S
    known_failures: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Current:
    """
    The case that is being tried.

    Attributes:
        changed: Set when a call has come or has ended, and when the case has.
        ended: Whether its cashier says that nothing more is to come.
        began_s: When it began, by the loop's clock.
        hints: What came and was not counted, and why: a vendor would look for it in vain.
    """

    case: Case
    began_s: float
    calls: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    skipped: bool = False
    advanced: bool = False
    hints: list[str] = field(default_factory=list)

    def end(self) -> None:
        """End it."""
        self.ended = True
        self.changed.set()


class TillRun:
    """
    Goes through the cases, one after the other.

    Args:
        stage: The sandbox's faults and clock.

    Attributes:
        unjudged: Calls of orders of earlier cases, which came when those had been judged.
        refused: Calls that were refused before anybody read what they ask for.
    """

    def __init__(self, wishes: Wishes, program: TestProgram, stage: Stage) -> None:
        self.revision = wishes.revision or newest_revision()
        self.wishes = wishes
        self._program = program
        self._stage = stage
        self._cases = cases_of(self.revision, "till", wishes.only)
        if not self._cases:
            raise RunError("No case is asked for.")
        self.began = _real_time()
        self.ended = ""
        self.results: list[Result] = []
        self._now: _Current | None = None
        self._earlier: set[str] = set()
        self._stopped = False
        self.unjudged = 0
        self.refused = 0

    @property
    def state(self) -> str:
        """Say how the run stands."""
        if not self.ended:
            return "running"
        if self._stopped:
            return "stopped"
        verdicts = {result.verdict for result in self.results}
        if FAILED in verdicts or PASSED not in verdicts:
            return "failed"
        skipped = any(result.note == SKIPPED for result in self.results)
        return "incomplete" if skipped else "passed"

    async def run(self) -> None:
        """Try each case, until all are tried or the run is stopped."""
        try:
            for case in self._cases:
                self.results.append(await self._result(case))
        finally:
            self._stage.bind_case({})
            self._now = None
            self.ended = _real_time()

    async def _result(self, case: Case) -> Result:
        lacks = till_lacks(case, self.wishes.profile.has)
        if self._stopped:
            return Result(case.id, NOT_RUN, "The run was stopped.")
        if lacks:
            return Result(case.id, NOT_RUN, lacks)
        current = self._now = _Current(case, asyncio.get_running_loop().time())
        watch = case.watch
        assert watch is not None  # noqa: S101 - it is a till's case.
        codes = self._program.codes
        self._stage.bind_case(
            {str(codes[one.code].digits) if one.code else "": one for one in watch.faults}
        )
        timely = await self._wait(current)
        self._earlier |= {name for call in current.calls for name in _names(call)}
        if current.skipped:
            return Result(case.id, NOT_RUN, SKIPPED)
        result = judge(case, self._program, current.calls)
        if result.verdict != FAILED:
            return result
        late = "" if timely else f"After {self.wishes.limit_s:g} s: "
        return replace(result, note=" ".join([late + result.note, *current.hints]))

    async def _wait(self, current: _Current) -> bool:
        """Wait until a case is over; return whether that was in time."""
        now = asyncio.get_running_loop().time
        until = current.began_s + self.wishes.limit_s
        while not current.ended:
            current.changed.clear()
            quiet = now() + self._quiet_s(current)
            if await _set_by(current.changed, min(quiet, until)):
                continue
            if quiet <= until and complete(current.case, self._program, current.calls):
                return True
            # What is missing can come with another call alone.
            if not await _set_by(current.changed, until):
                return False
        return True

    def _quiet_s(self, current: _Current) -> float:
        """Tell how long nothing may come before a case counts as over."""
        calls = current.calls
        if not self.wishes.settle_s or any(call["done_ms"] is None for call in calls):
            return inf
        # A till may be waiting for an answer that it will not get, or its cashier is not done.
        ends = bool(calls) and not calls[-1]["fault"] and calls[-1]["call"] in ENDINGS
        return self.wishes.settle_s * (1 if ends else LONGER)

    def saw(self, call: dict[str, Any]) -> None:
        """Take note of a call that has arrived; its answer is put into it later."""
        current = self._now
        if current is None:
            return
        if self._earlier.isdisjoint(_names(call)):
            if len(current.calls) <= CALLS_MAX:
                current.calls.append(call)
                current.changed.set()
            if len(current.calls) > CALLS_MAX:
                current.end()
            return
        self.unjudged += 1
        if call["call"] in OPENINGS:
            # One that is sent again late is nothing new; a number that is used again would be.
            self._hint(
                f"Order {_order(call)} was an earlier case's, so its calls do not count: "
                "give each order a number of its own."
            )

    def turned_away(self, said: str) -> None:
        """Take note of a call that was refused before anybody read what it asks for."""
        self.refused += 1
        self._hint(f"Refused before it was read: {said}.")

    def _hint(self, said: str) -> None:
        hints = self._now.hints if self._now is not None else []
        if said not in hints and len(hints) < HINTS_MAX:
            hints.append(said)

    async def answered(self, call: Mapping[str, Any]) -> None:
        """Before an answer leaves: move the clock where the case says so."""
        current = self._now
        if current is None or call["fault"] == "" or current.advanced:
            return
        watch = current.case.watch
        if watch is not None and watch.advance:
            current.advanced = True
            await self._stage.advance(watch.advance)

    def ended_call(self, _call: Mapping[str, Any]) -> None:
        """Look again whether the case is over: a call has its answer, or nobody waits for it."""
        if self._now is not None:
            self._now.changed.set()

    def done(self, case: str, *, skipped: bool = False) -> None:
        """
        End a case: its cashier says that nothing more is to come.

        Raises:
            RunError: Another case is being tried.
        """
        current = self._now
        if current is None or current.case.id != case:
            raise RunError(f"{case} is not being tried.")
        current.skipped = skipped
        current.end()

    def stop(self) -> None:
        """End the run; what was not tried is not run."""
        self._stopped = True
        if self._now is not None:
            self._now.skipped = True
            self._now.end()

    def told(self) -> dict[str, Any]:
        """Tell how the run stands, for the board, the command and tills that drive themselves."""
        verdicts = {result.case: result for result in self.results}
        now = self._now
        told: dict[str, Any] = {
            "state": self.state,
            "side": "till",
            "profile": self.wishes.profile.name,
            "revision": self.revision,
            "started": self.began,
            "totals": totals(self.results),
            "cases": [self._case_told(case, verdicts.get(case.id)) for case in self._cases],
        }
        if now is not None and now.case.watch is not None and not now.ended:
            actions = actions_of(now.case, self._program)
            told["now"] = {
                "id": now.case.id,
                "do": said(now.case, self._program),
                "actions": actions,
                "calls": len(now.calls),
                "hints": [*now.hints, *self._silence(now)],
            }
        return told

    def _silence(self, current: _Current) -> list[str]:
        """Say what becomes of a case for which nothing comes: it looks like one that hangs."""
        waited_s = asyncio.get_running_loop().time() - current.began_s
        if current.calls or waited_s < SILENT_S:
            return []
        look = "No call has come for this case. Look at the address and the API key of the till"
        return [f"{look}; the case fails {self.wishes.limit_s:g} s after it began."]

    def _case_told(self, case: Case, result: Result | None) -> dict[str, Any]:
        running = self._now is not None and self._now.case is case
        told = {"id": case.id, "title": case.title, "level": case.requirement.level}
        waiting = "running" if running else "waiting"
        return told | {
            "verdict": result.verdict if result else waiting,
            "note": result.note if result else "",
        }


def _order(call: Mapping[str, Any]) -> str:
    """Give the till's own number of an order, where a call has it."""
    request = call["request"]
    vendor = request.get("posVendor") or request.get("transactionDetails", {}).get("posVendor", {})
    return str(vendor.get("transactionId", ""))


async def _set_by(event: asyncio.Event, until: float) -> bool:
    """Wait for an event; return whether it came by that time of the loop."""
    try:
        async with asyncio.timeout_at(until):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _names(call: Mapping[str, Any]) -> set[str]:
    """
    Name the order of a call.

    By the till's number, the session that it is in, and the transaction that it is for or opened.
    """
    body = call["body"] if isinstance(call["body"], Mapping) else {}
    request = call["request"]
    names = {_order(call), request.get("correlationId", "")}
    names.add(request.get("loyaltyTransactionId", ""))
    if call["call"] in OPENINGS:
        names.add(str(body.get("transactionId", "")))
    return names - {""}


def _real_time() -> str:
    """Give the machine's time: a case may have moved the sandbox's."""
    return rfc3339(now_ms() - ahead_ms())
