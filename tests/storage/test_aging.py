"""Points that go: their buckets, what is spent and comes back, and what the sweeper books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest

from loyalty_service.application.members.get_member import show_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.points import adjust, capture, earn, hold, release, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS, now_ms, set_ahead_ms
from loyalty_service.domain.errors import PointsInsufficientError
from loyalty_service.domain.expiry import Activity, Expiry, ExpiryPolicy, day_of
from loyalty_service.domain.ledger import Owner, OwnerKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit as find_problems
from loyalty_service.sweeper import sweep
from tests.support.doing import adjust_points, apply_program
from tests.support.ledger import audit, execute, execute_many, rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, basket, item, report, reward
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    put_program,
)
from tests.support.stores import demo_store, writers_busy

R = TypeVar("R")

END_MS = 10**14
ISSUE = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
ROLLING = Expiry(ExpiryPolicy.INACTIVITY, days=30)


def order(name: str) -> Owner:
    """Name an order."""
    return Owner(OwnerKind.TRANSACTION, name)


def aging(terms: Expiry) -> Program:
    """Describe the demo program with points that go."""
    return replace(demo_program(), expiry=terms)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Set the clock back."""
    yield
    set_ahead_ms(0)


def days_go_by(days: float) -> None:
    """Move the clock to so many days from now, as it was when the test began."""
    set_ahead_ms(round(days * DAY_MS))


@dataclass
class Guest:
    """A guest of a store whose points go."""

    store: Store
    url: str
    loyalty_id: str

    async def do(self, verb: Callable[[Unit, Member, int], R]) -> R:
        """Run a verb in a unit of work of its own."""

        def work(unit: Unit, now: int) -> R:
            member = unit.member(PROGRAM_ID, self.loyalty_id)
            assert member is not None
            return verb(unit, member, now)

        return await self.store.write(work)

    async def earns(self, name: str, points: int) -> int:
        """Earn points by an order."""
        return await self.do(lambda u, m, n: earn(u, m, order(name), points, n))

    async def holds(self, name: str, points: int) -> None:
        """Hold points for an order."""
        await self.do(lambda u, m, n: hold(u, m, order(name), points, n, expires_ms=END_MS))

    async def burns(self, name: str, points: int) -> None:
        """Spend points on an order."""
        await self.holds(name, points)
        await self.do(lambda u, m, n: capture(u, m, order(name), n))

    async def voids(self, name: str, *, earned: int = 0, burned: int = 0) -> int:
        """Take an order back."""
        return await self.do(
            lambda u, m, n: reverse(
                u, m, order(name), n, earned=earned, burned=burned, may_owe=True
            )
        )

    async def spendable(self) -> int:
        """Ask the writer how many points there are now."""
        return await self.do(lambda _unit, member, _now: member.spendable)

    async def told(self) -> tuple[int, list[int]]:
        """Ask a reader how many points there are now, and how many go day by day."""
        program = self.store.catalog.programs[PROGRAM_ID]
        async with self.store.read() as reader:
            shown = await show_member(reader, program, KEY, self.loyalty_id, now_ms())
        return shown.member.spendable, [going.points for going in shown.goings]

    def buckets(self) -> list[int]:
        """Read what is in the buckets with points, what goes first ahead."""
        found = rows(self.url, "SELECT points FROM bucket WHERE points > 0 ORDER BY gone_ms")
        return [row.points for row in found]

    def booked(self) -> list[int]:
        """Read the transfers of points that went."""
        return [row.points for row in rows(self.url, "SELECT points FROM transfer WHERE cause = 9")]


async def _guest(url: str, terms: Expiry) -> AsyncIterator[Guest]:
    async with demo_store(url, aging(terms)) as store:
        yield Guest(store, url, await enroll(store))
    audit(url)
    problems = [
        one
        for one in find_problems(Database.from_text(url)).problems
        # The orders of these tests are names alone.
        if one.table != "transfer" or "is not of a transaction" not in one.what
    ]
    assert [one for one in problems if one.table.startswith("bucket")] == []
    assert [one for one in problems if "buckets" in one.what] == []


@pytest.fixture
async def guest(database_url: str) -> AsyncIterator[Guest]:
    """A guest whose points go 30 days after they were earned."""
    async for one in _guest(database_url, ISSUE):
        yield one


@pytest.fixture
async def idler(database_url: str) -> AsyncIterator[Guest]:
    """A guest whose points go after 30 days without activity."""
    async for one in _guest(database_url, ROLLING):
        yield one


