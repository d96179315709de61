"""
The one order in which units of work lock and write rows, as data.

Units of several servers wait for one another, but never in a circle, because each goes up these
ranks and, within one, by key.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import ClassVar


class Rank(IntEnum):
    """Places in the order; what is only read comes after the locks that make it certain."""

    CATALOGUE = auto()
    MEMBERS = auto()
    RARE_ACCOUNTS = auto()
    TRANSACTIONS = auto()
    HOLDS = auto()
    RESERVATIONS = auto()
    CODES = auto()
    KNOWN_ORDERS = auto()
    SESSIONS = auto()
    ANSWERS = auto()
    KEYS = auto()
    REDEMPTIONS = auto()
    USAGES = auto()
    EMAILS = auto()
    CODE_COUNTS = auto()
    LIMIT_COUNTS = auto()
    LEDGER = auto()


COVERED = {
    Rank.RARE_ACCOUNTS: Rank.MEMBERS,
    Rank.HOLDS: Rank.TRANSACTIONS,
    Rank.RESERVATIONS: Rank.TRANSACTIONS,
    Rank.REDEMPTIONS: Rank.TRANSACTIONS,
}
"""
Ranks whose rows belong to a row of another one, which whoever locks them has locked.

Nobody else can hold them, so a unit may lock them at any time.
"""

DRAWN = frozenset({Rank.CODES})
"""
Ranks of which a unit may lock a row late.

The digits of a new code are drawn while the unit runs, so nobody can lock their row ahead. Should
two units wait for each other there, PostgreSQL ends one of them, and it runs again.
"""


class LockOrderError(Exception):
    """Raised when a unit of work locks rows against the order."""


class LockOrder:
    """
    How far up the ranks a unit of work has locked rows.

    Attributes:
        enforced: Whether a lock against the order raises. Only tests have it so: in production a
            circle of waits, which PostgreSQL ends, costs less than a call that fails.
    """

    enforced: ClassVar[bool] = False

    def __init__(self) -> None:
        self._highest = Rank.CATALOGUE

    def take(self, rank: Rank) -> None:
        """
        Note that rows of a rank are to be locked.

        Raises:
            LockOrderError: It is against the order, where that is enforced.
        """
        if rank >= self._highest:
            if rank not in COVERED:
                self._highest = rank
        elif self.enforced and rank not in COVERED and rank not in DRAWN:
            raise LockOrderError(f"{rank.name} are locked after {self._highest.name}")
