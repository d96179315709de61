"""
Sums that a writer has read of late, for the limits of keys and programs.

A sum that was read is believed for a moment: what other writers added since is missing from it.
"""

from __future__ import annotations

from time import monotonic

BELIEVED_S = 1.0
"""Time for which a sum is taken to lack nothing but what this writer added itself."""

REMEMBERED_MAX = 10_000
"""Sums that are remembered; a busy server has a few hundred keys."""

Place = tuple[str, int]
"""A scope, and the moment in which a period began."""

Sums = dict[str, int]
"""What is counted, by the name of the limit."""


class KnownSums:
    """Sums that a writer has read of late, with what it has added since."""

    def __init__(self) -> None:
        self._sums: dict[Place, tuple[float, Sums]] = {}

    def get(self, place: Place) -> Sums | None:
        """Give the sums of a place, unless they are too old."""
        read_s, sums = self._sums.get(place, (0.0, None))
        return None if monotonic() - read_s > BELIEVED_S else sums

    def keep(self, place: Place, sums: Sums, *, fresh: bool) -> None:
        """Remember the sums of a place as of now; *fresh* ones were just read."""
        if len(self._sums) >= REMEMBERED_MAX:
            self._sums.clear()
        read_s = monotonic() if fresh else self._sums.get(place, (0.0, None))[0]
        self._sums[place] = read_s, sums
