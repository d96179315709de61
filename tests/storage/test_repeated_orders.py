"""One order earns once: what is the same call, and what looks like the same order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.domain.errors import OrderAlreadyClaimedError
from loyalty_service.storage.repositories.known_orders import ORDERS_LIKE_MAX
from tests.support.doing import apply_program
from tests.support.ledger import balances, count_rows, rows
from tests.support.orders import CLAIMED, DAY_MS, Till, basket, item, report
from tests.support.programs import KEY, demo_program, enroll

pytestmark = pytest.mark.any_database

CONTENT = basket(item(849), item(200, plu="2"))
NOON = "2026-11-14T12:00:00Z"


def flagged(till: Till) -> dict[str, int]:
    """Tell how many orders were flagged as repeated, by reason."""
    found = till.store.stats().flags
    counts = {reason: found["order_repeated", reason] for reason in ("claimed", "recorded")}
    return {reason: count for reason, count in counts.items() if count}


@pytest.mark.parametrize("same", [{"created": NOON}, {"terminal": "7"}])
async def test_order_without_a_guest_is_recorded_once(
    till: Till, database_url: str, same: dict[str, Any]
) -> None:
    """Sent again without a key it is answered as the first, receipt code included."""
    first = await till.record(CONTENT, **same)
    till.now_ms += 119_999 if "terminal" in same else 3 * DAY_MS
    again = await till.record(CONTENT, **same)
    assert (first.repeated, again.repeated, again.result) == (False, True, first.result)
    assert count_rows(database_url, "loyalty_transaction") == 1
    assert flagged(till) == {}
    await till.void(first.result.transaction_id)
    assert not (await till.record(CONTENT, **same)).repeated


async def test_order_without_a_guest_is_known_behind_one_with_a_key(till: Till) -> None:
    """What a keyed call recorded in between keeps no answer for a call without a key."""
    first = await till.record(CONTENT, created=NOON)
    till.now_ms += 1
    assert not (await till.record(CONTENT, created=NOON, idempotency_key="another")).repeated
    till.now_ms += 1
    again = await till.record(CONTENT, created=NOON)
    assert (again.repeated, again.result) == (True, first.result)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"created": "2026-11-14T12:00:01Z"},
        {"terminal": "7", "later_ms": 120_000},
        {"terminal": "8"},
        {"created": NOON, "number": "2"},
        {"created": NOON, "store_id": 1001},
        {"created": NOON, "partner": "another"},
        {"created": NOON, "content": basket(item(849))},
        {"created": NOON, "idempotency_key": "another"},
    ],
)
async def test_what_may_be_another_order_is_recorded(till: Till, other: dict[str, Any]) -> None:
    """A guess takes no receipt from a guest who has paid."""
    terminal = "7" if "terminal" in other else None
    await till.record(CONTENT, terminal=terminal, created=NOON)
    other = dict(other)
    till.now_ms += other.pop("later_ms", 1)
    till.key = replace(KEY, partner=other.pop("partner", KEY.partner))
    content = other.pop("content", CONTENT)
    assert not (await till.record(content, **other)).repeated


async def test_receipt_of_an_order_recorded_twice_is_flagged(till: Till) -> None:
    """Two receipts of one order are told of, and once more when the second earns too."""
    first, second = await till.record(CONTENT), await till.record(CONTENT)
    assert flagged(till) == {"recorded": 1}
    guest = await enroll(till.store)
    await till.claim_receipt(guest, first.result.receipt_code)
    assert flagged(till) == {"recorded": 1}
    await till.claim_receipt(guest, second.result.receipt_code)
    assert flagged(till) == {"recorded": 1, "claimed": 1}


async def test_order_claimed_twice_is_flagged(till: Till, database_url: str) -> None:
    """For one guest or two, with the names of both transactions; the points are given."""
    guests = [await enroll(till.store) for _ in range(2)]
    opened = [await till.identify(guest) for guest in guests]
    await till.update(opened[0], CLAIMED, CONTENT)
    with structlog.testing.capture_logs() as logs:
        await till.update(opened[1], CLAIMED, CONTENT)
    assert [balances(database_url, guest) for guest in guests] == [(104, 0)] * 2
    (line,) = [entry for entry in logs if entry["event"] == "flagged"]
    assert (line["flag"], line["reason"]) == ("order_repeated", "claimed")
    assert [line["transaction_id"], line["other_transaction_id"]] == opened[::-1]
    assert line["partner"] == line["other_partner"] == KEY.partner
    assert flagged(till) == {"claimed": 1}
    # The same report again is no other order.
    assert (await till.update(opened[1], CLAIMED, CONTENT)).repeated
    assert flagged(till) == {"claimed": 1}


@pytest.mark.parametrize("other", ["lines", "store", "number", "terminal", "day", "void"])
async def test_another_order_is_not_flagged(till: Till, other: str) -> None:
    """Numbers restart each day, and what was voided may be reported again."""
    guest = await enroll(till.store)
    first, second = await till.identify(guest), await till.identify(guest)
    order = report(first, CLAIMED, CONTENT)
    pos = order.point_of_sale
    await till.call(report_order, order)
    if other == "void":
        await till.void(first)
    till.now_ms += DAY_MS - 1 if other == "day" else 0
    changed = {
        "store": replace(pos, store_id=1001),
        "number": replace(pos, transaction_id="2"),
        "terminal": replace(pos, terminal="2"),
    }
    content = basket(item(850)) if other == "lines" else CONTENT
    order = report(second, CLAIMED, content)
    await till.call(report_order, replace(order, point_of_sale=changed.get(other, pos)))
    assert flagged(till) == {}


async def test_program_may_refuse_an_order_that_is_claimed(till: Till, database_url: str) -> None:
    """Then neither a claim nor a receipt earns a second time; recording it is never refused."""
    program = replace(demo_program(), repeated_orders="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    opened = [await till.identify(guest) for _ in range(2)]
    await till.update(opened[0], CLAIMED, CONTENT)
    recorded = await till.record(CONTENT)
    for call in (
        till.update(opened[1], CLAIMED, CONTENT),
        till.claim_receipt(guest, recorded.result.receipt_code),
    ):
        with pytest.raises(OrderAlreadyClaimedError):
            await call
    assert balances(database_url, guest) == (104, 0)
    await till.void(opened[0])
    await till.update(opened[1], CLAIMED, CONTENT)
    assert balances(database_url, guest) == (104, 0)


@pytest.mark.parametrize("told_days", [-1, 1])
async def test_day_that_a_till_names_hides_no_repeated_order(
    till: Till, database_url: str, told_days: int
) -> None:
    """The server's own day counts as well; an order is not refused because of that alone."""
    program = replace(demo_program(), repeated_orders="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    opened = [await till.identify(guest) for _ in range(2)]
    await till.update(opened[0], CLAIMED, CONTENT)
    told = datetime.fromtimestamp(till.now_ms / 1000, UTC).replace(tzinfo=None)
    await till.update(opened[1], CLAIMED, CONTENT, local_time=told + timedelta(days=told_days))
    assert flagged(till) == {"claimed": 1}
    assert balances(database_url, guest) == (208, 0)


async def test_claimed_order_is_known_behind_many_recorded_ones(till: Till) -> None:
    """Orders without a guest that look the same push it out of nobody's sight."""
    guest = await enroll(till.store)
    opened = [await till.identify(guest) for _ in range(2)]
    await till.update(opened[0], CLAIMED, CONTENT)
    for _ in range(ORDERS_LIKE_MAX + 1):
        till.now_ms += 1
        await till.record(CONTENT)
    before = flagged(till)["claimed"]
    await till.update(opened[1], CLAIMED, CONTENT)
    assert flagged(till)["claimed"] == before + 1


async def test_order_of_another_partner_refuses_none(till: Till, database_url: str) -> None:
    """Who claims what an honest till is about to report keeps no guest from their points."""
    program = replace(demo_program(), repeated_orders="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    thief, guest = await enroll(till.store), await enroll(till.store)
    till.key = replace(KEY, partner="another")
    first = await till.identify(thief)
    await till.update(first, CLAIMED, CONTENT)
    till.key = KEY
    recorded, opened = await till.record(CONTENT), await till.identify(guest)
    with structlog.testing.capture_logs() as logs:
        await till.update(opened, CLAIMED, CONTENT)
    (line,) = [entry for entry in logs if entry["event"] == "flagged"]
    assert (line["flag"], line["other_transaction_id"]) == ("order_repeated", first)
    assert (line["partner"], line["other_partner"]) == (KEY.partner, "another")
    assert balances(database_url, guest) == (104, 0)
    # Within one partner it is refused as before.
    with pytest.raises(OrderAlreadyClaimedError):
        await till.claim_receipt(guest, recorded.result.receipt_code)


async def test_receipt_code_is_kept_sealed(till: Till, database_url: str) -> None:
    """What is kept to answer a repeated call shows no code to who reads the database."""
    recorded = await till.record(CONTENT, created=NOON)
    code = recorded.result.receipt_code.encode()
    async with till.store.read() as reader:
        kept = await reader.kept_answer("order:demo-ca/partner", recorded.result.transaction_id)
    assert kept is not None
    assert code in kept.answer
    stored = rows(database_url, "SELECT answer FROM remembered_answer")
    assert [code in bytes(row.answer) for row in stored] == [False]
