"""Merges that meet other calls, and one another: each is whole, and nobody waits in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest_asyncio

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.members.merge_members import MergeMembers, merge_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.errors import LoyaltyError, RequestInvalidError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as find_problems
from tests.support.ledger import audit, balances, rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item, reward
from tests.support.programs import PROGRAM_ID, enroll, identify_command, issue_command
from tests.support.stores import demo_store, open_store

ROUNDS = 6
ORDER = basket(reward(COFFEE), item(1000))


@pytest_asyncio.fixture
async def tills(database_url: str) -> AsyncIterator[tuple[Till, Till]]:
    """Tills of two servers that share a database, audited at the end."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        till = Till(store)
        yield till, replace(till, store=other)
    audit(database_url)
    findings = find_problems(Database.from_text(database_url))
    assert findings.all_hold, [*map(str, findings.problems)]


def merge(till: Till, into: str, merged: str, *, undo: bool = False) -> Awaitable[Any]:
    """Merge a member into another, or part them, as an operator does."""
    use_case: Any = unmerge_members if undo else merge_members
    kind: Any = UnmergeMembers if undo else MergeMembers
    command = kind(PROGRAM_ID, into, merged, "Twice")
    run = Run(use_case, command)
    return till.store.write(lambda unit, _: perform(unit, till.now_ms, run), reads=command.reads())


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    """Make calls at once; return results and refusals, and fails on anything else."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, LoyaltyError):
            raise outcome
    return found


async def test_paid_order_meets_the_merge_of_its_guest(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """It is claimed once, with what it was accepted with, whichever comes first."""
    till, other = tills
    for number in range(ROUNDS):
        one, two = await enroll(till.store, 100), await enroll(till.store, 1000)
        transaction = await till.identify(two)
        await till.update(transaction, PENDING, ORDER)
        calls = [merge(till, one, two), other.update(transaction, CLAIMED, ORDER)]
        merged, claimed = await outcomes(*(calls if number % 2 else reversed(calls)))
        assert not isinstance(merged, LoyaltyError)
        assert not isinstance(claimed, LoyaltyError)
        assert balances(database_url, one)[1] == 0
        assert balances(database_url, two) == (0, 0)


async def test_void_meets_the_merge_of_its_guest(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """What was burned comes back once, to the one who goes on."""
    till, other = tills
    for _ in range(ROUNDS):
        one, two = await enroll(till.store, 100), await enroll(till.store, 1000)
        transaction = await till.identify(two)
        await till.update(transaction, CLAIMED, ORDER)
        await outcomes(other.void(transaction), merge(till, one, two), till.void(transaction))
        assert balances(database_url, one) == (1100, 0)


async def test_code_meets_the_merge_of_its_guest(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """It opens one order, which both then have together."""
    till, other = tills
    for _ in range(ROUNDS):
        one, two = await enroll(till.store, 100), await enroll(till.store, 1000)
        issued = await till.call(issue_code, issue_command(two, COFFEE))
        shown = other.call(identify_member, identify_command(issued.result.digits))
        told, merged = await outcomes(shown, merge(till, one, two))
        assert not isinstance(told, LoyaltyError)
        assert not isinstance(merged, LoyaltyError)
        done = await other.update(told.result.transaction_id, CLAIMED, ORDER)
        left = 1100 - done.result.redeemed_points + done.result.earned_points
        assert balances(database_url, one) == (left, 0)


async def test_two_merges_of_a_pair_one_way_and_the_other(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """One of them is made, the other is refused; neither waits for the other for ever."""
    till, other = tills
    for _ in range(ROUNDS):
        one, two = await enroll(till.store, 100), await enroll(till.store, 1000)
        found = await outcomes(merge(till, one, two), merge(other, two, one))
        assert sum(isinstance(outcome, RequestInvalidError) for outcome in found) == 1
        total = [balances(database_url, guest)[0] for guest in (one, two)]
        assert sorted(total) == [0, 1100]


async def test_calls_meet_merges_and_partings(tills: tuple[Till, Till], database_url: str) -> None:
    """Guests order while operators change their minds: every paid order is taken."""
    till, other = tills
    guests = [await enroll(till.store, 10_000) for _ in range(3)]

    async def minds() -> None:
        for number in range(ROUNDS * 2):
            pair = (guests[number % 3], guests[(number + 1) % 3])
            found = await outcomes(merge((till, other)[number % 2], *pair))
            if not isinstance(found[0], LoyaltyError):
                await outcomes(merge((till, other)[(number + 1) % 2], *pair, undo=True))

    async def orders(by: Till, guest: str) -> int:
        taken = 0
        for number in range(ROUNDS):
            transaction = await by.identify(guest)
            await by.update(transaction, PENDING, ORDER)
            await by.update(transaction, CLAIMED, ORDER)
            taken += 1
            if number % 2:
                await by.void(transaction)
        return taken

    tasks = (orders(by, guest) for by in (till, other) for guest in guests)
    _, *taken = await asyncio.gather(minds(), *tasks)
    assert sum(taken) == 6 * ROUNDS
    status = rows(database_url, "SELECT count(*) AS n FROM loyalty_transaction WHERE status = 1")
    assert status[0].n == 0
