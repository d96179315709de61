"""A run of a host through its cases: what it will write, each case, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loyalty_service.certification.cases import Case, cases_of, newest_revision
from loyalty_service.certification.drive import Host, Visit
from loyalty_service.certification.needs import SINGLE, missing
from loyalty_service.certification.program import TestProgram
from loyalty_service.certification.results import FAILED, Result, totals
from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.domain.operator_error import OperatorError

WRITING = (
    "identify", "pending", "claim", "void", "unclaimed", "session", "issue", "receipt", "promo",
    "points", "return", "rescan", "status", "visit", "reserve", "lower", "cancel", "reward",
    "redeem", "undo", "lock", "unlock", "purchase", "offline", "award", "adjust", "confirm",
)  # fmt: skip
"""Calls that leave something behind, as the list of what will be written names them."""


@dataclass(frozen=True, slots=True)
class HostSubject:
    """What is tried."""

    name: str
    url: str
    vendor: str = ""

    def told(self) -> dict[str, str]:
        """Give it as it is written down."""
        told = {"name": self.name, "url": self.url}
        return told | ({"vendor": self.vendor} if self.vendor else {})


def plan(cases: tuple[Case, ...], program: TestProgram) -> dict[str, Any]:
    """
    Say what a run will write: how many calls of each kind, and where.

    So many of its cases as `single` says write into the second program.
    """
    counts = dict.fromkeys(WRITING, 0)
    cases = tuple(case for case in cases if not missing(case, program))
    for case in cases:
        for step in case.drive:
            for one in (step, *step.at_once):
                if one.call in counts:
                    counts[one.call] += 1
                code = program.codes.get(one.show)
                if code is not None and code.issue and one.call == "identify":
                    counts["issue"] += 1
    stores = {one.store for case in cases for step in case.drive for one in (step, *step.at_once)}
    return {
        "cases": len(cases),
        "program": program.name,
        "single": sum(any(step.api_key == SINGLE for step in case.drive) for case in cases),
        "stores": sorted(program.stores[name] for name in stores if name != "unknown"),
        "members": sorted({code.member for code in program.codes.values() if code.member}),
        "calls": {name: count for name, count in counts.items() if count},
    }


class HostRun:
    """
    Goes through the cases, one after the other.

    Args:
        subject: What is tried, as the report names it.
        only: The cases to try; all of the revision when empty.
    """

    def __init__(
        self,
        subject: HostSubject,
        program: TestProgram,
        host: Host,
        revision: str = "",
        only: tuple[str, ...] = (),
    ) -> None:
        self.revision = revision or newest_revision()
        self.cases = cases_of(self.revision, "host", only)
        if not self.cases:
            raise OperatorError("No case is asked for.")
        self._subject = subject
        self._program = program
        self._host = host
        self._began = ""
        self._ended = ""
        self.results: list[Result] = []
        self._used: dict[str, int] = {}

    def run(self, tell: Callable[[Case, Result | None], None]) -> dict[str, Any]:
        """
        Try each case; return the run as its results are built from it.

        Args:
            tell: Called when a case begins, and with how it came out.
        """
        self._began = rfc3339(now_ms())
        for case in self.cases:
            tell(case, None)
            result = Visit(case, self._program, self._host, self._used).run()
            self.results.append(result)
            tell(case, result)
        self._ended = rfc3339(now_ms())
        return {
            "revision": self.revision,
            "began": self._began,
            "ended": self._ended,
            "test_program": self._program.model_dump(mode="json"),
            "subject": self._subject.told(),
            "cases": [result.told() for result in self.results],
        }

    def progress(self) -> Mapping[str, Any]:
        """Tell how the run stands, as a till's run does."""
        done = {result.case: result for result in self.results}
        rows = []
        for number, case in enumerate(self.cases):
            result = done.get(case.id)
            waiting = "running" if number == len(done) else "waiting"
            rows.append(
                {
                    "id": case.id,
                    "title": case.title,
                    "level": case.requirement.level,
                    "verdict": result.verdict if result else waiting,
                    "note": result.note if result else "",
                }
            )
        failed = any(result.verdict == FAILED for result in self.results)
        over = "failed" if failed else "passed"
        return {
            "state": over if len(done) == len(self.cases) else "running",
            "side": "host",
            "profile": self._subject.name,
            "revision": self.revision,
            "started": self._began,
            "totals": totals(self.results),
            "cases": rows,
        }
