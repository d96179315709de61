"""How long a writer waits for rows, once it has waited for some in vain."""

from __future__ import annotations

import psycopg
import pytest

from loyalty_service.storage import patience
from loyalty_service.storage.databases import LOCK_TIMEOUT_S, TRANSACTION_MAX_S
from loyalty_service.storage.patience import LOCK_WAIT_MIN_S, Patience


class Steady:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    """A clock in place of the machine's."""
    clock = Steady()
    monkeypatch.setattr(patience, "time", clock)
    return clock


def test_writer_that_waited_in_vain_waits_briefly_for_as_long_as_rows_may_be_held(
    steady: Steady,
) -> None:
    """Calls about other rows do not wait a second for each call about a row of a stuck server."""
    one = Patience()
    assert one.lock_timeout_s() is None
    one.take_note(psycopg.errors.LockNotAvailable())
    assert one.lock_timeout_s() == LOCK_WAIT_MIN_S < LOCK_TIMEOUT_S
    steady.now_s += TRANSACTION_MAX_S - 0.1
    assert one.lock_timeout_s() == LOCK_WAIT_MIN_S


def test_writer_is_patient_again_though_brief_waits_were_in_vain(steady: Steady) -> None:
    """A brief wait proves nothing: rows that servers only share would never be waited for again."""
    one = Patience()
    one.take_note(psycopg.errors.LockNotAvailable())
    steady.now_s += TRANSACTION_MAX_S - 0.1
    one.take_note(psycopg.errors.LockNotAvailable())
    steady.now_s += 0.1
    assert one.lock_timeout_s() is None


def test_other_failures_cost_no_patience(steady: Steady) -> None:
    """A connection that is lost says nothing about rows."""
    one = Patience()
    one.take_note(psycopg.OperationalError())
    assert steady.now_s
    assert one.lock_timeout_s() is None
