"""Instants: milliseconds since 1970 in UTC, as integers."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Read the wall clock."""
    return time.time_ns() // 1_000_000


def rfc3339(instant_ms: int) -> str:
    """Render an instant as RFC 3339 in UTC with milliseconds."""
    seconds, milliseconds = divmod(instant_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


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
