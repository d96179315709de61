"""`python -m tests.fault`: tries to break every promise of docs/reliability.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.fault.goal import BOTH, POSTGRESQL, Goal
from tests.fault.plan import all_goals, attempt
from tests.fault.report import Report, Row, table_of
from tests.support.databases import Backend, Sqlite
from tests.support.postgres import run_postgres

RESULTS = "fault.json"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument(
        "--goals", default="", help="numbers, with commas between; all unless given"
    )
    parser.add_argument("--databases", default=",".join(BOTH), help="kinds, with commas between")
    parser.add_argument("--seed", type=int, help="decide as in an earlier run")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="try the short forms that `make test` runs: some seconds each",
    )
    parser.add_argument(
        "--transport",
        choices=("grpcio", "native"),
        default="grpcio",
        help="what carries calls on the servers' gRPC ports",
    )
    parser.add_argument("--folder", type=Path, default=Path("build"), help="data and results")
    parser.add_argument("--document", type=Path, help="Markdown file whose figures to replace")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> Iterator[tuple[Goal, str]]:
    """Give each goal with each kind of database it is to be tried on."""
    goals = all_goals()
    wanted = {number.strip().upper() for number in options.goals.split(",") if number.strip()}
    unknown = wanted - {goal.number for goal in goals}
    if unknown:
        numbers = ", ".join(dict.fromkeys(goal.number for goal in goals))
        raise SystemExit(f"There is no goal {', '.join(sorted(unknown))}; there are {numbers}.")
    for goal in goals:
        if wanted and goal.number not in wanted:
            continue
        kinds = [kind for kind in goal.databases if kind in options.databases.split(",")]
        yield from ((goal, kind) for kind in (kinds if goal.databases else [""]))


def _run(options: argparse.Namespace, console: Console, seed: int, report: Report) -> None:
    chosen = list(_chosen(options))
    with ExitStack() as cleanup:
        place = tempfile.TemporaryDirectory(prefix="fault-", dir=options.folder.resolve())
        folder = Path(cleanup.enter_context(place))
        backends: dict[str, Backend] = {}
        if any(kind == POSTGRESQL for _, kind in chosen):
            backends[POSTGRESQL] = cleanup.enter_context(run_postgres())
        for number, (goal, kind) in enumerate(chosen):
            own = folder / str(number)
            own.mkdir()
            if kind and kind != POSTGRESQL:
                backends[kind] = Sqlite(own)
            title = " ".join(filter(None, (goal.number, goal.title, kind)))
            console.print(f"[bold]{title}[/]  {goal.promise}")
            trial, seconds = asyncio.run(
                attempt(
                    goal,
                    kind,
                    seed=seed,
                    full=not options.quick,
                    folder=own,
                    backend=backends.get(kind),
                    say=lambda line: console.print(f"  {line}", markup=False, highlight=False),
                )
            )
            for problem in trial.problems:
                console.print(f"  BROKEN: {problem}", style="red", markup=False)
            console.print(f"  {'met' if trial.met else 'NOT MET'} in {seconds:.0f} s")
            report.add(Row.of(trial, seconds))
            report.write(options.folder / RESULTS)


def main() -> int:
    """Try the goals, print a row for each and keep all figures; 1 when one is not met."""
    options = _options()
    # The servers of a trial, here or in processes, read their settings from the environment.
    os.environ["LOYALTY_TRANSPORT"] = options.transport
    console = Console(width=max(Console().width, 150), soft_wrap=True)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    console.print(f"Seed {seed}: `python -m tests.fault --seed {seed}` decides the same again.")
    options.folder.mkdir(parents=True, exist_ok=True)
    report = Report.beside(options.folder / RESULTS)
    _run(options, console, seed, report)
    console.print(table_of(report.fresh), soft_wrap=False)
    if options.document:
        report.document(options.document)
    met = sum(row.met for row in report.fresh)
    console.print(f"{met} of {len(report.fresh)} met. All figures: {options.folder / RESULTS}")
    return 0 if report.all_met else 1


if __name__ == "__main__":
    sys.exit(main())
