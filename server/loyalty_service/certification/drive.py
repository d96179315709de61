"""Drives a guest's visit against a host, as a case says, and judges each answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from loyalty_service.certification.cases import Case, Step
from loyalty_service.certification.needs import missing
from loyalty_service.certification.patterns import CaseError, differences, filled, shown
from loyalty_service.certification.program import TestProgram
from loyalty_service.certification.requests import Request, built
from loyalty_service.certification.results import (
    FAILED,
    NOT_RUN,
    PASSED,
    Line,
    Result,
    verdict_of,
)
from loyalty_service.domain.operator_error import OperatorError


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a host answered.

    Attributes:
        status: HTTP status; 0 where no whole answer came.
        headers: By their names in lower case.
        problem: Why none came.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] | None = None
    problem: str = ""

    def told(self) -> dict[str, Any]:
        """Give it as it is written down."""
        told: dict[str, Any] = {"status": self.status, "body": self.body}
        told["headers"] = dict(self.headers or {})
        return told | ({"problem": self.problem} if self.problem else {})


class Host(Protocol):
    """
    What takes the calls: a host, or the answers of an earlier run.

    Attributes:
        live: Whether a call that is made again may get another answer.
    """

    live: bool

    def call(self, request: Request, *, wait_s: float) -> Answer:
        """Make a call."""
        ...

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Make calls at the same time."""
        ...

    def advance(self, by: str) -> None:
        """Move its clock."""
        ...

    def number(self) -> str:
        """Give a number that no order has had."""
        ...


class NotRunError(Exception):
    """Raised when a case can't be tried on this host; the message says why."""


WAIT_S = 10.0
BACK_S = 15.0
NOT_BACK = (0, 503)


