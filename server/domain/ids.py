"""Identifiers that sort by the time they were made, so that indexes stay compact."""

from __future__ import annotations

import secrets

_RANDOM_BITS = 74
_TAIL_BITS = 62


def new_id(now_ms: int) -> str:
    """Make a UUID of version 7 (RFC 9562): 48 bits of time, 74 random bits."""
    random = secrets.randbits(_RANDOM_BITS)
    value = (now_ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (random >> _TAIL_BITS) << 64
    value |= 0b10 << _TAIL_BITS | (random & ((1 << _TAIL_BITS) - 1))
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
