"""A wall clock that a trial sets for one process, by a library that is loaded before it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

_AHEAD_S = struct.Struct("=q")


@dataclass(frozen=True, slots=True)
class WallClock:
    """
    A process's wall clock; its steady clocks are left alone.

    Attributes:
        library: What is loaded before the process.
        path: The file that says how far it is ahead.
    """

    library: Path
    path: Path

    @classmethod
    def new(cls, folder: Path, name: str, ahead_s: int = 0) -> WallClock:
        """
        Make one that is so far ahead.

        Raises:
            LookupError: There is no C compiler.
        """
        library = folder / "wall_clock.so"
        if not library.exists():
            compiler = shutil.which("cc")
            if compiler is None:
                raise LookupError("there is no C compiler")
            source = Path(__file__).with_name("wall_clock.c")
            subprocess.run(
                [compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True
            )
        clock = cls(library, folder / name)
        clock.path.write_bytes(_AHEAD_S.pack(ahead_s))
        return clock

    def set(self, ahead_s: int) -> None:
        """Set it while its process runs."""
        with self.path.open("r+b") as file:
            file.write(_AHEAD_S.pack(ahead_s))

    def environment(self) -> dict[str, str]:
        """Give the variables of a process that goes by it."""
        return {"LD_PRELOAD": str(self.library), "WALL_CLOCK_AHEAD": str(self.path)}