class Visit:
    """
    One case on one host.

    Args:
        program: What the host has.
        host: Where the calls go.
        used: How many codes of each name that work once the run has shown.
    """

    def __init__(
        self, case: Case, program: TestProgram, host: Host, used: dict[str, int] | None = None
    ) -> None:
        self._case = case
        self._program = program
        self._host = host
        self._known = program.known()
        self._used = {} if used is None else used
        self._orders: dict[str, str] = {}
        self._lines: list[Line] = []
        self._trace: list[Mapping[str, Any]] = []

    def run(self) -> Result:
        """Make the calls one after the other; return how they came out."""
        case = self._case
        lacks = missing(case, self._program)
        if lacks and self._host.live:
            # What was run once is judged again by its answers alone.
            return Result(case.id, NOT_RUN, lacks)
        try:
            for step in case.drive:
                if not self._step(step):
                    break
        except NotRunError as problem:
            return Result(case.id, NOT_RUN, str(problem), tuple(self._lines), tuple(self._trace))
        except CaseError as problem:
            # An answer has not what a later step needs.
            self._line("", "", "", FAILED, str(problem))
        except OperatorError:
            raise
        except Exception as problem:  # noqa: BLE001 - Whatever a host answers, its case has failed.
            self._line("", "", "", FAILED, f"the answer can't be used: {type(problem).__name__}")
        verdict = verdict_of(self._lines)
        if verdict == FAILED:
            self._tidy()
        note = next((line.note for line in self._lines if line.verdict == FAILED), "")
        return Result(case.id, verdict, note, tuple(self._lines), tuple(self._trace))

    def _tidy(self) -> None:
        """Void, give back and unlock what a failed case has left, as well as that goes."""
        if not self._host.live:
            return
        for step in self._left_in_session():
            self._host.call(self._request(step), wait_s=WAIT_S)
        for made in self._known.values():
            if isinstance(made, dict) and "loyaltyUser" in made and "transactionId" in made:
                request = built(
                    Step(call="void", of=str(made["transactionId"])), self._program, {}, "", ""
                )
                self._host.call(request, wait_s=WAIT_S)

    def _left_in_session(self) -> Iterator[Step]:
        """Give the steps that end what the case has reserved or locked, in another session."""
        member = next((step.show for step in self._case.drive if step.call == "visit"), "")
        made = [label for label, one in self._known.items() if "reservationToken" in _fields(one)]
        locked = any(step.call == "lock" for step in self._case.drive)
        if member and (made or locked):
            yield Step(call="visit", show=member, order="tidy")
            yield from (Step(call="cancel", of=label, order="tidy") for label in made)
            if locked:
                yield Step(call="unlock", order="tidy")

    def _step(self, step: Step) -> bool:
        """Make a step; return whether the next one makes sense."""
        if step.advance:
            self._host.advance(step.advance)
            self._trace.append({"advance": step.advance})
            self._line(f"The host's clock moves by {step.advance}.", "", "", PASSED)
            return True
        if step.at_once:
            return self._at_once(step)
        request = self._request(step)
        answer = self._host.call(request, wait_s=step.wait_s or WAIT_S)
        until = time.monotonic() + BACK_S
        tries = step.patient and self._host.live
        while tries and answer.status in NOT_BACK and time.monotonic() < until:
            time.sleep(0.1)
            answer = self._host.call(request, wait_s=WAIT_S)
        self._trace.append({"call": request.told(), "answer": answer.told()})
        said = judged(step.answer, answer, self._known)
        self._line(
            request.said,
            worded(step.answer, self._known),
            seen(answer),
            _verdict(said),
            "; ".join(said),
        )
        if step.name and answer.status == HTTPStatus.OK:
            self._known[step.name] = kept(answer, request)
        return not said

    def _at_once(self, step: Step) -> bool:
        requests = [self._request(one) for one in step.at_once]
        answers = self._host.together(requests, wait_s=WAIT_S)
        for request, answer in zip(requests, answers, strict=True):
            self._trace.append({"call": request.told(), "answer": answer.told()})
        for one, request, answer in zip(step.at_once, requests, answers, strict=True):
            if one.name and answer.status == HTTPStatus.OK:
                self._known[one.name] = kept(answer, request)
        said = _matched(step.answers, answers, self._known)
        self._line(
            "At once: " + " ".join(request.said for request in requests),
            " and ".join(worded(one, self._known) for one in step.answers),
            " and ".join(sorted(seen(answer) for answer in answers)),
            _verdict(said),
            "; ".join(said),
        )
        return not said

    def _request(self, step: Step) -> Request:
        if step.order not in self._orders:
            self._orders[step.order] = self._host.number()
        shown_code = self._identifier(step) if step.show else ""
        return built(step, self._program, self._known, self._orders[step.order], shown_code)

    def _identifier(self, step: Step) -> str:
        """Give what is shown: a code of the program, perhaps a new one, or a member's ID."""
        program = self._program
        if step.show in program.members:
            return program.members[step.show]
        code = program.codes.get(step.show)
        if code is None:
            return str(filled(step.show, self._known))
        if not code.issue:
            return self._digits(step.show, code.digits)
        made = Step(call="issue", show=code.member, lines=code.selects)
        request = built(made, program, self._known, "", program.members[code.member])
        answer = self._host.call(request, wait_s=WAIT_S)
        self._trace.append({"call": request.told(), "answer": answer.told()})
        if answer.status != HTTPStatus.OK:
            raise NotRunError(f"The host gave no code: {seen(answer)}.")
        return str(answer.body["otp"])

    def _digits(self, name: str, digits: str | tuple[str, ...]) -> str:
        """
        Give a code's digits; of several, which work once, the next.

        Raises:
            NotRunError: All of them were shown.
        """
        if isinstance(digits, str):
            return digits
        at = self._used.get(name, 0)
        if at >= len(digits):
            raise NotRunError(f"The test program has no more codes {name}: all were shown.")
        self._used[name] = at + 1
        return digits[at]

    def _line(self, action: str, expected: str, saw: str, verdict: str, note: str = "") -> None:
        self._lines.append(Line(action, expected, saw, verdict, note))


