"""What a member may not do: earn, redeem, or both."""

from __future__ import annotations

from enum import IntFlag


class Blocked(IntFlag):
    """What a member is kept from; the numbers are stored."""

    NOTHING = 0
    EARN = 1
    REDEEM = 2
    BOTH = 3

    @property
    def word(self) -> str:
        """Say it as callers and operators read it."""
        return (self.name or "").lower()
