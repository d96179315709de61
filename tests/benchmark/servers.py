"""
`python -m tests.benchmark.servers`: bare Python gRPC servers side by side, each doing the same.

Each is measured with the grpcio that is installed and with others, which pip puts into folders of
their own. It prints the table of docs/scale.md, and writes every figure beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmark.echo import AIO, NATIVE, THREADED
from tests.benchmark.loads import IDENTIFY
from tests.benchmark.machine import SERVER_CORE, describe
from tests.benchmark.plan import GOAL_CONCURRENCY, WARM_UP_S, Spread
from tests.benchmark.population import Population
from tests.benchmark.subjects import Subject, echo
from tests.benchmark.window import Client, Window

OLDER = "1.76.0"
"""A grpcio of a year before the one that is pinned, for the same Python."""

NAMES = {AIO: "grpcio, asyncio", THREADED: "grpcio, threads", NATIVE: "pygrpc-native, asyncio"}
HEADER = ("server", "grpcio", "calls/s", "p50", "p99", "server CPU a call", "memory")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.servers", description=__doc__)
    parser.add_argument("--grpcio", nargs="*", default=[OLDER], help="versions besides ours")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a window")
    parser.add_argument("--concurrency", type=int, default=GOAL_CONCURRENCY)
    parser.add_argument("--folder", type=Path, default=Path("build"))
    return parser.parse_args()


def _install(release: str, folder: Path) -> Path:
    """Give a folder with a grpcio of this release, which comes before the installed one."""
    target = folder.resolve() / f"grpcio-{release}"
    if not target.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*command, "--target", target, f"grpcio=={release}"], check=True)
    return target


def _start(options: argparse.Namespace, logs: Path, stack: ExitStack) -> Iterator[Subject]:
    """Start each server with each grpcio; pygrpc-native takes no part of it but its names."""
    installed = version("grpcio")
    for release in (installed, *options.grpcio):
        environment = {}
        if release != installed:
            environment["PYTHONPATH"] = str(_install(release, options.folder))
        for kind in NAMES:
            if kind == NATIVE and release != installed:
                continue
            name = f"{kind} {release}"
            subject = stack.enter_context(echo(name, kind, logs, Population(), **environment))
            subject.pin({SERVER_CORE})
            yield subject


def _measure(options: argparse.Namespace, logs: Path) -> dict[str, list[Window]]:
    """Measure all servers in turn, every other time backwards."""
    found: dict[str, list[Window]] = {}
    with Client() as client, ExitStack() as stack:
        subjects = list(_start(options, logs, stack))
        for subject in subjects:
            client.measure(subject, IDENTIFY, options.concurrency, WARM_UP_S)
        for turn in range(options.rounds):
            for subject in subjects if turn % 2 == 0 else reversed(subjects):
                window = client.measure(subject, IDENTIFY, options.concurrency, options.seconds)
                found.setdefault(subject.name, []).append(window)
    return found


def _row(name: str, windows: list[Window]) -> str:
    kind, release = name.split()

    def spread(figure: str, unit: str = "", digits: int = 0) -> str:
        of = Spread.of([getattr(window, figure) for window in windows])
        low, high = f"{of.low:,.{digits}f}", f"{of.high:,.{digits}f}"
        return f"{of.middle:,.{digits}f}{unit} ({low} to {high})"

    told = f"{version('pygrpc-native')}, beside grpcio {release}" if kind == NATIVE else release
    cells = (
        NAMES[kind],
        told,
        spread("calls_per_s"),
        spread("p50_ms", " ms", 1),
        spread("p99_ms", " ms", 1),
        spread("server_us", " us"),
        spread("memory_mib", " MiB"),
    )
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Measure, print the table, and write `servers.json`; 1 when a call was answered wrong."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=options.folder) as logs:
        found = _measure(options, Path(logs))
    machine = describe(options.folder)
    about = (
        f"{machine.cores} cores of {machine.cpu}, Linux {machine.kernel}, Python {machine.python}, "
        f"{datetime.now(UTC):%Y-%m-%d}; one core for the server, another for the client, "
        f"{options.concurrency} calls in flight; median of {options.rounds} rounds "
        "(lowest to highest)."
    )
    lines = [
        about,
        "",
        f"| {' | '.join(HEADER)} |",
        f"|{'---|' * len(HEADER)}",
        *(_row(name, windows) for name, windows in found.items()),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    figures = {name: [asdict(one) for one in windows] for name, windows in found.items()}
    content = {"machine": machine.as_json(), "servers": figures}
    target = options.folder / "servers.json"
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    wrong = [one.first_failure for windows in found.values() for one in windows if one.failures]
    sys.stdout.writelines(f"INVALID: {line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
