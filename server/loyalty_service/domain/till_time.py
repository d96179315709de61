"""A till's own date and time: when it was there, and how far that is from the server's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
_MS = timedelta(milliseconds=1)

BELIEVED_MS = 36 * HOUR_MS
"""Beyond this from the server's clock, either way, a till's time is not believed."""

BELIEVED_PAID_MS = 72 * HOUR_MS
"""The same of an order that is paid: Friday's may come on Monday."""


_AFTER_TIME = r"(?=(?:[.,][0-9]+)?(?:Z|[+-][0-9:.]+)?$)"
_END_OF_DAY = re.compile(r"(?<=[T ])24(?=(?::?00){0,2}(?:[.,]0+)?(?:Z|[+-][0-9:.]+)?$)")
_LEAP_SECOND = re.compile(r"(?<=[T ])([0-9]{2}(:?)[0-9]{2}\2)60" + _AFTER_TIME)


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


def read_till_time(text: str) -> datetime:
    """
    Read a date and time in ISO 8601, with blanks around it or without.

    24:00 is the next day's 00:00, and second 60, which `datetime` does not have, is 59.

    Raises:
        ValueError: It is not a date and time.
    """
    text = _LEAP_SECOND.sub(r"\g<1>59", text.strip().upper())
    began, ends = _END_OF_DAY.subn("00", text)
    told = datetime.fromisoformat(began)
    try:
        return told + timedelta(days=ends)
    except OverflowError:
        raise ValueError("after the last day of the calendar") from None


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
