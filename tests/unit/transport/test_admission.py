"""Calls are let in as long as those under way are answered in time."""

from __future__ import annotations

import pytest

from server.domain.errors import ServerBusyError
from server.transport.admission import LIMIT_MAX, LIMIT_MIN, Admission


def _serve(admission: Admission, windows: int, took_s: float, start: float = 0.0) -> None:
    """Let a call a window come and go, each taking so long."""
    for window in range(windows):
        admission.enter()
        admission.leave(start + window, took_s)


def test_slow_calls_let_fewer_in_and_quick_ones_more() -> None:
    """The limit falls while calls take too long, never to none, and rises again afterwards."""
    admission = Admission()
    _serve(admission, 5, 0.01)
    assert admission.limit == LIMIT_MAX
    _serve(admission, 2, 1.0, 10)
    assert LIMIT_MIN < admission.limit < LIMIT_MAX / 2
    _serve(admission, 50, 1.0, 20)
    assert admission.limit == LIMIT_MIN
    _serve(admission, 50, 0.01, 100)
    assert admission.limit == LIMIT_MAX
    assert admission.under_way == 0


def test_call_too_many_is_refused_and_told_to_come_back_later_and_later() -> None:
    """Beyond the limit nobody enters; who left makes room; the delay grows with the excess."""
    admission = Admission()
    admission.limit = 2.0
    waits = []
    admission.enter()
    for window in range(60):
        admission.enter()
        for _ in range(9):
            with pytest.raises(ServerBusyError) as refused:
                admission.enter()
        waits.append(refused.value.retry_after_ms)
        admission.limit = 2.0
        admission.leave(float(window), 0.1)
        admission.limit = 2.0
    assert waits[0] == 1000
    assert waits == sorted(waits)
    assert 9000 <= waits[-1] <= 10_000
