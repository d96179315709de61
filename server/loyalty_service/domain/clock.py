"""Instants: milliseconds since 1970 in UTC, as integers."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from functools import lru_cache

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)


def now_ms() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1_000_000


def rfc3339(instant_ms: int) -> str:
    """Render an instant as RFC 3339 in UTC with milliseconds."""
    days, within_ms = divmod(instant_ms, DAY_MS)
    minutes, milliseconds = divmod(within_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{_day(days)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    """Render a day; there are few of them and every answer names one."""
    return (_EPOCH + timedelta(days)).isoformat()


def parse_rfc3339(text: str) -> int:
    """
    Read an RFC 3339 instant with an offset.

    Raises:
        ValueError: The text is no instant, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    return round(moment.timestamp() * 1000)