async def test_what_goes_first_is_spent_first(guest: Guest) -> None:
    """Each day's points are a bucket; the balance is as of now, and the sweeper books it once."""
    await guest.earns("one", 60)
    await guest.earns("two", 40)
    days_go_by(10)
    await guest.earns("three", 50)
    assert guest.buckets() == [100, 50]

    await guest.burns("four", 30)
    assert guest.buckets() == [70, 50]
    assert await guest.told() == (120, [70, 50])

    days_go_by(31.1)
    assert await guest.told() == (50, [50])
    assert await guest.spendable() == 50
    assert guest.booked() == []

    assert (await sweep(guest.store)).buckets == 1
    assert (await sweep(guest.store)).buckets == 0
    assert guest.booked() == [70]
    assert await guest.told() == (50, [50])


async def test_points_past_their_day_are_not_spent_before_they_are_booked(guest: Guest) -> None:
    """A verb books what is over, and a refusal counts what is left; then nothing is swept twice."""
    await guest.earns("one", 100)
    days_go_by(20)
    await guest.earns("two", 10)
    days_go_by(31.1)

    taken = AdjustPoints(PROGRAM_ID, guest.loyalty_id, -11, "test")
    with pytest.raises(PointsInsufficientError):
        await guest.store.write(lambda unit, now: adjust_points(unit, taken, now))
    assert guest.booked() == []
    await guest.burns("three", 10)

    assert guest.booked() == [100]
    assert guest.buckets() == []
    assert (await sweep(guest.store)).buckets == 0


async def test_hold_outlives_the_day_of_its_points(guest: Guest) -> None:
    """Held points stay while the hold is open; released they are gone at once, burned they stay."""
    await guest.earns("one", 100)
    await guest.holds("open", 60)
    await guest.holds("claimed", 30)
    days_go_by(31.1)
    await sweep(guest.store)
    assert guest.booked() == [10]

    assert await guest.do(lambda u, m, n: capture(u, m, order("claimed"), n)) == 30
    assert await guest.do(lambda u, m, n: release(u, m, order("open"), n)) == 60

    assert guest.booked() == [10, 60]
    assert await guest.told() == (0, [])


async def test_burned_points_come_back_with_their_old_day(guest: Guest) -> None:
    """A void gives points back to their buckets; those past their day are gone at once."""
    await guest.earns("one", 100)
    days_go_by(10)
    await guest.earns("two", 100)
    await guest.burns("three", 150)
    assert guest.buckets() == [50]

    days_go_by(20)
    assert await guest.voids("three", burned=150) == 150
    assert guest.buckets() == [100, 100]

    await guest.burns("four", 150)
    days_go_by(31.1)
    assert await guest.voids("four", burned=150) == 150
    assert guest.buckets() == [100]
    assert guest.booked() == [100]


async def test_void_gives_up_its_own_bucket_first(guest: Guest) -> None:
    """What an order earned is taken from its own bucket, then from what goes last."""
    await guest.earns("one", 100)
    days_go_by(10)
    await guest.earns("two", 100)
    days_go_by(20)
    await guest.earns("three", 100)

    await guest.voids("two", earned=100)
    assert guest.buckets() == [100, 100]

    await guest.burns("four", 40)
    await guest.voids("one", earned=100)
    assert guest.buckets() == [60]
    (parts,) = rows(guest.url, "SELECT sum(earned) AS earned FROM bucket_part")
    assert parts.earned == 100


async def test_points_that_come_back_past_their_day_pay_what_is_taken(guest: Guest) -> None:
    """The void of an order that earned and burned leaves no debt that its own points can pay."""
    await guest.earns("one", 100)
    days_go_by(10)
    await guest.burns("two", 100)
    await guest.earns("two", 70)
    await guest.burns("three", 70)
    days_go_by(31.1)

    await guest.voids("two", earned=70, burned=100)

    assert await guest.told() == (0, [])
    assert guest.booked() == [30]
    assert rows(guest.url, "SELECT 1 FROM account WHERE kind = 7 AND balance < 0") == []


async def test_what_pays_a_debt_is_in_no_bucket(guest: Guest) -> None:
    """A debt is paid first of what is earned and of what comes back."""
    await guest.earns("one", 100)
    await guest.burns("two", 100)
    await guest.voids("one", earned=100)
    days_go_by(5)

    await guest.earns("three", 130)
    assert guest.buckets() == [30]
    await guest.voids("two", burned=100)
    assert guest.buckets() == [100, 30]


async def test_activity_keeps_points(idler: Guest) -> None:
    """All points of an idle guest go on one day, which what the program counts moves."""
    await idler.earns("one", 100)
    days_go_by(20)
    await idler.burns("two", 10)  # No activity that this program counts.
    assert idler.buckets() == [90]
    days_go_by(25)
    tell = await idler.do(lambda u, m, n: adjust(u, m, 5, "test", n))
    assert [going.points for going in tell] == [5]
    days_go_by(54)
    assert await idler.told() == (95, [95])

    days_go_by(56.1)
    assert await idler.told() == (0, [])
    await idler.earns("three", 7)

    assert idler.booked() == [95]
    assert await idler.told() == (7, [7])
    days_go_by(80)
    assert await idler.told() == (7, [7])


