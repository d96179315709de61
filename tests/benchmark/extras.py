"""Measurements that are not windows side by side: latency, start, memory, and a big ledger."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from shutil import rmtree

from tests.benchmark.loads import IDENTIFY
from tests.benchmark.machine import SERVER_CORE, all_cores, memory_mib, pin
from tests.benchmark.plan import GOAL_CONCURRENCY, WARM_UP_S, Cell, Results, Spread
from tests.benchmark.population import Population, populate
from tests.benchmark.subjects import (
    OURS_JSON,
    SqliteData,
    Stage,
    flush,
    free_port,
    process,
    server_settings,
    wait_for_health,
)
from tests.benchmark.window import Client, Window

LATENCY_RATE = 300.0
MEMORY_FIRST_CALLS = 10_000
MEMORY_STEP_S = 10.0
SCALE_POPULATION = Population(members=1_000_000, transfers_each=10)
SMALL, BIG = "ours-small", "ours-big"


async def latency(stage: Stage, client: Client, rounds: int, seconds: float) -> list[Window]:
    """Send identifies through Envoy at random moments, with server and Envoy on all cores."""
    subject = await stage.subject(OURS_JSON)
    subject.pin(all_cores())
    try:
        client.measure(subject, IDENTIFY, 1, WARM_UP_S, LATENCY_RATE)
        return [client.measure(subject, IDENTIFY, 1, seconds, LATENCY_RATE) for _ in range(rounds)]
    finally:
        subject.pin({SERVER_CORE})


def start_times(folder: Path, rounds: int) -> list[float]:
    """Time the server from the start of its process until it reports SERVING, each time again."""
    times = []
    for turn in range(rounds):
        home = folder / f"start-{turn}"
        port, log = free_port(), folder / f"start-{turn}.log"
        start = time.monotonic()
        command = [sys.executable, "-m", "loyalty_service", "serve"]
        with process(command, log, **server_settings(port, home)):
            wait_for_health(port, log)
            times.append(time.monotonic() - start)
        rmtree(home, ignore_errors=True)
    return times


async def memory(stage: Stage, client: Client, calls: int) -> tuple[list[tuple[int, float]], int]:
    """Make many identifies on a fresh server; return its memory over time, and wrong answers."""
    path = stage.folder / "memory.db"
    population = Population(members=10_000)
    await populate(f"sqlite:///{path}", population)
    subject = stage.server("ours-memory", SqliteData(path), population)
    subject.pin({SERVER_CORE})
    history: list[tuple[int, float]] = []
    made = failures = 0
    while made < calls:
        seconds = MEMORY_STEP_S if made >= MEMORY_FIRST_CALLS else 1.0
        window = client.measure(subject, IDENTIFY, GOAL_CONCURRENCY, seconds)
        made += window.calls
        failures += window.failures
        if made >= MEMORY_FIRST_CALLS:
            history.append((made, memory_mib(subject.pid)))
    return history, failures


async def scale(
    stage: Stage, client: Client, cache: Path, rounds: int, seconds: float
) -> tuple[Results, Spread | None]:
    """Compare a small ledger with a big one, which is made once and kept."""
    small, big = stage.folder / "small.db", cache / "scale.db"
    await populate(f"sqlite:///{small}", Population())
    if not big.exists():
        building = big.with_suffix(".building")
        building.unlink(missing_ok=True)
        await populate(f"sqlite:///{building}", SCALE_POPULATION)
        flush(building)
        building.rename(big)
    subjects = {
        SMALL: stage.server(SMALL, SqliteData(small), Population()),
        BIG: stage.server(BIG, SqliteData(big), SCALE_POPULATION),
    }
    results = Results()
    for subject in subjects.values():
        pin(subject.pid, {SERVER_CORE})
        client.measure(subject, IDENTIFY, GOAL_CONCURRENCY, 3 * WARM_UP_S)
    for _ in range(rounds):
        for name, subject in subjects.items():
            window = client.measure(subject, IDENTIFY, GOAL_CONCURRENCY, seconds)
            results.windows.setdefault(_cell(name), []).append(window)
    return results, results.ratio(_cell(BIG), _cell(SMALL), "calls_per_s")


def _cell(name: str) -> Cell:
    return Cell(name, IDENTIFY, GOAL_CONCURRENCY)
