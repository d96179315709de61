"""What came out of a run: a verdict for each case, line by line, and what was seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
VERDICTS = (PASSED, FAILED, NOT_RUN)


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of a report: what was done, what was expected and what was seen.

    Attributes:
        verdict: `passed`, `failed`, or `not run`.
    """

    action: str
    expected: str
    seen: str
    verdict: str
    note: str = ""

    def told(self) -> dict[str, str]:
        """Give it as it is written down."""
        told = {"action": self.action, "expected": self.expected, "seen": self.seen}
        return told | {"verdict": self.verdict} | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class Result:
    """
    How a case came out.

    Attributes:
        trace: What the judge started from: the calls and their answers, without any key.
    """

    case: str
    verdict: str
    note: str = ""
    lines: tuple[Line, ...] = ()
    trace: tuple[Mapping[str, Any], ...] = field(default=())

    def told(self) -> dict[str, Any]:
        """Give it as it is written down."""
        return {
            "case": self.case,
            "verdict": self.verdict,
            "note": self.note,
            "lines": [line.told() for line in self.lines],
            "trace": list(self.trace),
        }


def verdict_of(lines: Iterable[Line]) -> str:
    """Sum lines up: a case with one failed line has failed."""
    return FAILED if any(line.verdict == FAILED for line in lines) else PASSED


def totals(results: Iterable[Result | Mapping[str, Any]]) -> dict[str, int]:
    """Count the verdicts."""
    counts = Counter(one.verdict if isinstance(one, Result) else one["verdict"] for one in results)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def outcome(told: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of a run that must come out alike each time: no times, no made-up IDs."""
    return {
        one["case"]: [one["verdict"], *(line["verdict"] for line in one["lines"])]
        for one in told["cases"]
    }
