"""Servers that lock counts of limited incentives do so in one order, whatever is called first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.grants import GiveGrants, give_grants
from loyalty_service.domain.errors import RulesFailedError
from loyalty_service.domain.restrictions import Granted, MaximumRedemptions
from loyalty_service.storage.databases import Database
from tests.support.doing import apply_program
from tests.support.orders import (
    CARD_OFFER,
    CLAIMED,
    PENDING,
    TWENTY_PERCENT,
    Till,
    basket,
    item,
    offer,
)
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, demo_program, enroll, issue_command
from tests.support.stores import demo_store, writers_busy

FIRST, SECOND = sorted((TWENTY_PERCENT, CARD_OFFER))
WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
def own_url(postgres: Postgres) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


@pytest_asyncio.fixture
async def till(own_url: str) -> AsyncIterator[Till]:
    """A till of a program with two offers that are limited for all, each used before."""
    program = demo_program()
    rules = (MaximumRedemptions(total=1000),)
    limited = {name: replace(program.incentives[name], rules=rules) for name in (FIRST, SECOND)}
    program = replace(program, incentives={**program.incentives, **limited})
    async with demo_store(own_url, program) as store:
        till = Till(store)
        for name in (FIRST, SECOND):
            await till.update(await opened(till), CLAIMED, order(name))
        yield till


def order(name: str) -> Any:
    """Buy something with an offer."""
    return basket(item(1000), offer(name))


async def opened(till: Till) -> str:
    """Open an order of a new guest."""
    return await till.identify(await enroll(till.store))


async def report(till: Till, name: str) -> Any:
    """Prepare a report of a new order that uses an offer."""
    return till.update(await opened(till), PENDING, order(name))


async def scan(till: Till, name: str) -> Any:
    """Prepare a scan of a code that selects an offer."""
    guest = await enroll(till.store)
    issued = await till.call(issue_code, issue_command(guest, name))
    return till.identify(issued.result.digits)


async def void(till: Till, name: str) -> Any:
    """Prepare the void of an order that used an offer."""
    transaction = await opened(till)
    await till.update(transaction, CLAIMED, order(name))
    return till.void(transaction)


async def receipt(till: Till, name: str) -> Any:
    """Prepare the claim of a receipt whose order used an offer."""
    recorded = await till.unclaimed(order(name))
    return till.claim_receipt(await enroll(till.store), recorded.receipt_code)


@pytest.mark.parametrize("prepare", [report, scan, void, receipt])
async def test_counts_of_a_batch_are_locked_in_one_order(
    till: Till, own_url: str, postgres: Postgres, prepare: Any
) -> None:
    """Who waits for the first count holds no later one, though its batch asks for that first."""
    calls = [await prepare(till, name) for name in (SECOND, FIRST)]
    with psycopg.connect(Database.from_text(own_url).url.render_as_string(False)) as other:  # noqa: FBT003
        lock = (
            "SELECT 1 FROM incentive_usage WHERE program_id = %s AND incentive_id = %s "
            "AND shard = 0 FOR UPDATE NOWAIT"
        )
        other.execute(lock, (PROGRAM_ID, FIRST))
        async with writers_busy(till.store):
            waiting = [asyncio.create_task(call) for call in calls]
            await asyncio.sleep(0)
        await asyncio.to_thread(_until_one_waits, postgres)
        other.execute(lock, (PROGRAM_ID, SECOND))
    await asyncio.gather(*waiting)


def _until_one_waits(postgres: Postgres) -> None:
    while postgres.ask(WAITS) is None:
        pass


async def test_an_order_that_names_the_grant_of_another_guest_waits_for_nobody(
    till: Till, own_url: str
) -> None:
    """Two such orders, each naming what the other's guest was given, would wait for each other."""
    program = demo_program()
    given = replace(program.incentives[SECOND], rules=(Granted(),))
    program = replace(program, incentives={**program.incentives, SECOND: given})
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    other_guest, guest = await enroll(till.store), await enroll(till.store)
    give = GiveGrants(PROGRAM_ID, SECOND, (other_guest,), "test", "test")
    (grant_id,) = await till.store.write(
        lambda unit, now: [one.grant_id for one in give_grants(unit, give, now).result]
    )
    transaction = await till.identify(guest)
    named = replace(offer(SECOND), incentive_id=None, loyalty_engine_id=grant_id)
    with psycopg.connect(Database.from_text(own_url).url.render_as_string(False)) as other:  # noqa: FBT003
        other.execute("SELECT 1 FROM member_grant WHERE grant_id = %s FOR UPDATE", (grant_id,))

        with pytest.raises(RulesFailedError):
            await till.update(transaction, CLAIMED, basket(item(1000), named))
