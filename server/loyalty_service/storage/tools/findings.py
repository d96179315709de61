"""What an audit found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from loyalty_service.storage.tools.checks import Problem

PROBLEMS_KEPT_MAX = 20


@dataclass(slots=True)
class Findings:
    """
    What an audit found.

    Attributes:
        rows: Rows that were read, by table.
        problems: The first bad rows, at most `PROBLEMS_KEPT_MAX`.
        problem_count: All bad rows.
    """

    rows: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def all_hold(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0

    def add(self, problem: Problem) -> None:
        """Keep a bad row, or at least count it."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT_MAX:
            self.problems.append(problem)