async def test_adjustment_tells_which_days_it_touched(guest: Guest) -> None:
    """Points given are told with their day, points taken with theirs and below zero."""
    zone = demo_program().time_zone
    first = day_of(now_ms(), zone) + timedelta(31)
    given = await guest.do(lambda u, m, n: adjust(u, m, 40, "test", n))
    assert [(one.expiration_date, one.points) for one in given] == [(first.isoformat(), 40)]
    days_go_by(2)
    await guest.do(lambda u, m, n: adjust(u, m, 40, "test", n))

    taken = await guest.do(lambda u, m, n: adjust(u, m, -50, "test", n))

    second = day_of(now_ms(), zone) + timedelta(31)
    assert [(one.expiration_date, one.points) for one in taken] == [
        (first.isoformat(), -40),
        (second.isoformat(), -10),
    ]


async def test_order_is_claimed_with_points_of_many_days(guest: Guest) -> None:
    """Through the use cases: a reward is held and burned, and the receipt tells what goes next."""
    for day in range(4):
        days_go_by(day)
        await guest.earns(f"order-{day}", 300)
    opened = await guest.store.write(
        lambda unit, now: _run("identify", unit, identify_command(guest.loyalty_id), now)
    )
    bought = basket(item(1000), reward(COFFEE))
    for status in (PENDING, CLAIMED):
        content = report(opened.transaction_id, status, bought)
        told = await guest.store.write(lambda unit, now, c=content: _run("report", unit, c, now))

    assert told.available_points == 1200 - 800 + 100
    assert told.presentation.points_expiring.startswith("100 points go on ")
    assert guest.buckets() == [100, 400]
    (parts,) = rows(guest.url, "SELECT sum(burned) AS burned, sum(held) AS held FROM bucket_part")
    assert (parts.burned, parts.held) == (800, 0)


def _run(name: str, unit: Unit, command: Any, now: int) -> Any:
    from loyalty_service.application.orders.identify_member import (  # noqa: PLC0415
        identify_member,
    )
    from loyalty_service.application.orders.report_order import report_order  # noqa: PLC0415

    case: Any = {"identify": identify_member, "report": report_order}[name]
    return case(unit, command, now).result


async def test_one_batch_sees_its_own_buckets(guest: Guest) -> None:
    """Calls that share a commit take points from what those before them brought and took."""
    async with writers_busy(guest.store):
        calls = [
            asyncio.create_task(call)
            for number in range(6)
            for call in (
                guest.earns(f"earned-{number}", 50),
                guest.burns(f"burned-{number}", 30),
            )
        ]
        await asyncio.sleep(0)
    done = await asyncio.gather(*calls, return_exceptions=True)

    burned = sum(30 for one in done[1::2] if not isinstance(one, BaseException))
    assert sum(guest.buckets()) == 300 - burned
    assert await guest.spendable() == 300 - burned


async def test_many_buckets_are_not_all_read(guest: Guest) -> None:
    """A purchase of a guest with a thousand buckets reads a page of them."""
    await guest.earns("one", 10)
    (row,) = rows(guest.url, "SELECT * FROM bucket")
    last = date.fromisoformat(row.last_day)
    execute_many(
        guest.url,
        "INSERT INTO bucket (bucket_id, program_id, member_number, earned_day, last_day, "
        "gone_ms, rolling, version, points, expired) SELECT :id, program_id, member_number, "
        "earned_day, :last, gone_ms + :later, 0, version, 0, 0 FROM bucket "
        "WHERE bucket_id = :first",
        [
            {
                "id": f"many-{number}",
                "last": (last + timedelta(number)).isoformat(),
                "later": number * DAY_MS,
                "first": row.bucket_id,
            }
            for number in range(1, 1000)
        ],
    )
    await guest.do(lambda u, m, n: adjust(u, m, 9990, "test", n))
    execute(guest.url, "UPDATE bucket SET points = 10")

    def read(unit: Unit, member: Member, now: int) -> int:
        hold(unit, member, order("two"), 35, now, expires_ms=END_MS)
        return len(unit._buckets[member.number])  # type: ignore[attr-defined]

    assert await guest.do(read) <= 16
    assert await guest.spendable() == 9965


STARTS = [
    (Expiry(), ISSUE, [150]),
    (Expiry(), ROLLING, [150]),
    (ISSUE, replace(ISSUE, days=60), [100, 50]),
    (ISSUE, ROLLING, [100, 50]),
    (ROLLING, ISSUE, [150]),
    (ROLLING, replace(ROLLING, days=60), [150]),
    (ISSUE, Expiry(), []),
]


