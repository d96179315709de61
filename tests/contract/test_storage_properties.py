"""Random histories of a few members, held against a model of a few lines."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.orders.void_transaction import void
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    CodeNotFoundError,
    PointsInsufficientError,
    RequestInvalidError,
)
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.sandbox.fixed_codes import COFFEE, HASH_BROWN
from loyalty_service.storage.store import Store
from tests.support.databases import Backend, fresh_database
from tests.support.doing import adjust_points, identify_member
from tests.support.ledger import audit, balances
from tests.support.programs import PROGRAM_ID, enroll, identify_command, issue
from tests.support.stores import demo_store

MEMBERS = 3
COSTS = {COFFEE: 800, HASH_BROWN: 0}

members = st.integers(0, MEMBERS - 1)
steps = st.one_of(
    st.tuples(st.just("adjust"), members, st.integers(-3000, 3000)),
    st.tuples(st.just("adjust"), members, st.sampled_from([POINTS_MAX, 1 - POINTS_MAX])),
    st.tuples(st.just("issue"), members, st.lists(st.sampled_from([*COSTS]), unique=True)),
    st.tuples(st.just("identify"), members, st.none()),
    st.tuples(st.just("identify_old"), members, st.none()),
    st.tuples(st.just("void"), members, st.none()),
)


@dataclass
class Guest:
    """What the model knows of a member."""

    loyalty_id: str
    available: int = 0
    code: tuple[str, list[str]] | None = None
    replaced: str | None = None
    holds: list[tuple[str, int]] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Points held by open transactions."""
        return sum(points for _, points in self.holds)


async def _take(store: Store, guest: Guest, step: str, value: Any) -> None:
    """Take one step with the store and with the model."""
    match step:
        case "adjust":
            await _adjust(store, guest, value)
        case "issue":
            digits = await issue(store, guest.loyalty_id, *value)
            if guest.code is not None:
                guest.replaced = guest.code[0]
            guest.code = (digits, value)
        case "identify" if guest.code is not None:
            await _identify(store, guest, *guest.code)
        case "identify_old" if guest.replaced is not None:
            command = identify_command(guest.replaced)
            try:
                await store.write(lambda unit, now: identify_member(unit, command, now))
            except CodeNotFoundError:
                return
            raise AssertionError("a replaced code was taken")
        case "void" if guest.holds:
            transaction_id, points = guest.holds.pop(0)
            await store.write(lambda unit, now: _void(unit, transaction_id, now))
            guest.available += points


async def _adjust(store: Store, guest: Guest, points: int) -> None:
    command = AdjustPoints(PROGRAM_ID, guest.loyalty_id, points, "step", beyond_limits=True)
    possible = points != 0 and 0 <= guest.available + points <= POINTS_MAX - guest.held
    try:
        await store.write(lambda unit, now: adjust_points(unit, command, now))
    except (PointsInsufficientError, RequestInvalidError):
        assert not possible
    else:
        assert possible
        guest.available += points


async def _identify(store: Store, guest: Guest, digits: str, selection: list[str]) -> None:
    """Identify with a code; of its selection that is held which the points are enough for."""
    command = identify_command(digits)
    done: Any = await store.write(lambda unit, now: identify_member(unit, command, now))
    held = 0
    for name in selection:
        if COSTS[name] <= guest.available:
            guest.available -= COSTS[name]
            held += COSTS[name]
    assert done.result.available_points == guest.available
    guest.holds.append((done.result.transaction_id, held))
    guest.code = None


def _void(unit: Unit, transaction_id: str, now_ms: int) -> None:
    transaction = unit.transaction(transaction_id)
    assert transaction is not None
    void(unit, unit.catalog.programs[PROGRAM_ID], transaction, now_ms)


@settings(max_examples=8, deadline=None)
@given(histories=st.lists(st.lists(steps, max_size=12), min_size=MEMBERS, max_size=MEMBERS))
def test_balances_follow_the_model_side_by_side(
    backend: Backend, histories: list[list[Any]]
) -> None:
    """Members whose histories run at the same time, in shared batches, each follow the model."""

    async def live(store: Store, guest: Guest, history: list[Any]) -> None:
        for step, _member, value in history:
            await _take(store, guest, step, value)

    async def run(url: str) -> None:
        async with demo_store(url) as store:
            guests = [Guest(await enroll(store)) for _ in range(MEMBERS)]
            await asyncio.gather(
                *(live(store, *pair) for pair in zip(guests, histories, strict=True))
            )
            await _compare(url, guests)

    with fresh_database(backend) as url:
        asyncio.run(run(url))


async def _compare(url: str, guests: list[Guest]) -> None:
    for guest in guests:
        assert balances(url, guest.loyalty_id) == (guest.available, guest.held)
    audit(url)
