"""Counts through how many files and folders of the server's source a call goes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType

import loyalty_service

ROOT = Path(loyalty_service.__file__).parent


class Crossing:
    """
    The calls of the server's own functions and their returns, of all threads, in their order.

    Attributes:
        steps: File of each, from the source's root.
        functions: How many were calls.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.functions = 0

    @property
    def files(self) -> list[str]:
        """Files whose functions were called, by name."""
        return sorted(set(self.steps))

    @property
    def moves(self) -> int:
        """How often the next call or return was in another folder than the last one."""
        folders = [str(Path(step).parent) for step in self.steps]
        return sum(one != other for one, other in pairwise(folders))

    def note(self, frame: FrameType, event: str) -> None:
        """Take up a call or a return, if it is of the server's own function."""
        name = frame.f_code.co_filename
        if event in {"call", "return"} and name.startswith(f"{ROOT}/"):
            self.functions += event == "call"
            self.steps.append(name.removeprefix(f"{ROOT}/"))


class Tracer:
    """Traces this thread and those that begin while it is on, as far as asked to."""

    def __init__(self) -> None:
        self._crossing: Crossing | None = None

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
    def watching(self) -> Iterator[Crossing]:
        """Count what is called in the context."""
        self._crossing = crossing = Crossing()
        try:
            yield crossing
        finally:
            self._crossing = None

    def _told(self, frame: FrameType, event: str, _argument: object) -> None:
        if self._crossing is not None:
            self._crossing.note(frame, event)
