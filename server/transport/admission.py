"""How many calls may be under way at once: no more than are answered soon."""

from __future__ import annotations

from server.domain.errors import ServerBusyError

LIMIT_MAX = 1024
LIMIT_MIN = 128
TARGET_S = 0.25
WINDOW_S = 0.1
GROWTH_MAX = 1.2
SHRINKAGE_MAX = 0.5
RETRY_AFTER_S = 1.0
RETRY_AFTER_MAX_S = 10.0


class Admission:
    """
    Lets calls in as long as those under way are answered in time.

    By Little's law what is under way is what is answered in a second, times how long it takes: so
    whenever calls took longer than they should, fewer are let in, and more again when they did
    not. Those turned away are told to come back the later, the more they were.

    Attributes:
        limit: Calls that may be under way.
        under_way: Calls that are.
    """

    def __init__(self) -> None:
        self.limit = float(LIMIT_MAX)
        self.under_way = 0
        self._window_began = 0.0
        self._served = 0
        self._took_s = 0.0
        self._refused = 0
        self._excess = 0.0

    def enter(self) -> None:
        """
        Let a call in, which must leave in the end.

        Raises:
            ServerBusyError: Too many are under way.
        """
        if self.under_way >= self.limit:
            self._refused += 1
            wait_s = min(RETRY_AFTER_S * (1 + self._excess), RETRY_AFTER_MAX_S)
            raise ServerBusyError(round(wait_s) * 1000)
        self.under_way += 1

    def leave(self, now: float, took_s: float) -> None:
        """Take note of a call that is over."""
        self.under_way -= 1
        self._served += 1
        self._took_s += took_s
        if now - self._window_began < WINDOW_S:
            return
        pace = TARGET_S / max(self._took_s / self._served, 1e-6)
        change = min(max(pace, SHRINKAGE_MAX), GROWTH_MAX)
        self.limit = min(max(self.limit * change, LIMIT_MIN), LIMIT_MAX)
        self._excess += (self._refused / self._served - self._excess) / 8
        self._window_began = now
        self._served = self._refused = 0
        self._took_s = 0.0
