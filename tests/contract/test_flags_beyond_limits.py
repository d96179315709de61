"""Flags of points beyond a limit name all that mends them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.limits import LimitName
from tests.support.doing import apply_program
from tests.support.ledger import audit
from tests.support.orders import CLAIMED, Till, basket, item
from tests.support.programs import demo_program, enroll
from tests.support.stores import demo_store


@pytest_asyncio.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """A till on a fresh store with the demo program, audited at the end."""
    async with demo_store(database_url) as store:
        yield Till(store)
    audit(database_url)


@pytest.mark.parametrize(
    "limit",
    [LimitName.POINTS_PER_ORDER, LimitName.POINTS_PER_MEMBER_DAY, LimitName.POINTS_PER_KEY_DAY],
)
async def test_order_and_member_are_named(till: Till, limit: LimitName) -> None:
    """Who voids the order, or takes the points back, finds what to name in the line."""
    program = demo_program()
    program = replace(program, limits={**program.limits, limit: 50})
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    transaction = await till.identify(guest)

    with structlog.testing.capture_logs() as logs:
        await till.update(transaction, CLAIMED, basket(item(1000)))

    (line,) = [entry for entry in logs if entry["event"] == "flagged"]
    assert line["reason"] == limit.value
    named = line["transaction_id"], line["store_id"], line["loyalty_id"]
    assert named == (transaction, 9999, guest)
