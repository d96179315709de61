"""Names that follow from numbers; nothing of the service is loaded for them."""

from __future__ import annotations

import hashlib
import uuid

NAME = "Benchmark guest"


def loyalty_id(member: int) -> str:
    """Name a member."""
    return str(uuid.UUID(bytes=hashlib.md5(b"member %d" % member).digest()))  # noqa: S324 - a name.


def order_id(number: int) -> str:
    """Name an open order; the names sort by number as the server's sort by time."""
    return f"01900000-0000-7000-8000-{number:012x}"
