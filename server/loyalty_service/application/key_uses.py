"""Which API keys are used, so that operators find those that nobody needs any more."""

from __future__ import annotations

from collections.abc import Collection

HOUR_MS = 3_600_000
"""What the time of a use is told to: a key in use is written once an hour by each server."""


class KeyUses:
    """The keys that a server has seen used, and those of them that were written already."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._written: set[str] = set()
        self._hour_ms = 0

    def note(self, key_id: str) -> None:
        """Note that a key was used; this costs next to nothing, for it is done in every call."""
        self._used.add(key_id)

    def due(self, now_ms: int) -> tuple[int, Collection[str]]:
        """Give the hour, and the keys used that were not written in it; they are forgotten here."""
        hour_ms = now_ms - now_ms % HOUR_MS
        if hour_ms != self._hour_ms:
            self._hour_ms = hour_ms
            self._written.clear()
        used, self._used = self._used, set()
        return hour_ms, used - self._written

    def written(self, key_ids: Collection[str]) -> None:
        """Take it that keys were written in the hour."""
        self._written.update(key_ids)
