"""What the machine is, and what processes use of it, read from /proc."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from loyalty_service.storage.durability import file_system

SERVER_CORE = 0
CLIENT_CORE = 1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_PARENT, _USER_TICKS, _SYSTEM_TICKS = 1, 11, 12
"""Places in /proc/<pid>/stat, counted after the name in parentheses."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures depend on besides the code."""

    cores: int
    cpu: str
    memory_gib: float
    kernel: str
    python: str
    file_system: str

    def as_json(self) -> dict[str, object]:
        """Give the fields by name."""
        return asdict(self)


def describe(folder: Path) -> Machine:
    """Describe this machine and the file system that holds *folder*."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES / 2**30
    return Machine(
        cores=os.cpu_count() or 1,
        cpu=cpu,
        memory_gib=round(memory, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        file_system=file_system(folder),
    )


def pin(pid: int, cores: Collection[int]) -> None:
    """Keep a process, its threads and its children on *cores*."""
    for member in family(pid):
        for task in _tasks(member):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(task, cores)


def all_cores() -> set[int]:
    """Give every core."""
    return set(range(os.cpu_count() or 1))


def family(pid: int) -> set[int]:
    """Give a process and all of its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[_PARENT]), []).append(
                    int(entry.name)
                )
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        found.add(member)
        waiting += children.get(member, [])
    return found


def cpu_s(members: Collection[int]) -> float:
    """Sum the processor time that processes have used."""
    ticks = 0
    for pid in members:
        with suppress(OSError):
            fields = _stat(pid)
            ticks += int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return ticks / TICKS_PER_S


def thread_us(pid: int) -> float:
    """Tell the processor time of a process by its threads' own clocks: ticks are 10 ms."""
    clocks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(clock.read_text(encoding="ascii").split()[0]) for clock in clocks) / 1_000


def all_cpu_s() -> float:
    """Sum the processor time that everything on the machine has used, other machines included."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    user, nice, system, _idle, _wait, irq, soft_irq, stolen, *_ = map(int, line.split()[1:])
    return (user + nice + system + irq + soft_irq + stolen) / TICKS_PER_S


def memory_mib(pid: int) -> float:
    """Give the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * PAGE_BYTES / 2**20


def resident_mib(pid: int) -> dict[str, float]:
    """Give the resident memory of a process, VmRSS, and the part that is not of files, RssAnon."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    sizes = (line.split() for line in lines if line.startswith(("VmRSS", "RssAnon")))
    return {name.rstrip(":"): round(int(kib) / 1024, 1) for name, kib, _ in sizes}


def count_of(pid: int, what: str) -> int:
    """Count the open files of a process, `fd`, or its threads, `task`."""
    return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())


def _stat(pid: int) -> list[str]:
    # The name may hold anything, blanks and parentheses too.
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def _tasks(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/task").iterdir():
            yield int(entry.name)
