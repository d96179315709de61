"""`python -m tests.benchmark`: measures the server beside its limit and its peer."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.benchmark import extras
from tests.benchmark.goals import GROWTH, LATENCY, MEMORY, SCALE, START, ratio_verdicts
from tests.benchmark.json_door import measure_parts
from tests.benchmark.machine import CLIENT_CORE, describe
from tests.benchmark.plan import FULL, QUICK, Plan, Results, Spread, measure
from tests.benchmark.population import Population
from tests.benchmark.report import Report
from tests.benchmark.subjects import Stage
from tests.benchmark.window import Client
from tests.support.syncs import build_sync_counter


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or two, 64 in flight only")
    parser.add_argument("--rounds", type=int, help="rounds to measure")
    parser.add_argument("--seconds", type=float, help="length of a window")
    parser.add_argument("--only", default="", help="parts of subject/load, with commas between")
    parser.add_argument("--members", type=int, default=10_000, help="members in each database")
    parser.add_argument("--scale", action="store_true", help="compare with a very big ledger too")
    parser.add_argument("--memory", action="store_true", help="watch memory over many calls too")
    parser.add_argument("--memory-calls", type=int, default=1_000_000, help="how many calls")
    parser.add_argument("--folder", type=Path, default=Path("build"), help="data and results")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    return replace(
        plan,
        only=options.only,
        rounds=options.rounds or plan.rounds,
        seconds=options.seconds or plan.seconds,
    )


async def _run(options: argparse.Namespace, report: Report, folder: Path) -> None:
    plan = _plan(options)
    counter = build_sync_counter(folder)
    population = plan.population(options.members)
    with Client() as client:
        async with Stage(folder, population, counter) as stage:
            await measure(plan, stage, client, report.results)
            report.verdicts += ratio_verdicts(report.results)
            if not options.only:
                await _latency(report, stage, client, plan)
            if not options.only and not options.quick:
                report.parts = await measure_parts(stage, client, plan.rounds, plan.seconds)
        times = extras.start_times(folder, plan.rounds)
        report.raw["start_s"] = times
        report.verdicts.append(START.judge(Spread.of(times)))
        await _scale(options, report, client, plan, folder)
        await _memory(options, report, client, folder)


async def _latency(report: Report, stage: Stage, client: Client, plan: Plan) -> None:
    windows = await extras.latency(stage, client, plan.rounds, 3 * plan.seconds)
    report.raw["latency"] = [asdict(window) for window in windows]
    valid = not any(window.failures for window in windows)
    found = Spread.of([window.p99_ms for window in windows])
    report.verdicts.append(LATENCY.judge(found, valid=valid))


async def _scale(
    options: argparse.Namespace, report: Report, client: Client, plan: Plan, folder: Path
) -> None:
    if not options.scale:
        report.verdicts.append(SCALE.judge(None))
        return
    async with Stage(folder / "scale", extras.SCALE_POPULATION, None) as stage:
        results, ratio = await extras.scale(
            stage, client, options.folder, plan.rounds, plan.seconds
        )
    report.results.windows |= results.windows
    valid = not any(map(results.failures, results.windows))
    report.verdicts.append(SCALE.judge(ratio, valid=valid))


async def _memory(
    options: argparse.Namespace, report: Report, client: Client, folder: Path
) -> None:
    if not options.memory:
        report.verdicts += [GROWTH.judge(None), MEMORY.judge(None)]
        return
    async with Stage(folder / "memory", Population(), None) as stage:
        history, failures = await extras.memory(stage, client, options.memory_calls)
    report.raw["memory_mib"] = history
    first, last = history[0][1], history[-1][1]
    report.verdicts += [
        GROWTH.judge(Spread.of([last / first]), valid=not failures),
        MEMORY.judge(Spread.of([last]), valid=not failures),
    ]


def main() -> int:
    """Measure, print the tables, and write `bench.json`; 1 when a call was answered wrong."""
    options = _options()
    console = Console(width=max(Console().width, 150))
    if (os.cpu_count() or 1) <= CLIENT_CORE:
        console.print("Two cores are needed: one for the server, one for the load client.")
        return 1
    folder = options.folder / f"bench-{os.getpid()}"
    folder.mkdir(parents=True)
    report = Report(
        started=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=describe(folder),
        load_before=os.getloadavg()[0],
        results=Results(),
    )
    try:
        asyncio.run(_run(options, report, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.show(console)
    report.write(options.folder / "bench.json")
    console.print(f"All figures: {options.folder / 'bench.json'}")
    invalid = report.invalid()
    for line in invalid:
        console.print(f"INVALID: {line}", style="red", markup=False)
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main())
