"""Chance and time that a trial decides: the same seed makes the same identifiers and codes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from loyalty_service.domain import clock


class Chance:
    """The operating system's random bytes, as a seed decides them."""

    def __init__(self, seed: object) -> None:
        self.reset(seed)

    def reset(self, seed: object) -> None:
        """Begin again."""
        self._source = random.Random(str(seed))  # noqa: S311

    def bytes(self, count: int) -> bytes:
        """Give as many bytes as `os.urandom` would."""
        return self._source.randbytes(count)


@contextmanager
def determined(chance: Chance, now_ms: Callable[[], int]) -> Iterator[None]:
    """Let everything random come from *chance* and the server's wall clock from *now_ms*."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", chance.bytes)
        # What `secrets` draws from.
        patch.setattr(random, "_urandom", chance.bytes)
        watch: Any = SimpleNamespace(**vars(time))
        watch.time_ns = lambda: now_ms() * 1_000_000
        patch.setattr(clock, "time", watch)
        yield
