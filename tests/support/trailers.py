"""The trailers of a refused call as HTTP/2 carries them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

import grpc

ENTRY_BYTES = 32
"""What HTTP/2 counts for each besides its name and value (RFC 9113, section 6.5.2)."""


def trailer_bytes(
    code: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]
) -> int:
    """Count status, message and trailers, texts escaped and bytes in base64 as gRPC sends them."""
    escaped = re.sub(rb"[^\x20-\x24\x26-\x7e]", b"%XX", message.encode())
    sent = [("grpc-status", str(code.value[0]).encode()), ("grpc-message", escaped)]
    for name, value in trailers:
        binary = isinstance(value, bytes)
        sent.append((name, base64.b64encode(value) if binary else value.encode()))
    return sum(len(name) + len(value) + ENTRY_BYTES for name, value in sent)
