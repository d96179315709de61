"""Counts through how many files and folders of the server's source a call goes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

import loyalty_service

ROOT = Path(loyalty_service.__file__).parent

BY_THE_CLOCK = {"storage/hanging.py"}
"""What looks whether a commit takes long: a call meets it only where the machine is slow."""


class Crossing:
    """
    The calls of the server's own functions and their returns, in their order.

    Args:
        thread: Name of the thread to keep to; all when empty.

    Attributes:
        steps: File of each, from the source's root.
    """

    def __init__(self, thread: str = "") -> None:
        self.steps: list[str] = []
        self._thread = thread
        self._met: dict[CodeType, str] = {}

    @property
    def functions(self) -> int:
        """How many functions were called, each counted once."""
        return len(self._met)

    @property
    def files(self) -> list[str]:
        """Files whose functions were called, by name."""
        return sorted(set(self.steps))

    @property
    def moves(self) -> int:
        """How often the next call or return was in another folder than the last one."""
        return _moves(self.steps)

    @property
    def first_moves(self) -> int:
        """How often a function called for the first time is in another folder than the last one."""
        return _moves(self._met.values())

    def note(self, frame: FrameType, event: str) -> None:
        """Take up a call or a return, if it is of the server's own function."""
        if self._thread not in {"", threading.current_thread().name}:
            return
        name = frame.f_code.co_filename
        if event in {"call", "return"} and name.startswith(f"{ROOT}/"):
            file = name.removeprefix(f"{ROOT}/")
            if file in BY_THE_CLOCK:
                return
            self.steps.append(file)
            self._met.setdefault(frame.f_code, file)


def _moves(files: Iterable[str]) -> int:
    folders = [str(Path(file).parent) for file in files]
    return sum(one != other for one, other in pairwise(folders))


class Tracer:
    """Traces this thread and those that begin while it is on, as far as asked to."""

    def __init__(self) -> None:
        self._crossings: tuple[Crossing, ...] = ()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Be told of all calls, also in threads that begin meanwhile."""
        threading.setprofile(self._told)
        sys.setprofile(self._told)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def watching(self, *crossings: Crossing) -> Iterator[None]:
        """Take up what is called in the context."""
        self._crossings = crossings
        try:
            yield
        finally:
            self._crossings = ()

    def _told(self, frame: FrameType, event: str, _argument: object) -> None:
        for crossing in self._crossings:
            crossing.note(frame, event)
