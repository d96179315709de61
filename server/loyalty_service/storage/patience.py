"""How long a writer waits for rows that others have locked."""

from __future__ import annotations

import math
import time

import psycopg

from loyalty_service.storage.databases import TRANSACTION_MAX_S

LOCK_WAIT_MIN_S = 0.1
"""Longer than a server that works holds a row, as a rule."""


class Patience:
    """
    The patience of one writer.

    Who holds a row longer than anybody waits for it is stuck, for instance a server whose network
    is silent, and PostgreSQL ends its transaction some seconds later. Until then every batch may
    have a call about such a row. If each waited in full, the calls about other rows, which share
    their batch or stand behind it, would wait as well.
    """

    def __init__(self) -> None:
        self._lost_s = -math.inf

    def lock_timeout_s(self) -> float | None:
        """Tell how long the next transaction waits for a lock; nothing as long as usual."""
        if time.monotonic() - self._lost_s >= TRANSACTION_MAX_S:
            return None
        return LOCK_WAIT_MIN_S

    def take_note(self, problem: psycopg.Error) -> None:
        """Take note of why a transaction failed: perhaps a wait was in vain."""
        now_s = time.monotonic()
        vain = isinstance(problem, psycopg.errors.LockNotAvailable)
        if vain and now_s - self._lost_s >= TRANSACTION_MAX_S:
            self._lost_s = now_s
