"""`python -m tests.benchmark.profile`: where a subject spends its time under load, by py-spy."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmark.loads import IDENTIFY, LOADS
from tests.benchmark.plan import GOAL_CONCURRENCY, UNITS_PER_S, WARM_UP_S
from tests.benchmark.population import Population
from tests.benchmark.subjects import OURS_SQLITE, SUBJECTS, Stage, Subject
from tests.benchmark.window import Client

SAMPLES_PER_S = 400
FUNCTIONS_SHOWN = 40


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.profile", description=__doc__)
    parser.add_argument("--subject", choices=SUBJECTS, default=OURS_SQLITE)
    parser.add_argument("--load", choices=LOADS, default=IDENTIFY)
    parser.add_argument("--concurrency", type=int, default=GOAL_CONCURRENCY)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--native", action="store_true", help="show C and C++ frames too")
    parser.add_argument("--gil", action="store_true", help="only threads that hold the GIL")
    parser.add_argument("--folder", type=Path, default=Path("build"))
    return parser.parse_args()


async def _run(options: argparse.Namespace, folder: Path, stacks: Path) -> None:
    units = int(UNITS_PER_S * (options.seconds + 2 + WARM_UP_S))
    with Client() as client:
        async with Stage(folder, Population(codes=units, orders=units), None) as stage:
            subject = await stage.subject(options.subject)
            client.measure(subject, options.load, options.concurrency, WARM_UP_S)
            with _recording(options, subject, stacks):
                client.measure(subject, options.load, options.concurrency, options.seconds + 2)


def _recording(
    options: argparse.Namespace, subject: Subject, stacks: Path
) -> subprocess.Popen[bytes]:
    flags = [flag for flag in ("native", "gil") if getattr(options, flag)]
    if not options.native:
        # Native stacks can be read of a stopped process only.
        flags.append("nonblocking")
    command = [
        str(Path(sys.executable).parent / "py-spy"),
        "record",
        *("--pid", str(subject.pid)),
        *("--rate", str(SAMPLES_PER_S)),
        *("--duration", str(max(1, int(options.seconds)))),
        *("--format", "raw"),
        *("--output", str(stacks)),
        "--threads",
        *(f"--{flag}" for flag in flags),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _table(stacks: Path) -> Table:
    """Count the samples of each function: on top of the stack, and anywhere in it."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        # A frame is `function (file:line)`; lines of one function belong together.
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    samples = max(sum(own.values()), 1)
    table = Table("function", "own %", "total %", title=f"{samples} samples")
    for frame, times in own.most_common(FUNCTIONS_SHOWN):
        shares = (f"{100 * part / samples:.1f}" for part in (times, total[frame]))
        table.add_row(frame, *shares)
    return table


def main() -> int:
    """Profile, print the functions with the most samples, and keep the stacks."""
    options = _options()
    folder = options.folder / f"profile-{os.getpid()}"
    folder.mkdir(parents=True)
    name = f"profile-{options.subject}-{options.load.replace(' ', '-')}.txt"
    stacks = options.folder / name
    try:
        asyncio.run(_run(options, folder, stacks))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console = Console(width=max(Console().width, 120))
    console.print(_table(stacks))
    console.print(f"Stacks, as flame graph programs read them: {stacks}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
