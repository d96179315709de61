"""Purchases of sessions of which a pruning has left what is kept for good."""

from __future__ import annotations

import asyncio

import pytest

from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import CorrelationIdInvalidError
from loyalty_service.domain.es_errors import SessionClosedError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.prune import Cutoffs, Pruned, prune
from loyalty_service.transport.shortened import shorten
from tests.support.late_purchases import FIRST
from tests.support.ledger import audit, balances, rows
from tests.support.orders import DAY_MS, Till, item
from tests.support.programs import PROGRAM_ID, add_member, enroll
from tests.support.purchases import describe, offline, pay, start
from tests.support.stores import PEPPER

HOUR_MS = 3_600_000


async def _prune(url: str) -> Pruned:
    """Let everything go that may go."""
    before = {PROGRAM_ID: now_ms() + DAY_MS}
    cutoffs = Cutoffs(orders=before, events=before, visits=before)
    database = Database.from_text(url)
    return await asyncio.to_thread(prune, database, cutoffs, Peppers(PEPPER), shorten)


async def test_order_that_was_emptied_keeps_what_it_earned(till: Till, database_url: str) -> None:
    """Nobody knows what was bought with it, when one comes later still that was paid before it."""
    await describe(till, FIRST)
    guest = await till.store.write(lambda unit, _: add_member(unit, 0))
    second = await offline(till, "second", guest, till.now_ms - HOUR_MS)
    assert (await _prune(database_url)).rows["orders emptied"] == 1

    first = await offline(till, "first", guest, till.now_ms - DAY_MS)

    assert (second.result.earned_points, first.result.earned_points) == (1100, 1100)
    assert balances(database_url, guest) == (2200, 0)
    audit(database_url)


async def test_session_that_was_closed_takes_no_other_purchase(
    till: Till, database_url: str
) -> None:
    """Its purchase is told again, and nothing else can be done under its name, as before."""
    guest = await enroll(till.store)
    visit, idle = await start(till, guest), await start(till, guest)
    first = await pay(till, visit)

    await _prune(database_url)

    left = rows(database_url, "SELECT correlation_id FROM session")
    assert [row.correlation_id for row in left] == [visit]
    assert idle != visit
    assert await pay(till, visit) == first
    with pytest.raises(SessionClosedError):
        await pay(till, visit, item(5))
    with pytest.raises(SessionClosedError):
        await offline(till, visit, guest, till.now_ms - HOUR_MS, item(5))
    with pytest.raises(CorrelationIdInvalidError):
        await till.call(
            start_anonymous_session,
            StartAnonymousSession(till.key, visit, None, None, "en-CA", None),
        )
    assert balances(database_url, guest) == (100, 0)
    audit(database_url)
