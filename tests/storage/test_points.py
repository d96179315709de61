"""The verbs of points, for any owner, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.points import (
    capture,
    confirm,
    earn,
    hold,
    hold_only,
    prolong,
    release,
    reverse,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import PointsInsufficientError
from loyalty_service.domain.ledger import POINTS_MAX, AccountKind, Owner, OwnerKind
from loyalty_service.domain.records import Member
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit as find_problems
from tests.support.doing import adjust_points
from tests.support.ledger import audit, rows
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store

R = TypeVar("R")

ORDER = Owner(OwnerKind.TRANSACTION, "order")
END_MS = 10**13
UNKNOWN = max(OwnerKind) + 1
"""The kind of owner that the next version may add."""


@dataclass
class Guest:
    """A guest with 1,000 points whose accounts are read back from the rows."""

    store: Store
    url: str
    loyalty_id: str

    async def do(self, verb: Callable[[Unit, Member, int], R]) -> R:
        """Run a verb in a unit of work of its own."""

        def work(unit: Unit, now_ms: int) -> R:
            member = unit.member(PROGRAM_ID, self.loyalty_id)
            assert member is not None
            return verb(unit, member, now_ms)

        return await self.store.write(work)

    def has(self) -> dict[str, int]:
        """Read what is in the accounts that are not empty."""
        found = rows(
            self.url,
            "SELECT kind, balance FROM account WHERE member_number IS NOT NULL AND balance <> 0",
        )
        return {AccountKind(row.kind).name: row.balance for row in found}

    def holds(self) -> list[tuple[str | None, int, int]]:
        """Read the incentives, points and ends of the open holds."""
        found = rows(
            self.url,
            "SELECT incentive_id, points, expires_ms FROM hold WHERE status = 1 ORDER BY points",
        )
        return [tuple(row) for row in found]


@pytest.fixture
async def guest(database_url: str) -> AsyncIterator[Guest]:
    """A guest whose ledger holds in the end."""
    async with demo_store(database_url) as store:
        yield Guest(store, database_url, await enroll(store, 1000))
    audit(database_url)


async def test_points_are_held_for_an_owner_as_a_whole(guest: Guest) -> None:
    """A hold needs no incentive; it is raised, lowered, prolonged and captured as it stands."""
    await guest.do(lambda unit, member, now: hold(unit, member, ORDER, 400, now, expires_ms=END_MS))
    assert guest.holds() == [(None, 400, END_MS)]

    await guest.do(
        lambda unit, member, now: hold_only(
            unit, member, ORDER, {None: 300, "tea": 50}, now, expires_ms=END_MS
        )
    )
    assert guest.holds() == [("tea", 50, END_MS), (None, 300, END_MS)]
    assert guest.has() == {"AVAILABLE": 650, "HELD": 350}

    await guest.do(lambda unit, _member, _now: prolong(unit, ORDER, END_MS + 1))
    assert [end for _, _, end in guest.holds()] == [END_MS + 1] * 2
    assert await guest.do(lambda unit, member, now: capture(unit, member, ORDER, now)) == 350
    assert guest.holds() == []
    assert guest.has() == {"AVAILABLE": 650}


async def test_owners_do_not_meet(guest: Guest) -> None:
    """What one owner holds is not ended by another of the same name and another kind."""
    strange = Owner(2, ORDER.owner_id)  # type: ignore[arg-type]
    for owner, points in ((ORDER, 100), (strange, 200)):
        await guest.do(
            lambda unit, member, now, owner=owner, points=points: hold(
                unit, member, owner, points, now, expires_ms=END_MS
            )
        )

    assert await guest.do(lambda unit, member, now: release(unit, member, ORDER, now)) == 100

    assert guest.holds() == [(None, 200, END_MS)]
    assert guest.has() == {"AVAILABLE": 800, "HELD": 200}


async def test_points_that_wait_are_spent_once_confirmed(guest: Guest) -> None:
    """Points earned unconfirmed are nobody's to spend; confirmed they pay what is owed first."""
    await guest.do(lambda unit, member, now: earn(unit, member, ORDER, 500, now, confirmed=False))
    assert guest.has() == {"AVAILABLE": 1000, "UNCONFIRMED": 500}
    await guest.do(
        lambda unit, member, now: reverse(
            unit, member, ORDER, now, earned=1200, burned=0, may_owe=True
        )
    )
    assert guest.has() == {"DEBT": -200, "UNCONFIRMED": 500}

    await guest.do(lambda unit, member, now: confirm(unit, member, ORDER, 300, now))

    assert guest.has() == {"AVAILABLE": 100, "UNCONFIRMED": 200}


