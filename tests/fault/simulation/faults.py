"""What may go wrong in a world, and how likely it is."""

from __future__ import annotations

import random
from collections import Counter

from tests.fault.simulation.servers import DATABASE_FAULTS

FAULTS: dict[str, float] = {
    "call lost": 0.1,
    "answer lost": 0.12,
    "duplicate": 0.12,
    "reordered": 0.3,
    "late by days": 0.06,
    "crash before commit": 0.04,
    "crash after commit": 0.04,
    **dict.fromkeys(DATABASE_FAULTS, 0.04),
    "call fails": 0.06,
    "call refused late": 0.04,
    "clock jump": 0.6,
    "restart": 0.4,
    "slow writer": 0.4,
    "deadline": 0.08,
    "hang-up": 0.08,
}
"""Every kind of fault, and how likely it is at each opportunity when a world has it at all."""


class Faults:
    """Decides what goes wrong; each world has some kinds and not others."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rates = {
            kind: rate * chance.choice((0.5, 1.0, 2.0))
            for kind, rate in FAULTS.items()
            if chance.random() < 0.6
        }
        self.counts: Counter[str] = Counter()

    def strikes(self, kind: str) -> bool:
        """Tell whether a fault happens now."""
        rate = self._rates.get(kind)
        return rate is not None and self._chance.random() < rate

    def has(self, kind: str) -> bool:
        """Tell whether the world has this kind of fault."""
        return kind in self._rates

    def stop(self) -> None:
        """Let nothing more go wrong."""
        self._rates.clear()
