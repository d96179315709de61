"""Which calls get a line in the log, and what is on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog

from loyalty_service.observability import access_log
from loyalty_service.observability.access_log import LINES_MAX, AccessLog, name_call
from loyalty_service.observability.trail import TRAIL, Trail

METHOD = "IdentifyService/IdentifyMember"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is logged from level info on; the clock stands still."""
    kept: list[dict[str, Any]] = []

    def keep(_logger: Any, level: str, event: Any) -> Any:
        kept.append({"level": level, **event})
        raise structlog.DropEvent

    def get_logger() -> Any:
        filtering = structlog.make_filtering_bound_logger(logging.INFO)
        return structlog.wrap_logger(None, processors=[name_call, keep], wrapper_class=filtering)

    monkeypatch.setattr(structlog, "get_logger", get_logger)
    monkeypatch.setattr(access_log, "monotonic", lambda: 5.0)
    return kept


@pytest.fixture(autouse=True)
def _trail() -> Iterator[None]:
    token = TRAIL.set(
        Trail({"x-request-id": "kiosk-7", "traceparent": f"00-{TRACE}-{TRACE[:16]}-00"})
    )
    yield
    TRAIL.reset(token)


@pytest.mark.parametrize(
    ("outcome", "code", "seconds", "level"),
    [
        ("OK", grpc.StatusCode.OK, 0.01, None),
        ("OK", grpc.StatusCode.OK, 1.5, "warning"),
        ("CODE_NOT_FOUND", grpc.StatusCode.NOT_FOUND, 0.01, "info"),
        ("TOO_MANY_WRONG_CODES", grpc.StatusCode.RESOURCE_EXHAUSTED, 0.01, "info"),
        ("CANCELLED", grpc.StatusCode.CANCELLED, 0.01, "info"),
        ("STORAGE_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE, 0.01, "warning"),
        ("SERVER_BUSY", grpc.StatusCode.RESOURCE_EXHAUSTED, 0.01, "warning"),
        ("SERVER_FAILED", grpc.StatusCode.INTERNAL, 0.01, "warning"),
    ],
)
def test_calls_that_matter_get_a_line(
    lines: list[dict[str, Any]],
    outcome: str,
    code: grpc.StatusCode,
    seconds: float,
    level: str | None,
) -> None:
    """Failures and slow calls are warnings, refusals are information, the rest is for debugging."""
    AccessLog().write(METHOD, outcome, code, seconds, None)

    assert [line["level"] for line in lines] == ([] if level is None else [level])
    for line in lines:
        assert (line["request_id"], line["trace_id"]) == ("kiosk-7", TRACE)
        assert (line["method"], line["outcome"], line["ms"]) == (METHOD, outcome, seconds * 1000)


def test_flood_of_failures_is_told_by_number(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one second so many lines about one outcome; the next line says how many were left out."""
    log = AccessLog()

    def fail(outcome: str) -> None:
        log.write(METHOD, outcome, grpc.StatusCode.RESOURCE_EXHAUSTED, 0.01, None)

    for _ in range(LINES_MAX + 7):
        fail("SERVER_BUSY")
    fail("SERVER_FAILED")
    assert len(lines) == LINES_MAX + 1
    monkeypatch.setattr(access_log, "monotonic", lambda: 6.0)
    fail("SERVER_BUSY")
    fail("SERVER_BUSY")

    assert [line.get("left_out") for line in lines[-2:]] == [7, None]
