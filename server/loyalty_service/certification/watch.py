"""Judges a till by the calls that it made: those that a case asks for, and those it forbids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loyalty_service.certification.cases import Case, Watched
from loyalty_service.certification.drive import Answer, judged
from loyalty_service.certification.looks import LOOKS, carries
from loyalty_service.certification.patterns import CaseError, differences, shown, value_of
from loyalty_service.certification.program import TestProgram
from loyalty_service.certification.results import FAILED, PASSED, Line, Result, verdict_of

Seen = Mapping[str, Any]
"""
A call of a till, as it reached the host.

`number` counts calls; `at_ms` and `done_ms` are when it came and when its answer was ready; `call`
is its name; `request` and `headers` are what it had, without an API key; `status` and `body` are
the host's answer, of which `fault` says what became on its way; `mended` is what the host had to
put right in it.
"""

CALLS_MAX = 500
"""A till that makes more calls for one case has failed it."""

UNREADABLE = "it can't be read"

_UNMEANT = ("created",)
"""Fields of a request that may differ when it is sent again."""

CHANGES_MAX = 3
"""Fields that a report names of a call that is not the earlier one again."""


class _Judge:
    """Finds the calls of one case."""

    def __init__(self, case: Case, program: TestProgram, calls: Sequence[Seen]) -> None:
        self._case = case
        self._calls = calls
        self._known: dict[str, Any] = program.known()
        self._labels: dict[str, Seen] = {}
        self._used: set[int] = set()

    def lines(self) -> list[Line]:
        """Give a line for each call that must be there, and for each that must not."""
        must = [self._must(one) for one in self._case.must if one.call]
        never = [self._never(one) for one in self._case.never if one.call]
        return must + never

    def _must(self, wanted: Watched) -> Line:
        nearest: list[str] | None = None
        for call in self._calls:
            if call["call"] not in wanted.calls or call["number"] in self._used:
                continue
            said = self._differences(wanted, call)
            if not said:
                self._used.add(call["number"])
                self._keep(wanted, call)
                return Line("The till must", wanted.says, seen(call), PASSED)
            if nearest is None or len(said) <= len(nearest):
                nearest = said
        if nearest is None:
            names = " or ".join(wanted.calls)
            return Line(
                "The till must",
                wanted.says,
                f"no call {names}",
                FAILED,
                f"it did not {wanted.says}",
            )
        return Line(
            "The till must",
            wanted.says,
            "; ".join(nearest),
            FAILED,
            f"it did not {wanted.says}: {'; '.join(nearest)}",
        )

    def _never(self, unwanted: Watched) -> Line:
        for call in self._calls:
            if call["call"] not in unwanted.calls:
                continue
            said = self._differences(unwanted, call)
            # What can't be read may be what must never be.
            if not said or said[0].startswith(UNREADABLE):
                return Line(
                    "The till must never",
                    unwanted.says,
                    seen(call),
                    FAILED,
                    f"it must never {unwanted.says}{self._otherwise(unwanted, call)}",
                )
        return Line("The till must never", unwanted.says, "it did not", PASSED)

    def _otherwise(self, unwanted: Watched, call: Seen) -> str:
        """Say what a call has otherwise than the one that it may be again."""
        first = self._labels.get(unwanted.another_than)
        return f": {_told(_changes(first, call))}" if first is not None else ""

    def _keep(self, wanted: Watched, call: Seen) -> None:
        if not wanted.name:
            return
        body = call["body"] if isinstance(call["body"], Mapping) else {}
        told = {**body, "key": call["headers"].get("idempotency-key", "")}
        user = body.get("loyaltyUser")
        if isinstance(user, Mapping):
            told["user"] = user.get("id")
        self._known[wanted.name] = told
        self._labels[wanted.name] = call

    def _differences(self, wanted: Watched, call: Seen) -> list[str]:
        """Say why a call is not the one that is meant; empty where it is."""
        try:
            return [
                *self._order_differences(wanted, call),
                *self._request_differences(wanted, call),
                *self._repeat_differences(wanted, call),
                *self._answer_differences(wanted, call),
            ]
        except CaseError as problem:
            return [str(problem)]
        except Exception as problem:  # noqa: BLE001 - Whatever a till sends, its case has failed.
            return [f"{UNREADABLE}: {type(problem).__name__}"]

    def _order_differences(self, wanted: Watched, call: Seen) -> list[str]:
        said = []
        if wanted.after:
            after = self._labels.get(wanted.after)
            if after is None or call["number"] <= after["number"]:
                said.append(f"it did not come after the call {wanted.after}")
        if wanted.before:
            before = self._labels.get(wanted.before)
            if before is not None and call["number"] >= before["number"]:
                said.append(f"it did not come before the call {wanted.before}")
        for label, least_s in wanted.wait.items():
            answered_ms = self._labels.get(label, {}).get("done_ms")
            if answered_ms is None or call["at_ms"] - answered_ms < least_s * 1000:
                said.append(f"it waited less than {least_s:g} s")
        return said

    def _request_differences(self, wanted: Watched, call: Seen) -> list[str]:
        request = call["request"]
        said = differences(wanted.send, request, self._known) if wanted.send else []
        if wanted.of:
            meant = value_of(self._known, f"{wanted.of}.transactionId")
            if request.get("loyaltyTransactionId") != meant:
                said.append(f"it is not for the transaction of the call {wanted.of}")
        said += [
            f"it has no {name.replace('_', ' ')}"
            for name in wanted.carries
            if not carries(request, value_of(self._known, name))
        ]
        said += [
            f"it has the {name.replace('_', ' ')}"
            for name in wanted.lacks
            if carries(request, value_of(self._known, name))
        ]
        return said + [
            problem for look in wanted.checks if (problem := LOOKS[look](call, self._known))
        ]

    def _repeat_differences(self, wanted: Watched, call: Seen) -> list[str]:
        key = call["headers"].get("idempotency-key", "")
        said = []
        if wanted.key:
            said += differences(wanted.key, key, self._known, "the idempotency key")
        if wanted.same_as:
            first = self._labels.get(wanted.same_as)
            if first is None or call["number"] <= first["number"]:
                said.append(f"it did not come after the call {wanted.same_as}")
            elif changed := _changes(first, call):
                said.append(f"sent again, {_told(changed)}")
        if wanted.another_than:
            first = self._labels.get(wanted.another_than)
            if first is None or not _changes(first, call):
                said.append(f"it is the call {wanted.another_than} again")
        return said

    def _answer_differences(self, wanted: Watched, call: Seen) -> list[str]:
        if not wanted.answer:
            return []
        said = judged(wanted.answer, Answer(call["status"], call["body"]), self._known)
        return [f"of the answer, {one}" for one in said]


def _changes(first: Seen, second: Seen) -> list[str]:
    """Say what a call has otherwise than an earlier one; empty where it is that one again."""

    def meant(call: Seen) -> dict[str, Any]:
        return {name: part for name, part in call["request"].items() if name not in _UNMEANT}

    if first["call"] != second["call"]:
        return [f"it is another call, {second['call']}"]
    keys = [call["headers"].get("idempotency-key", "") for call in (first, second)]
    said = []
    if keys[0] != keys[1]:
        said.append("it has another idempotency key" if keys[1] else "it has no idempotency key")
    return said + _parts(meant(first), meant(second), "")


def _told(changes: Sequence[str]) -> str:
    return ", ".join(changes[:CHANGES_MAX])


def _parts(first: Any, second: Any, at: str) -> list[str]:
    """Name the fields in which two requests differ."""
    if first == second:
        return []
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        names = dict.fromkeys((*first, *second))
        return [
            said
            for name in names
            for said in _parts(first.get(name), second.get(name), f"{at}.{name}".lstrip("."))
        ]
    if isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            return [f"{at} has {len(second)} elements instead of {len(first)}"]
        return [
            said
            for number, pair in enumerate(zip(first, second, strict=True))
            for said in _parts(*pair, f"{at}[{number}]")
        ]
    told = ["absent" if one is None else shown(one) for one in (second, first)]
    return [f"{at} is {told[0]} instead of {told[1]}"]


def seen(call: Seen) -> str:
    """Word a call and its answer."""
    played = f", {call['fault']} on purpose" if call["fault"] else ""
    body = call["body"] if isinstance(call["body"], Mapping) else {}
    code = f" {body['code']}" if "code" in body else ""
    return f"{call['call']}: {call['status'] or 'no answer'}{code}{played}"


def judge(case: Case, program: TestProgram, calls: Sequence[Seen]) -> Result:
    """Judge a till by the calls that it made for a case."""
    lines = _Judge(case, program, calls).lines()
    if len(calls) > CALLS_MAX:
        says, seen_of_it = f"make more than {CALLS_MAX} calls", f"{len(calls)} calls"
        line = Line("The till must never", says, seen_of_it, FAILED, f"it must never {says}")
        lines.append(line)
    note = next((line.note for line in lines if line.verdict == FAILED), "")
    if not calls:
        note = "No call reached the host."
    return Result(case.id, verdict_of(lines), note, tuple(lines), tuple(calls))


def complete(case: Case, program: TestProgram, calls: Sequence[Seen]) -> bool:
    """Tell whether every call that must be there is there, and has its answer."""
    lines = _Judge(case, program, calls).lines()
    asked = [line for line in lines if line.action == "The till must"]
    return all(line.verdict == PASSED for line in asked) and all(
        call["done_ms"] is not None for call in calls
    )
