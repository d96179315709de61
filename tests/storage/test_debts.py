"""Points that come to a guest who owes some pay the debt first, whatever they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.domain.errors import PointsInsufficientError
from loyalty_service.domain.ledger import POINTS_MAX, Cause
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import DataLossError, downgrade, migrate, newest
from loyalty_service.storage.tools.audit import audit as find_problems
from tests.fault.planted import planted
from tests.fault.simulation import bugs
from tests.support.databases import Sqlite
from tests.support.doing import adjust_points
from tests.support.ledger import audit, execute, rows
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    SANDWICH,
    Till,
    basket,
    item,
    reward,
)
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store

COFFEE_POINTS, COOKIE_POINTS = 800, 300
UNPAID = bugs.named("points that come back do not pay a debt")
BACK_IN_TIME = bugs.named("a clock that is behind")


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """A till of a store with the demo program, whose ledger holds in the end."""
    async with demo_store(database_url) as store:
        yield Till(store)
    audit(database_url)
    assert find_problems(Database.from_text(database_url)).problems == []


def _points(database_url: str) -> tuple[int, int, int]:
    """Read what the only guest has available, held and owes."""
    found = dict(
        tuple(row)
        for row in rows(
            database_url, "SELECT kind, balance FROM account WHERE member_number IS NOT NULL"
        )
    )
    return found[1], found[2], -found.get(7, 0)


async def _adjust(till: Till, guest: str, points: int) -> None:
    command = AdjustPoints(PROGRAM_ID, guest, points, "test", beyond_limits=True)
    now_ms = till.now_ms
    await till.store.write(lambda unit, _: adjust_points(unit, command, now_ms))


@dataclass(frozen=True)
class Debtor:
    """A guest who owes 800 points, with 800 held by an open order."""

    loyalty_id: str
    order: str


async def _sweep(till: Till, debtor: Debtor) -> None:
    till.now_ms += DAY_MS
    assert await till.sweep() == (debtor.order,)


async def _receipt(till: Till, debtor: Debtor) -> None:
    code = (await till.unclaimed(basket(item(10_000)))).receipt_code
    told = await till.claim_receipt(debtor.loyalty_id, code)
    assert (told.result.earned_points, told.result.available_points) == (1000, 200)


WAYS: dict[str, tuple[Callable[[Till, Debtor], Awaitable[object]], tuple[int, int, int]]] = {
    "void of a hold": (lambda till, one: till.void(one.order), (0, 0, 0)),
    "sweeper": (_sweep, (0, 0, 0)),
    "basket without the reward": (
        lambda till, one: till.update(one.order, PENDING, basket(item(100))),
        (0, 0, 0),
    ),
    "smaller basket": (
        lambda till, one: till.update(one.order, PENDING, basket(reward(COOKIE))),
        (0, COOKIE_POINTS, COOKIE_POINTS),
    ),
    "smaller claim": (
        lambda till, one: till.update(one.order, CLAIMED, basket(reward(COOKIE))),
        (0, 0, COOKIE_POINTS),
    ),
    "receipt": (_receipt, (200, COFFEE_POINTS, 0)),
    "adjustment": (
        lambda till, one: _adjust(till, one.loyalty_id, 1000),
        (200, COFFEE_POINTS, 0),
    ),
}


async def _debtor(till: Till) -> Debtor:
    guest = await enroll(till.store)
    earning = await till.identify(guest)
    await till.update(earning, CLAIMED, basket(item(8000)))
    order = await till.identify(guest, COFFEE)
    await till.void(earning)
    return Debtor(guest, order)


@pytest.mark.any_database
@pytest.mark.parametrize("way", WAYS)
async def test_what_comes_pays_the_debt_first(till: Till, database_url: str, way: str) -> None:
    """By whichever way points come, none is available while some are owed."""
    debtor = await _debtor(till)
    assert _points(database_url) == (0, COFFEE_POINTS, 800)
    come, due = WAYS[way]

    await come(till, debtor)

    assert _points(database_url) == due


async def test_points_that_change_their_reward_stay_held(till: Till, database_url: str) -> None:
    """A guest who owes may take another reward for the held points, and no dearer one."""
    debtor = await _debtor(till)

    with pytest.raises(PointsInsufficientError) as refused:
        await till.update(debtor.order, PENDING, basket(reward(SANDWICH)))
    assert refused.value == PointsInsufficientError(COFFEE_POINTS, 1200)
    await till.update(debtor.order, PENDING, basket(reward(COOKIE, 2)))

    assert _points(database_url) == (0, 2 * COOKIE_POINTS, 800 - 200)


async def test_debt_leaves_room_for_what_pays_it(till: Till, database_url: str) -> None:
    """An adjustment may be larger by the debt than what an account carries."""
    debtor = await _debtor(till)
    await till.void(debtor.order)
    earning = await till.identify(debtor.loyalty_id)
    await till.update(earning, CLAIMED, basket(item(8000)))
    await _adjust(till, debtor.loyalty_id, -800)
    await till.void(earning)

    await _adjust(till, debtor.loyalty_id, POINTS_MAX)

    assert _points(database_url) == (POINTS_MAX - 800, 0, 0)
    await _adjust(till, debtor.loyalty_id, -POINTS_MAX + 800)


async def test_void_at_the_ledgers_limit_gives_all_that_fits(till: Till, database_url: str) -> None:
    """What an order earned is taken back first, and makes room for what it burned."""
    guest = await enroll(till.store, 800)
    order = await till.identify(guest)
    await till.update(order, CLAIMED, basket(reward(COFFEE), item(10_000)))
    await _adjust(till, guest, POINTS_MAX - 1000)

    told = await till.void(order)

    assert (told.result.earned_points, told.result.redeemed_points) == (1000, COFFEE_POINTS)
    assert _points(database_url) == (POINTS_MAX - 200, 0, 0)


async def test_audit_finds_points_that_a_void_lost(database_url: str) -> None:
    """A refund that was cut, though there was room once the earning was taken back, is named."""
    async with demo_store(database_url) as store:
        till = Till(store)
        guest = await enroll(store, 800)
        order = await till.identify(guest)
        await till.update(order, CLAIMED, basket(reward(COFFEE), item(10_000)))
        await _adjust(till, guest, POINTS_MAX - 1000)
        with planted(bugs.named("a void gives back before it takes")):
            await till.void(order)

    (problem,) = find_problems(Database.from_text(database_url)).problems

    assert str(problem) == (
        f"loyalty_transaction {order} is void with 0 of 800 burned points given back"
    )


async def test_void_after_the_sweepers_tells_what_was_given_back(
    till: Till, database_url: str
) -> None:
    """A till that cancels late is told the same as if it had come first; a third time too."""
    guest = await enroll(till.store, 2000)
    order = await till.identify(guest, COFFEE, COOKIE)
    await till.update(order, PENDING, basket(reward(COFFEE)))
    till.now_ms += 2 * DAY_MS
    assert await till.sweep() == (order,)
    till.now_ms += 5000

    told = await till.void(order)

    assert (told.result.redeemed_points, told.result.earned_points) == (COFFEE_POINTS, 0)
    assert told.result.available_points == 2000
    till.now_ms += 5000
    again = await till.void(order)
    assert (again.repeated, again.result) == (True, told.result)
    assert _points(database_url) == (2000, 0, 0)


async def test_times_of_an_account_never_go_back(till: Till, database_url: str) -> None:
    """A clock that is behind writes the moment of the last transfer; a right one goes on."""
    start = till.now_ms
    guest = await _guest_at(till, start)
    for later_ms in (5000, 2000, -DAY_MS, 5001):
        till.now_ms = start + later_ms
        await _adjust(till, guest, 1)

    moved = rows(
        database_url, "SELECT effective_ms, recorded_ms FROM transfer ORDER BY transfer_id"
    )

    due = [start, *(start + later_ms for later_ms in (5000, 5000, 5000, 5001))]
    assert [tuple(row) for row in moved] == [(one, one) for one in due]


async def _guest_at(till: Till, now_ms: int) -> str:
    """Enroll a guest whose first points come at a moment."""
    guest = await enroll(till.store)
    till.now_ms = now_ms
    await _adjust(till, guest, 100)
    return guest


async def test_audit_names_times_that_go_back(database_url: str) -> None:
    """Whichever server writes what is earlier than the account's last transfer is found out."""
    async with demo_store(database_url) as store:
        till = Till(store)
        guest = await _guest_at(till, till.now_ms)
        till.now_ms -= 1
        with planted(BACK_IN_TIME):
            await _adjust(till, guest, 1)

    (problem,) = find_problems(Database.from_text(database_url)).problems

    assert problem.what == "is a member's, and its times go back at transfer 2"


