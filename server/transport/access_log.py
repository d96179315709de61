"""One line a call for whoever reads the log, and the call's names on every other line."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from time import monotonic
from typing import Any

import grpc
import structlog

from server.application.trail import TRAIL
from server.domain.keys import ApiKey

SLOW_S = 1.0
LINES_MAX = 10
"""Lines about one outcome in a second: under an overload the log must not be the load."""

FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Statuses that are the server's fault, or its limits."""

CALLERS_OWN = frozenset({"LIMIT_EXCEEDED", "REQUEST_NOT_RECEIVED", "TOO_MANY_WRONG_CODES"})
"""Outcomes with such a status that the caller brought about: refusals like any other."""


def is_fault(outcome: str, code: grpc.StatusCode) -> bool:
    """Tell whether a call ended as it did because of the server."""
    return code in FAULTS and outcome not in CALLERS_OWN


def name_call(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put the request ID and the trace ID of the call that runs on a line of the log."""
    trail = TRAIL.get()
    if trail is not None:
        event.setdefault("request_id", trail.request_id)
        event.setdefault("trace_id", trail.trace_id)
    return event


class AccessLog:
    """Writes how calls ended: failed and slow ones at warning, refused at info, all at debug."""

    def __init__(self) -> None:
        self._log = structlog.get_logger().bind()
        self._every = bool(self._log.is_enabled_for(logging.DEBUG))
        self._second = 0
        self._written: dict[str, int] = {}
        self._left_out: dict[str, int] = {}

    def write(
        self,
        method: str,
        outcome: str,
        code: grpc.StatusCode,
        seconds: float,
        key: ApiKey | None,
    ) -> None:
        """Write the line of a call that ended, if it deserves one; *key* is who called."""
        if code is grpc.StatusCode.OK and seconds < SLOW_S and not self._every:
            return
        level = logging.DEBUG
        if is_fault(outcome, code) or seconds >= SLOW_S:
            level = logging.WARNING
        elif code is not grpc.StatusCode.OK:
            level = logging.INFO
        if not self._has_room(outcome):
            self._left_out[outcome] = self._left_out.get(outcome, 0) + 1
            return
        left_out = self._left_out.pop(outcome, 0)
        self._log.log(
            level,
            "call ended",
            method=method,
            outcome=outcome,
            ms=round(seconds * 1000, 3),
            **({} if key is None else {"key_id": key.key_id, "partner": key.partner}),
            **({"left_out": left_out} if left_out else {}),
        )

    def _has_room(self, outcome: str) -> bool:
        """Tell whether one more line about an outcome may be written in this second."""
        if self._every:
            return True
        second = int(monotonic())
        if second != self._second:
            self._second = second
            self._written.clear()
        count = self._written.get(outcome, 0)
        self._written[outcome] = count + 1
        return count < LINES_MAX
