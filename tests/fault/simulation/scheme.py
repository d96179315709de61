"""The program's figures, as the model of a simulated world knows them."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from tests.fault.simulation.market import Market

POINTS_MAX = 2_147_483_647
COOKIES_PER_ORDER = 2
COOKIES_PER_MEMBER = 3
COOKIES_IN_ALL = 8
SOUPS_PER_MEMBER = 2
SOUPS_IN_ALL = 4
DAY_MS = 86_400_000
PLACE = ZoneInfo("America/Toronto")
WRONG_CODES_FREE = 7


@dataclass(frozen=True)
class Scheme:
    """
    The program's figures that operators change.

    Attributes:
        costs: Points that each reward costs.
        cookie: The reward that is limited for an order, a member and all members.
        soup: The offer that is limited for a member and all members.
        good_days: Days that points are good for; 0 where they never go.
        market: What it gives besides its rate; absent where it gives nothing else.
    """

    costs: dict[str, int]
    cookie: str
    soup: str
    points_per_unit: int = 10
    pending_lifetime_s: int = 86_400
    code_lifetime_s: int = 300
    void_spent: str = "refuse"
    retired: frozenset[str] = frozenset()
    unclaimed_offers: str = "flag"
    pending_days: int = 30
    receipt_days: int = 30
    void_days: int = 90
    return_days: int = 90
    late_void: str = "flag"
    repeated_orders: str = "flag"
    good_days: int = 0
    market: Market | None = None

    def open_until_ms(self, opened_ms: int, now_ms: int) -> int:
        """Tell until when an order is open that is reported now."""
        return min(now_ms + self.pending_lifetime_s * 1000, opened_ms + self.pending_days * DAY_MS)
