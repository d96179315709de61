"""A call's time on its way through the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from loyalty_service.application.reads import NOTHING
from loyalty_service.domain.clock import ClockCheck
from loyalty_service.domain.errors import DeadlinePassedError
from loyalty_service.transport.call import Call


class FakeStorage:
    """Storage that notes how long each part of a call may take, and does nothing."""

    def __init__(self) -> None:
        self.clock = ClockCheck()
        self.timeouts_s: list[float] = []
        self.callers: list[str] = []

    async def write(self, _work: Any, timeout_s: float, _reads: Any, _caller: str) -> Any:
        """Note the time, and refuse as an answer that came too late is refused."""
        self.timeouts_s.append(timeout_s)
        raise DeadlinePassedError

    @asynccontextmanager
    async def read(self, caller: str) -> AsyncIterator[None]:
        """Note who reads."""
        self.callers.append(caller)
        yield

    async def confirm(self, _timeout_s: float, caller: str) -> None:
        """Note whose turn it waits for."""
        self.callers.append(caller)


async def test_parts_of_a_call_share_its_time() -> None:
    """What one part of a call took is not there for the next, and nothing is left in the end."""
    storage: Any = FakeStorage()
    nobody: Any = None
    key: Any = SimpleNamespace(key_id="key")
    command: Any = SimpleNamespace(reads=lambda: NOTHING)
    loop = asyncio.get_running_loop()
    call = Call(key, "", None, {}, loop.time() + 10, storage)
    for _ in range(2):
        with pytest.raises(DeadlinePassedError):
            await call.look_up(nobody, command, nobody)
    call.until_s = loop.time()
    with pytest.raises(DeadlinePassedError):
        await call.look_up(nobody, command, nobody)

    first, second, last = storage.timeouts_s
    assert 10 > first > second > last == 0


async def test_all_of_a_read_waits_in_the_turn_of_its_key() -> None:
    """What one key reads never waits behind what another one reads, nor does its confirmation."""
    storage: Any = FakeStorage()
    key: Any = SimpleNamespace(key_id="key")
    until_s = asyncio.get_running_loop().time() + 10
    async with Call(key, "", None, {}, until_s, storage).read():
        pass

    assert storage.callers == ["key", "key"]
