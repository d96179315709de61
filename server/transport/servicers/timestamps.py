"""Instants as Google's own APIs write them."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(instant_ms: int) -> Timestamp:
    """Render an instant for the RPCs of our own; the legacy contracts have text instead."""
    stamp = Timestamp()
    stamp.FromMilliseconds(instant_ms)
    return stamp
