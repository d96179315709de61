"""The goals, and whether what was measured meets them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmark.loads import CODE, REWARD
from tests.benchmark.plan import Cell, Results, Spread, goal_cell
from tests.benchmark.subjects import (
    ECHO,
    ECHO_JSON,
    ECHO_NATIVE,
    ECHO_THREADED,
    OURS_GRPCIO,
    OURS_JSON,
    OURS_POSTGRES,
    OURS_SQLITE,
    PEER_POSTGRES,
    PEER_SQLITE,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound; *least* when the figure must reach it, else it must stay under it."""

    name: str
    bound: float
    unit: str = ""
    least: bool = True

    def judge(self, found: Spread | None, *, valid: bool = True) -> Verdict:
        """Compare what was measured with the bound."""
        if found is None:
            return Verdict(self, None, None)
        met = found.middle >= self.bound if self.least else found.middle <= self.bound
        return Verdict(self, found, met and valid, valid)

    @property
    def wording(self) -> str:
        """The bound as people write it."""
        return f"{'>=' if self.least else '<='} {self.bound:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A goal and what came of it.

    Attributes:
        met: Absent when it was not measured.
        valid: Whether every call that it rests on was answered right.
    """

    goal: Goal
    found: Spread | None
    met: bool | None
    valid: bool = True


LATENCY = Goal("p99 of identify through Envoy at 300 calls/s, all cores", 15, " ms", least=False)
START = Goal("process start until health is SERVING, new folder", 1.2, " s", least=False)
SCALE = Goal("identify with 1,000,000 members, 10,000,000 transfers / with 10,000", 0.85)
GROWTH = Goal("memory after all calls / after 10,000", 1.1, least=False)
MEMORY = Goal("memory after all calls", 250, " MiB", least=False)

_RATIOS: tuple[tuple[Goal, Cell, Cell, str], ...] = (
    (
        Goal("identify, gRPC, SQLite / grpc.aio echo: throughput", 2.0),
        goal_cell(OURS_SQLITE),
        goal_cell(ECHO),
        "calls_per_s",
    ),
    (
        Goal("the same carried by grpcio: throughput", 0.8),
        goal_cell(OURS_GRPCIO),
        goal_cell(ECHO),
        "calls_per_s",
    ),
    (
        Goal("identify, gRPC, SQLite / grpc.aio echo: server CPU a call", 0.5, least=False),
        goal_cell(OURS_SQLITE),
        goal_cell(ECHO),
        "server_us",
    ),
    (
        Goal("identify, gRPC, SQLite / native echo: server CPU a call", 3.0, least=False),
        goal_cell(OURS_SQLITE),
        goal_cell(ECHO_NATIVE),
        "server_us",
    ),
    (
        Goal("identify, JSON through Envoy / grpc.aio echo through Envoy: throughput", 0.9),
        goal_cell(OURS_JSON),
        goal_cell(ECHO_JSON),
        "calls_per_s",
    ),
    (
        Goal("claim of a reward, keyed, gRPC, SQLite / grpc.aio echo: throughput", 1.0),
        goal_cell(OURS_SQLITE, REWARD),
        goal_cell(ECHO),
        "calls_per_s",
    ),
    (
        Goal("identify, SQLite / FastAPI on aiosqlite: throughput", 20),
        goal_cell(OURS_SQLITE),
        goal_cell(PEER_SQLITE),
        "calls_per_s",
    ),
    (
        Goal("identify, PostgreSQL / FastAPI on asyncpg: throughput", 8),
        goal_cell(OURS_POSTGRES),
        goal_cell(PEER_POSTGRES),
        "calls_per_s",
    ),
)
"""Our server is carried by pygrpc-native where nothing else is said."""

_OTHER_RATIOS: tuple[tuple[str, Cell, Cell], ...] = (
    (
        "identify by code / by loyalty ID, SQLite",
        goal_cell(OURS_SQLITE, CODE),
        goal_cell(OURS_SQLITE),
    ),
    (
        "identify by code, SQLite / FastAPI on aiosqlite",
        goal_cell(OURS_SQLITE, CODE),
        goal_cell(PEER_SQLITE, CODE),
    ),
    (
        "identify by code, PostgreSQL / FastAPI on asyncpg",
        goal_cell(OURS_POSTGRES, CODE),
        goal_cell(PEER_POSTGRES, CODE),
    ),
    (
        "identify, JSON, SQLite / FastAPI on aiosqlite",
        goal_cell(OURS_JSON),
        goal_cell(PEER_SQLITE),
    ),
    ("identify, PostgreSQL / SQLite", goal_cell(OURS_POSTGRES), goal_cell(OURS_SQLITE)),
    (
        "identify, SQLite, carried by native / by grpcio",
        goal_cell(OURS_SQLITE),
        goal_cell(OURS_GRPCIO),
    ),
    ("native echo / grpc.aio echo", goal_cell(ECHO_NATIVE), goal_cell(ECHO)),
    ("threaded echo / grpc.aio echo", goal_cell(ECHO_THREADED), goal_cell(ECHO)),
)
"""Throughput ratios that have no goal but are good to know."""


def ratio_verdicts(results: Results) -> list[Verdict]:
    """Judge the goals that compare subjects at 64 calls in flight."""
    return [
        goal.judge(
            results.ratio(above, below, figure),
            valid=not results.failures(above) and not results.failures(below),
        )
        for goal, above, below, figure in _RATIOS
    ]


def other_ratios(results: Results) -> list[tuple[str, Spread]]:
    """Compare what has no goal."""
    found = (
        (name, results.ratio(above, below, "calls_per_s")) for name, above, below in _OTHER_RATIOS
    )
    return [(name, spread) for name, spread in found if spread is not None]