@pytest.mark.parametrize(("before", "after", "held"), STARTS)
async def test_terms_change(
    database_url: str, before: Expiry, after: Expiry, held: list[int]
) -> None:
    """What members have when terms begin keeps its day or gets one; what is held comes back."""
    async with demo_store(database_url, aging(before)) as store:
        guest = Guest(store, database_url, await enroll(store))
        await guest.earns("one", 120)
        days_go_by(10)
        await guest.do(lambda u, m, n: adjust(u, m, 50, "test", n))
        await guest.holds("open", 20)
        await guest.burns("burned", 5)
        days_go_by(12)
        await put_program(store, aging(after))
        await guest.do(lambda u, m, n: release(u, m, order("open"), n))
        await guest.voids("burned", burned=5)

        assert await guest.spendable() == 170
        total = sum(guest.buckets())
        assert total == (170 if after.ages else 0)
        days_go_by(12.5)
        await guest.burns("spent", 20)
        assert [points for points in guest.buckets() if points > 5] == held
        audit(database_url)


@pytest.mark.parametrize("before", [Expiry(), ISSUE, ROLLING])
async def test_points_from_before_are_carried_over(database_url: str, before: Expiry) -> None:
    """What members had when terms began is good until the day that the program says."""
    until = day_of(now_ms(), demo_program().time_zone) + timedelta(100)
    terms = replace(ISSUE, carried_over=until.isoformat())
    async with demo_store(database_url, aging(before)) as store:
        guest = Guest(store, database_url, await enroll(store))
        await guest.earns("one", 120)
        await put_program(store, aging(terms))
        await guest.earns("two", 30)
        await put_program(store, aging(terms))
        days_go_by(99)
        assert await guest.told() == (120, [120])
        assert guest.buckets() == [30, 120]
        days_go_by(101.1)
        assert await guest.told() == (0, [])
        assert (await sweep(store)).buckets == 2


async def test_activity_counts_also_where_it_leads_to_the_day_of_carried_over_points(
    database_url: str,
) -> None:
    """Points of 10 days later go together with those of before, whichever day old ones have."""
    until = day_of(now_ms(), demo_program().time_zone) + timedelta(40)
    terms = replace(ROLLING, carried_over=until.isoformat())
    async with demo_store(database_url, aging(terms)) as store:
        guest = Guest(store, database_url, await enroll(store))
        await guest.do(lambda u, m, n: adjust(u, m, 120, "test", n))
        days_go_by(10)
        await guest.do(lambda u, m, n: adjust(u, m, 30, "test", n))
        assert guest.buckets() == [150]
        days_go_by(35)
        assert await guest.told() == (150, [150])


async def test_nobody_moves_points_by_old_terms(database_url: str) -> None:
    """Terms begin while many earn: every point that came before or after is in a bucket."""
    async with demo_store(database_url) as store:
        guests = [Guest(store, database_url, await enroll(store, 10)) for _ in range(4)]
        calls = [
            asyncio.create_task(guest.earns(f"{number}-{place}", 7))
            for number in range(12)
            for place, guest in enumerate(guests)
        ]
        command = aging(ISSUE)
        from loyalty_service.application.operators.apply_program import (  # noqa: PLC0415
            ApplyProgram,
        )

        calls.append(
            asyncio.create_task(
                store.write(lambda u, n: apply_program(u, ApplyProgram(command), n), timeout_s=60)
            )
        )
        calls += [asyncio.create_task(guest.earns("late", 7)) for guest in guests]
        await asyncio.gather(*calls)
        given = (12 + 1) * 7 + 10
        assert [await guest.spendable() for guest in guests] == [given] * 4
    (full,) = rows(database_url, "SELECT sum(points) AS points FROM bucket")
    assert full.points == 4 * given


@pytest.mark.parametrize("activities", [{Activity.EARN}, {Activity.REDEEM}, {Activity.ORDER}])
async def test_activities_are_those_that_the_program_names(
    database_url: str, activities: set[Activity]
) -> None:
    """An order that earns and redeems nothing is an order, and no more."""
    terms = replace(ROLLING, activities=frozenset(activities))
    async with demo_store(database_url, aging(terms)) as store:
        guest = Guest(store, database_url, await enroll(store, 900))
        days_go_by(20)
        opened = await store.write(
            lambda unit, now: _run("identify", unit, identify_command(guest.loyalty_id), now)
        )
        content = report(opened.transaction_id, CLAIMED, basket(reward(COFFEE)))
        await store.write(lambda unit, now: _run("report", unit, content, now))
        days_go_by(45)
        left = 0 if activities == {Activity.EARN} else 100
        assert await guest.told() == (left, [left] if left else [])
