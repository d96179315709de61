"""What a till's own date and time are worth to a call."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from loyalty_service.domain.clock import ClockCheck
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.domain.till_time import HOUR_MS, till_time
from loyalty_service.observability.till_clocks import NAMED_MAX, TillClocks
from loyalty_service.transport import call as call_module
from loyalty_service.transport.call import Call

TORONTO = ZoneInfo("America/Toronto")
NOW = datetime(2026, 5, 16, 1, 30, tzinfo=UTC)  # Friday, half past nine in the evening in Toronto.
NOW_MS = round(NOW.timestamp() * 1000)
STORE = 9999


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the server's clock."""
    monkeypatch.setattr(call_module, "now_ms", lambda: NOW_MS)


def call_with(told: str | None, tills: TillClocks | None = None) -> Call:
    """Make a call that tells this time."""
    key: Any = SimpleNamespace(
        key_id="key", partner="partner", program_id="program", region="CA", store_ids=()
    )
    program = SimpleNamespace(past_store={STORE: SimpleNamespace(time_zone="America/Toronto")}.get)
    storage: Any = SimpleNamespace(
        catalog=SimpleNamespace(programs={"program": program}), clock=ClockCheck()
    )
    metadata = {} if told is None else {"x-user-datetime": told}
    return Call(key, "", None, metadata, 0.0, storage, tills or TillClocks())


def told_hours_ago(hours: float) -> str:
    """Word a time as a till in Toronto does, without a zone."""
    there = NOW.astimezone(TORONTO) - timedelta(hours=hours)
    return there.replace(tzinfo=None).isoformat()


@pytest.mark.parametrize(
    ("told", "hour"),
    [
        ("2026-05-16T01:30:00Z", 21),
        ("2026-05-16T03:30:00+02:00", 21),
        ("2026-05-15T21:30:00-04:00", 21),
        (" 2026-05-15T22:15:00.1234567 ", 22),
        ("2026-05-15", 0),
    ],
)
def test_friday_evening_in_toronto_is_friday(told: str, hour: int) -> None:
    """A time with a zone is taken to the store's place; one without is of there already."""
    local = call_with(told).local_time(STORE)
    assert local is not None
    assert (local.strftime("%a"), local.hour, local.tzinfo) == ("Fri", hour, None)


@pytest.mark.parametrize(
    ("told", "wall"),
    [
        ("2026-05-15T24:00:00", "2026-05-16T00:00:00"),
        ("2026-05-15T24:00", "2026-05-16T00:00:00"),
        ("20260515T240000", "2026-05-16T00:00:00"),
        ("2026-05-15 24:00:00.000", "2026-05-16T00:00:00"),
        ("2026-05-15t24:00:00z", "2026-05-15T20:00:00"),
        ("2026-05-15T24:00:00-04:00", "2026-05-16T00:00:00"),
        ("2026-05-15T21:59:60", "2026-05-15T21:59:59"),
        ("2026-05-15T21:59:60.75", "2026-05-15T21:59:59.750000"),
        ("20260516T015960Z", "2026-05-15T21:59:59"),
        ("2026-05-16T03:59:60+02:00", "2026-05-15T21:59:59"),
    ],
)
def test_end_of_a_day_and_leap_second_are_times(told: str, wall: str) -> None:
    """ISO 8601 has both: 24:00 is the next day's first moment, second 60 counts as 59."""
    local = call_with(told).local_time(STORE)
    assert local is not None
    assert local.isoformat() == wall


@pytest.mark.parametrize(
    ("hours", "paid", "believed", "late"),
    [
        (36, False, True, None),
        (-36, False, True, None),
        (36.1, False, False, None),
        (-36.1, False, False, None),
        (36, True, True, None),
        (60, True, True, 60),
        (72, True, True, 72),
        (-72, True, True, -72),
        (72.1, True, False, None),
        (-80, True, False, None),
        (24 * 400, True, False, None),
    ],
)
def test_time_far_from_the_servers_clock_is_not_believed(
    hours: float, late: int | None, *, believed: bool, paid: bool
) -> None:
    """36 hours either way, 72 of an order that is paid, which is flagged then."""
    call = call_with(told_hours_ago(hours))
    local = call.local_time(STORE, paid=paid)
    assert (local is not None) == believed
    assert call.late_hours == late


@pytest.mark.parametrize(
    "told",
    [
        "yesterday",
        "24:00",
        "2" * 65,
        "2026-02-30T00:00",
        "2026-05-15T24:00:01",
        "2026-05-15T24:30",
        "2026-05-15T21:60:00",
        "2026-05-15T21:59:61",
        "9999-12-31T24:00",
    ],
)
def test_time_that_cannot_be_read_refuses_no_paid_order(told: str) -> None:
    """Who can mend it is told by the header's name; a guest who has paid is served."""
    with pytest.raises(RequestInvalidError) as refused:
        call_with(told).local_time(STORE)
    assert [broken.field for broken in refused.value.violations] == ["x-user-datetime"]
    assert call_with(told).local_time(STORE, paid=True) is None


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_years_that_no_clock_shows_are_not_believed(told: str) -> None:
    """The first and the last there are can't be taken to another place."""
    assert call_with(told).local_time(STORE, paid=True) is None


def test_nothing_told_is_the_stores_time_and_no_fault() -> None:
    """Without a time, or for a store that is not there, there is nothing to tell of."""
    with capture_logs() as logs:
        assert call_with(None).local_time(STORE) is None
        assert call_with(told_hours_ago(99)).local_time(1) is None
    assert logs == []


def test_till_that_is_not_believed_is_named_in_log_and_metric() -> None:
    """One line a minute and a series tell of its key and store, and of any number of them few."""
    registry = CollectorRegistry()
    tills = TillClocks(registry)
    with capture_logs() as logs:
        for _ in range(3):
            call_with(told_hours_ago(-48), tills).local_time(STORE)
        call_with("noon", tills).local_time(STORE, paid=True)
    (line,) = logs
    assert line["event"] == "till's time not believed"
    assert (line["key_id"], line["store_id"], line["off_hours"]) == ("key", STORE, 48.0)
    for number in range(2 * NAMED_MAX):
        tills.not_believed(call_with(None).key, number, None)
    (metric,) = registry.collect()
    counts: Counter[tuple[str, str]] = Counter()
    for sample in metric.samples:
        if sample.name.endswith("_total"):
            counts[sample.labels["key_id"], sample.labels["store_id"]] += int(sample.value)
    assert counts["key", str(STORE)] == 4
    assert counts["other", "other"] == NAMED_MAX + 1
    assert len(counts) == NAMED_MAX + 1


@given(
    told=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    zone=st.integers(-14 * 60, 14 * 60),
)
def test_moment_is_one_wherever_it_is_told_from(told: datetime, zone: int) -> None:
    """However a till writes a moment, it is the same one in the store's place."""
    here = told.replace(tzinfo=timezone(timedelta(minutes=zone)))
    found, again = (
        till_time(here, TORONTO, NOW_MS),
        till_time(here.astimezone(UTC), TORONTO, NOW_MS),
    )
    assert found == again
    assert found is not None
    # As moments: the hour that a clock shows twice equals no time of another zone in Python.
    assert found.wall.replace(tzinfo=TORONTO).astimezone(UTC) == here.astimezone(UTC)
    assert found.off_ms == pytest.approx((here - NOW) / timedelta(milliseconds=1), abs=1)
    assert timedelta(hours=1) / timedelta(milliseconds=1) == HOUR_MS
