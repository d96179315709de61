"""Instants as Google's own APIs write them."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(instant_ms: int) -> Timestamp:
    """Render an instant for the RPCs of our own; the legacy contracts have text instead."""
    seconds, ms = divmod(instant_ms, 1000)
    return Timestamp(seconds=seconds, nanos=ms * 1_000_000)
