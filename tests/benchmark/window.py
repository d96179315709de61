"""One window of load on one subject: what the client saw, and what the machine spent meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from tests.benchmark.client import Job, Seen
from tests.benchmark.loads import USES_UP
from tests.benchmark.machine import all_cpu_s, cpu_s, family, memory_mib
from tests.benchmark.subjects import Subject
from tests.support.roots import ROOT

UNITS_PER_S_MAX = 9_000
"""Requests made ready for a second of load; a window ends early when they run out."""

UNITS_LEFT_MIN = 200


@dataclass(frozen=True, slots=True)
class Window:
    """
    Figures of a window; times of the processor are microseconds for each call.

    Attributes:
        calls_per_s: Calls answered rightly, a second.
        server_busy: Share of a core that the server used, Envoy not counted.
        client_busy: The same of the load client: near 1, it is the client that is measured.
        others_busy: The same of everything else on the machine, which falsifies the figures.
        commits: Commits for each call, absent where there is no database.
        syncs: fsync and fdatasync calls for each call, absent where they were not counted.
    """

    calls: int
    failures: int
    elapsed_s: float
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_us: float
    envoy_us: float | None
    database_us: float | None
    server_busy: float
    client_busy: float
    others_busy: float
    memory_mib: float
    commits: float | None
    syncs: float | None
    first_failure: str


@dataclass(frozen=True, slots=True)
class _Spent:
    machine: float
    server: float
    envoy: float | None
    database: float | None
    commits: int | None
    syncs: int | None


class Client:
    """The load client's process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmark.client"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def measure(
        self, subject: Subject, load: str, concurrency: int, seconds: float, rate: float = 0.0
    ) -> Window:
        """
        Run a window on a subject.

        Raises:
            RuntimeError: The client ended, or no fresh requests are left.
        """
        job = _job(subject, load, concurrency, seconds, rate)
        self._write(asdict(job))
        if self._read() != "ready":
            raise RuntimeError("the load client is out of step")
        before = _spent(subject)
        self._write("go")
        seen = Seen(**self._read())
        after = _spent(subject)
        subject.counters.next[USES_UP.get(load, load)] = job.first + seen.units
        return _window(subject, seen, before, after)

    def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load client ended")
        return json.loads(line)


def _job(subject: Subject, load: str, concurrency: int, seconds: float, rate: float) -> Job:
    first = subject.counters.next.get(USES_UP.get(load, load), 0)
    count = int(seconds * (rate * 1.5 or UNITS_PER_S_MAX))
    if load in USES_UP:
        count = min(count, getattr(subject.population, USES_UP[load]) - first)
        if count < UNITS_LEFT_MIN:
            raise RuntimeError(f"{subject.name} has used up all of its data for {load}")
    return Job(
        load=load,
        door=subject.door,
        port=subject.port,
        first=first,
        count=count,
        members=subject.population.members,
        concurrency=concurrency,
        seconds=seconds,
        rate=rate,
        marker=subject.marker,
    )


def _spent(subject: Subject) -> _Spent:
    return _Spent(
        machine=all_cpu_s(),
        server=cpu_s(family(subject.pid)),
        envoy=None if subject.envoy_pid is None else cpu_s({subject.envoy_pid}),
        database=None if subject.database_pid is None else cpu_s(family(subject.database_pid)),
        commits=None if subject.data is None else subject.data.commits(),
        syncs=subject.count_syncs(),
    )


def _window(subject: Subject, seen: Seen, before: _Spent, after: _Spent) -> Window:
    calls = max(seen.calls, 1)

    def each(first: float | None, last: float | None) -> float | None:
        return None if first is None or last is None else (last - first) / calls

    def each_us(first: float | None, last: float | None) -> float | None:
        spent = each(first, last)
        return None if spent is None else spent * 1e6

    known = seen.client_cpu_s + sum(
        (getattr(after, name) or 0.0) - (getattr(before, name) or 0.0)
        for name in ("server", "envoy", "database")
    )
    return Window(
        calls=seen.calls,
        failures=seen.failures,
        elapsed_s=seen.elapsed_s,
        calls_per_s=(seen.calls - seen.failures) / seen.elapsed_s,
        p50_ms=seen.p50_s * 1e3,
        p99_ms=seen.p99_s * 1e3,
        max_ms=seen.max_s * 1e3,
        server_us=(after.server - before.server) / calls * 1e6,
        envoy_us=each_us(before.envoy, after.envoy),
        database_us=each_us(before.database, after.database),
        server_busy=(after.server - before.server) / seen.elapsed_s,
        client_busy=seen.client_cpu_s / seen.elapsed_s,
        others_busy=(after.machine - before.machine - known) / seen.elapsed_s,
        memory_mib=memory_mib(subject.pid),
        commits=each(before.commits, after.commits),
        syncs=each(before.syncs, after.syncs),
        first_failure=seen.first_failure,
    )
