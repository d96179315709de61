"""The syncs that a process asks the kernel for, noted by a library that is loaded before it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

_COUNT = struct.Struct("=Q")
_INTERVAL = struct.Struct("=qq")

Interval = tuple[int, int]
"""When something began and ended, in nanoseconds of the monotonic clock."""


def build_sync_counter(folder: Path) -> Path | None:
    """Compile the library that notes syncs; absent where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "syncs.so"
    source = Path(__file__).with_name("syncs.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class SyncLog:
    """
    A file in which preloaded processes note their syncs.

    Attributes:
        library: What is loaded before the process.
        path: The file; it has room for a number of syncs and counts those beyond.
    """

    library: Path
    path: Path

    @classmethod
    def new(cls, library: Path, path: Path, room: int = 0) -> SyncLog:
        """Make an empty one."""
        path.write_bytes(bytes(_COUNT.size + room * _INTERVAL.size))
        # PostgreSQL may run as another user, who must get at both files.
        path.chmod(0o666)
        library.chmod(0o755)
        return cls(library, path)

    def environment(self, sync_s: float = 0.0) -> dict[str, str]:
        """Give the variables of a process that is to be noted, its syncs so much slower."""
        return {
            "LD_PRELOAD": str(self.library),
            "SYNC_COUNT": str(self.path),
            "SYNC_DELAY_US": str(round(sync_s * 1e6)),
        }

    def count(self) -> int:
        """Count the syncs so far."""
        with self.path.open("rb") as file:
            (number,) = _COUNT.unpack(file.read(_COUNT.size))
        return int(number)

    def syncs(self) -> list[Interval]:
        """Give the syncs that came back, for as many as there was room."""
        content = self.path.read_bytes()[_COUNT.size :]
        return [(begun, ended) for begun, ended in _INTERVAL.iter_unpack(content) if ended]


def answered_early(answers: Iterable[Interval], syncs: Sequence[Interval]) -> int:
    """
    Count the answers that came before their sync.

    What a call wrote can only have been written after it was sent, so a sync that covers it began
    later than that, and came back before the answer.
    """
    ordered = sorted(syncs)
    begun = [begin for begin, _ in ordered]
    # The earliest end among this sync and all that began later.
    ends = list(accumulate((end for _, end in reversed(ordered)), min))[::-1]
    early = 0
    for sent, answered in answers:
        first = bisect_left(begun, sent)
        early += first == len(ends) or ends[first] > answered
    return early
