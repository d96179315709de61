"""What a till's own date and time are worth: when it was, and how far off the server's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
_MS = timedelta(milliseconds=1)

BELIEVED_MS = 36 * HOUR_MS
"""Beyond this from the server's clock, either way, a till's time is not believed."""

BELIEVED_PAID_MS = 72 * HOUR_MS
"""The same of an order that is paid: Friday's may come on Monday."""


@dataclass(frozen=True, slots=True)
class TillTime:
    """
    A date and time that a till told.

    Attributes:
        wall: The same moment in the store's place, without a zone.
        off_ms: How far it is ahead of the server's clock; negative when it is behind.
    """

    wall: datetime
    off_ms: int


def till_time(told: datetime, zone: ZoneInfo, now_ms: int) -> TillTime | None:
    """
    Take a till's date and time to its store's place; one without a zone is of there already.

    Absent for years that no clock shows.
    """
    try:
        there = told.replace(tzinfo=zone) if told.tzinfo is None else told.astimezone(zone)
        off_ms = round((there.astimezone(UTC) - datetime.fromtimestamp(now_ms / 1000, UTC)) / _MS)
    except (OverflowError, ValueError):
        return None
    return TillTime(there.replace(tzinfo=None), off_ms)
