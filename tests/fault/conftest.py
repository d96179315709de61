"""Fixtures of the fault tests: what faults are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.support.banks import Bank, open_bank_on
from tests.support.databases import Backend, fresh_database

OpenBank = Callable[[Sequence[int], int], AbstractAsyncContextManager[Bank]]


@pytest.fixture
def open_bank(backend: Backend, tmp_path: Path) -> Iterator[OpenBank]:
    """A way to run a server on a fresh database of each kind, for members with these points."""
    with fresh_database(backend) as url:
        yield partial(open_bank_on, url, tmp_path)
