"""What is seen by who looks at a store from time to time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loyalty_service.domain.guessing import ScopeKind
from loyalty_service.domain.ledger import AccountKind


class Watch:
    """Keeps what it is shown, and tells when it has both."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.waits: Mapping[ScopeKind, int] | None = None
        self.attacked: int | None = None
        self.imbalance: int | None = None
        self.sums: dict[tuple[str, AccountKind], int] = {}
        self.standing: dict[str, float | None] = {}
        self.swept: list[tuple[int, int, int]] = []
        self.failures = 0
        self.pruned_ms: int | None = None

    def show_open(self, **seen: int) -> None:
        """Keep what is open."""
        self.open = seen

    def show_guessing(self, waits: Mapping[ScopeKind, int], attacked: int) -> None:
        """Keep who must wait, and how many programs are under attack."""
        self.waits, self.attacked = waits, attacked

    def show_points(self, sums: Sequence[tuple[str, AccountKind, int]]) -> None:
        """Keep what the accounts of each program and kind sum to."""
        self.sums = {(program_id, kind): points for program_id, kind, points in sums}

    def show_imbalance(self, points: int) -> None:
        """Keep by how much the ledger is out of balance."""
        self.imbalance = points

    def show_standing(self, **seen: float | None) -> None:
        """Keep how the PostgreSQL stands."""
        self.standing = seen

    def show_pruned(self, pruned_ms: int) -> None:
        """Keep when the store was last pruned."""
        self.pruned_ms = pruned_ms

    def succeeded(self, transactions: int, codes: int, left: int) -> None:
        """Keep what a sweep did."""
        self.swept.append((transactions, codes, left))

    def failed(self) -> None:
        """Count a sweep that failed."""
        self.failures += 1


async def until(holds: Callable[[], Any], running: Any) -> None:
    """Run something that never ends until something holds."""
    task = asyncio.ensure_future(running)
    try:
        async with asyncio.timeout(10):
            while not holds():
                assert not task.done(), task
                await asyncio.sleep(0.005)
    finally:
        task.cancel()