async def test_unconfirmed_points_are_taken_back_from_where_they_wait(guest: Guest) -> None:
    """What waits goes back from its own account, and nothing else does."""
    await guest.do(lambda unit, member, now: earn(unit, member, ORDER, 500, now, confirmed=False))

    await guest.do(
        lambda unit, member, now: reverse(
            unit, member, ORDER, now, earned=0, burned=0, unconfirmed=500, may_owe=False
        )
    )

    assert guest.has() == {"AVAILABLE": 1000}


async def test_points_that_wait_take_room(guest: Guest) -> None:
    """Whatever waits or is held can come back: nobody is given more than fits besides."""
    room = POINTS_MAX - 1000
    first = await guest.do(
        lambda unit, member, now: earn(unit, member, ORDER, room - 30, now, confirmed=False)
    )
    assert first == room - 30

    assert await guest.do(lambda unit, member, now: earn(unit, member, ORDER, 99, now)) == 30
    assert await guest.do(lambda unit, member, now: earn(unit, member, ORDER, 99, now)) == 0

    await guest.do(lambda unit, member, now: confirm(unit, member, ORDER, room - 30, now))
    assert guest.has() == {"AVAILABLE": POINTS_MAX}


async def test_points_that_pay_a_debt_need_no_room(guest: Guest) -> None:
    """At the ledger's limit an owing guest earns what is owed, and no more than fits besides."""
    await guest.do(lambda u, m, n: earn(u, m, ORDER, POINTS_MAX, n))
    await guest.do(lambda u, m, n: hold(u, m, ORDER, POINTS_MAX - 30, n, expires_ms=END_MS))
    await guest.do(lambda u, m, n: reverse(u, m, ORDER, n, earned=130, burned=0, may_owe=True))
    assert guest.has() == {"HELD": POINTS_MAX - 30, "DEBT": -100}

    assert await guest.do(lambda u, m, n: earn(u, m, ORDER, 99, n, confirmed=False)) == 30
    assert await guest.do(lambda u, m, n: earn(u, m, ORDER, 90, n)) == 90
    assert await guest.do(lambda u, m, n: earn(u, m, ORDER, 99, n)) == 10

    assert guest.has() == {"HELD": POINTS_MAX - 30, "UNCONFIRMED": 30}


async def test_spent_points_are_owed_only_where_they_may_be(guest: Guest) -> None:
    """A reversal that would leave a debt is refused, unchanged, unless one may be left."""
    with pytest.raises(PointsInsufficientError):
        await guest.do(
            lambda unit, member, now: reverse(
                unit, member, ORDER, now, earned=1100, burned=0, may_owe=False
            )
        )
    assert guest.has() == {"AVAILABLE": 1000}


async def test_adjustment_has_no_owner(guest: Guest) -> None:
    """What an operator gives or takes is of no transaction."""
    taken = AdjustPoints(PROGRAM_ID, guest.loyalty_id, -300, "test")
    await guest.do(lambda unit, _member, now: adjust_points(unit, taken, now))

    assert guest.has() == {"AVAILABLE": 700}
    owners = rows(guest.url, "SELECT DISTINCT owner_kind, transaction_id FROM transfer")
    assert [tuple(row) for row in owners] == [(1, "")]
    assert find_problems(Database.from_text(guest.url)).all_hold


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (1, "is not of a transaction of the member whose points it moves"),
        (UNKNOWN, f"is of an owner of kind {UNKNOWN}, which this version does not know"),
    ],
)
async def test_owner_that_does_not_promise_it_is_named(
    guest: Guest, kind: OwnerKind, what: str
) -> None:
    """A transfer or hold of an owner that there is not, or of no known kind, breaks a promise."""
    owner = Owner(kind, "order")
    await guest.do(lambda unit, member, now: hold(unit, member, owner, 400, now, expires_ms=END_MS))

    problems = find_problems(Database.from_text(guest.url)).problems

    assert what in {problem.what for problem in problems if problem.table == "transfer"}
    assert "hold" in {problem.table for problem in problems}


@pytest.mark.parametrize("end", [release, capture])
async def test_hold_beside_an_older_one_ends_with_it_in_one_unit(
    guest: Guest, end: Callable[..., int]
) -> None:
    """Whatever a unit has read before, an owner's holds end together."""
    await guest.do(lambda u, m, n: hold(u, m, ORDER, 100, n, expires_ms=END_MS, incentive_id="tea"))

    def hold_and_end(unit: Unit, member: Member, now_ms: int) -> int:
        hold(unit, member, ORDER, 50, now_ms, expires_ms=END_MS, incentive_id="cake")
        return end(unit, member, ORDER, now_ms)

    assert await guest.do(hold_and_end) == 150
