"""Orders whose till tells its own time: late, unreadable, and in another zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from tests.support.server import Server
from tests.support.transactions import (
    line,
    open_transaction,
    transactions,
    unclaimed_request,
    update_request,
    validate_request,
)

pytestmark = pytest.mark.any_database


def _hours_ago(hours: int) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


async def test_paid_order_is_never_refused_for_its_time(server: Server) -> None:
    """Friday's order on Monday is flagged; an unreadable time makes ValidateOrder alone refuse."""
    stub, till = transactions(server.till), server.till
    before = server.store.stats().flags["till_time", "hours"]
    for told, flagged in ((_hours_ago(60), 1), (_hours_ago(100), 0), ("Friday", 0)):
        opened = await open_transaction(till, await server.admin.enroll())
        claim = update_request(opened, "CLAIMED", line(10))
        with capture_logs() as logs:
            claimed = await till.call(stub.ReportOrder, claim, x_user_datetime=told)
            await till.call(
                stub.RecordUnclaimedOrder, unclaimed_request(line(10)), x_user_datetime=told
            )
        assert claimed.points_earned == 100
        flags = [entry for entry in logs if entry.get("flag") == "till_time"]
        assert len(flags) == 2 * flagged
        if flagged:
            assert flags[0]["transaction_id"] == opened
            assert flags[0]["hours"] == 60
    assert server.store.stats().flags["till_time", "hours"] == before + 2

    opened = await open_transaction(till, await server.admin.enroll())
    for told in ("", " ", "2026-11-29t10:00:00z", "2026-11-29T10:00:00.5z"):
        await till.call(
            stub.ValidateOrder, validate_request(opened, "CLAIMED", line(10)), x_user_datetime=told
        )
    for method, request in (
        (stub.ValidateOrder, validate_request(opened, "CLAIMED", line(10))),
        (stub.ReportOrder, update_request(opened, "PENDING", line(10))),
    ):
        refusal = await till.refused(method, request, x_user_datetime="Friday")
        assert [*refusal.violations] == ["x-user-datetime"]
        await till.call(method, request, x_user_datetime=_hours_ago(100))
