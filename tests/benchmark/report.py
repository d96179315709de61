"""What came of a run: tables for people, and every figure as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmark.goals import Verdict, other_ratios
from tests.benchmark.json_door import WHOLE, Parts
from tests.benchmark.loads import LOADS
from tests.benchmark.machine import Machine
from tests.benchmark.plan import Cell, Results, Spread

CLIENT_BUSY_MAX = 0.95


@dataclass(slots=True)
class Report:
    """Everything a run found out."""

    started: str
    machine: Machine
    load_before: float
    results: Results
    verdicts: list[Verdict] = field(default_factory=list)
    parts: Parts = field(default_factory=Parts)
    raw: dict[str, Any] = field(default_factory=dict)

    def show(self, console: Console) -> None:
        """Print the tables."""
        machine = self.machine
        console.print(
            f"{self.started}, {machine.cores} cores of {machine.cpu}, {machine.memory_gib} GiB, "
            f"Linux {machine.kernel}, Python {machine.python}, {machine.file_system}. "
            f"Load before: {self.load_before:.2f}; "
            f"others took {self._others_busy():.2f} of a core meanwhile.",
            highlight=False,
        )
        console.print(_cells(self.results))
        if others := other_ratios(self.results):
            console.print(_others(others))
        if self.parts.windows:
            console.print(_parts(self.parts))
        console.print(_goals(self.verdicts))

    def _others_busy(self) -> float:
        windows = [window for found in self.results.windows.values() for window in found]
        return median(window.others_busy for window in windows) if windows else 0.0

    def invalid(self) -> list[str]:
        """Name what rests on wrong answers: cells with the first of them, and goals."""
        cells = [
            f"{cell.load}, {cell.subject}, {cell.concurrency} in flight: {failed[0]}"
            for cell, windows in sorted(
                self.results.windows.items(), key=lambda item: _order(item[0])
            )
            if (failed := [window.first_failure for window in windows if window.failures])
        ]
        if failure := self.parts.first_failure():
            cells.append(f"the JSON door's parts: {failure}")
        return cells + [verdict.goal.name for verdict in self.verdicts if not verdict.valid]

    def write(self, path: Path) -> None:
        """Write all figures, those of every window included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [
            {**asdict(cell), "windows": [asdict(window) for window in windows]}
            for cell, windows in self.results.windows.items()
        ]
        goals = [
            {
                "goal": verdict.goal.name,
                "bound": verdict.goal.wording,
                "found": None if verdict.found is None else asdict(verdict.found),
                "met": verdict.met,
            }
            for verdict in self.verdicts
        ]
        others = {name: asdict(spread) for name, spread in other_ratios(self.results)}
        content = {
            "started": self.started,
            "machine": self.machine.as_json(),
            "load_before": self.load_before,
            "goals": goals,
            "other_ratios": others,
            "cells": cells,
            "json_door_parts": {
                part: [asdict(window) for window in windows]
                for part, windows in self.parts.windows.items()
            },
            **self.raw,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _cells(results: Results) -> Table:
    table = Table(
        title="Median over the rounds (lowest to highest)",
        caption="CPU in microseconds a call: the server on core 0 with its threads, Envoy beside "
        "it on core 0, PostgreSQL's processes on any core. * The load client was the limit.",
    )
    table.add_column("load", no_wrap=True)
    table.add_column("subject", no_wrap=True)
    for name in ("flight", "calls/s", "p50 ms", "p99 ms", "server", "Envoy", "PG"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("MiB", "commits", "syncs", "wrong"):
        table.add_column(name, justify="right", no_wrap=True)
    before = ""
    for cell in sorted(results.windows, key=_order):
        spreads = {
            name: results.spread(cell, name)
            for name in (
                "calls_per_s",
                "p50_ms",
                "p99_ms",
                "server_us",
                "envoy_us",
                "database_us",
                "memory_mib",
                "commits",
                "syncs",
                "client_busy",
            )
        }
        busy = spreads.pop("client_busy")
        limited = "*" if busy is not None and busy.middle > CLIENT_BUSY_MAX else ""
        calls = spreads.pop("calls_per_s")
        failures = results.failures(cell)
        table.add_row(
            cell.load if cell.load != before else "",
            cell.subject,
            str(cell.concurrency),
            "INVALID" if failures else f"{_whole(calls)}{limited}",
            *(_short(name, spread) for name, spread in spreads.items()),
            str(failures),
        )
        before = cell.load
    return table


def _order(cell: Cell) -> tuple[int, str, int]:
    return LOADS.index(cell.load), cell.subject, cell.concurrency


def _short(name: str, spread: Spread | None) -> str:
    if spread is None:
        return "-"
    digits = {"commits": 3, "syncs": 3, "p50_ms": 1, "p99_ms": 1}.get(name, 0)
    return f"{spread.middle:,.{digits}f}"


def _whole(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{spread.middle:,.0f} ({spread.low:,.0f}-{spread.high:,.0f})"


def _others(others: list[tuple[str, Spread]]) -> Table:
    table = Table("ratio of throughput, 64 in flight", "median", "spread", title="Without a goal")
    for name, spread in others:
        table.add_row(name, f"{spread.middle:.2f}", f"{spread.low:.2f} to {spread.high:.2f}")
    return table


def _parts(parts: Parts) -> Table:
    table = Table(
        "left out",
        title="The JSON door's parts",
        caption="Envoy's CPU in microseconds a call, identify before the echo, 64 in flight: "
        "without the part, and how much less that is, compared round by round.",
    )
    for name in ("without it", "its cost", "spread"):
        table.add_column(name, justify="right", no_wrap=True)
    for part in parts.windows:
        cost = parts.cost(part)
        table.add_row(
            "nothing" if part == WHOLE else part,
            f"{parts.without(part).middle:,.0f}",
            *(("-", "-") if part == WHOLE else _cost(cost)),
        )
    return table


def _cost(cost: Spread) -> tuple[str, str]:
    return f"{cost.middle:,.0f}", f"{cost.low:,.0f} to {cost.high:,.0f}"


def _goals(verdicts: list[Verdict]) -> Table:
    table = Table("goal", "bound", "found", "spread", "met", title="Goals")
    words = {True: "[green]met[/]", False: "[red]not met[/]", None: "[dim]not measured[/]"}
    for verdict in verdicts:
        found = verdict.found
        table.add_row(
            verdict.goal.name,
            verdict.goal.wording,
            "-" if found is None else f"{found.middle:.2f}{verdict.goal.unit}",
            "-" if found is None else f"{found.low:.2f} to {found.high:.2f}",
            words[verdict.met],
        )
    return table
