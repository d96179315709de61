"""One line a call for whoever reads the log, and the call's names on every other line."""

from __future__ import annotations

import logging
from collections.abc import Hashable, MutableMapping
from time import monotonic
from typing import Any

import grpc
import structlog

from loyalty_service.domain.flags import NEVER_LEFT_OUT
from loyalty_service.domain.keys import ApiKey
from loyalty_service.observability.trail import TRAIL

SLOW_S = 1.0
LINES_MAX = 10
"""Lines about one thing in a second: under an overload the log must not be the load."""

HUNG_UP = "ExecuteBatchError raised in core by servicer method"
"""Beginning of gRPC's line that a caller took no answer, which is not a fault of the server."""

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


class Few:
    """How many lines about one thing a second may have; all of them at level debug."""

    def __init__(self, *, every: bool = False) -> None:
        self._every = every
        self._second = 0
        self._written: dict[Hashable, int] = {}
        self._left_out: dict[Hashable, int] = {}

    def left_out(self, about: Hashable) -> int | None:
        """
        Take a line's place in this second; absent when there is none.

        Returns how many lines about the same were left out since the last one was written.
        """
        if self._every:
            return 0
        second = int(monotonic())
        if second != self._second:
            self._second = second
            self._written.clear()
        count = self._written.get(about, 0)
        if count >= LINES_MAX:
            self._left_out[about] = self._left_out.get(about, 0) + 1
            return None
        self._written[about] = count + 1
        return self._left_out.pop(about, 0)

    def process(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """
        Let a line of the server's own through: its text is one of few.

        Calls differ by outcome, flags by kind and reason, so that cheap ones can't hide dear ones.

        Raises:
            DropEvent: It is one too many.
        """
        flag = (event["flag"], event["reason"]) if "flag" in event else None
        if flag in NEVER_LEFT_OUT:
            return event
        left_out = self.left_out((event["event"], event.get("outcome"), flag))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """
        Let a line of a library through, by who writes it: its text may hold what a caller chose.

        Not what gRPC says, with a traceback, of a caller that hung up while it was answered.
        """
        text = str(record.msg)
        if text.startswith(HUNG_UP):
            return False
        left_out = self.left_out((record.name, record.levelno))
        if left_out:
            record.msg, record.args = f"{record.getMessage()} left_out={left_out}", None
        return left_out is not None


class AccessLog:
    """Writes how calls ended: failed and slow ones at warning, refused at info, all at debug."""

    def __init__(self) -> None:
        self._log = structlog.get_logger().bind()
        self._every = bool(self._log.is_enabled_for(logging.DEBUG))
        self._few = Few(every=self._every)

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
        # Here as well as for every line: what is left out must cost next to nothing.
        left_out = self._few.left_out(outcome)
        if left_out is None:
            return
        self._log.log(
            level,
            "call ended",
            method=method,
            outcome=outcome,
            ms=round(seconds * 1000, 3),
            **({} if key is None else {"key_id": key.key_id, "partner": key.partner}),
            **({"left_out": left_out} if left_out else {}),
        )
