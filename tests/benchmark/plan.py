"""What is measured, in which order, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from loyalty_service.domain.codes import CODE_COUNT
from tests.benchmark.loads import CLAIM, CODE, IDENTIFY, REWARD, SESSION
from tests.benchmark.population import Population
from tests.benchmark.subjects import (
    OURS_JSON,
    OURS_POSTGRES,
    OURS_SQLITE,
    PEER_POSTGRES,
    PEER_SQLITE,
    SUBJECTS,
    Stage,
)
from tests.benchmark.window import Client, Window

GOAL_CONCURRENCY = 64
WARM_UP_S = 0.7
UNITS_PER_S = 5_000
"""Codes and orders laid up for each second of load: more than is reached."""

BESIDE: dict[str, tuple[str, ...]] = {
    IDENTIFY: SUBJECTS,
    CODE: (OURS_SQLITE, OURS_POSTGRES, OURS_JSON, PEER_SQLITE, PEER_POSTGRES),
    SESSION: (OURS_SQLITE, OURS_POSTGRES, OURS_JSON),
    CLAIM: (OURS_SQLITE, OURS_POSTGRES, OURS_JSON),
    REWARD: (OURS_SQLITE, OURS_POSTGRES, OURS_JSON),
}
"""Subjects of each load, which are measured one right after another."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A subject under a load with so many calls in flight."""

    subject: str
    load: str
    concurrency: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    concurrencies: tuple[int, ...]
    only: str = ""

    def groups(self) -> Iterator[tuple[Cell, ...]]:
        """Give the cells, in groups that are interleaved."""
        for load, subjects in BESIDE.items():
            for concurrency in self.concurrencies:
                cells = (Cell(subject, load, concurrency) for subject in subjects)
                group = tuple(cell for cell in cells if self._wanted(cell))
                if group:
                    yield group

    def population(self, members: int) -> Population:
        """Say how many members, codes and orders the plan uses up at most."""
        windows = len(self.concurrencies) * (self.rounds * self.seconds + WARM_UP_S)
        # The same data serve gRPC and JSON.
        units = min(CODE_COUNT, int(2 * windows * UNITS_PER_S))
        return Population(members=members, codes=units, orders=units + units // 2)

    def _wanted(self, cell: Cell) -> bool:
        return not self.only or any(
            part in f"{cell.subject}/{cell.load}" for part in self.only.split(",")
        )


QUICK = Plan(rounds=2, seconds=1.0, concurrencies=(GOAL_CONCURRENCY,))
FULL = Plan(rounds=5, seconds=2.0, concurrencies=(1, 16, GOAL_CONCURRENCY))


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of several figures, and their bounds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: list[float]) -> Spread:
        """Sum figures up."""
        return cls(median(figures), min(figures), max(figures))


@dataclass(slots=True)
class Results:
    """Windows by cell, one for each round."""

    windows: dict[Cell, list[Window]] = field(default_factory=dict)

    def spread(self, cell: Cell, figure: str) -> Spread | None:
        """Sum a figure of a cell up over the rounds; absent when it was not measured."""
        found = [getattr(window, figure) for window in self.windows.get(cell, ())]
        return None if not found or None in found else Spread.of(found)

    def ratio(self, above: Cell, below: Cell, figure: str) -> Spread | None:
        """Compare two cells round by round, in which they were measured side by side."""
        pairs = zip(self.windows.get(above, ()), self.windows.get(below, ()), strict=False)
        found = [
            getattr(first, figure) / getattr(second, figure)
            for first, second in pairs
            if getattr(second, figure)
        ]
        return Spread.of(found) if found else None

    def failures(self, cell: Cell) -> int:
        """Count the wrong answers of a cell."""
        return sum(window.failures for window in self.windows.get(cell, ()))


async def measure(plan: Plan, stage: Stage, client: Client, results: Results) -> None:
    """Warm every cell up, then go round, every other time backwards."""
    groups = list(plan.groups())
    for group in groups:
        for cell in group:
            subject = await stage.subject(cell.subject)
            client.measure(subject, cell.load, cell.concurrency, WARM_UP_S)
    for turn in range(plan.rounds):
        for group in groups:
            for cell in group if turn % 2 == 0 else reversed(group):
                subject = await stage.subject(cell.subject)
                window = client.measure(subject, cell.load, cell.concurrency, plan.seconds)
                results.windows.setdefault(cell, []).append(window)


def goal_cell(subject: str, load: str = IDENTIFY) -> Cell:
    """Give the cell that a goal speaks of."""
    return Cell(subject, load, GOAL_CONCURRENCY)
