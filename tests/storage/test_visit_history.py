"""What a session's member earned and redeemed, page by page, and the member's tier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.accounts.get_membership import get_membership
from loyalty_service.application.accounts.list_history import (
    HistoryEntry,
    HistoryPage,
    ListHistory,
    list_history,
)
from loyalty_service.application.members.assign_points import AssignPoints, assign_points
from loyalty_service.application.perform import Done, Run, perform
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import use_reservation
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import RequestInvalidError
from loyalty_service.domain.sessions import SessionStatus
from tests.support.ledger import balances
from tests.support.orders import CLAIMED, DAY_MS, PENDING, Till, basket, item
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll, put_program
from tests.support.visits import STEP, open_visit, redeem, reserve, reward, void


async def _page(till: Till, visit: str, **values: Any) -> HistoryPage:
    asked: dict[str, Any] = {"limit": None, "after": "", "from_ms": None, "to_ms": None}
    command = ListHistory(KEY, visit, **(asked | values))
    async with till.store.read() as reader:
        program = till.store.catalog.programs[PROGRAM_ID]
        return await list_history(reader, program, command, till.now_ms)


async def _all(till: Till, visit: str, limit: int) -> list[HistoryEntry]:
    """Read page by page, each after the last of the one before."""
    found: list[HistoryEntry] = []
    while True:
        after = found[-1].transaction_id if found else ""
        page = await _page(till, visit, limit=limit, after=after)
        assert len(page.entries) == limit or not page.more
        found += page.entries
        if not page.more:
            return found


async def _claim(till: Till, guest: str) -> str:
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(1000)))
    return transaction


async def _close(till: Till, visit: str, transaction: str) -> None:
    """Have an order be that of a session, as calls that close one do."""

    def work(unit: Unit, _now_ms: int) -> None:
        session = unit.session(PROGRAM_ID, visit)
        assert session is not None
        unit.change(session, status=SessionStatus.CLOSED, transaction_id=transaction)

    await till.store.write(work)


async def _pay(till: Till, visit: str, token: str, transaction: str) -> None:
    """Have an order take what is reserved in a session, as calls that close one do."""
    now_ms = till.now_ms

    def use(unit: Unit, _command: None, now_ms: int) -> Done[None]:
        session = unit.session(PROGRAM_ID, visit)
        assert session is not None
        member = unit.member_by_number(session.member_number or 0)
        _, event = use_reservation(unit, session, member, token, transaction, now_ms)
        return Done(None, events=(event,))

    run = Run(use, None)
    reads = Reads(sessions=((PROGRAM_ID, visit),))
    await till.store.write(lambda unit, _: perform(unit, now_ms, run), reads=reads)


async def test_history_has_what_moved_points_newest_first(till: Till) -> None:
    """Orders of all contracts, what partners gave, and voids of it; open orders are not told."""
    guest = await enroll(till.store, 2 * STEP)
    visit = await open_visit(till, guest)
    order = await _claim(till, guest)
    till.now_ms += 1000
    given = await reward(till, visit, 500, business_unit="RETAIL", channel="APP")
    till.now_ms += 1000
    spent = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    till.now_ms += 1000
    undone = await void(till, visit, given.adhoc_id)
    till.now_ms += 1000
    await till.call(assign_points, AssignPoints(KEY, guest, 70, "partner", "A game"))
    left_open = await till.identify(guest)
    await till.update(left_open, PENDING, basket(item(1000)))
    page = await _page(till, visit)
    told = [(one.kind, one.earned, one.redeemed) for one in page.entries]
    assert told == [
        ("ADJUSTMENT", 70, 0),
        ("VOID", 0, 500),
        ("ADHOC_REDEEM", 0, STEP),
        ("ADHOC_REWARD", 500, 0),
        ("FINALIZE", 100, 0),
    ]
    assert not page.more
    _, third, second, first, zeroth = page.entries
    assert (third.transaction_id, third.original_id) == (undone.adhoc_id, given.adhoc_id)
    assert (second.transaction_id, second.voided) == (spent.adhoc_id, False)
    assert (first.voided, first.business_unit, first.channel) == (True, "RETAIL", "APP")
    assert zeroth.transaction_id == order


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_have_no_gap_and_no_repeat(till: Till, limit: int) -> None:
    """Also where several were made in one millisecond, and orders are named by sessions."""
    guest = await enroll(till.store)
    visit = await open_visit(till, guest)
    for place in range(4):
        till.now_ms += place % 2
        order = await _claim(till, guest)
        closed = await open_visit(till, guest)
        await _close(till, closed, order)
        await reward(till, visit, 1 + place)
    whole = (await _page(till, visit, limit=150)).entries
    assert len(whole) == 8
    assert await _all(till, visit, limit) == whole


async def test_order_of_a_session_is_named_by_it(till: Till, database_url: str) -> None:
    """What its token paid counts as redeemed with it."""
    guest = await enroll(till.store, STEP)
    visit = await open_visit(till, guest)
    order = await _claim(till, guest)
    token = (await reserve(till, visit)).reservation_token
    later = await open_visit(till, guest)
    await _pay(till, visit, token, order)
    await _close(till, visit, order)
    (entry,) = (await _page(till, later)).entries
    assert (entry.transaction_id, entry.kind, entry.redeemed) == (visit, "FINALIZE", STEP)
    assert (await _page(till, later, after=visit)).entries == []
    assert balances(database_url, guest) == (100, 0)


async def test_history_keeps_to_its_span_and_to_a_year(till: Till) -> None:
    """Both ends are included, and what is older than a year is left out."""
    guest = await enroll(till.store)
    visit = await open_visit(till, guest)
    began_ms = till.now_ms
    for place in range(3):
        till.now_ms = began_ms + place * 1000
        await reward(till, visit, place + 1)
    span = {"from_ms": began_ms + 1000, "to_ms": began_ms}
    assert [one.earned for one in (await _page(till, visit, **span)).entries] == [2, 1]
    till.now_ms = began_ms + 365 * DAY_MS + 1
    late = await open_visit(till, guest)
    assert [one.earned for one in (await _page(till, late, to_ms=0)).entries] == [3, 2]


async def test_page_after_nothing_or_of_no_time_is_refused(till: Till) -> None:
    """A page begins after a transaction, and its new end is not before its old one."""
    visit = await open_visit(till, await enroll(till.store))
    for values in ({"after": "no transaction"}, {"from_ms": 1, "to_ms": till.now_ms}):
        with pytest.raises(RequestInvalidError):
            await _page(till, visit, **values)
    nobody = await open_visit(till, None)
    assert (await _page(till, nobody)).entries == ()


async def test_void_order_is_told_as_voided(till: Till) -> None:
    """It has earned nothing."""
    guest = await enroll(till.store)
    order = await _claim(till, guest)
    await till.void(order)
    (entry,) = (await _page(till, await open_visit(till, guest))).entries
    assert (entry.voided, entry.kind) == (True, "FINALIZE")


async def test_membership_tells_the_tier_and_the_next_one(till: Till) -> None:
    """There is none where the program has no tiers, or the shopper no loyalty ID."""
    guest = await enroll(till.store)
    visit = await open_visit(till, guest)

    async def read(of: str) -> Any:
        async with till.store.read() as reader:
            program = till.store.catalog.programs[PROGRAM_ID]
            return await get_membership(reader, program, KEY, of, till.now_ms)

    found = await read(visit)
    program = demo_program()
    first, second = list(program.tiers)[:2]
    assert found.tier.tier_id == first
    assert (found.rank, found.next_rank, found.next_tier.tier_id) == (1, 2, second)
    assert [one.goal.tier for one in found.towards] == [second]
    assert await read(await open_visit(till, None)) is None
    await put_program(till.store, replace(program, tiers={}, goals={}))
    assert await read(visit) is None
