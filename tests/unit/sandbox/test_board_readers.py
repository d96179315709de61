"""Many readers of the board cost the sandbox what one does."""

from __future__ import annotations

import asyncio
from typing import Any

from loyalty_service.sandbox.board.board import Board
from loyalty_service.sandbox.board.exchange import Calls
from loyalty_service.storage.store import Store


async def test_readers_share_a_read_and_later_ones_see_what_is_new() -> None:
    """Who asks while others wait gets what they get; who asks later, what is there then."""
    reads = 0

    def store() -> Store | None:
        nonlocal reads
        reads += 1
        return None

    board = Board(Calls(), store, dict, str, lambda: (1, 2), lambda: False)
    tell = board.routes()["GET", "/board/state"]
    told: list[Any] = await asyncio.gather(*(tell({}) for _ in range(50)))
    assert reads == 1
    assert [one["serving"] for one in told] == [False] * 50
    await tell({})
    assert reads == 2
