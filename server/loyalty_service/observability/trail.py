"""What a call leaves in logs and traces: its names, when its work was done, and its span."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from loyalty_service.domain.identifiers import random_id

REQUEST_ID_MAX = 128
_REQUEST_ID = re.compile(rf"[A-Za-z0-9._:/+=@-]{{1,{REQUEST_ID_MAX}}}")
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Parent:
    """The caller's span, of the W3C header `traceparent`."""

    trace_id: int
    span_id: int
    sampled: bool


@dataclass(frozen=True, slots=True)
class Stages:
    """
    When the transaction that served a call did what, in nanoseconds of the monotonic clock.

    Attributes:
        begun_ns: It was opened.
        committing_ns: All its calls had run.
        committed_ns: It was durable.
        calls: How many shared it.
        traced: Those of them that are traced.
    """

    begun_ns: int
    committing_ns: int
    committed_ns: int
    calls: int
    traced: tuple[Trail, ...]


class Trail:
    """
    The names of one call, made when they are first needed.

    Attributes:
        span: The call's span while it is traced.
        queued_ns: When its work joined the queue, if it is traced.
        stages: What became of that work.
    """

    __slots__ = ("_metadata", "_request_id", "_trace_id", "queued_ns", "span", "stages")

    def __init__(self, metadata: Mapping[str, str]) -> None:
        self._metadata = metadata
        self._request_id = ""
        self._trace_id = ""
        self.span: Any = None
        self.queued_ns = 0
        self.stages: Stages | None = None

    @property
    def request_id(self) -> str:
        """The caller's or Envoy's `x-request-id`, or a new one where that is unfit for a log."""
        if not self._request_id:
            sent = self._metadata.get("x-request-id", "")
            self._request_id = sent if _REQUEST_ID.fullmatch(sent) else random_id()
        return self._request_id

    @property
    def trace_id(self) -> str:
        """The trace's ID in 32 hexadecimal digits: the caller's, or a new one."""
        if not self._trace_id:
            parent = read_parent(self._metadata)
            self._trace_id = f"{parent.trace_id:032x}" if parent else secrets.token_hex(16)
        return self._trace_id

    @trace_id.setter
    def trace_id(self, value: str) -> None:
        self._trace_id = value


TRAIL: ContextVar[Trail | None] = ContextVar("loyalty_trail", default=None)
"""The trail of the call that runs."""

CHARGE: ContextVar[Callable[[float], None] | None] = ContextVar("loyalty_charge", default=None)
"""Takes the seconds of processor time that a writer spent on the call that runs."""


def read_parent(metadata: Mapping[str, str]) -> Parent | None:
    """Read the caller's `traceparent`; absent when not sent or not one."""
    found = _PARENT.fullmatch(metadata.get("traceparent", ""))
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return None
    return Parent(trace_id, span_id, sampled=bool(int(found[3], 16) & _SAMPLED))


class Tracing:
    """Traces no call, and names all of them."""

    def begin(self, _method: str, metadata: Mapping[str, str]) -> Trail:
        """Name a call, for all that is written while it runs."""
        trail = Trail(metadata)
        TRAIL.set(trail)
        return trail

    def end(self, trail: Trail, outcome: str, code: Any) -> None:
        """Close the span of a call that is traced, with gRPC's status code."""
