"""Identifiers that sort by the time they were made, so that indexes stay compact."""

from __future__ import annotations

import os

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id(now_ms: int) -> str:
    """Make a UUID of version 7 (RFC 9562): 48 bits of time, 74 random bits."""
    time = f"{now_ms:012x}"
    random = os.urandom(10).hex()
    return f"{time[:8]}-{time[8:]}-7{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[7:19]}"