async def test_audit_names_who_may_spend_while_owing(database_url: str) -> None:
    """Points at hand beside a debt are a bad row, however well the ledger sums up."""
    async with demo_store(database_url) as store:
        till = Till(store)
        with planted(UNPAID):
            debtor = await _debtor(till)
            await till.void(debtor.order)

    (problem,) = find_problems(Database.from_text(database_url)).problems

    assert str(problem) == "member 1 has 800 points to spend and owes 800"


async def test_way_back_past_debts_that_held_points_paid_is_refused(sqlite: Sqlite) -> None:
    """The older version's audit would call such a transfer a bad row for good."""
    url = sqlite.new_database()
    async with demo_store(url) as store:
        till = Till(store)
        guest = await enroll(store)
        earned = await till.identify(guest)
        await till.update(earned, CLAIMED, basket(item(8000)))
        opened = await till.identify(guest)
        await till.update(opened, PENDING, basket(reward(COFFEE)))
        await till.void(earned)
        await till.void(opened)
    database = Database.from_text(url)
    execute(url, "DELETE FROM event")
    with pytest.raises(DataLossError, match="in 1 transfers held points paid a debt"):
        downgrade(database, "0004")
    assert downgrade(database, "0004", lose_data=True) == (newest(), "0004")


async def test_migration_pays_debts_and_forgives_older_times(database_url: str) -> None:
    """What an older version left behind is set right once, and no audit minds it afterwards."""
    database = Database.from_text(database_url)
    async with demo_store(database_url) as store:
        till = Till(store)
        with planted(UNPAID):
            debtor = await _debtor(till)
            await till.void(debtor.order)
            await _adjust(till, debtor.loyalty_id, 50)
        till.now_ms -= 1000
        with planted(BACK_IN_TIME):
            await _adjust(till, debtor.loyalty_id, -25)
    assert find_problems(database).problem_count > 0
    downgrade(database, "0004", lose_data=True)
    migrate(database)

    assert find_problems(database).problems == []
    assert _points(database_url) == (25, 0, 0)
    paid = rows(
        database_url,
        "SELECT points, note FROM transfer WHERE cause = :cause ORDER BY transfer_id DESC LIMIT 2",
        cause=int(Cause.ADJUST),
    )
    assert [tuple(row) for row in paid] == [(800, "points at hand pay a debt")] * 2
    async with demo_store(database_url) as store:
        till = Till(store)
        await _adjust(till, debtor.loyalty_id, 1)
    assert find_problems(database).problems == []
    audit(database_url)
