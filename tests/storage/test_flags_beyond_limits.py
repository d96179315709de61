"""Flags of points beyond a limit name all that mends them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.errors import LimitExceededError
from loyalty_service.domain.limits import LimitName
from loyalty_service.storage import batch
from tests.support.doing import apply_program
from tests.support.orders import CLAIMED, DAY_MS, Till, basket, item
from tests.support.programs import demo_program, enroll

pytestmark = pytest.mark.any_database


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


async def test_log_that_cannot_be_written_keeps_no_answer_back(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is flagged is answered, and so is the next one, when the log's reader is gone."""
    program = demo_program()
    limits = {**program.limits, LimitName.POINTS_PER_ORDER: 50}
    program = replace(program, limits=limits)
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    failed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: failed.append(type(context["exception"]).__name__)
    )

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(batch.log, "warning", broken)
    claimed = await till.update(transaction, CLAIMED, basket(item(1000)))

    assert claimed.result.earned_points == 100
    assert failed == ["BrokenPipeError"]
    assert (await till.void(transaction)).result.earned_points == 100


@pytest.mark.parametrize("later_ms", [0, DAY_MS])
async def test_points_that_are_voided_leave_a_members_day_as_it_was(
    till: Till, later_ms: int
) -> None:
    """A claim that is voided keeps no receipt of its member from being claimed."""
    program = demo_program()
    limits = {**program.limits, LimitName.POINTS_PER_MEMBER_DAY: 150}
    program = replace(program, limits=limits)
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    claimed = await till.identify(guest)
    await till.update(claimed, CLAIMED, basket(item(1000)))
    receipts = [await till.unclaimed(basket(item(1000)), number=str(n)) for n in range(2, 4)]
    with pytest.raises(LimitExceededError):
        await till.claim_receipt(guest, receipts[0].receipt_code)

    till.now_ms += later_ms
    await till.void(claimed)

    # What was given on another day does not make room on this one.
    await till.claim_receipt(guest, receipts[0].receipt_code)
    with pytest.raises(LimitExceededError):
        await till.claim_receipt(guest, receipts[1].receipt_code)
