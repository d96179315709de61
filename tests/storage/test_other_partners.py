"""Orders that another partner ends are told to operators, with all that undoes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import structlog

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.domain.errors import TransactionNotFoundError
from tests.support.doing import apply_program
from tests.support.ledger import balances
from tests.support.orders import CLAIMED, PENDING, Till, basket, item
from tests.support.programs import KEY, demo_program, enroll
from tests.support.visits import open_visit, reward, void

pytestmark = pytest.mark.any_database

CONTENT = basket(item(1000))
ANOTHER = replace(KEY, key_id="another", partner="another")


def flagged(till: Till) -> dict[str, int]:
    """Tell how many orders another partner ended, by what it did."""
    found = till.store.stats().flags
    counts = {reason: found["other_partner", reason] for reason in ("claim", "void")}
    return {reason: count for reason, count in counts.items() if count}


def told(logs: Any) -> Any:
    """Give the one line about a flag."""
    (line,) = [entry for entry in logs if entry["event"] == "flagged"]
    return line


async def test_own_partner_is_not_flagged(till: Till) -> None:
    """Whichever of its keys a partner uses."""
    guest = await enroll(till.store)
    opened = await till.identify(guest)
    till.key = replace(KEY, key_id="another of its own")
    await till.update(opened, CLAIMED, CONTENT)
    await till.void(opened)
    assert flagged(till) == {}


async def test_claim_at_another_partners_till_is_flagged(till: Till, database_url: str) -> None:
    """Who identifies at a kiosk may pay at the counter; the line has both partners."""
    guest = await enroll(till.store)
    opened = await till.identify(guest)
    till.key = ANOTHER
    await till.update(opened, PENDING, CONTENT)
    assert flagged(till) == {}
    with structlog.testing.capture_logs() as logs:
        await till.update(opened, CLAIMED, CONTENT)
        assert (await till.update(opened, CLAIMED, CONTENT)).repeated
    line = told(logs)
    assert (line["flag"], line["reason"]) == ("other_partner", "claim")
    assert (line["order_partner"], line["partner"]) == (KEY.partner, "another")
    assert balances(database_url, guest) == (100, 0)
    assert flagged(till) == {"claim": 1}


async def test_void_of_another_partners_order_is_flagged(till: Till) -> None:
    """The line has what gives the member back what the order brought."""
    guest = await enroll(till.store)
    opened = await till.identify(guest)
    await till.update(opened, CLAIMED, CONTENT)
    till.key = ANOTHER
    with structlog.testing.capture_logs() as logs:
        await till.void(opened)
        assert (await till.void(opened)).repeated
    line = told(logs)
    assert (line["flag"], line["reason"]) == ("other_partner", "void")
    assert (line["order_partner"], line["partner"]) == (KEY.partner, "another")
    assert (line["key_id"], line["transaction_id"]) == ("another", opened)
    named = line["loyalty_id"], line["status"], line["points_earned"], line["points_redeemed"]
    assert named == (guest, "CLAIMED", 100, 0)


async def test_void_of_another_partners_unclaimed_order_is_flagged(till: Till) -> None:
    """Its receipt is worth nothing any more, though nobody has claimed it."""
    recorded = await till.unclaimed(CONTENT)
    till.key = ANOTHER
    with structlog.testing.capture_logs() as logs:
        await till.void(recorded.transaction_id)
    assert (told(logs)["status"], "loyalty_id" in told(logs)) == ("UNCLAIMED", False)


async def test_program_may_refuse_voids_of_other_partners(till: Till, database_url: str) -> None:
    """Then an order is its partner's alone to cancel."""
    program = replace(demo_program(), void_by_other_partner="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    claimed, opened = await till.identify(guest), await till.identify(guest)
    await till.update(claimed, CLAIMED, CONTENT)
    till.key = ANOTHER
    for one in (claimed, opened):
        with pytest.raises(TransactionNotFoundError):
            await till.void(one)
    assert balances(database_url, guest) == (100, 0)
    assert flagged(till) == {}
    till.key = KEY
    for one in (claimed, opened):
        await till.void(one)
    assert balances(database_url, guest) == (0, 0)


async def test_void_of_what_another_partner_gave_is_flagged_or_refused(
    till: Till, database_url: str
) -> None:
    """As that of an order; its own partner may always take it back."""
    guest = await enroll(till.store)
    visit = await open_visit(till, guest)
    first, second = await reward(till, visit, 70), await reward(till, visit, 30)
    till.key = ANOTHER
    with structlog.testing.capture_logs() as logs:
        await void(till, visit, first.adhoc_id)
    line = told(logs)
    assert (line["flag"], line["reason"]) == ("other_partner", "void")
    assert (line["order_partner"], line["partner"]) == (KEY.partner, "another")
    assert (line["transaction_id"], line["loyalty_id"]) == (first.adhoc_id, guest)
    assert (line["points_earned"], line["points_redeemed"]) == (70, 0)
    program = replace(demo_program(), void_by_other_partner="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    with pytest.raises(TransactionNotFoundError):
        await void(till, visit, second.adhoc_id)
    assert balances(database_url, guest) == (30, 0)
    till.key = KEY
    await void(till, visit, second.adhoc_id)
    assert balances(database_url, guest) == (0, 0)
