"""A store that leaves the program: what was begun there is finished, and nothing new begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import structlog

from loyalty_service.domain.errors import StoreNotAllowedError, StoreNotFoundError
from loyalty_service.domain.program import Program
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    PENDING,
    Till,
    basket,
    item,
    reward,
)
from tests.support.programs import PROGRAM_ID, demo_program, enroll, put_program

GONE, STAYS = 9999, 1002


def without(*store_ids: int) -> Program:
    """Describe the demo program without some of its stores."""
    program = demo_program()
    rest = {number: one for number, one in program.stores.items() if number not in store_ids}
    return replace(program, stores=rest)


def flags(till: Till) -> dict[str, int]:
    """Count what was flagged, by reason."""
    counted = till.store.stats().flags
    return {reason: n for (kind, reason), n in counted.items() if n and kind == "store_removed"}


async def test_open_order_of_a_removed_store_is_finished(till: Till) -> None:
    """It is validated, reported, claimed and cancelled as before; reports are told of."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    await put_program(till.store, without(GONE))
    content = basket(item(1000), reward(COFFEE))
    await till.validate(transaction, PENDING, content)
    assert flags(till) == {}
    await till.update(transaction, PENDING, content)
    with structlog.testing.capture_logs() as logs:
        claimed = await till.update(transaction, CLAIMED, content)
    assert (claimed.result.earned_points, claimed.result.redeemed_points) == (100, 800)
    (line,) = (log for log in logs if log.get("flag") == "store_removed")
    assert (line["store_id"], line["transaction_id"]) == (GONE, transaction)
    assert flags(till) == {"open": 1, "claimed": 1}
    assert (await till.void(transaction)).result.redeemed_points == 800


async def test_offline_order_of_a_removed_store_is_recorded(till: Till) -> None:
    """Its guest gets the points of it by the receipt, as from any other store."""
    await put_program(till.store, without(GONE))
    recorded = await till.unclaimed(basket(item(1000)))
    assert flags(till) == {"recorded": 1}
    told = await till.claim_receipt(await enroll(till.store), recorded.receipt_code)
    assert told.result.earned_points == 100


async def test_nothing_new_begins_at_a_removed_store(till: Till) -> None:
    """Nobody identifies there, and no order that was opened elsewhere is paid there."""
    guest = await enroll(till.store)
    elsewhere = replace(without(GONE), stores=demo_program().stores)
    await put_program(till.store, elsewhere)
    transaction = await till.identify(guest)
    await put_program(till.store, without(STAYS))
    with pytest.raises(StoreNotFoundError):
        await till.update(transaction, CLAIMED, basket(item(1000)), store_id=STAYS)
    await put_program(till.store, without(GONE))
    with pytest.raises(StoreNotFoundError):
        await till.identify(guest)
    with pytest.raises(StoreNotFoundError):
        await till.unclaimed(basket(item(1000)), store_id=5)


async def test_key_of_other_stores_reports_nothing_of_a_removed_one(till: Till) -> None:
    """A removed store is nobody's but its own tills'."""
    transaction = await till.identify(await enroll(till.store))
    await put_program(till.store, without(GONE))
    till.key = replace(till.key, stores=frozenset({STAYS}))
    with pytest.raises(StoreNotAllowedError):
        await till.update(transaction, CLAIMED, basket(item(1000)))
    with pytest.raises(StoreNotAllowedError):
        await till.unclaimed(basket(item(1000)))


async def test_removed_store_keeps_its_place_and_its_switch(till: Till) -> None:
    """What it was when it was removed, however often the program is applied since."""
    for program in (without(STAYS, 1099), without(STAYS, 1099, 1001)):
        await put_program(till.store, program)
    kept = till.store.catalog.programs[PROGRAM_ID]
    assert kept.removed_stores == {
        number: demo_program().stores[number] for number in (1001, STAYS, 1099)
    }
    recorded = await till.unclaimed(basket(item(1000)), store_id=1099)
    assert " 0 points" in recorded.presentation.marketing
    await put_program(till.store, demo_program())
    assert till.store.catalog.programs[PROGRAM_ID].removed_stores == {}


async def test_store_removed_by_an_older_version_is_in_the_programs_place(till: Till) -> None:
    """Nothing else is known of it; its open orders are finished all the same."""
    guest = await enroll(till.store)
    vancouver = datetime.fromtimestamp(till.now_ms / 1000, ZoneInfo("America/Vancouver"))
    transaction = await till.identify(guest)
    await put_program(till.store, without(GONE))
    program = replace(without(GONE), removed_stores={})
    await till.store.write(lambda unit, now: unit.save_program(program, now))
    await till.store.refresh_catalog()
    told = await till.update(
        transaction, CLAIMED, basket(item(1000)), local_time=vancouver.replace(tzinfo=None)
    )
    assert told.result.earned_points == 100
    with pytest.raises(StoreNotFoundError):
        await till.unclaimed(basket(item(1000)))