def _fields(value: Any) -> Mapping[str, Any]:
    """Give the fields of what is known under a label; a figure has none."""
    return value if isinstance(value, Mapping) else {}


def _verdict(said: Sequence[str]) -> str:
    return FAILED if said else PASSED


def judged(pattern: Any, answer: Answer, known: Mapping[str, Any]) -> list[str]:
    """Say how an answer differs from what is right; empty where it does not."""
    if pattern == "none":
        return [] if not answer.status else [f"no answer should come, and {seen(answer)} came"]
    if isinstance(pattern, str):
        raise CaseError(f"{pattern!r} is no answer")
    wanted = pattern.get("status", 200)
    allowed = wanted if isinstance(wanted, list) else [wanted]
    if not answer.status and 0 not in allowed:
        return [f"no answer came: {answer.problem}"]
    if answer.status not in allowed:
        return [f"the status should be {' or '.join(map(str, allowed))}, and is {seen(answer)}"]
    body = {name: part for name, part in pattern.items() if name not in _NOT_BODY}
    body |= pattern.get("body", {})
    said = differences(body, answer.body, known) if body else []
    if "rules" in pattern:
        said += _rule_differences(pattern["rules"], answer, known)
    headers = pattern.get("headers", {})
    return said + differences(headers, dict(answer.headers or {}), known, "headers")


_NOT_BODY = ("status", "headers", "rules", "body")


def _rule_differences(rules: Sequence[Any], answer: Answer, known: Mapping[str, Any]) -> list[str]:
    """Compare the rules that an answer names with those that are broken, in any order."""
    body = answer.body if isinstance(answer.body, dict) else {}
    named = body.get("details", {}).get("ruleEvaluation", [])
    found = [(one.get("code", ""), one.get("incentiveId", "")) for one in named]
    wanted = [(one["code"], filled(one["incentiveId"], known)) for one in rules]
    left = list(found)
    for code, incentive in wanted:
        fits = [one for one in left if code in {one[0], "any"} and one[1] == incentive]
        if not fits:
            return [f"the broken rules should be {wanted}, and are {found}"]
        left.remove(fits[0])
    return [f"the broken rules should be {wanted}, and are {found}"] if left else []


def _matched(
    patterns: Sequence[Any], answers: Sequence[Answer], known: Mapping[str, Any]
) -> list[str]:
    """Look whether two answers are the two that are right, in either order."""
    first, second = patterns
    ways = [
        [*judged(first, one, known), *judged(second, other, known)]
        for one, other in (answers, answers[::-1])
    ]
    return min(ways, key=len)


def kept(answer: Answer, request: Request) -> dict[str, Any]:
    """Give what later steps may refer to of an answer."""
    body = answer.body if isinstance(answer.body, dict) else {}
    told: dict[str, Any] = {**body, "key": request.headers.get("idempotency-key", "")}
    if isinstance(request.body, dict):
        told["shown"] = request.body.get("identifier", "")
    balances = body.get("balances")
    if isinstance(balances, list) and balances and isinstance(balances[0], dict):
        told["points"] = balances[0].get("amount")
    user = body.get("loyaltyUser")
    if isinstance(user, dict):
        told["user"] = user.get("id")
    return told


def worded(pattern: Any, known: Mapping[str, Any]) -> str:
    """Word what an answer should be."""
    if pattern == "none":
        return "no answer"
    parts = []
    for name, part in pattern.items():
        try:
            parts.append(f"{name} {shown(filled(part, known))}" if name != "status" else f"{part}")
        except CaseError:
            parts.append(f"{name} {part}")
    return ", ".join(parts)


def seen(answer: Answer) -> str:
    """Word what an answer is, without what differs from run to run."""
    if not answer.status:
        return f"no answer ({answer.problem})"
    body = answer.body if isinstance(answer.body, dict) else {}
    names = ("code", "errorCode", "points", "pointsEarned", "pointsRedeemed", "outcome")
    parts = [f"{name} {body[name]}" for name in names if name in body]
    return ", ".join([str(answer.status), *parts])
